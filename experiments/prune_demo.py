"""Which patches of a photograph does each solver keep? A small LLaVA of random weights, without a processor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments._common import figures
from experiments._common.console import Console, table
from experiments._common.rows import RESULTS, Rows
from lmm_integration.demo import TOKENS
from mmdp import DataFileError, Problem

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from lmm_integration.stats import Kept

KEY = ("image", "solver", "keep", "seed")
SOLVERS = ("greedy", "local_search", "exact", "random", "dpp")
COLUMNS = ("solver", "tokens", "kept", "encode s", "solve s", "smallest distance")
_WIDEST = 6  # panels in a row


def main(
    image: Annotated[Path | None, typer.Option(help="A photograph; scikit-image's cat if none is given.")] = None,
    solver: Annotated[list[str] | None, typer.Option(help="A solver or selector; repeat for several.")] = None,
    keep: Annotated[float, typer.Option(help="Fraction of the visual tokens that stays.")] = 0.1,
    out: Annotated[Path, typer.Option(help="Where the image goes; rows go beside it.")] = RESULTS / "prune_demo.png",
    seed: Annotated[int, typer.Option(help="Seed of the weights and of random choices.")] = 0,
) -> None:
    """A photograph through a small random LLaVA, and what each solver keeps of it, side by side."""
    from lmm_integration import prune, select_tokens
    from lmm_integration.demo import small_llava

    console, photograph = Console(), cropped(image)
    model, inputs = small_llava(photograph, seed)
    features, panels, lines = encoded(model, inputs), [], []
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
        lines.append((name, *(f"{value:.4g}" for value in row.values())))
        panels.append((name, f"{row['smallest_distance']:.4f}", kept))
    console.print(table(COLUMNS, lines, f"{TOKENS} visual tokens, keep = {keep:g}"))
    save(photograph, panels, out)
    console.print(f"wrote {out}")


def cropped(path: Path | None) -> Image:
    """The middle square of a photograph, at the encoder's size.

    Raises
    ------
    DataFileError
        If the file is missing or no image.
    """
    from PIL import Image, UnidentifiedImageError

    from lmm_integration.demo import middle_square

    try:
        if path is None:
            from skimage import data

            return middle_square(Image.fromarray(data.chelsea()))
        return middle_square(Image.open(path))
    except (OSError, UnidentifiedImageError) as error:
        raise DataFileError(f"{path}: {error}") from error


def encoded(model: Any, inputs: dict[str, Any]) -> Tensor:
    """All feature rows of the image."""
    import torch

    with torch.no_grad():
        output = model.model.get_image_features(pixel_values=inputs["pixel_values"])
    return torch.cat(list(getattr(output, "pooler_output", output)))


def smallest_distance(features: Tensor, kept: Kept) -> float:
    """Smallest cosine distance between two rows that stay."""
    return Problem(2, points=features[kept.indices].double().numpy(), metric="cosine").objective(
        range(len(kept.indices))
    )[0]


def save(photograph: Image, panels: Sequence[tuple[str, str, Kept]], out: Path) -> None:
    """Write the photograph and, beside it, an overlay for each solver with its smallest distance."""
    from lmm_integration import overlay

    images = [("photograph", f"{TOKENS} tokens", photograph)]
    images += [(name, caption, overlay(photograph, kept)) for name, caption, kept in panels]
    columns = min(_WIDEST, len(images))
    rows = -(-len(images) // columns)
    figure, axes = figures.figure(
        2.0 * columns, 2.55 * rows, nrows=rows, ncols=columns, squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, caption, shown) in zip(axes.flat, images, strict=False):
        axis.imshow(shown)
        axis.set_title(name, fontsize=14, fontweight="bold")
        axis.text(0.5, -0.03, caption, transform=axis.transAxes, ha="center", va="top", fontsize=13)
    figures.save(figure, out)
