"""The most dispersed cities of the world, proven: a map for the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from matplotlib.axes import Axes
from numpy.typing import NDArray

import solvers
from experiments._common import figures
from experiments._common.console import Console
from experiments._common.provenance import ROOT
from experiments.suites.geography import cities
from mmdp import Problem, Result
from mmdp.certificate import Certificate, check

_NAME = "dispersed_cities.png"


def main(
    k: Annotated[int, typer.Option(help="How many cities.", min=2)] = 12,
    folder: Annotated[Path, typer.Option(help="Where the map goes.")] = ROOT / "docs" / "images",
) -> None:
    """A world map of the k time-zone cities that are farthest apart, with the proof."""
    console = Console()
    names, points = list(cities()), np.array(list(cities().values()))
    problem = Problem(k, points=points, metric="haversine")
    result = solvers.solve(problem, solver="exact", certificate_nodes=100_000)
    console.print(result.summary())
    note = "optimal" if result.is_optimal else f"at most {result.gap:.1%} below the optimum"
    if record := result.notes.get("certificate"):
        certificate = Certificate(**record)
        verdict = "accepts" if check(certificate, problem, result.objective) else "rejects"
        console.print(f"certificate of {certificate.nodes} nodes: the checker {verdict} it")
        note = f"proven optimal by a checked certificate of {certificate.nodes:,} nodes"
    for city in result.indices:
        console.print(f"  {names[city]}")
    _draw(names, points, result, note, folder / _NAME)
    console.print(f"wrote {folder / _NAME}")


def _draw(names: list[str], points: NDArray[np.float64], result: Result, note: str, path: Path) -> None:
    figure, axes = figures.figure(figures.WIDTH, 4.6, layout="constrained")
    axes.scatter(points[:, 1], points[:, 0], s=7, color="#b0b8c0", linewidths=0)
    chosen = points[result.indices]
    _arc(axes, *(points[list(result.critical_pair)]))
    axes.scatter(chosen[:, 1], chosen[:, 0], s=46, color="#c0392b", edgecolors="white", linewidths=0.8, zorder=3)
    for city, (latitude, longitude) in zip(result.indices, chosen, strict=True):
        label = names[city].rpartition("/")[2].replace("_", " ")
        side = -1 if longitude > 130 else 1
        axes.annotate(
            label,
            (longitude, latitude),
            xytext=(6 * side, 5),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            fontsize=9,
        )
    axes.set(xlim=(-180, 180), ylim=(-90, 90), aspect="equal", xlabel="longitude", ylabel="latitude")
    axes.set_xticks(range(-180, 181, 60))
    axes.set_yticks(range(-90, 91, 30))
    axes.grid(color=figures.GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(
        f"The {result.k} most dispersed of {result.n} time-zone cities: "
        f"no two closer than {result.objective:,.0f} km\n{note}",
        loc="left",
        fontsize=10,
    )
    figures.save(figure, path)


def _arc(axes: Axes, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
    """Draw the great circle between the two closest of the chosen."""
    ends = np.radians([start, end])
    flat = np.cos(ends[:, 0])
    a, b = np.stack((flat * np.cos(ends[:, 1]), flat * np.sin(ends[:, 1]), np.sin(ends[:, 0])), axis=1)
    way = np.linspace(0, 1, 200)[:, None]
    path = (1 - way) * a + way * b
    path /= np.linalg.norm(path, axis=1, keepdims=True)
    latitude, longitude = np.degrees(np.arcsin(path[:, 2])), np.degrees(np.arctan2(path[:, 1], path[:, 0]))
    jumps = np.flatnonzero(np.abs(np.diff(longitude)) > 180) + 1  # where it leaves one edge of the map
    for piece in np.split(np.arange(len(way)), jumps):
        axes.plot(longitude[piece], latitude[piece], color="#c0392b", linewidth=1, linestyle="--")
