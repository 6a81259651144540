"""The command ``mmdp``: choose the most diverse rows of a file."""

from __future__ import annotations

import csv
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer

import solvers
from mmdp import DataFileError, InvalidOptionError, MMDPError, Stop
from mmdp.metrics import METRICS
from mmdp.tables import Table, open_table
from mmdp.tables.dialect import TextOptions
from mmdp.tables.labels import labels_of
from mmdp.tables.locations import suffix_of
from mmdp.tables.source import Source
from mmdp.tables.table_files import NUMPY, open_source
from solvers._framework.answer_files import check_free, check_output, writer_of_indices, writer_of_rows
from solvers._framework.base import Solver
from solvers._framework.grading import renumbered
from solvers._framework.registry import available, make
from solvers._framework.typed_limits import TypedLimits

application = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_SHOWN = 8
_FLAGS = {
    "k": "-k",
    "seed": "--seed",
    "checkpoint": "--checkpoint",
    "separator": "--separator",
    "decimal": "--decimal",
    "workers": "--workers",
    "demand": "--demand",
    "capacity": "--capacity",
}


@application.command()
def select(
    points: Annotated[
        str,
        typer.Argument(
            help="Table with one point per row: .npy, .npz, .csv, .tsv, .parquet, .feather, .arrow, .jsonl, packed "
            "text such as .csv.gz, a folder of such files, a pattern, or a URI such as s3://bucket/folder."
        ),
    ],
    k: Annotated[int | None, typer.Option("-k", help="How many rows to choose.", show_default=False)] = None,
    solver: Annotated[
        str | None,
        typer.Option(help="Method; `mmdp solvers` lists them.", show_default="greedy, or one that keeps the limits"),
    ] = None,
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(METRICS)}.")] = "euclidean",
    output: Annotated[
        Path | None, typer.Option("-o", help="Where the indices go: .npy, .csv, .tsv, .parquet, .feather or .jsonl.")
    ] = None,
    rows: Annotated[
        bool, typer.Option("--rows", help="Write the chosen rows, with all their columns, instead of their indices.")
    ] = False,
    rank: Annotated[
        bool,
        typer.Option(
            "--rank", help="With --rows, add the columns rank and distance: to the nearest row chosen before."
        ),
    ] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="The coordinates, such as x,y or a column of lists; all columns if not given."
        ),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Columns that are not coordinates, such as id,name.")
    ] = None,
    drop_null: Annotated[bool, typer.Option("--drop-null", help="Leave out rows with a missing value.")] = False,
    header: Annotated[
        bool | None,
        typer.Option("--header/--no-header", help="Whether the first line of a text file names the columns."),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(help="Between the cells of a text file, one character or `tab`; found out if not given."),
    ] = None,
    decimal: Annotated[str, typer.Option(help="The decimal mark of a text file.")] = ".",
    seconds: Annotated[float | None, typer.Option(help="Time limit of solvers that search.", min=0)] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.", min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Threads of --solver coreset, each with a part of the table in memory.", min=1)
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="File to continue an interrupted greedy run from.")] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="Group of each point: a column of POINTS, which is then not a coordinate; or a file of labels: .npy, "
            ".parquet with one column, .csv with one label per line and no header. Repeat for several attributes.",
        ),
    ] = None,
    count: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=N",
            help="How many points of a group to choose: LABEL=10, or at least and at most: LABEL=5:20, LABEL=5:, "
            "LABEL=:20. Repeat for each group; groups without a count contribute any number. With several --groups, "
            "COLUMN:LABEL=10.",
        ),
    ] = None,
    apart: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL,LABEL=DISTANCE",
            help="How far points of two groups have to be apart at least; repeat for other pairs.",
        ),
    ] = None,
    capacity: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="What each point has: a column of POINTS, which is then not a coordinate, or a file of numbers.",
        ),
    ] = None,
    demand: Annotated[
        float | None, typer.Option(help="In place of -k: choose rows whose --capacity adds up to this or more.")
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

    With --groups and --count it chooses a set number of points from each group; with --apart, points of two groups keep
    a distance; with --capacity and --demand, it chooses as many as it takes. All three take points in memory. Add
    --solver exact to prove the best choice among a few hundred points.

    For example:

    mmdp select points.npy -k 1000 -o indices.npy

    mmdp select sites.csv -k 20 --columns lat,lon --metric haversine --rows -o chosen.csv

    mmdp select embeddings.parquet -k 500 --columns embedding --metric cosine --rows -o chosen.parquet

    mmdp select people.csv -k 30 --groups city --count Oslo=10 --count Bergen=5: --count Narvik=:8

    mmdp select people.csv -k 30 --groups sex --groups city --count sex:f=15: --count city:Oslo=:10

    mmdp select sites.csv --columns x,y --capacity beds --demand 1500 --solver exact

    mmdp select answers.npy -k 10 --metric cosine --query question.npy --weight 10
    """
    text = TextOptions(header, separator, decimal)
    limits = TypedLimits.read(points, text, groups or [], count or [], apart or [], capacity, demand)
    if (k is None) == (demand is None):
        raise InvalidOptionError(
            "-k is how many rows to choose, --demand how much they have together: give one of them"
        )
    if rank and not rows:
        raise InvalidOptionError("--rank adds columns to the chosen rows: give --rows as well")
    by_use = utility is not None or query is not None
    if by_use and (limits or solver not in (None, "gist")):
        raise InvalidOptionError("--utility and --query are for --solver gist, without --groups and --demand")
    method = _method(solver or limits.solver, seconds, checkpoint, bool(limits), workers)
    source = None if suffix_of(points) in NUMPY else open_source(points, text)
    check_output(output, points, source, rows, rank)
    check_free(points, **{"-o": output, "--checkpoint": checkpoint})
    taken = list(limits.columns)
    if by_use:
        use, column = (None, None) if utility is None else labels_of(points, utility, text)
        method = make("gist", utility=use, query=_vectors(query), weight=weight)
        taken += [] if column is None else [column]
    names, dropped = _names(columns, source), _names(drop, source) or []
    if names is None:
        dropped = [*dropped, *taken]
    table = open_table(
        points,
        names,
        dropped,
        drop_null=drop_null,
        header=header,
        separator=separator,
        decimal=decimal,
        partitioned=method.reads_partitions and not limits,
    )
    stop = None if seconds is None else Stop(seconds=seconds)
    if limits:
        assert isinstance(table, Table)
        result = renumbered(method.solve(limits.problem(k, table, metric), stop, seed), table.row_numbers)
    else:
        progress = method.resumable and sys.stderr.isatty()
        result = method.solve_table(table, cast(int, k), metric, stop, seed, checkpoint=checkpoint, progress=progress)
    typer.echo(result.summary(), err=True)
    if by_use:
        value, most = result.notes["value"], result.notes["value_upper_bound"]
        typer.echo(f"  value        {value:.6g}  (at most {most:.6g})", err=True)
    if table.columns:
        typer.echo(f"  coordinates  {_few(table.columns)}", err=True)
    for line in limits.lines(result):
        typer.echo(line, err=True)
    write = writer_of_rows(result, table, source, output, points, rank, metric) if rows else writer_of_indices(result)
    if output is None:
        write(sys.stdout)
        return
    try:
        write(output)
    except OSError as error:
        write(sys.stdout)
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


def _method(solver: str, seconds: float | None, checkpoint: Path | None, limited: bool, workers: int | None) -> Solver:
    """The solver, where it can do what the options ask for."""
    method = make(solver)
    if seconds is not None and not method.stops:
        raise InvalidOptionError(
            f"--seconds: {solver} constructs one solution and always runs to its end; --solver local_search searches "
            "for a better one until the time is up"
        )
    if checkpoint is not None and limited:
        raise InvalidOptionError(
            "--checkpoint: with --groups or --demand all points are in memory, and nothing is saved"
        )
    if checkpoint is not None and not method.resumable:
        raise InvalidOptionError(f"--checkpoint: {solver} saves nothing on the way; greedy does")
    if workers is None:
        return method
    if not method.reads_partitions:
        raise InvalidOptionError(f"--workers: {solver} takes the threads of NUMBA_NUM_THREADS; coreset has workers")
    return make(solver, workers=workers)


def _names(typed: Sequence[str] | None, source: Source | None) -> list[str] | None:
    """Names of columns as they are typed: one, or several with commas between them."""
    if typed is None:
        return None
    known = {column.name for column in source.columns} if source is not None else set()
    return [name for text in typed for name in ([text] if text in known else next(csv.reader([text]), [""]))]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _in_flags(message: str) -> str:
    """The words of Python's options as those of the command line."""
    return re.sub(rf"\b({'|'.join(_FLAGS)}) = ", lambda match: f"{_FLAGS[match[1]]} ", message, count=1)


def _note(message: Any, *_: Any, **__: Any) -> None:
    typer.echo(f"note: {message}", err=True)


def main() -> None:
    """Run the command; what is wrong with the input is one line, not a traceback."""
    warnings.showwarning = _note
    try:
        application()
    except MMDPError as error:
        sys.exit(f"{type(error).__name__}: {_in_flags(str(error))}")
    except KeyboardInterrupt:
        sys.exit("interrupted; with --checkpoint the same command goes on from the last pass")


if __name__ == "__main__":
    main()
