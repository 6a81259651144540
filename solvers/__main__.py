"""The command ``mmdp``: choose the most diverse rows of a file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import solvers
from mmdp import MMDPError, Stop
from mmdp.tables import Table
from mmdp.tables.dialect import TextOptions
from mmdp.tables.labels import labels_of, labels_of_points
from mmdp.tables.writing import check_writable
from solvers._command.answer_files import AnswerFiles, check_free, write_assignment
from solvers._command.flags import (
    ALL,
    Columns,
    Decimal,
    Drop,
    DropNull,
    Encoding,
    Exclude,
    Header,
    Include,
    MetricName,
    Output,
    Points,
    Rows,
    Separator,
    in_flags,
    number_of_rows,
)
from solvers._command.input import Input, told_coordinates
from solvers._command.solver_flags import check_flags, check_together, own_options, size_of
from solvers._command.typed_limits import TypedLimits
from solvers._framework.grading import renumbered
from solvers._framework.interrupts import interrupted
from solvers._framework.registry import available, make

_INTERRUPTED = 130  # the status of a command that Ctrl-C has ended, 128 + SIGINT


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """Say in one line that Ctrl-C has ended a command, which typer would not."""

    @wraps(command)
    def run(**options: Any) -> None:
        try:
            command(**options)
        except (KeyboardInterrupt, SystemError) as stopped:
            if not interrupted(stopped):
                raise
            is_saved = options.get("checkpoint") is not None
            typer.echo(f"interrupted{'; the same command continues from its checkpoint' if is_saved else ''}", err=True)
            raise typer.Exit(_INTERRUPTED) from stopped

    return run


application = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # a paragraph fills the line, wherever the docstring breaks it
)


@application.command()
@_told
def select(
    points: Points,
    k: Annotated[
        str | None,
        typer.Option(
            "-k",
            metavar="N|SHARE|all",
            help=f"How many rows to choose, a share such as 0.1, or {ALL}, in their order.",
            show_default=False,
        ),
    ] = None,
    solver: Annotated[
        str | None,
        typer.Option(
            help="Method; `mmdp solvers` lists them.",
            show_default="greedy, or one that keeps the limits or takes utilities",
        ),
    ] = None,
    metric: MetricName = "euclidean",
    output: Output = None,
    rows: Rows = None,
    rank: Annotated[
        bool,
        typer.Option(
            "--rank", help="With --rows, add two columns: rank, and distance to the nearest row chosen before."
        ),
    ] = False,
    assignment: Annotated[
        Path | None,
        typer.Option(help="File, as for -o, for the nearest chosen row of each row and its distance."),
    ] = None,
    columns: Columns = None,
    drop: Drop = None,
    drop_null: DropNull = False,
    include: Include = None,
    exclude: Exclude = None,
    header: Header = None,
    separator: Separator = None,
    decimal: Decimal = ".",
    encoding: Encoding = None,
    seconds: Annotated[float | None, typer.Option(help="Time limit of solvers that search.", min=0)] = None,
    seed: Annotated[int, typer.Option(help="Seed of all random choices.", min=0)] = 0,
    workers: Annotated[
        int | None,
        typer.Option(help="Number of threads of --solver coreset; each holds a part of the table in memory.", min=1),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File that saves the progress of greedy, to continue after an interruption.")
    ] = None,
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
            help="How many points of a group to choose: LABEL=10, or limits from below and above: LABEL=5:20, "
            "LABEL=5:, LABEL=:20. Repeat for each group; groups without a count contribute any number. With several "
            "--groups, COLUMN:LABEL=10.",
        ),
    ] = None,
    apart: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL,LABEL=DISTANCE",
            help="The least distance between points of two groups; repeat for other pairs.",
        ),
    ] = None,
    capacity: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|FILE",
            help="Capacity of each point: a column of POINTS, which is then not a coordinate, or a file of numbers.",
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
        Path | None,
        typer.Option(help="A file, such as .npy, with one vector or several; points near them are more useful."),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(
            help="With --utility or --query: how much utility one unit of distance is worth.", show_default="1"
        ),
    ] = None,
) -> None:
    """Choose the k rows of a file whose smallest pairwise distance is as large as possible.

    The greedy reads files larger than memory block by block, shows its progress, and continues from --checkpoint after
    an interruption. Every answer comes with its objective and an upper bound on what any choice can reach.

    With --groups and --count it chooses a set number of points from each group; with --apart, points of two groups keep
    a distance; with --capacity and --demand, it chooses as many as it takes. All three take points in memory. Add
    --solver exact to prove the best choice among a few hundred points.

    For example:

    mmdp select points.npy -k 1000 -o indices.npy

    mmdp select sites.csv -k 20 --columns lat,lon --metric haversine --rows chosen.csv

    mmdp select embeddings.parquet -k 500 --columns embedding --metric cosine --rows chosen.parquet

    mmdp select people.csv -k 0.05 --metric gower --drop name --include 3,17 --exclude seen.csv

    mmdp select people.csv -k 30 --groups city --count Oslo=10 --count Bergen=5: --count Narvik=:8

    mmdp select people.csv -k 30 --groups sex --groups city --count sex:f=15: --count city:Oslo=:10

    mmdp select sites.csv --columns x,y --capacity beds --demand 1500 --solver exact

    mmdp select answers.npy -k 10 --metric cosine --query question.npy --weight 10
    """
    asked = Input(points, TextOptions(header, separator, decimal, encoding), columns, drop, drop_null)
    limits = TypedLimits.read(points, asked.text, groups or [], count or [], apart or [], capacity, demand)
    by_use = utility is not None or query is not None
    check_together(k, demand, rank, rows, by_use, bool(limits), solver, weight)
    keyword = solver or ("gist" if by_use else limits.solver)
    check_flags(make(keyword), seconds, checkpoint, bool(limits), workers, assignment)
    answer = AnswerFiles(asked, output, rows, rank)
    answer.check()
    if assignment is not None:
        check_writable(assignment)
    read = [*(include or ()), *(exclude or ()), *(groups or ()), capacity, utility, query]
    check_free(points, read, **{"-o": output, "--rows": rows, "--assignment": assignment, "--checkpoint": checkpoint})
    wanted = None if k is None else number_of_rows(k)
    included, excluded = asked.fixed(include, exclude)
    use, column = (None, None) if utility is None else labels_of(points, utility, asked.text)
    beside = [*limits.columns, *([] if column is None else [column])]
    table, compared = asked.opened(metric, beside, make(keyword).reads_partitions and not limits)
    if use is not None and isinstance(table, Table):
        use = labels_of_points(use, table, utility or "")
    method = make(keyword, **own_options(workers, by_use, use, query, weight))
    size = None if wanted is None else size_of(wanted, table, len(excluded))
    stop = None if seconds is None else Stop(seconds=seconds)
    if limits:
        assert isinstance(table, Table)
        problem = limits.problem(size, table, compared, included, excluded)
        result = renumbered(method.solve(problem, stop, seed), table.row_numbers)
    else:
        result = method.solve_table(
            table,
            cast(int, size),  # a share becomes a number where all rows are counted
            compared,
            stop,
            seed,
            checkpoint=checkpoint,
            progress=isinstance(table, Table) and sys.stderr.isatty(),
            include=included,
            exclude=excluded,
        )
    typer.echo(result.summary(), err=True)
    if by_use:
        value, most = result.notes["value"], result.notes["value_upper_bound"]
        typer.echo(f"  value        {value:.6g}  (at most {most:.6g})", err=True)
    if table.columns:
        typer.echo(told_coordinates(table), err=True)
    for line in limits.lines(result):
        typer.echo(line, err=True)
    for written in answer.write(result.indices, table, result.radii if rank else None):
        typer.echo(f"  written to   {written}", err=True)
    if assignment is not None:
        farthest = write_assignment(assignment, result, table)
        typer.echo(f"  coverage     {farthest:.6g}  (no row is farther from a chosen one; see {assignment})", err=True)


@application.command()
@_told
def spread(
    points: Points,
    distance: Annotated[float, typer.Option(help="The smallest distance that two chosen rows may have.")],
    metric: MetricName = "euclidean",
    output: Output = None,
    rows: Rows = None,
    columns: Columns = None,
    drop: Drop = None,
    drop_null: DropNull = False,
    include: Include = None,
    exclude: Exclude = None,
    header: Header = None,
    separator: Separator = None,
    decimal: Decimal = ".",
    encoding: Encoding = None,
    seconds: Annotated[float, typer.Option(help="Time limit of the search and the proof.", min=0)] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of the local search.", min=0)] = 0,
) -> None:
    """Choose as many rows of a file as possible that are all at least a distance apart.

    For example:

    mmdp spread sites.csv --distance 5 --metric haversine --columns lat,lon --rows chosen.csv
    """
    asked = Input(points, TextOptions(header, separator, decimal, encoding), columns, drop, drop_null)
    answer = AnswerFiles(asked, output, rows)
    answer.check()
    check_free(points, [*(include or ()), *(exclude or ())], **{"-o": output, "--rows": rows})
    included, excluded = asked.fixed(include, exclude)
    table, compared = asked.opened(metric)
    found = solvers.spread(
        table,
        distance,
        metric=compared,
        include=included,
        exclude=excluded,
        stop=Stop(seconds=seconds),
        seed=seed,
    )
    typer.echo(found.summary(), err=True)
    if table.columns:
        typer.echo(told_coordinates(table), err=True)
    for written in answer.write(found.indices, table):
        typer.echo(f"  written to   {written}", err=True)


@application.command("solvers")
def list_solvers() -> None:
    """List the methods: what each proves, keeps and starts from, where it computes, what it costs."""
    typer.echo(str(available()))


def _note(message: Any, *_: Any, **__: Any) -> None:
    typer.echo(f"note: {message}", err=True)


def main() -> None:
    """Run the command; what is wrong with the input is one line, not a traceback."""
    warnings.showwarning = _note
    try:
        application()
    except MMDPError as error:
        sys.exit(f"{type(error).__name__}: {in_flags(str(error))}")


if __name__ == "__main__":
    main()
