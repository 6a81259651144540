"""One look for all plots: a style whose small print can be read on a page of the site, and a colour for each solver."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl

WIDTH = 7.4  # inches: on a page of the site, some 690 pixels wide, ten points are then thirteen pixels
INK, GRID = "#333333", "#e6e6e6"
_COLOURS = {
    "random": "#999999",
    "greedy": "#E69F00",
    "local_search": "#0072B2",
    "ilp": "#D55E00",
    "exact": "#009E73",
    "brute_force": "#CC79A7",
}
_SPARE_COLOURS = (
    "#56B4E9",
    "#882255",
    "#999933",
    "#44AA99",
    "#332288",
    "#DDCC77",
)  # told apart by colour-blind readers
_STYLE: Any = {
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "savefig.bbox": "tight",
    "savefig.dpi": 160,
}


def figure(*size: float, **layout: Any) -> tuple[Any, Any]:
    """Make a figure of so many inches and its axes; ``layout`` goes to ``pyplot.subplots``."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context(_STYLE):
        return plt.subplots(figsize=size, **layout)


def save(figure: Any, path: Path) -> None:
    """Write a figure and close it."""
    from matplotlib import pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def colours(solvers: Sequence[str]) -> dict[str, str]:
    """A colour for each name; solvers that many plots show have the same one in all of them."""
    spare = cycle(_SPARE_COLOURS)
    return {solver: _COLOURS.get(solver) or next(spare) for solver in solvers}
