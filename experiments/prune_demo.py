"""Which patches of a photograph does each solver keep? A small LLaVA of random weights, without a processor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments._common.console import Console
from experiments._common.rows import RESULTS, Rows
from experiments._common.tables import duration
from lmm_integration.budget import retained_count
from mmdp import DataFileError, Problem

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from lmm_integration.stats import Kept

KEY = ("image", "solver", "keep", "seed")
SOLVERS = ("greedy", "local_search", "exact", "random", "dpp")
_WIDEST = 3  # panels in a row


def main(
    image: Annotated[Path | None, typer.Option(help="A photograph; scikit-image's cat if none is given.")] = None,
    solver: Annotated[list[str] | None, typer.Option(help="A solver or selector; repeat for several.")] = None,
    keep: Annotated[float, typer.Option(help="Fraction of the visual tokens that stays.")] = 0.1,
    out: Annotated[Path, typer.Option(help="Where the picture goes; rows go beside it.")] = RESULTS / "prune_demo.png",
    seed: Annotated[int, typer.Option(help="Of the weights and of random choices.")] = 0,
) -> None:
    """A photograph through a small random LLaVA, and what each solver keeps of it, side by side."""
    from lmm_integration import prune, select_tokens
    from lmm_integration.demo import TOKENS, small_llava

    console, picture = Console(), cropped(image)
    model, inputs = small_llava(picture, seed)
    table = Table("solver", title=f"{TOKENS} visual tokens, keep = {keep:g}")
    for column in ("tokens", "kept", "encode s", "solve s", "smallest distance"):
        table.add_column(column, justify="right")
    features, panels = encoded(model, inputs), []
    rows = Rows(
        out.with_suffix(".csv"), KEY, ("mmdp", "solvers", "lmm_integration"), ("torch", "transformers", "numba")
    )
    for name in solver or SOLVERS:
        select_tokens(features[:40], 8, name, seed=seed)  # compiles, where a solver does
        with prune(model, name, keep, seed=seed) as pruning:
            model.generate(**inputs, max_new_tokens=4, do_sample=False)
        kept, stats = pruning.last[0], pruning.stats
        row = {
            "tokens": kept.n,
            "kept": len(kept.indices),
            "encode_s": stats.encode_seconds,
            "solve_s": stats.solve_seconds,
            "smallest_distance": smallest_distance(features, kept),
        }
        rows.add(image=image.name if image else "chelsea", solver=name, keep=keep, seed=seed, **row)
        table.add_row(name, *(f"{value:.4g}" for value in row.values()))
        panels.append((f"{name}\n{row['smallest_distance']:.4f} in {duration(stats.solve_seconds)}", kept))
    console.print(table)
    title = f"{retained_count(TOKENS, keep)} of {TOKENS} visual tokens; smallest cosine distance between two that stay"
    save(picture, panels, title, out)
    console.print(f"wrote {out}")


def cropped(path: Path | None) -> Image:
    """The middle square of a photograph, at the encoder's size.

    Raises
    ------
    DataFileError
        If the file is missing or no picture.
    """
    from PIL import Image, UnidentifiedImageError

    from lmm_integration.demo import middle_square

    try:
        if path is None:
            from skimage import data

            photograph = Image.fromarray(data.chelsea())
        else:
            photograph = Image.open(path)
        return middle_square(photograph)
    except (OSError, UnidentifiedImageError) as error:
        raise DataFileError(f"{path}: {error}") from error


def encoded(model: Any, inputs: dict[str, Any]) -> Tensor:
    """All feature rows of the picture."""
    import torch

    with torch.no_grad():
        output = model.model.get_image_features(pixel_values=inputs["pixel_values"])
    return torch.cat(list(getattr(output, "pooler_output", output)))


def smallest_distance(features: Tensor, kept: Kept) -> float:
    """Smallest cosine distance between two rows that stay."""
    return Problem(2, points=features[kept.indices].double().numpy(), metric="cosine").objective(
        range(len(kept.indices))
    )[0]


def save(picture: Image, panels: Sequence[tuple[str, Kept]], title: str, out: Path) -> None:
    """Write the photograph and one overlay per solver as one picture."""
    import matplotlib as mpl

    from lmm_integration import overlay

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    pictures = [("photograph", picture), *((name, overlay(picture, kept)) for name, kept in panels)]
    columns = min(_WIDEST, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 4.1 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, shown) in zip(axes.flat, pictures, strict=False):
        axis.imshow(shown)
        axis.set_title(name, fontsize=18)
    figure.suptitle(title, fontsize=18)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    plt.close(figure)
