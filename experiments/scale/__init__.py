"""Many points: greedy in memory and from disk, core-sets on a cluster of processes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments._common.console import Console, table
from experiments._common.rows import RESULTS, Row, Rows
from experiments.scale.report import CLUSTER, DISK, FOLDER, MEMORY, cells, write

KEY = ("part", "data", "method", "threads", "n", "d", "k")


def main(
    results: Annotated[Path, typer.Option(help="Folder of the rows, the report and the plot.")] = RESULTS,
    n: Annotated[int, typer.Option(help="Points in memory.", min=1000)] = 10**6,
    on_disk: Annotated[int, typer.Option(help="Rows of 64 numbers on disk, 256 bytes each.", min=5000)] = 10**7,
    on_cluster: Annotated[int, typer.Option(help="Points on a cluster of four processes.", min=6400)] = 4 * 10**6,
    huge: Annotated[
        int,
        typer.Option(help="Rows of 32 half-precision numbers on disk, 64 bytes each, and the same in a folder.", min=0),
    ] = 0,
    repeats: Annotated[int, typer.Option(help="Timed calls of each method; medians are shown.", min=1)] = 5,
    report_only: Annotated[bool, typer.Option(help="Only write the report, from the last run's rows.")] = False,
) -> None:
    """Many points: greedy in memory and from disk, core-sets on a cluster of processes; about 6 minutes.

    A part that has its rows of this code on this machine is not measured again. ``--huge 100000000`` adds the search in
    a file of 6.4 GB and in a Parquet folder, about an hour and as much free disk; both are made and removed.
    """
    console = Console()
    rows = Rows(results / "scale.csv", KEY, packages=("numpy", "numba", "fpsample", "dask", "distributed"))
    measured = rows.last_run() if report_only else _measure(rows, n, on_disk, on_cluster, huge, repeats, console)
    for part in [part for part in (MEMORY, DISK, FOLDER, CLUSTER) if any(row["part"] == part for row in measured)]:
        console.print(table(*cells(part, measured), title=part))
    for written in write(measured, results):
        console.print(f"wrote {written}")


def _measure(rows: Rows, n: int, on_disk: int, on_cluster: int, huge: int, repeats: int, console: Console) -> list[Row]:
    import numba

    from experiments.scale import cluster, disk, memory

    measured = memory.measure(rows, n, repeats, console)
    key: dict[str, Any] = {"part": DISK, "data": "normal", "method": "greedy", "threads": numba.get_num_threads()}
    key |= {"n": on_disk, "d": disk.D, "k": 100}
    measured.append(rows.find(**key) or rows.add(**key, **disk.measure(on_disk, 100)))
    if huge:
        key |= {"data": "normal, float16", "n": huge, "d": disk.HUGE_D}
        measured.append(rows.find(**key) or rows.add(**key, **disk.measure(huge, 100, disk.HUGE_D, "float16")))
        key |= {"part": FOLDER, "method": "coreset", "threads": disk.WORKERS}
        measured.append(rows.find(**key) or rows.add(**key, **disk.measure_folder(huge, 100)))
    for kind in ("uniform", "clusters"):
        key = {"part": CLUSTER, "data": kind, "method": "coreset", "threads": cluster.WORKERS}
        key |= {"n": on_cluster, "d": cluster.D, "k": cluster.K}
        measured.append(rows.find(**key) or rows.add(**key, **cluster.measure(kind, on_cluster)))
    return measured
