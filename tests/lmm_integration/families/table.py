"""Which model types of transformers' image-text-to-text mapping are pruned right, and why others are not.

``python -m tests.lmm_integration.families.table`` writes docs/models.md, and the list that the package
gives, from what the tests find; see :func:`outcome`.
"""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from lmm_integration import prune
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import family_of
from tests.lmm_integration.families import hooked, shrunk

ROOT = Path(__file__).parents[3]
PAGE, TESTED = ROOT / "docs" / "models.md", ROOT / "lmm_integration" / "families" / "_tested.py"
SAMPLES, NEW, KEEP, WORDS = (1, 2), 3, 0.4, 89
OPTIONS: dict[str, Any] = {"max_new_tokens": NEW, "do_sample": False, "suppress_tokens": list(range(WORDS, 128))}
_WAYS: dict[str, dict[str, Any]] = {"a batch": {}, "no cache": {"use_cache": False}, "beams": {"num_beams": 2}}
SUPPORTED, REFUSED, NOT_RUN = "equal", "refused", "not run"


_TIMM = "its encoder comes from the library timm, which is not among the requirements"
_WIDTH = "a part of its encoder keeps its published width, which the shrunk rest does not fit"
_LAYOUT = "its encoder wants pixels in a layout that the test does not know"
_VIDEO = "unpruned, the shrunk model fails on a video"
MISSING = {
    ("deepseek_ocr2", "image"): _WIDTH,
    ("dots3_note", "image"): _WIDTH,
    ("dots3_note", "video"): _WIDTH,
    ("fast_vlm", "image"): _TIMM,
    ("gemma3n", "image"): _TIMM,
    ("glm5_next", "video"): "the test does not know which placeholder its videos have",
    ("granite_docling", "image"): "its encoder wants an argument that the test does not give",
    ("inkling2", "image"): "it computes in float32 where the test wants float64",
    ("inkling_mm_model", "image"): _LAYOUT,
    ("kimi_k25", "video"): _LAYOUT,
    ("minicpm_ocr", "video"): _VIDEO,
    ("minicpmv4_6", "video"): _VIDEO,
    ("minicpmv4_7", "video"): _VIDEO,
    ("molmo2", "image"): "unpruned, the shrunk model looks up tokens that its embedding does not have",
    ("molmo2", "video"): _LAYOUT,
    ("nemotron_h_omni", "video"): _VIDEO,
    ("perception_lm", "image"): _TIMM,
    ("unlimited_ocr", "image"): _WIDTH,
}
"""What is missing to run a type, where the exception says it to nobody else."""


@dataclass(frozen=True)
class Outcome:
    """What a test finds of a model type and a modality.

    ``status``: "equal" to the oracle, "refused" by :func:`prune`, or "not run" where the model itself cannot be built
    or run this small; ``note``: the reason, or what was not compared.
    """

    status: str
    note: str = ""


def outcome(model_type: str, modality: str) -> Outcome | None:
    """Compare a pruned model with the oracle; None if the type has no such input.

    Raises
    ------
    AssertionError
        If a pruned model answers otherwise than the oracle.
    """
    try:
        family = family_of(model_type)
    except UnsupportedModelError as refusal:
        return Outcome(REFUSED, _reason(refusal)) if modality == "image" else None
    try:
        model = shrunk.build(model_type)
    except Exception as error:
        return Outcome(NOT_RUN, f"cannot be built small: {_first_line(error)}") if modality == "image" else None
    try:
        prune(model, modalities=(modality,)).remove()
    except UnsupportedModelError as refusal:
        return Outcome(REFUSED, _reason(refusal)) if modality == "image" else None
    try:
        shrunk.pixels_of(model_type, modality, 0)
    except Exception as error:
        return Outcome(NOT_RUN, f"its encoder does not run this small: {_first_line(error)}")
    reasons = []
    for token in shrunk.placeholders(model_type, modality):
        for pieces in (1,) if modality == "image" else (1, 4, 2):
            inputs = shrunk.batch(model_type, modality, SAMPLES, token, pieces)
            try:
                with torch.no_grad():
                    plain, text = model(**inputs).logits, model.generate(**inputs, **OPTIONS)
            except Exception as error:
                reasons.append(f"unpruned it does not run this small: {_first_line(error)}")
                continue
            return _compared(model_type, modality, token, pieces, inputs, plain, text, family.first_position)
    return Outcome(NOT_RUN, reasons[0])


def _compared(
    model_type: str,
    modality: str,
    token: int,
    pieces: int,
    inputs: dict[str, Tensor],
    plain: Tensor,
    text: Tensor,
    first: int,
) -> Outcome:
    model = shrunk.build(model_type)
    with torch.no_grad(), prune(model, keep=1.0):
        assert torch.equal(model(**inputs).logits, plain)
        assert torch.equal(model.generate(**inputs, **OPTIONS), text)
    notes, answers = [], []
    for sample in range(len(SAMPLES)):
        one = shrunk.alone(model_type, modality, SAMPLES, sample, token, pieces)
        visual, compact = one["input_ids"][0] == token, not _counts_axes(model)
        with torch.no_grad(), prune(model, keep=KEEP) as pruning:
            pruned = model(**one).logits[0]
        assert 0 < pruning.stats.tokens_after < pruning.stats.tokens_before == int(visual.sum())
        columns = columns_of(pruning.last, visual)
        try:
            expected = hooked.logits(model, one, token, columns, compact, first)
        except ValueError as error:
            return Outcome(NOT_RUN, str(error))
        assert (pruned - expected).abs().max() < 1e-4 * expected.abs().max()
        wrong = hooked.logits(model, one, token, _shifted(columns, visual), compact, first)
        assert (pruned - wrong).abs().max() > 1e-3 * expected.abs().max()  # negative control: one other row
        answers.append(hooked.answer(model, one, token, columns, compact, first, NEW, WORDS))
        with prune(model, keep=KEEP):
            assert model.generate(**one, **OPTIONS)[0, -NEW:].tolist() == answers[-1]
    for what, options in _WAYS.items():
        batches = [_in_batch_and_alone(model_type, modality, token, pieces, options, keep) for keep in (1.0, KEEP)]
        if batches[0] is None or not torch.equal(*batches[0]):
            notes.append(f"{what} not compared, since an unpruned batch fails or differs from each sample alone")
            continue
        assert batches[1] is not None
        assert torch.equal(*batches[1])
        if "num_beams" not in options:
            assert batches[1][0].tolist() == answers
    return Outcome(SUPPORTED, "; ".join(notes))


