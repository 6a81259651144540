"""Points that are not one array in memory: files, data frames, blocks of rows, memory maps, partitions elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmdp.arrays import Indices
from mmdp.exceptions import InvalidOptionError, InvalidProblemError
from mmdp.metrics import compares_objects
from mmdp.tables import blocks, table_files
from mmdp.tables.blocks import Table
from mmdp.tables.dialect import AS_FOUND, TextOptions
from mmdp.tables.frames import Held, is_column, is_frame, read_frame
from mmdp.tables.locations import suffix_of
from mmdp.tables.mixed import read_mixed
from mmdp.tables.partitions import Partitions
from mmdp.tables.taking import is_dask, is_list_of_blocks, rows_of

__all__ = [
    "Held",
    "Partitions",
    "Table",
    "in_memory",
    "is_dask",
    "is_frame",
    "is_table",
    "open_table",
    "read_frame",
    "read_mixed",
    "rows_of",
]


def is_table(points: object, metric: object = None) -> bool:
    """Whether points are to be read block by block instead of held as one array.

    A list of arrays is a table of their rows, unless a function compares the arrays themselves, such as images.
    """
    if isinstance(points, (str, Path, Table, Partitions, np.memmap, Iterator)) or is_dask(points):
        return True
    return is_list_of_blocks(points) and not compares_objects(metric)


def open_table(
    points: Any,
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    *,
    drop_null: bool = False,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str = ".",
    encoding: str | None = None,
    partitioned: bool = False,
) -> Table | Partitions:
    """Open a file, a folder, a memory map, blocks of rows, or a Dask collection.

    Parameters
    ----------
    points : path, data frame, memory map, list or iterator of (rows, d) arrays, Dask array or data frame, Table
        A path is that of a file (.npy, .npz, .csv, .tsv, .parquet, .feather, .arrow, .jsonl; the text formats also
        packed, as .csv.gz), of a folder of such files, a pattern such as ``"part-*.parquet"``, or a URI such as
        ``"s3://bucket/folder"``. Files of a table come in alphabetical order.
    columns : str or collection of str, optional
        The coordinates: columns of numbers, or a column of lists. Without it, all columns but those in ``drop`` and a
        recorded or unnamed index; they must be numbers throughout, or one column of lists. Of a .npz file, the array.
    drop : str or collection of str
        Columns that are not coordinates.
    drop_null : bool
        Leave out rows with a missing value. Indices still count all rows.
    header : bool, optional
        Whether the first line of a CSV file names the columns; needed only where it could also be a point.
    separator : str, optional
        Of a CSV file; found out where it can be.
    decimal : str
        The decimal mark of a CSV file.
    encoding : str, optional
        Of a CSV file that is not in UTF-8, such as "latin-1".
    partitioned : bool
        Leave the row groups of Parquet files where they are, for workers to read.

    Returns
    -------
    Table or Partitions

    Raises
    ------
    DataFileError
        If the file is missing, cut short, of an unknown kind, or has no such column.
    InvalidProblemError
        If there are no rows, a value is missing or no number, or blocks do not belong together.
    MissingDependencyError
        If the format needs pyarrow and it is not installed.

    Notes
    -----
    .npy files are read in place, in each pass. Other files are decoded once; what exceeds 256 MB goes as plain numbers
    into a temporary file (in ``TMPDIR``) until the table is no longer used.

    Examples
    --------
    >>> import numpy as np
    >>> table = open_table([np.zeros((3, 2)), np.ones((2, 2))])
    >>> table.n, table.d
    (5, 2)
    """
    text = TextOptions(header, separator, decimal, encoding)
    if isinstance(points, (str, Path)):
        if partitioned and not drop_null:
            parts = table_files.read_partitions(points, columns, drop)
            if parts is not None:
                return parts
        return table_files.read_file(points, columns, drop, drop_null, text)
    if text != AS_FOUND:
        raise InvalidOptionError("header, separator, decimal and encoding are for text files")
    if is_dask(points):
        if drop_null:
            raise InvalidOptionError("drop_null: call dropna() on the Dask collection instead")
        return Partitions.of_dask(getattr(points, "data", points) if hasattr(points, "dims") else points, columns, drop)
    if is_frame(points):
        return _of_frame(points, read_frame(points, columns, drop, drop_null))
    if hasattr(points, "readline"):
        raise InvalidProblemError("points is an open file; give its path instead, because the suffix tells the format")
    if isinstance(points, Iterator):
        return _of_blocks(points, columns, drop, drop_null)
    if columns is not None or drop or drop_null:
        raise InvalidProblemError(
            f"columns, drop and drop_null are for files and frames, not for a {type(points).__name__}"
        )
    if isinstance(points, (Table, Partitions)):
        return points
    if isinstance(points, np.memmap):
        return blocks.mapped(points)
    return blocks.listed(points)


def _of_blocks(
    iterator: Iterator[Any], columns: str | Collection[str] | None, drop: str | Collection[str], drop_null: bool
) -> Table:
    """A table of blocks that come once: arrays, tensors or frames, such as ``pandas.read_csv(chunksize=)`` gives."""
    names: list[str] = []
    kept: list[Indices] = []

    def points() -> Iterator[Any]:
        start = 0
        for number, block in enumerate(iterator):
            if not is_frame(block):
                if columns is not None or drop or drop_null:
                    raise InvalidProblemError(
                        f"columns, drop and drop_null are for frames, and block {number} is a {type(block).__name__}"
                    )
                yield block
                continue
            held = read_frame(block, columns, drop, drop_null, name=f"block {number}, which begins with row {start}")
            if names and tuple(names) != held.columns:
                raise InvalidProblemError(
                    f"block {number} has the coordinates {', '.join(held.columns)}, and block 0 {', '.join(names)}"
                )
            names[:] = held.columns
            if held.row_numbers is not None:
                kept.append(start + held.row_numbers)
            start += len(block)
            yield held.points

    table = blocks.spooled(points(), row_numbers=lambda: np.concatenate(kept) if kept else None)
    return replace(table, columns=tuple(names))


def in_memory(
    points: Any,
    metric: Any,
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    drop_null: bool = False,
) -> tuple[Any, Any, Indices | None]:
    """All points at once, whatever they come from, for methods that need them so.

    Parameters
    ----------
    points, columns, drop, drop_null
        As for :func:`open_table`, or anything else that a :class:`mmdp.Problem` takes as points.
    metric : str, Metric or callable
        "gower" compares the columns of a file or frame.

    Returns
    -------
    points, metric, row_numbers
        What a problem takes, and which row of the table each point is; None for all.
    """
    if metric == "gower" and is_dask(points):
        raise InvalidProblemError("gower needs all rows in memory: compute() the Dask collection first")
    if metric == "gower" and (isinstance(points, (str, Path)) or is_frame(points)):
        table, metric = read_mixed(points, columns, drop, drop_null)
        return table.load(), metric, table.row_numbers
    if is_table(points, metric):
        opened = open_table(points, columns, drop, drop_null=drop_null)
        return opened.load(), metric, opened.row_numbers if isinstance(opened, Table) else None
    takes_objects = compares_objects(metric) and is_column(points)
    if is_frame(points) and (columns is not None or drop or drop_null or not takes_objects):
        held = read_frame(points, columns, drop, drop_null)
        return held.points, metric, held.row_numbers
    if isinstance(points, (list, tuple)) and points and not callable(metric) and all(map(_is_path, points)):
        raise InvalidProblemError(
            f"points is a list of paths, such as {str(points[0])!r}; several files are one table as a folder or a "
            "pattern, such as 'parts/' or 'part-*.parquet'"
        )
    if columns is not None or drop or drop_null:
        raise InvalidOptionError("columns, drop and drop_null are for data frames and files; these points are an array")
    return points, metric, None


def _of_frame(frame: Any, held: Held) -> Table:
    table = blocks.listed([held.points], "points")
    return replace(
        table, columns=held.columns, row_numbers=held.row_numbers, whole_rows=lambda indices: rows_of(frame, indices)
    )


def _is_path(points: object) -> bool:
    return isinstance(points, (str, Path)) and suffix_of(str(points)) in table_files.FORMATS
