"""The answer of the command ``mmdp`` as a file: indices, or the chosen rows with everything that stands in them."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote, urlparse

import numpy as np

from mmdp import DataFileError, InvalidOptionError, Problem, Result
from mmdp.arrays import Vector
from mmdp.tables import Partitions, Table, read_frame
from mmdp.tables.arrow import arrow
from mmdp.tables.locations import is_remote, suffix_of
from mmdp.tables.source import Source
from mmdp.tables.table_files import JSON, TEXT
from mmdp.tables.writing import check_writable, write_indices, write_rows

RANK, DISTANCE = "rank", "distance"
Write = Callable[[Path | TextIO], None]


def check_output(output: Path | None, points: str, source: Source | None, rows: bool, rank: bool) -> None:
    """Refuse what could not be written, before anything is computed.

    Raises
    ------
    DataFileError
        If the format is unknown or cannot hold the rows.
    """
    if rank and source is None:
        raise InvalidOptionError(f"--rank: the columns of {points} have no names, so none can be added")
    if rank and (taken := [column.name for column in source.columns if column.name in (RANK, DISTANCE)]):  # type: ignore[union-attr]
        raise InvalidOptionError(f"--rank: {points} has a column {taken[0]!r} already; rename it")
    if output is not None:
        check_writable(output, source.columns if rows and source is not None else ())


def check_free(points: str, **paths: Path | None) -> None:
    """Refuse paths that cannot be written, or that belong to the input."""
    read = files_of(points)
    for flag, path in paths.items():
        if path is not None and any(path.resolve() == file or file in path.resolve().parents for file in read):
            raise DataFileError(
                f"{flag} {path}: is what is read, or lies inside; name another file, outside of {points}"
            )
    for path in paths.values():
        if path is not None and not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise DataFileError(f"{path}: cannot be written; is there such a folder, and may you write to it?")


def files_of(points: str) -> list[Path]:
    """Local files and folders that a path, a pattern or a URI stands for."""
    if is_remote(points):
        return [Path(unquote(urlparse(points).path)).resolve()] if points.startswith("file://") else []
    return [Path(points).resolve(), *(Path(found).resolve() for found in glob.glob(points, recursive=True))]  # noqa: PTH207, of absolute patterns too


def writer_of_indices(result: Result) -> Write:
    """Write the indices."""
    return partial(write_indices, indices=result.indices)


def writer_of_rows(
    result: Result,
    table: Table | Partitions,
    source: Source | None,
    output: Path | None,
    points: str,
    rank: bool,
    metric: str,
) -> Write:
    """Write the chosen rows: from text to text as they stand in the file, else with their types."""
    if source is None:
        return partial(write_rows, rows=table.take(result.indices))
    suffix = suffix_of(str(output) if output is not None else points)
    suffix = suffix if suffix in (*TEXT, *JSON) else ".csv"
    chosen = source.verbatim_rows(result.indices)
    is_text = output is None or suffix_of(str(output)) in TEXT
    typed = source.typed(chosen) if source.typed is not None and (rank or not is_text) else chosen
    chosen = chosen if is_text else typed
    if rank:
        distances = pick_distances(read_frame(typed, table.columns).points, metric)
        chosen = with_ranks(chosen, distances, source.decimal if is_text else ".")
    return partial(
        write_rows, rows=chosen, suffix=".jsonl" if suffix in JSON else suffix, separator=source.separator,
        header=source.headed or rank,
    )  # fmt: skip


def pick_distances(points: Any, metric: str) -> Vector:
    """Distance of each row to the nearest before it; NaN for the first. O(k^2 d) time."""
    problem = Problem(len(points), points=points, metric=metric)
    found = np.full(problem.n, np.nan)
    for block in problem.blocks(problem.n):
        reduced = problem.reduced_distances(np.arange(block.start, block.stop))
        for row, place in enumerate(range(block.start, block.stop)):
            if place:
                found[place] = problem.value(float(reduced[row, :place].min()))
    return found


def with_ranks(rows: Any, distances: Vector, decimal: str = ".") -> Any:
    """The rows with the columns ``rank``, from 0 in the order of the picks, and ``distance``."""
    pa = arrow("pyarrow")
    ranked = rows.append_column(RANK, pa.array(np.arange(len(distances))))
    values = pa.array(distances, mask=np.isnan(distances))
    if decimal != ".":
        values = pa.array(["" if np.isnan(distance) else str(distance).replace(".", decimal) for distance in distances])
    return ranked.append_column(DISTANCE, values)
