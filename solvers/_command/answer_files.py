"""What a command writes: row numbers, the chosen rows with all that stands in them, the chosen row nearest to each."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote, urlparse

import numpy as np

from mmdp import DataFileError, InvalidOptionError, MMDPError, Result
from mmdp.arrays import Indices, Vector
from mmdp.tables import Partitions, Table
from mmdp.tables.arrow import arrow
from mmdp.tables.locations import is_remote, suffix_of
from mmdp.tables.table_files import JSON, TEXT
from mmdp.tables.writing import check_writable, write_columns, write_indices, write_rows
from solvers._command.input import Input

RANK, DISTANCE = "rank", "distance"
STANDARD_OUTPUT = Path("-")
Write = Callable[[Path | TextIO], None]


@dataclass(frozen=True)
class AnswerFiles:
    """Where the answer goes: the numbers of the chosen rows, and the rows themselves.

    Parameters
    ----------
    asked : Input
        What the rows are chosen from.
    numbers : path, optional
        Without it, and without ``rows``, the numbers go to the standard output.
    rows : path, optional
        ``-`` is the standard output.
    rank : bool
        Whether the rows get the columns ``rank`` and ``distance``.
    """

    asked: Input
    numbers: Path | None
    rows: Path | None
    rank: bool = False

    def check(self) -> None:
        """Refuse what could not be written, before anything is computed.

        Raises
        ------
        DataFileError
            If a format is unknown or cannot hold the rows.
        """
        source = self.asked.source
        columns = () if source is None else source.columns
        if self.rank and source is None:
            raise InvalidOptionError(f"--rank: the columns of {self.asked.points} have no names, so none can be added")
        if self.rank and (taken := [column.name for column in columns if column.name in (RANK, DISTANCE)]):
            raise InvalidOptionError(f"--rank: {self.asked.points} has a column {taken[0]!r} already; rename it")
        if self.numbers is not None:
            check_writable(self.numbers)
        if self.rows not in (None, STANDARD_OUTPUT):
            check_writable(self.rows, columns)

    def write(self, indices: Indices, table: Table | Partitions, radii: Vector | None = None) -> list[Path]:
        """Write both, and return the files; ``radii`` are for ``rank``.

        What has been computed is never lost: where rows cannot be read, or a file cannot be written, the answer goes
        to the standard output.

        Raises
        ------
        DataFileError
            After that.
        """
        write_numbers = partial(write_indices, indices=indices)
        if self.rows is None:
            return _write(self.numbers or STANDARD_OUTPUT, write_numbers)
        written = [] if self.numbers is None else _write(self.numbers, write_numbers)
        try:
            write = _of_rows(indices, self.asked, table, self.rows, radii if self.rank else None)
        except (MMDPError, OSError) as error:
            write_numbers(sys.stdout)
            raise DataFileError(
                f"{self.asked.points}: the chosen rows cannot be read ({error}); their numbers are on the standard "
                "output"
            ) from error
        return written + _write(self.rows, write)


def check_free(points: str, beside: Sequence[str | Path | None], **paths: Path | None) -> None:
    """Refuse paths that cannot be written, that belong to the input or to the files ``beside`` it, or are the same."""
    others = {Path(typed).resolve() for typed in beside if typed is not None and Path(typed).is_file()}
    read = files_of(points)
    for flag, path in paths.items():
        if path is not None and path.resolve() in others:
            raise DataFileError(f"{flag} {path}: this command already reads or writes this file; name another one")
        if path is not None:
            others.add(path.resolve())
        if path is not None and any(path.resolve() == file or file in path.resolve().parents for file in read):
            raise DataFileError(
                f"{flag} {path}: this is what the command reads, or lies inside it; name a file outside of {points}"
            )
    for path in paths.values():
        if path not in (None, STANDARD_OUTPUT) and not os.access(
            path if path.exists() else path.absolute().parent, os.W_OK
        ):
            raise DataFileError(f"{path}: cannot be written; does the folder exist, and may you write to it?")


def files_of(points: str) -> list[Path]:
    """Local files and folders that a path, a pattern or a URI stands for."""
    if is_remote(points):
        return [Path(unquote(urlparse(points).path)).resolve()] if points.startswith("file://") else []
    return [Path(points).resolve(), *(Path(found).resolve() for found in glob.glob(points, recursive=True))]  # noqa: PTH207, of absolute patterns too


def write_assignment(path: Path, result: Result, table: Table | Partitions) -> float:
    """Write which chosen row is nearest to each row and how far it is; return how far the farthest is."""
    assert isinstance(table, Table)
    nearest = result.assignment()
    numbers = np.arange(table.n) if table.row_numbers is None else table.row_numbers
    columns = {"row": numbers, "nearest": result.indices[nearest.labels], "distance": nearest.distances}
    _write(path, partial(write_columns, columns=columns))
    return float(nearest.distances.max())


def _write(path: Path, write: Write) -> list[Path]:
    """Write to a file or to the standard output; return the file."""
    if path == STANDARD_OUTPUT:
        write(sys.stdout)
        return []
    try:
        write(path)
    except (OSError, ValueError, TypeError, NotImplementedError) as error:  # the last ones of pyarrow
        write(sys.stdout)
        raise DataFileError(f"{path}: cannot be written ({error}); the answer is on the standard output") from error
    return [path]


def _of_rows(indices: Indices, asked: Input, table: Table | Partitions, path: Path, radii: Vector | None) -> Write:
    """Write the chosen rows: from text to text as they stand in the file, else with their types."""
    source = asked.source
    if source is None:
        return partial(write_rows, rows=table.take(indices))
    suffix = suffix_of(asked.points if path == STANDARD_OUTPUT else str(path))
    suffix = suffix if suffix in (*TEXT, *JSON) else ".csv"
    is_text = path == STANDARD_OUTPUT or suffix_of(str(path)) in TEXT
    chosen = source.verbatim_rows(indices)
    chosen = source.typed(chosen) if source.typed is not None and not is_text else chosen
    if radii is not None:
        chosen = _with_ranks(chosen, radii, source.decimal if is_text else ".")
    return partial(
        write_rows, rows=chosen, suffix=".jsonl" if suffix in JSON else suffix, separator=source.separator,
        header=source.headed or radii is not None,
    )  # fmt: skip


def _with_ranks(rows: Any, radii: Vector, decimal: str) -> Any:
    """The rows with the columns ``rank``, from 0 in the order of the picks, and ``distance``, none for the first."""
    pa = arrow("pyarrow")
    ranked = rows.append_column(RANK, pa.array(np.arange(len(radii))))
    first = np.isinf(radii)
    values = pa.array(radii, mask=first)
    if decimal != ".":
        told = [str(distance).replace(".", decimal) for distance in radii.tolist()]
        values = pa.array(["" if is_first else text for is_first, text in zip(first, told, strict=True)])
    return ranked.append_column(DISTANCE, values)
