"""The command ``mmdp``: choose the most diverse rows of a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np
import typer

import solvers
from mmdp import DataFileError, InvalidOptionError, MMDPError, Problem, Stop
from mmdp.metrics import METRICS
from mmdp.tables import open_table
from mmdp.tables.labels import counts, labelled
from solvers._framework.registry import available, make

application = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_WRITTEN = (".npy", ".csv", ".parquet")


@application.command()
def select(
    points: Annotated[
        Path, typer.Argument(help="Table with one point per row: .npy, .csv, .parquet, or a Parquet folder.")
    ],
    k: Annotated[int, typer.Option("-k", help="How many rows to choose.")],
    solver: Annotated[
        str | None,
        typer.Option(help="Method; `mmdp solvers` lists them.", show_default="greedy, or fair with --groups"),
    ] = None,
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(METRICS)}.")] = "euclidean",
    output: Annotated[Path | None, typer.Option("-o", help="Where the indices go: .npy, .csv or .parquet.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Write the chosen rows instead of their indices.")] = False,
    drop: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column that is not a coordinate; repeat for several.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Time limit of solvers that search.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
    checkpoint: Annotated[Path | None, typer.Option(help="File to continue an interrupted greedy run from.")] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="Group of each point: a column of POINTS, which is then not a coordinate; or a file of labels: .npy, "
            ".parquet with one column, .csv with one label per line and no header.",
        ),
    ] = None,
    count: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=N",
            help="How many points of a group to choose: LABEL=10, or at least and at most: LABEL=5:20, LABEL=5:, "
            "LABEL=:20. Repeat for each group; groups without a count contribute any number.",
        ),
    ] = None,
    utility: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="How useful each point is: a column of POINTS, which is then not a coordinate, or a file of numbers.",
        ),
    ] = None,
    query: Annotated[
        Path | None, typer.Option(help="A .npy file with one vector or several: points near them are useful.")
    ] = None,
    weight: Annotated[
        float, typer.Option(help="With --utility or --query: how much utility one unit of distance is worth.")
    ] = 1.0,
) -> None:
    """Choose the k rows of a file whose smallest pairwise distance is as large as possible.

    The greedy reads files larger than memory block by block, shows its progress, and continues from --checkpoint after
    an interruption. Every answer comes with its objective and an upper bound on what any choice can reach.

    With --groups and --count it chooses a set number of points from each group, from points in memory. Add --solver ilp
    to prove the best choice among a few hundred points.

    For example:

    mmdp select points.npy -k 1000 -o indices.npy

    mmdp select sites.csv -k 20 --drop name --metric haversine --solver local_search --seconds 10

    mmdp select embeddings.parquet -k 500 --metric cosine --checkpoint run.json --rows -o chosen.parquet

    mmdp select people.csv -k 30 --groups city --count Oslo=10 --count Bergen=5: --count Narvik=:8

    mmdp select answers.npy -k 10 --metric cosine --query question.npy --weight 10
    """
    if output is not None and output.suffix not in _WRITTEN:
        raise DataFileError(f"{output}: unknown kind of file; write one of {', '.join(_WRITTEN)}")
    _check_writable(output, checkpoint)
    if (groups is None) != (not count):
        raise InvalidOptionError("--groups labels the points and --count limits the labels: give both or neither")
    by_use = utility is not None or query is not None
    if by_use and (groups is not None or solver not in (None, "gist")):
        raise InvalidOptionError("--utility and --query are for --solver gist, without --groups")
    method = make(solver or ("greedy" if groups is None else "fair"))
    stop = None if seconds is None else Stop(seconds=seconds)
    if by_use:
        table, use = (
            (open_table(points, drop=drop or ()), None) if utility is None else labelled(points, utility, drop or ())
        )
        method, labels = make("gist", utility=use, query=_vectors(query), weight=weight), None
        result = method.solve_table(table, k, metric, stop, seed, checkpoint=checkpoint)
    elif groups is None:
        table, labels = open_table(points, drop or ()), None
        progress = method.resumable and sys.stderr.isatty()
        result = method.solve_table(table, k, metric, stop, seed, checkpoint=checkpoint, progress=progress)
    else:
        table, labels = labelled(points, groups, drop or ())
        limits = counts(count or (), labels)
        if checkpoint is not None:
            raise InvalidOptionError("--checkpoint: with --groups all points are in memory, and nothing is saved")
        result = method.solve(Problem(k, points=table.load(), metric=metric, groups=labels, counts=limits), stop, seed)
    typer.echo(result.summary(), err=True)
    if by_use:
        value, most = result.notes["value"], result.notes["value_upper_bound"]
        typer.echo(f"  value        {value:.6g}  (at most {most:.6g})", err=True)
    if labels is not None:
        of_each = zip(*np.unique(labels[result.indices], return_counts=True), strict=True)
        typer.echo(f"  groups       {', '.join(f'{taken} of {label}' for label, taken in of_each)}", err=True)
    chosen = _chosen_rows(table, result.indices) if rows else result.indices
    if output is None:
        _write_csv(sys.stdout, chosen)
        return
    try:
        _write(output, chosen)
    except OSError as error:
        _write_csv(sys.stdout, chosen)
        raise DataFileError(f"{output}: cannot be written ({error}); the answer is on the standard output") from error
    typer.echo(f"  written to   {output}", err=True)


@application.command()
def spread(
    points: Annotated[Path, typer.Argument(help="Table with one point per row, as for `mmdp select`.")],
    distance: Annotated[float, typer.Option(help="The smallest distance allowed between two chosen rows.")],
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(METRICS)}.")] = "euclidean",
    output: Annotated[Path | None, typer.Option("-o", help="Where the indices go: .npy or .csv.")] = None,
    drop: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column that is not a coordinate; repeat for several.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time limit of the search and the proof.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of the local search.")] = 0,
) -> None:
    """Choose as many rows of a file as possible that are all at least a distance apart.

    For example:

    mmdp spread sites.csv --distance 5 --metric haversine --drop name -o chosen.csv
    """
    if output is not None and output.suffix not in (".npy", ".csv"):
        raise DataFileError(f"{output}: unknown kind of file; write .npy or .csv")
    table = open_table(points, drop=drop or ())
    found = solvers.spread(table, distance, metric=metric, stop=Stop(seconds=seconds), seed=seed)
    typer.echo(found.summary(), err=True)
    if output is not None and output.suffix == ".npy":
        np.save(output, found.indices)
    else:
        np.savetxt(output or sys.stdout, found.indices, fmt="%d")


@application.command("solvers")
def list_solvers() -> None:
    """List the methods: what each proves, where it computes, what it costs."""
    typer.echo(str(available()))


def _vectors(path: Path | None) -> Any:
    """Return the vectors of queries in a .npy file."""
    try:
        return None if path is None else np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise DataFileError(f"{path}: not a .npy file of numbers ({error})") from error


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


def _check_writable(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise DataFileError(f"{path}: cannot be written; is there such a folder, and may you write to it?")


def _write_csv(file: Path | TextIO, table: Any) -> None:
    np.savetxt(file, table, fmt="%d" if table.ndim == 1 else "%.17g", delimiter=",")


def _write(path: Path, table: Any) -> None:
    if path.suffix == ".npy":
        np.save(path, table)
    elif path.suffix == ".csv":
        _write_csv(path, table)
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


if __name__ == "__main__":
    main()
