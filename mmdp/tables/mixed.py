"""Tables of numbers, dates, texts and categories side by side, for Gower's distance."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmdp.exceptions import InvalidProblemError
from mmdp.gower import Compared, compared_column, of_columns
from mmdp.metrics import Metric
from mmdp.tables.blocks import Table, listed
from mmdp.tables.columns import asked_for
from mmdp.tables.dialect import AS_FOUND, TextOptions
from mmdp.tables.frames import described
from mmdp.tables.source import Source
from mmdp.tables.table_files import holds_arrays, open_source, read_file
from mmdp.tables.taking import rows_of

_TO_MICROSECONDS = len("2024-01-31 12:00:00.000000")  # of which a table reaches from year 0 to 9999
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z?)?")


def read_mixed(
    points: Any,
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    drop_null: bool = False,
    text: TextOptions = AS_FOUND,
) -> tuple[Table, Metric]:
    """State the rows of a file or frame as points, and Gower's distance as their metric.

    All rows are read into memory. Columns are as for :func:`mmdp.tables.open_table`, of any type.

    Raises
    ------
    DataFileError
        If there is no such file or column.
    InvalidProblemError
        If a value is missing, or a column has too many different ones that are not numbers.
    """
    is_path = isinstance(points, (str, Path))
    if is_path and holds_arrays(points):
        table = read_file(points, columns, drop, drop_null, text)
        matrix, metric = of_columns([Compared(place, values, False) for place, values in enumerate(table.load().T)])
        return replace(
            listed([matrix], table.name),
            row_numbers=table.row_numbers,
            rows_in_all=table.rows_in_all,
            whole_rows=table.take,
        ), metric
    source = open_source(points, text) if is_path else None
    name = "points" if source is None else source.name
    found = _of_frame(points, columns, drop) if source is None else _of_source(source, columns, drop)
    row_numbers, rows_in_all = None, None
    if drop_null:
        missing = np.any([column.missing for column in found], axis=0)
        row_numbers, rows_in_all = np.flatnonzero(~missing), len(missing)
        found = [replace(column, values=column.values[row_numbers]) for column in found]
    try:
        matrix, metric = of_columns(found)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{name}: {error}") from error
    table = replace(
        listed([matrix], name),
        columns=tuple(str(column.name) for column in found),
        row_numbers=row_numbers,
        rows_in_all=rows_in_all,
        whole_rows=(lambda indices: rows_of(points, indices)) if source is None else source.rows,
    )
    return table, metric


def _of_frame(frame: Any, columns: str | Collection[str] | None, drop: str | Collection[str]) -> list[Compared]:
    known, values = described(frame, columns)
    return [compared_column(known[at].name, values[at]) for at in asked_for("points", known, columns, drop)]


def _of_source(source: Source, columns: str | Collection[str] | None, drop: str | Collection[str]) -> list[Compared]:
    places = asked_for(source.name, source.columns, columns, drop)
    return [_read_text(source, compared_column(source.columns[at].name, source.column(at))) for at in places]


def _read_text(source: Source, column: Compared) -> Compared:
    """An empty cell of a text file is no text, and neither is a date where the format has no type for it."""
    if column.values.dtype != object:
        return column
    if source.typed is not None:
        values = column.values.copy()
        values[values == ""] = None
        return replace(column, values=values)
    texts = [value for value in column.values if value is not None]
    if source.has_dates or not texts or not all(isinstance(text, str) and _DATE.fullmatch(text) for text in texts):
        return column
    dates = [None if value is None else value.removesuffix("Z")[:_TO_MICROSECONDS] for value in column.values]
    return replace(column, values=np.array(dates, dtype="datetime64[us]"))
