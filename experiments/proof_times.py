"""Time to proof: the clique search against each integer programming model, and against spopt's."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import solvers
from experiments._common import figures
from experiments._common.console import Console
from experiments._common.rows import RESULTS, Rows
from mmdp import Stop
from solvers.ilp import FORMULATIONS

KEY = ("method", "n", "k", "seed", "limit")
_SIZES = (20, 50, 100, 200, 300)
_REPEATS, _SECONDS = 9, 1.0  # a proof is timed at most so often, the last time after so many seconds at the latest

Points = NDArray[np.float64]
Method = Callable[[Points, int, float], tuple[float, bool]]


def main(
    k: Annotated[int, typer.Option(help="How many points to choose; fewer of small problems.", min=2)] = 10,
    seconds: Annotated[float, typer.Option(help="Time limit of a proof.", min=0.0)] = 60.0,
    seeds: Annotated[int, typer.Option(help="Problems of each size.", min=1)] = 3,
    results: Annotated[Path, typer.Option(help="Folder of the rows and the plot.")] = RESULTS,
    report_only: Annotated[bool, typer.Option(help="Only draw the plot, from the last run's rows.")] = False,
) -> None:
    """Time to proof of exact, of every formulation of ilp and of spopt, on points in the plane."""
    console = Console()
    rows = Rows(results / "proof_times.csv", KEY)
    if not report_only:
        _measure_all(rows, k, seconds, seeds, console)
    console.print(f"wrote {_plot(rows.frame(), results / 'proof_times.png')}")


def _measure_all(rows: Rows, k: int, seconds: float, seeds: int, console: Console) -> None:
    """Prove problem by problem; a method that proves none of a size is not asked about larger ones."""
    given_up: set[str] = set()
    methods = _methods(console)
    for method in methods.values():
        method(_points(12, 0), 3, 5.0)  # compiles and loads what the first call would
    methods["exact"](_points(_SIZES[-1], 0), 3, 5.0)  # its other search
    for n in _SIZES:
        for name, method in methods.items():
            if name not in given_up:
                times = [_measure(rows, name, method, n, min(k, n // 5), seed, seconds) for seed in range(seeds)]
                solved = [time for time in times if time is not None]
                if not solved:
                    given_up.add(name)
                shown = f"{statistics.median(solved):.4f} s" if len(solved) == seeds else f"{len(solved)} of {seeds}"
                console.print(f"n = {n:3}, k = {min(k, n // 5):2}  {name:14} {shown}")


def _points(n: int, seed: int) -> Points:
    return np.random.default_rng(seed).random((n, 2))


def _methods(console: Console) -> dict[str, Method]:
    def ours(solver: str, **options: Any) -> Method:
        def solve(points: Points, k: int, seconds: float) -> tuple[float, bool]:
            result = solvers.solve(points, k, solver=solver, stop=Stop(seconds=seconds), **options)
            return result.objective, result.is_optimal

        return solve

    methods = {"exact": ours("exact"), **{name: ours("ilp", formulation=name) for name in FORMULATIONS}}
    if importlib.util.find_spec("spopt"):
        methods["spopt"] = _spopt
    else:
        console.print("spopt is not installed and does not take part: pip install 'mmdp[rivals-exact]'")
    return methods


def _spopt(points: Points, k: int, seconds: float) -> tuple[float, bool]:
    import pulp  # type: ignore[import-untyped]
    from spopt.locate import PDispersion  # type: ignore[import-untyped]

    model = PDispersion.from_cost_matrix(cdist(points, points), k)
    model.solve(pulp.PULP_CBC_CMD(msg=False, timeLimit=seconds))
    proven = model.problem.sol_status == pulp.LpSolutionOptimal
    return float(model.problem.objective.value()), bool(proven)


def _measure(rows: Rows, name: str, method: Method, n: int, k: int, seed: int, seconds: float) -> float | None:
    """Seconds to a proof, or None if there is none in time; with the value, so that methods can be compared."""
    key = {"method": name, "n": n, "k": k, "seed": seed, "limit": seconds}
    row = rows.find(**key)
    if row is None:
        points, times = _points(n, seed), list[float]()
        while len(times) < _REPEATS and sum(times) < _SECONDS:
            start = perf_counter()
            objective, proven = method(points, k, seconds)
            times.append(perf_counter() - start)
        row = rows.add(**key, seconds=statistics.median(times), objective=objective, proven=proven)
    return float(row["seconds"]) if row["proven"] == "True" else None


def _plot(frame: pd.DataFrame, path: Path) -> Path:
    figure, axes = figures.figure(figures.WIDTH, 4.2, layout="constrained")
    newest = frame[frame["code"] == frame["code"].iloc[-1]]
    for name, of_method in newest[newest["proven"]].groupby("method"):
        median = of_method.groupby("n")["seconds"].median()
        axes.plot(median.index, median.to_numpy(), marker="o", label=name, linewidth=2.4 if name == "exact" else 1.2)
    axes.set(xscale="log", yscale="log", xlabel="points", ylabel="seconds to proof, median")
    axes.set_xticks(_SIZES, [str(n) for n in _SIZES])
    axes.minorticks_off()
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.grid(color=figures.GRID, linewidth=0.8)
    figures.save(figure, path)
    return path
