"""Where the kept tokens lie in the image."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

from lmm_integration import overlay, prune  # noqa: E402
from lmm_integration.stats import Kept  # noqa: E402
from mmdp.exceptions import InvalidOptionError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

GRIDS = {
    "llava": [(1, 6, 6)] * 3,
    "gemma3": [(1, 6, 6)] * 3,
    "idefics3": [(1, 3, 3)] * 6,
    "aya_vision": [(1, 3, 3)] * 6,
    "qwen2_5_vl": [(1, 4, 6), (1, 6, 4), (1, 4, 4)],
    "qwen2_5_vl:video": [(3, 4, 2), (3, 4, 4), (3, 4, 2)],
    "qwen3_vl:video": [(1, 4, 2)] * 3 + [(1, 4, 4)] * 3 + [(1, 4, 2)] * 3,
    "llava_next": [None] * 3,
    "internvl": [None] * 3,
}


def kept(indices: list[int], grid: tuple[int, int, int] | None, n: int = 24) -> Kept:
    return Kept(0, "image", torch.tensor(indices), n, grid)


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", GRIDS)
def test_the_layout_is_the_encoders_or_unknown(name: str) -> None:
    with torch.no_grad(), prune(tiny.build(name), keep=0.5) as pruning:
        tiny.build(name)(**tiny.batch(name))
    assert [image.grid for image in pruning.last] == GRIDS[name]


@pytest.mark.parametrize(("name", "images", "n"), [("llava", 4, 144), ("idefics3", 2, 36)])
def test_images_that_share_a_budget_are_no_square(name: str, images: int, n: int) -> None:
    with torch.no_grad(), prune(tiny.build(name), keep=0.5, scope="sample") as pruning:
        tiny.build(name)(**tiny.batch(name, (images,)))
    assert [(image.n, image.grid) for image in pruning.last] == [(n, None)]


def test_kept_patches_are_as_they_were_and_no_others() -> None:
    image = photo(8, 12)
    drawn = np.asarray(overlay(image, kept([0, 9], (1, 4, 6))))
    same = (drawn == image).all(-1).reshape(4, 2, 6, 2).all((1, 3))
    assert np.argwhere(same).tolist() == [[0, 0], [1, 3]]


def test_any_scale_and_kind_of_image() -> None:
    image = Image.fromarray(photo(9, 14)).convert("RGBA")
    everything = overlay(image, kept(list(range(24)), (1, 4, 6)))
    assert everything.size == (14, 9)
    assert np.array_equal(np.asarray(everything), photo(9, 14))


def test_a_frame_of_a_video_and_tokens_behind_the_grid() -> None:
    image = photo(4, 4)
    tokens = kept([1, 4, 8], (2, 2, 2), n=9)
    same = [(np.asarray(overlay(image, tokens, frame)) == image).all(-1).nonzero() for frame in (0, 1)]
    assert (same[0][0].max(), same[0][1].min()) == (1, 2)
    assert (same[1][0].max(), same[1][1].max()) == (1, 1)
    with pytest.raises(InvalidOptionError, match="frame=2"):
        overlay(image, tokens, 2)


def test_no_layout_no_image() -> None:
    with pytest.raises(InvalidOptionError, match="no rectangular layout"):
        overlay(photo(4, 4), kept([0], None))


@pytest.mark.parametrize("name", ["llava", "gemma3", "paligemma", "idefics3", "aya_vision", "internvl", "video_llava"])
def test_rows_of_features_run_along_the_rows_of_the_image(name: str) -> None:
    """With attention silenced, a changed pixel moves the feature of its own patch and no other."""
    model = copy.deepcopy(tiny.build(name))
    for parameter_name, parameter in model.model.named_parameters():
        if "language_model" not in parameter_name and any(
            part in parameter_name for part in ("out_proj", "o_proj", "attn.proj", "projection_layer")
        ):
            torch.nn.init.zeros_(parameter)
    pixels = next(iter(tiny.MODELS[name].pixels(0).values())).double()
    changed = pixels.clone()
    changed[..., 8, 23] += 1  # last column; rows 8 to 11 are the third row of patches, or the second of merged ones
    with torch.no_grad():
        before, after = (model.model.get_image_features(image) for image in (pixels, changed))
    difference = torch.cat(list(features(after))) - torch.cat(list(features(before)))
    moved = difference.reshape(-1, tiny.WIDTH).abs().amax(1).nonzero()[:, 0].tolist()
    assert moved in ([17], [5, 14])  # of 6 x 6; of two tiles of 3 x 3


def features(output: Any) -> Any:
    return getattr(output, "pooler_output", output)
