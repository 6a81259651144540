"""The two plots of the gap report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.lines
import matplotlib.ticker
import numpy as np
from numpy.typing import NDArray

from experiments._common import figures
from experiments.gaps.comparison import Comparison
from experiments.suites.image_tokens import GRID, PATCH, tokens
from mmdp import Result

_PHOTO, _PHOTO_K = "chelsea", 58
_WIDEST = 4  # panels in a row


def gap_over_time(result: Result, upper_bound: float, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share missing to ``upper_bound`` at each moment: all of it before the first incumbent, falling as steps."""
    gap = np.ones(len(seconds))
    for moment in result.history:
        if upper_bound > 0 and np.isfinite(moment.objective):
            reached = seconds >= min(moment.seconds, result.runtime)
            gap[reached] = np.minimum(gap[reached], (upper_bound - moment.objective) / upper_bound)
    gap[seconds >= result.runtime] = (upper_bound - result.objective) / upper_bound if upper_bound > 0 else 0.0
    return gap


def gap_against_time(comparisons: Sequence[Comparison], path: Path) -> bool:
    """One panel per suite: each solver's median gap over time, a dot where it is lowest; False if there is no run."""
    suites = list(dict.fromkeys(comparison.case.suite for comparison in comparisons))
    solvers = sorted({solver for comparison in comparisons for solver in comparison.runs})
    if not solvers:
        return False
    colours = figures.colours(solvers)
    columns = min(2, len(suites))
    rows = -(-len(suites) // columns)
    size = (figures.WIDTH, 2.6 * rows)
    figure, axes = figures.figure(*size, nrows=rows, ncols=columns, squeeze=False, sharex=True, layout="constrained")
    for axis, suite in zip(axes.flat, suites, strict=False):
        of_suite = [comparison for comparison in comparisons if comparison.case.suite == suite]
        _panel_of_curves(axis, of_suite, colours)
        axis.set_title(f"{suite.replace('_', ' ')}, {_count(of_suite)}", loc="left", fontsize=10)
    for axis in axes.flat[len(suites) :]:
        axis.axis("off")
    for column in range(columns):
        lowest = axes[(len(suites) - 1 - column) // columns, column]
        lowest.set_xlabel("seconds")
        lowest.tick_params(labelbottom=True)
    for axis in axes[:, 0]:
        axis.set_ylabel("gap to the best upper bound")
    keys = [mpl.lines.Line2D([], [], color=colours[s], marker="o", markersize=5, label=s) for s in solvers]
    if len(suites) < axes.size:
        axes.flat[-1].legend(handles=keys, loc="center", frameon=False)
    else:
        figure.legend(handles=keys, loc="outside lower center", ncols=min(len(keys), 4), frameon=False)
    figures.save(figure, path)
    return True


def _count(comparisons: Sequence[Comparison]) -> str:
    return "1 problem" if len(comparisons) == 1 else f"{len(comparisons)} problems"


def _panel_of_curves(axis: Any, comparisons: Sequence[Comparison], colours: dict[str, str]) -> None:
    """Curves of the solvers that took part in every problem; one far above the others is named at the upper edge."""
    curves = {}
    for solver in colours:
        runs = [(c.runs[solver][0], c.upper_bound) for c in comparisons if solver in c.runs]
        if len(runs) == len(comparisons):
            curves[solver] = _curve(runs)
    shown = [gaps[-1] for solver, (_, gaps) in curves.items() if solver != "random"]
    top = 1.3 * max(shown or [gaps[-1] for _, gaps in curves.values()], default=0.0) or 0.01
    for solver, (seconds, gaps) in curves.items():
        drawn, colour, reached = gaps <= top, colours[solver], seconds[int(gaps.argmin())]
        axis.step(seconds[drawn], gaps[drawn], where="post", color=colour, linewidth=1.6, alpha=0.85)
        if drawn.any():
            axis.plot(reached, gaps.min(), "o", color=colour, markersize=6, clip_on=False)
        else:
            axis.plot(reached, 0.97 * top, "^", color=colour, markersize=6)
            axis.annotate(f"{gaps.min():.0%}", (reached, 0.97 * top), (7, -3.5), textcoords="offset points", fontsize=9)
    axis.set_xscale("log")
    axis.set_ylim(-0.03 * top, top)
    axis.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5))
    axis.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axis.set_axisbelow(True)


def _curve(runs: Sequence[tuple[Result, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moments at which anything changed, and the median gap over the runs at each."""
    moments = {min(moment.seconds, result.runtime) for result, _ in runs for moment in result.history}
    seconds = np.array(sorted(moments | {result.runtime for result, _ in runs}))
    gaps = np.array([gap_over_time(result, bound, seconds) for result, bound in runs])
    return seconds, np.median(gaps, axis=0)


def kept_tokens(comparisons: Sequence[Comparison], path: Path) -> bool:
    """Draw a photograph, and beside it the patches that each solver keeps of it; False if it was not measured."""
    of_photo = [c for c in comparisons if c.case.suite == "image_tokens" and c.runs]
    chosen = next((c for c in of_photo if (c.case.name, c.case.problem.k) == (_PHOTO, _PHOTO_K)), None)
    if chosen is None:
        return False
    photo = tokens(_PHOTO)
    panels = [score for score in chosen.scores if score.solver in chosen.runs]
    total = len(panels) + 1
    columns = min(_WIDEST, total)
    rows = -(-total // columns)
    figure, axes = figures.figure(
        2.5 * columns, 3.05 * rows, nrows=rows, ncols=columns, squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    _panel(axes.flat[0], photo.image, f"{GRID * GRID} patches", f"choose {_PHOTO_K} by cosine")
    for axis, score in zip(axes.flat[1:], panels, strict=False):
        kept = photo.cells[chosen.runs[score.solver][0].indices]
        caption = f"closest pair {score.objective:.4f}"
        _panel(axis, _faded(photo.image, kept), score.solver, caption)
    figures.save(figure, path)
    return True


def _panel(axis: Any, image: NDArray[Any], title: str, caption: str) -> None:
    axis.imshow(image, interpolation="lanczos")
    axis.set_title(title, loc="left", fontsize=15, fontweight="bold", pad=4)
    axis.text(0, -0.02, caption, transform=axis.transAxes, va="top", fontsize=13)


def _faded(image: NDArray[np.uint8], kept: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the image with everything but the kept cells bleached to a ghost of itself."""
    grey = image.mean(axis=2, keepdims=True)
    faded = np.broadcast_to(255 - 0.22 * (255 - grey), image.shape).copy()
    for cell in kept:
        row, column = divmod(int(cell), GRID)
        window = np.s_[row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
        faded[window] = image[window]
    return faded.astype(np.uint8)
