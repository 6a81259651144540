"""The command ``mmdp``: choose the most diverse rows of a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import solvers
from mmdp import DataFileError, MMDPError, Stop
from mmdp.metrics import METRICS
from solvers._sources import source

application = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_WRITTEN = (".npy", ".csv", ".parquet")


@application.command()
def select(
    points: Annotated[
        Path, typer.Argument(help="Table of one point a row: .npy, .csv, .parquet, or a Parquet folder.")
    ],
    k: Annotated[int, typer.Option("-k", help="How many rows to choose.")],
    solver: Annotated[str, typer.Option(help="Method; `mmdp solvers` lists them.")] = "greedy",
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(METRICS)}.")] = "euclidean",
    output: Annotated[Path | None, typer.Option("-o", help="Where the indices go: .npy, .csv or .parquet.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Write the chosen rows instead of their indices.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Time limit of solvers that search.")] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    checkpoint: Annotated[Path | None, typer.Option(help="File from which a killed greedy run goes on.")] = None,
) -> None:
    """Choose the k rows of a file whose smallest pairwise distance is as large as possible.

    The greedy reads files larger than memory block by block, shows how far it is, and goes on from --checkpoint after
    an interruption. Every answer comes with its objective and an upper bound on what any choice can reach.

    Some calls:

    mmdp select points.npy -k 1000 -o indices.npy

    mmdp select sites.csv -k 20 --metric haversine --solver local_search --seconds 10

    mmdp select embeddings.parquet -k 500 --metric cosine --checkpoint run.json --rows -o chosen.parquet
    """
    if output is not None and output.suffix not in _WRITTEN:
        raise DataFileError(f"{output}: unknown kind of file; write one of {', '.join(_WRITTEN)}")
    table = source(points)
    options: dict[str, Any] = {"checkpoint": checkpoint, "progress": sys.stderr.isatty()} if solver == "greedy" else {}
    stop = None if seconds is None else Stop(seconds=seconds)
    result = solvers.solve(table, k, solver=solver, metric=metric, stop=stop, seed=seed, **options)
    typer.echo(result.summary(), err=True)
    chosen = _chosen_rows(table, result.indices) if rows else result.indices
    if output is None:
        np.savetxt(sys.stdout, chosen, fmt="%.17g" if rows else "%d", delimiter=",")
    else:
        _write(output, chosen)


@application.command("solvers")
def list_solvers() -> None:
    """List the methods: what each proves, where it computes, what it costs."""
    typer.echo(str(solvers.available()))


def _chosen_rows(table: Any, indices: Any) -> Any:
    order = np.argsort(indices)
    parts, start = [], 0
    for block in table.read():
        low, high = np.searchsorted(indices[order], (start, start + len(block)))
        parts.append(block[indices[order][low:high] - start])
        start += len(block)
    found = np.concatenate(parts)
    rows = np.empty_like(found)
    rows[order] = found
    return rows


def _write(path: Path, table: Any) -> None:
    if path.suffix == ".npy":
        np.save(path, table)
    elif path.suffix == ".csv":
        np.savetxt(path, table, fmt="%d" if table.ndim == 1 else "%.17g", delimiter=",")
    else:
        import pyarrow as pa
        from pyarrow import parquet

        columns = {"index": table} if table.ndim == 1 else {str(c): table[:, c] for c in range(table.shape[1])}
        parquet.write_table(pa.table(columns), path)


def main() -> None:
    """Run the command; what is wrong with the input is one line, not a traceback."""
    try:
        application()
    except MMDPError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; with --checkpoint the same command goes on from the last pass")
