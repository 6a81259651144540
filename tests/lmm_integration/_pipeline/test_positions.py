"""Both ways to number the tokens that stay, for every family, and positions that the caller gives."""

from functools import cache

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from lmm_integration import prune  # noqa: E402
from lmm_integration.families import family_of  # noqa: E402
from tests import naive  # noqa: E402
from tests.lmm_integration.families import oracle, tiny  # noqa: E402

SAMPLES, NEW, KEEP = (1, 2), 4, 0.3
NAMES = [name for name, case in tiny.MODELS.items() if tiny.VERSION >= 5 or not case.newer]
ONE_AXIS = [name for name in NAMES if not name.startswith(("qwen", "glm"))]
ONE_RUN = [name for name in NAMES if name not in ("mistral3", "llava:pixtral")]  # where a run of tokens is a budget


def first_of(name):
    return family_of(name.partition(":")[0]).first_position


def seen_by(name, sample):
    """What the language model sees of one sample, unpruned."""
    one = tiny.alone(name, tiny.batch(name), SAMPLES, sample)
    return oracle.observe(tiny.build(name), one, (tiny.IMAGE, tiny.VIDEO), first_of(name))


@cache
def kept_indices(name, sample):
    """The columns of each run, and the rows of it that DivPrune's rule keeps; of equal rows the first."""
    seen = seen_by(name, sample)
    runs = [(seen.image == number).nonzero()[:, 0] for number in range(int(seen.image.max()) + 1)]
    return runs, [sorted(farthest_first(seen.embeddings[0, run].tolist())) for run in runs]


def farthest_first(rows):
    D = naive.matrix("cosine", rows)
    isolation = [min(D[i][j] for j in range(len(rows)) if j != i) for i in range(len(rows))]
    return naive.farthest_first(D, max(1, round(KEEP * len(rows))), [isolation.index(max(isolation))])


def answers(name, positions):
    """The oracle's answer for each sample; it chooses the rows by itself."""
    result = []
    for sample in range(len(SAMPLES)):
        seen = seen_by(name, sample)
        stays = seen.image < 0
        for run, kept in zip(*kept_indices(name, sample), strict=True):
            stays[run[kept]] = True
        short = seen.keeping(stays.nonzero()[:, 0], positions == "compact", first_of(name))
        result.append(oracle.answer(tiny.build(name), short, NEW))
    return result


@pytest.mark.parametrize("name", ONE_RUN)
def test_keeps_what_divprune_would(name):
    with torch.no_grad(), prune(tiny.build(name), keep=KEEP) as pruning:
        tiny.build(name)(**tiny.batch(name))
    expected = [kept for sample in range(len(SAMPLES)) for kept in kept_indices(name, sample)[1]]
    assert [image.indices.tolist() for image in pruning.last] == expected


@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("name", ONE_RUN)
def test_either_numbering(name, positions):
    expected = answers(name, positions)
    with prune(tiny.build(name), keep=KEEP, positions=positions):
        for use_cache in (True, name == "paligemma" and tiny.VERSION < 5):  # which read its answer as prompt
            output = tiny.build(name).generate(
                **tiny.batch(name), max_new_tokens=NEW, do_sample=False, use_cache=use_cache
            )
            assert output[:, -NEW:].tolist() == expected


@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("name", [name for name in ONE_AXIS if name in ONE_RUN])
def test_positions_that_the_caller_gives(name, positions):
    """A decoding loop written by hand, with the positions of the whole prompt."""
    model, inputs = tiny.build(name), tiny.batch(name)
    mask, tokens = inputs["attention_mask"], []
    with torch.no_grad(), prune(model, keep=KEEP, positions=positions):
        where = (mask.cumsum(1) - 1).clamp(min=0) + first_of(name)
        output = model(**inputs, position_ids=where, use_cache=True)
        while True:
            tokens.append(output.logits[:, -1:].argmax(-1))
            if len(tokens) == NEW:
                break
            mask = torch.cat((mask, torch.ones_like(tokens[-1])), 1)
            output = model(
                input_ids=tokens[-1],
                attention_mask=mask,
                position_ids=mask.sum(1, keepdim=True) - 1 + first_of(name),
                past_key_values=output.past_key_values,
            )
    assert torch.cat(tokens, 1).tolist() == answers(name, positions)


@pytest.mark.parametrize("name", ["llava", "gemma3"])
def test_given_positions_with_gaps_are_kept(name):
    """Positions that nobody would count: original ones are the caller's own, whatever the mask says."""
    model, inputs = tiny.build(name), tiny.alone(name, tiny.batch(name), SAMPLES, 1)
    length = inputs["input_ids"].shape[1]
    gaps = torch.arange(length)[None] * 2 + (torch.arange(length)[None] > length // 2) * 7
    with torch.no_grad(), prune(model, keep=KEEP, positions="original") as pruning:
        found = model(**inputs, position_ids=gaps).logits[0]
    columns = pruning.last_call.columns[0]
    seen = oracle.observe(model, {**inputs, "position_ids": gaps}, (tiny.IMAGE, tiny.VIDEO), first_of(name))
    assert torch.equal(seen.positions, gaps)
    short = seen.keeping(columns, False, first_of(name))
    expected = oracle.logits(model, short, len(columns))
    assert (found - expected).abs().max() < 1e-9 * expected.abs().max()
