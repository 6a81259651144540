"""Plots of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from experiments._common import figures
from experiments.lmm_lab.statistics import Estimate

SHOWN = {
    "exact": "#009E73",
    "greedy": "#E69F00",
    "greedy_centring_alone": "#0072B2",
    "random": "#999999",
    "grid": "#56B4E9",
    "largest_norm": "#CC79A7",
    "cls_attention": "#D55E00",
    "dpp": "#332288",
}


def draw(frame: pd.DataFrame, cells: dict[tuple[str, float], Estimate], keeps: list[float], folder: Path) -> list[Path]:
    """Accuracy against keep, and against the objective."""
    paths = [folder / "lmm_lab.png", folder / "lmm_lab_objective.png"]
    curves, axes = figures.figure(figures.WIDTH, 4.5)
    for name, colour in SHOWN.items():
        _curve(axes, [cells[name, keep] for keep in keeps], keeps, name, colour)
    axes.axhline(cells["all tokens", 1.0].value, color="black", linestyle=":", label="all tokens")
    axes.set_xscale("log")
    axes.set_xticks(keeps, [f"{keep:.0%}" for keep in keeps])
    axes.minorticks_off()
    axes.set(xlabel="visual tokens kept", ylabel="questions answered, %", ylim=(0, 101))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figures.save(curves, paths[0])
    figures.save(_panels(frame[frame["group"] == "quality"], keeps), paths[1])
    return paths


def _panels(frame: pd.DataFrame, keeps: list[float]) -> Any:
    """Accuracy against the objective, a panel for each keep and a colour for each method."""
    columns = min(3, len(keeps))
    rows = -(-len(keeps) // columns)
    figure, axes = figures.figure(
        figures.WIDTH, 2.5 * rows + 0.4, nrows=rows, ncols=columns, squeeze=False, sharey=True, layout="constrained"
    )
    colours = figures.colours(list(dict.fromkeys(frame["method"])))
    for panel, keep in zip(axes.flat, keeps, strict=False):
        for method, part in frame[frame["keep"] == keep].groupby("method", sort=False):
            panel.scatter(
                part["objective"], 100 * part["accuracy"], s=26, color=colours[str(method)], label=str(method)
            )
        panel.set_title(f"keep {keep:.0%}", loc="left", fontsize=10)
        panel.set_xlim(left=0)
        panel.locator_params(axis="x", nbins=3)
    for panel in axes.flat[len(keeps) :]:
        panel.axis("off")
    figure.supxlabel("mean smallest distance", fontsize=10)
    figure.supylabel("questions answered, %", fontsize=10)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _curve(axes: Any, estimates: list[Estimate], keeps: list[float], name: str, colour: str) -> None:
    axes.plot(keeps, [e.value for e in estimates], marker="o", markersize=4, color=colour, label=name)
    axes.fill_between(keeps, [e.low for e in estimates], [e.high for e in estimates], color=colour, alpha=0.12, lw=0)
