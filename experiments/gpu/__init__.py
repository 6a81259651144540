"""Greedy selection on a GPU: whether it is right, how long it takes, and how near that is to the least possible."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from tabulate import tabulate

from experiments._common.console import Console
from experiments._common.rows import RESULTS, Rows
from experiments.gpu import report

KEY = ("device", "method", "n", "d", "k", "batch", "dtype")


def main(
    results: Annotated[Path, typer.Option(help="Folder of gpu.csv, gpu.md and gpu.png.")] = RESULTS,
    repeats: Annotated[int, typer.Option(help="Timed calls of each method.", min=2)] = 50,
    checks: Annotated[int, typer.Option(help="Inputs of the check against float64; 0 for none.", min=0)] = 1000,
    dtype: Annotated[str, typer.Option(help="Type of the features: bfloat16, float16 or float32.")] = "bfloat16",
    size: Annotated[list[str] | None, typer.Option(help="Only this size, by its name in the table; repeat.")] = None,
    interpret: Annotated[bool, typer.Option(help="Without a GPU: tiny sizes in Triton's interpreter.")] = False,
    resources: Annotated[bool, typer.Option(help="Only compile for a Hopper GPU; show what kernels need.")] = False,
    report_only: Annotated[bool, typer.Option(help="Only write the report, from the last run's rows.")] = False,
) -> None:
    """Greedy selection on a GPU: checked against float64, then timed beside DivPrune's loop and a floor."""
    console = Console()
    if resources:
        from experiments.gpu.checks import hopper_resources

        console.print(
            "Compiled for compute capability 9.0: registers and stack bytes of a thread, shared bytes of a program"
        )
        console.print(tabulate(hopper_resources(), headers="keys"))
        return
    rows = Rows(results / "gpu.csv", KEY, packages=("torch", "triton"))
    if not report_only:
        from experiments.gpu.run import measure

        measure(rows, repeats, checks, dtype, interpret, size or [], console)
    last = rows.last_run()
    console.print(report.terminal(last))
    for written in report.write(last, results):
        console.print(f"wrote {written}")
