"""What share of the language model's work is left after pruning? From a configuration alone, as DivPrune counts it.

DivPrune (CVPR 2025, arXiv 2503.02175, section 4) counts for a decoder of L layers, width d and inner width m, over a
prompt of n tokens,

    L (4 n d^2 + 2 n^2 d + 2 n d m)

floating-point operations: a multiply-add once, keys and values as wide as queries, two matrices in a feed-forward
block. (The paper prints a minus before the second term; its published values need a plus.) Its share is the mean, over
the data sets, of pruned by full. Three things make the numbers come out: n has the text and the visual tokens and no
system prompt; the tokens kept are rounded to whole ones; and the video model keeps a tenth, 115 of 1152, where the
image models keep 0.098. The text lengths and the visual tokens of LLaVA-1.6 are the means per data set that the
authors' script holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from experiments._common import console
from lmm_integration.budget import check_keep, retained_count
from mmdp import DataFileError, InvalidOptionError

VICUNA_7B = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
VICUNA_13B = {"model_type": "llama", "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40}
# COCO, Flickr30k, GQA, MMBench, MME, MMMU, NoCaps, OK-VQA, POPE, ScienceQA, SEED-Bench
IMAGE_TEXT = (15, 15, 23, 83, 25, 113, 15, 39, 21, 91, 57)
ANYRES_VISUAL = (2225, 1922, 2239, 1927, 2108, 1882, 2292, 2249, 2250, 1598, 2116)
# ActivityNet, SEED-Bench, VideoChatGPT, NextQA, EgoSchema
VIDEO_TEXT = (28, 63, 21, 38, 196)
_NAME = 20  # characters of a path that leave room for the numbers


@dataclass(frozen=True)
class Decoder:
    """The sizes of a language model that the count needs."""

    layers: int
    width: int
    inner: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Decoder:
        """Read the sizes of a Hugging Face configuration; what the file lacks has its model type's default.

        Raises
        ------
        InvalidOptionError
            If transformers does not know the model type, or the language model has no such sizes.
        """
        from transformers import AutoConfig

        try:
            text = AutoConfig.for_model(**config).get_text_config()
            return cls(text.num_hidden_layers, text.hidden_size, text.intermediate_size)
        except (AttributeError, TypeError, ValueError) as error:
            raise InvalidOptionError(
                f"no sizes of a language model in a configuration of type {config.get('model_type')!r}: {error}"
            ) from error

    def tflop(self, n: int) -> float:
        """Operations over a prompt of n tokens, in units of 1e12."""
        d, m = self.width, self.inner
        return self.layers * (4 * n * d**2 + 2 * n**2 * d + 2 * n * d * m) / 1e12


@dataclass(frozen=True)
class Published:
    """A row of the paper: TFLOP of the full and the pruned prompt, and the share in percent."""

    full: float
    pruned: float
    share: float


@dataclass(frozen=True)
class Case:
    """A model, how many tokens of each kind its data sets have on average, and how much is kept."""

    name: str
    config: Mapping[str, Any]
    text: Sequence[int]
    visual: Sequence[int]
    keep: float | int
    published: Published | None = None

    def measure(self) -> Row:
        """Count, per data set and then on average."""
        decoder = Decoder.of(self.config)
        prompts = list(zip(self.text, self.visual, strict=True))
        full = [decoder.tflop(text + visual) for text, visual in prompts]
        pruned = [decoder.tflop(text + retained_count(visual, self.keep)) for text, visual in prompts]
        shares = [100 * after / before for after, before in zip(pruned, full, strict=True)]
        return Row(self, decoder, fmean(full), fmean(pruned), fmean(shares))


@dataclass(frozen=True)
class Row:
    """What was counted: TFLOP, and the share in percent."""

    case: Case
    decoder: Decoder
    full: float
    pruned: float
    share: float


PAPER = (
    Case(
        "LLaVA-1.5-7B",
        {"model_type": "llava", "text_config": VICUNA_7B},
        IMAGE_TEXT,
        (576,) * 11,
        0.098,
        Published(3.228, 0.5122, 15.63),
    ),
    Case(
        "LLaVA-1.5-13B",
        {"model_type": "llava", "text_config": VICUNA_13B},
        IMAGE_TEXT,
        (576,) * 11,
        0.098,
        Published(6.281, 1.002, 15.71),
    ),
    Case(
        "LLaVA-1.6-7B",
        {"model_type": "llava_next", "text_config": VICUNA_7B},
        IMAGE_TEXT,
        ANYRES_VISUAL,
        0.098,
        Published(11.849, 1.266, 10.80),
    ),
    Case(
        "LLaVA-NeXT-Video-7B",
        {"model_type": "llava_next_video", "text_config": VICUNA_7B},
        VIDEO_TEXT,
        (8 * 144,) * 5,
        0.1,
        Published(6.539, 0.937, 14.10),
    ),
)


def main(
    config: Annotated[list[Path] | None, typer.Option(help="A Hugging Face config.json; repeat for several.")] = None,
    keep: Annotated[float | None, typer.Option(help="Fraction of visual tokens kept; the paper's by default.")] = None,
    visual: Annotated[int, typer.Option(help="Visual tokens of a prompt, for --config.", min=1)] = 576,
    text: Annotated[int, typer.Option(help="Text tokens of a prompt, for --config.", min=0)] = 45,
) -> None:
    """Share of the language model's TFLOP that is left after pruning, beside the paper's values."""
    cases = [Case(str(path)[-_NAME:], read(path), [text], [visual], 0.098) for path in config or ()] or list(PAPER)
    if keep is not None:
        cases = [replace(case, keep=check_keep(keep), published=None) for case in cases]
    console.Console().print(table([case.measure() for case in cases]))


def read(path: Path) -> dict[str, Any]:
    """Load a configuration.

    Raises
    ------
    DataFileError
        If the file is missing or no JSON object with a model type.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataFileError(f"{path}: {error}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise DataFileError(f"{path}: not the config.json of a Hugging Face model, since it names no model_type")
    return config


def table(rows: Sequence[Row]) -> console.Table:
    """Lay the rows out: beside the published values where there are any, beside the decoder's sizes otherwise."""
    published = any(row.case.published for row in rows)
    beside = ("paper", "paper", "paper") if published else ("L", "d", "m")
    names = ("full", "pruned", "share %")
    columns = [name for pair in zip(names, beside, strict=True) for name in pair] if published else [*names, *beside]
    lines = []
    for row in rows:
        case, paper, decoder = row.case, row.case.published, row.decoder
        counted = (f"{row.full:.4g}", f"{row.pruned:.4g}", f"{row.share:.2f}")
        if published:
            theirs = (f"{paper.full:.4g}", f"{paper.pruned:.4g}", f"{paper.share:.2f}") if paper else ("", "", "")
            numbers = [number for pair in zip(counted, theirs, strict=True) for number in pair]
        else:
            numbers = [*counted, *(str(size) for size in (decoder.layers, decoder.width, decoder.inner))]
        tokens = (f"{fmean(case.visual):.0f}", f"{fmean(_kept(case)):.0f}")
        lines.append((case.name, *tokens, *numbers))
    title = "TFLOP of the language model over text and visual tokens, means over data sets"
    return console.table(("model", "visual", "kept", *columns), lines, title)


def _kept(case: Case) -> list[int]:
    return [retained_count(n, case.keep) for n in case.visual]
