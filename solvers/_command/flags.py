"""Arguments and flags that more than one of the commands take, and their words in the messages of the library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from mmdp import InvalidOptionError
from mmdp.metrics import METRICS

ALL = "all"
_RENAMED = {
    "k": "-k",
    **{
        name: f"--{name}"
        for name in (
            "seed", "checkpoint", "separator", "decimal", "encoding", "workers", "include", "exclude", "distance",
            "query", "utility", "weight", "demand", "capacity",
        )
    },
}  # fmt: skip


def number_of_rows(typed: str) -> int | float | str:
    """What ``-k`` says: a number, a share, or all."""
    try:
        return ALL if typed == ALL else float(typed) if "." in typed else int(typed)
    except ValueError as error:
        raise InvalidOptionError(
            f"-k {typed}: give a number of rows, such as 100, a share of them, such as 0.1, or {ALL}"
        ) from error


Points = Annotated[
    str,
    typer.Argument(
        help="Table with one point per row: .npy, .npz, .csv, .tsv, .parquet, .feather, .arrow, .jsonl, packed "
        "text such as .csv.gz, a folder of such files, a pattern, or a URI such as s3://bucket/folder."
    ),
]
MetricName = Annotated[
    str,
    typer.Option(
        "--metric",
        help=f"One of {', '.join(METRICS)}; gower, which compares numbers, texts and dates alike; or precomputed, "
        "for a square table of distances.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", help="File for the row numbers: .npy, .csv, .tsv, .parquet, .feather or .jsonl."),
]
Rows = Annotated[
    Path | None,
    typer.Option(
        "--rows",
        metavar="FILE",
        help="File for the chosen rows with all their columns, as for -o, or - for standard output.",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="The coordinates, such as x,y or a column of lists; by default all columns."),
]
Drop = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Columns that are not coordinates, such as id,name.")
]
DropNull = Annotated[bool, typer.Option("--drop-null", help="Drop rows with a missing value.")]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether the first line of a text file names the columns."),
]
Separator = Annotated[
    str | None,
    typer.Option(help="What separates the cells of a text file: one character or `tab`; detected by default."),
]
Decimal = Annotated[str, typer.Option(help="The decimal mark of a text file.")]
Encoding = Annotated[
    str | None, typer.Option(help="Encoding of a text file that is not in UTF-8, such as latin-1 or cp1252.")
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROWS|FILE",
        help="Rows that must be chosen: numbers that count from 0, such as 3,17, or a file of them, such as -o writes.",
    ),
]
Exclude = Annotated[
    list[str] | None, typer.Option(metavar="ROWS|FILE", help="Rows that must not be chosen, given as for --include.")
]


def in_flags(message: str) -> str:
    """The words of Python's options as those of the command line."""
    message = re.sub(rf"\b({'|'.join(_RENAMED)}) = ", lambda match: f"{_RENAMED[match[1]]} ", message, count=1)
    return re.sub(r"^(include|exclude)\b", r"--\1", message)