def _in_batch_and_alone(
    model_type: str, modality: str, token: int, pieces: int, options: dict[str, Any], keep: float
) -> tuple[Tensor, Tensor] | None:
    """Answers of the samples in a batch, and of each alone; None if the model fails."""
    model, inputs = shrunk.build(model_type), shrunk.batch(model_type, modality, SAMPLES, token, pieces)
    alone = [shrunk.alone(model_type, modality, SAMPLES, sample, token, pieces) for sample in range(len(SAMPLES))]
    with prune(model, keep=keep):
        try:
            together = model.generate(**inputs, **OPTIONS, **options)[:, -NEW:]
            return together, torch.cat([model.generate(**one, **OPTIONS, **options)[:, -NEW:] for one in alone])
        except Exception:
            return None


def _counts_axes(model: Any) -> bool:
    return any(hasattr(part, "get_rope_index") for part in (model, getattr(model, "model", None)))


def columns_of(kept: tuple[Any, ...], visual: Tensor) -> Tensor:
    """Columns of a sample's prompt that are kept, from what the pruning says that it kept."""
    places = visual.nonzero()[:, 0]
    stays = ~visual
    offset = 0
    for image in kept:
        stays[places[offset + image.indices]] = True
        offset += image.n
    assert offset == len(places)
    return stays.nonzero()[:, 0]


def _shifted(columns: Tensor, visual: Tensor) -> Tensor:
    """The columns with a dropped one in place of the first kept visual one."""
    dropped = next(column for column in visual.nonzero()[:, 0].tolist() if column not in columns.tolist())
    first = next(place for place, column in enumerate(columns.tolist()) if visual[column])
    other = columns.clone()
    other[first] = dropped
    return other.sort().values


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    return f"{type(error).__name__}, {lines[0]}"[:110].replace("|", "/")


def _reason(refusal: UnsupportedModelError) -> str:
    what = str(refusal).partition(": ")
    return (what[2] or what[0]).partition(". Elsewhere")[0].partition("; select rows")[0].replace("|", "/")


def plain(model_type: str, modality: str, found: Outcome) -> Outcome:
    """The same, with a sentence in place of an exception."""
    known = MISSING.get((model_type, modality))
    return found if known is None or found.status != NOT_RUN else Outcome(NOT_RUN, known)


def rows() -> list[tuple[str, dict[str, Outcome]]]:
    """Outcomes of every type of the mapping."""
    found = []
    for model_type in sorted(shrunk.MAPPING):
        each = {modality: one for modality in shrunk.MODALITIES if (one := outcome(model_type, modality)) is not None}
        found.append((model_type, each))
    return found


def row(model_type: str, outcomes: dict[str, Outcome]) -> str:
    """One line of the table."""
    outcomes = {modality: plain(model_type, modality, one) for modality, one in outcomes.items()}
    image, video = (outcomes[modality].status if modality in outcomes else "" for modality in shrunk.MODALITIES)
    notes = "; ".join(f"{modality}: {one.note}" for modality, one in outcomes.items() if one.note)
    return f"| {model_type} | {image} | {video} | {notes} |"


def main() -> None:
    """Write the page."""
    found = rows()
    supported = [name for name, each in found if SUPPORTED in {one.status for one in each.values()}]
    text = f"""# Models

Whether `prune` is correct for each type that transformers {transformers.__version__} has in its image-text-to-text
mapping. `python -m tests.lmm_integration.families.table` wrote this page; the tests check every row.

- **equal**: a tiny pruned model of that type gives what the unpruned model gives if the same rows are removed before
  its first layer. This is checked for `forward` and `generate`, for a ragged batch, with and without a cache, and with
  beams. With `keep=1.0` every bit is that of the unpruned model.
- **refused**: `prune` raises an error that says why.
- **not run**: the model could not be built or run small enough here. `prune` tries it, and checks the numbers of
  placeholders and features in every call.

{len(supported)} of {len(found)} types are equal, for images, videos or both.

| type | image | video | notes |
|---|---|---|---|
"""
    lines = [row(name, each) for name, each in found]
    title = "Model types that equal the plain statement of pruning, written by tests.lmm_integration.families.table."
    names = "".join(f'    "{name}",\n' for name in supported)
    TESTED.write_text(f'"""{title}"""\n\nTESTED = (\n{names})\n', encoding="utf-8")
    PAGE.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


def rewrite(types: list[str]) -> None:
    """Write the lines of some types again."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for model_type in types:
        each = {modality: one for modality in shrunk.MODALITIES if (one := outcome(model_type, modality)) is not None}
        place = next(number for number, line in enumerate(lines) if line.startswith(f"| {model_type} |"))
        lines[place] = row(model_type, each)
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    rewrite(sys.argv[1:]) if sys.argv[1:] else main()
