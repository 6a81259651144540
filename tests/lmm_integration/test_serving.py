"""The contract of serving engines: the count is known from the shape, and the mask keeps exactly that many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import solvers
from mmdp.exceptions import InvalidOptionError, UnknownNameError

torch = pytest.importorskip("torch")

from lmm_integration import select_tokens, selectors  # noqa: E402
from lmm_integration.serving import compute_retained_tokens_count, compute_retention_mask  # noqa: E402

FEATURES_ONLY = [
    *(info.name for info in solvers.available() if not info.missing),
    *(name for name in selectors.names() if set(selectors.load(name).needs) <= {"grid"}),
]


@given(st.integers(1, 2000), st.integers(1, 64), st.floats(0, 1, exclude_max=True))
def test_evs_count_is_vllms_formula(tokens_per_frame, frames, q):
    count = compute_retained_tokens_count(tokens_per_frame, frames, q)
    assert count == max(tokens_per_frame, int(tokens_per_frame * frames * (1 - q)))


@given(st.integers(1, 2000), st.integers(1, 64), st.floats(0, 1, exclude_max=True))
def test_other_rules_prune_images_too(tokens_per_frame, frames, q):
    count = compute_retained_tokens_count(tokens_per_frame, frames, q, solver="greedy")
    assert count == max(1, int(tokens_per_frame * frames * (1 - q)))


@pytest.mark.parametrize("solver", FEATURES_ONLY)
@pytest.mark.parametrize("q", [0.0, 0.3, 0.75, 0.99])
@pytest.mark.parametrize("kind", ["video", "image", "still video"])
def test_the_mask_keeps_exactly_the_count(solver, q, kind):
    if (solver, kind) == ("dycoke", "image"):
        pytest.skip("dycoke compares frames; one is refused, as a test below shows")
    frames, height, width, merge = (1 if kind == "image" else 3), 4, 6, 2
    per_frame = (height // merge) * (width // merge)
    X = torch.randn(frames * per_frame, 8, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    if kind == "still video":
        X = X[:per_frame].repeat(frames, 1)
    mask = compute_retention_mask(X, (frames, height, width), merge, q, solver)
    assert mask.dtype == torch.bool
    assert mask.shape == (len(X),)
    assert int(mask.sum()) == compute_retained_tokens_count(per_frame, frames, q, solver)


def vllms_mask(embeds, thw, merge, q):
    """EVS as vLLM's module states it: 1 - cosine to the frame before, 255 in the first frame, a stable sort."""
    frames, rows, columns = thw[0], thw[1] // merge, thw[2] // merge
    patches = embeds.reshape(frames, rows * columns, -1)
    change = torch.full((frames, rows * columns), 255.0)
    for t in range(1, frames):
        for p in range(rows * columns):
            change[t, p] = 1 - torch.nn.functional.cosine_similarity(patches[t, p], patches[t - 1, p], dim=0)
    order = sorted(range(change.numel()), key=lambda i: -change.flatten()[i])
    mask = torch.zeros(change.numel(), dtype=torch.bool)
    mask[order[: max(rows * columns, int(rows * columns * frames * (1 - q)))]] = True
    return mask


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("q", [0.2, 0.5, 0.7, 0.9])
def test_evs_mask_is_vllms(seed, q):
    X = torch.randn(6 * 2 * 3, 16, generator=torch.Generator().manual_seed(seed))
    expected = vllms_mask(X, (6, 4, 6), 2, q)
    assert compute_retention_mask(X, (6, 4, 6), 2, q).tolist() == expected.tolist()
    assert compute_retention_mask(X, torch.tensor([6, 4, 6]), 2, q).tolist() == expected.tolist()


def test_the_mask_marks_what_select_tokens_returns():
    X = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))
    mask = compute_retention_mask(X, (1, 4, 6), 1, 0.75, "greedy", start="isolated")
    assert mask.nonzero()[:, 0].tolist() == select_tokens(X, 6, "greedy").tolist()
    options = {"solver": "dart", "pivots": 2}
    mask = compute_retention_mask(X, (1, 4, 6), 1, 0.75, **options)
    assert mask.nonzero()[:, 0].tolist() == select_tokens(X, 6, **options).tolist()


X24 = torch.ones(24, 8)
BAD = {
    "all pruned": (lambda: compute_retained_tokens_count(10, 1, 1.0), InvalidOptionError, "share pruned.*give q=0.9"),
    "negative": (lambda: compute_retained_tokens_count(10, 1, -0.1), InvalidOptionError, "share pruned"),
    "nan": (lambda: compute_retained_tokens_count(10, 1, float("nan")), InvalidOptionError, "share pruned"),
    "no frame": (lambda: compute_retained_tokens_count(10, 0, 0.5), InvalidOptionError, "0 frames of 10 tokens"),
    "name": (lambda: compute_retained_tokens_count(10, 1, 0.5, "none"), UnknownNameError, "no solver or selector"),
    "size": (lambda: compute_retention_mask(X24, (1, 4, 6), 2, 0.5), InvalidOptionError, "1 frames of 2 x 3 tokens"),
    "batch": (lambda: compute_retention_mask(X24[None], (1, 4, 6), 1, 0.5), InvalidOptionError, r"\(1, 24, 8\)"),
    "weights": (
        lambda: compute_retention_mask(X24, (1, 4, 6), 1, 0.5, lambda features, k: torch.eye(24)[:k]),
        InvalidOptionError,
        "merges tokens",
    ),
    "one frame": (
        lambda: compute_retention_mask(X24, (1, 4, 6), 1, 0.5, "dycoke"),
        InvalidOptionError,
        "'dycoke' compares the frames of a video, and there is one",
    ),
    "prompt": (
        lambda: compute_retention_mask(X24, (1, 4, 6), 1, 0.5, "cdpruner"),
        InvalidOptionError,
        "needs the prompt",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_what_is_wrong(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()
