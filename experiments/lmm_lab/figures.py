"""Pictures of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd

from experiments.lmm_lab.statistics import Estimate

SHOWN = {
    "exact": "#009E73",
    "greedy": "#E69F00",
    "greedy_centred": "#0072B2",
    "random": "#999999",
    "grid": "#56B4E9",
    "largest_norm": "#CC79A7",
    "cls_attention": "#D55E00",
    "dpp": "#332288",
}


def draw(frame: pd.DataFrame, cells: dict[tuple[str, float], Estimate], keeps: list[float], folder: Path) -> list[Path]:
    """Accuracy against keep, and against the objective."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"axes.spines.right": False, "axes.spines.top": False, "font.size": 10}):
        curves, axes = plt.subplots(figsize=(7, 4.5))
        for name, colour in SHOWN.items():
            _curve(axes, [cells[name, keep] for keep in keeps], keeps, name, colour)
        axes.axhline(cells["all tokens", 1.0].value, color="black", linestyle=":", label="all tokens")
        axes.set_xscale("log")
        axes.set_xticks(keeps, [f"{keep:.0%}" for keep in keeps])
        axes.minorticks_off()
        axes.set(xlabel="visual tokens kept", ylabel="questions answered, %", ylim=(0, 101))
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
        scatter, panels = plt.subplots(1, len(keeps), figsize=(2.4 * len(keeps), 2.8), sharey=True)
        for panel, keep in zip(panels, keeps, strict=True):
            here = frame[(frame["keep"] == keep) & (frame["group"] == "quality")]
            for solver, part in here.groupby("method", sort=False):
                panel.scatter(part["objective"], 100 * part["accuracy"], s=22, label=str(solver))
            panel.set(title=f"keep {keep:.0%}", xlabel="mean smallest distance")
        panels[0].set_ylabel("questions answered, %")
        panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        paths = [folder / "lmm_lab.png", folder / "lmm_lab_objective.png"]
        for figure, path in zip((curves, scatter), paths, strict=True):
            figure.savefig(path, dpi=160, bbox_inches="tight")
            plt.close(figure)
    return paths


def _curve(axes: Any, estimates: list[Estimate], keeps: list[float], name: str, colour: str) -> None:
    axes.plot(keeps, [e.value for e in estimates], marker="o", markersize=4, color=colour, label=name)
    axes.fill_between(keeps, [e.low for e in estimates], [e.high for e in estimates], color=colour, alpha=0.12, lw=0)
