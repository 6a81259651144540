"""From columns to points: numbers side by side, vectors opened up, and every row either complete or named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices, Points, check_whole
from mmdp.exceptions import InvalidProblemError
from mmdp.tables.arrow import as_arrow, as_numpy
from mmdp.tables.columns import Column, Kind

_FILL = "fill it, or drop such rows with drop_null=True (--drop-null)"


class Decoder:
    """Turns batches of columns into blocks of points, in order.

    Parameters
    ----------
    table : str
        For messages.
    columns : sequence of Column
        The coordinates, each of kind NUMBERS or VECTORS.
    drop_null : bool
        Leave out rows with a missing value instead of naming the first.

    Attributes
    ----------
    kept : list of arrays
        The numbers of the rows that stay, with ``drop_null``.
    """

    def __init__(self, table: str, columns: Sequence[Column], drop_null: bool = False) -> None:
        self.table, self.columns, self.drop_null = table, columns, drop_null
        self.kept: list[Indices] = []
        self._widths: dict[int, tuple[int, int]] = {}  # of the vectors in a column, and the row that it is known from
        self._start = 0

    def blocks(self, batches: Iterable[Sequence[Any]]) -> Iterator[Points]:
        """Blocks (rows, d) of batches, each a list of Arrow or numpy arrays, one for each column."""
        for batch in batches:
            rows = len(batch[0])
            if rows:
                yield self._block(batch, rows)
            self._start += rows

    def row_numbers(self) -> Indices | None:
        """Which rows the points are; None for all."""
        return np.concatenate([np.empty(0, np.int64), *self.kept]) if self.drop_null else None

    def rows_in_all(self) -> int:
        """How many rows have come, those that were left out among them."""
        return self._start

    def _block(self, batch: Sequence[Any], rows: int) -> Points:
        whole = np.ones(rows, dtype=bool)
        for column, values in zip(self.columns, batch, strict=True):
            missing = _missing(column, values)
            if missing.any() and not self.drop_null:
                row = self._start + int(missing.argmax())
                said = f"{self.table}: row {row} has no"
                raise InvalidProblemError(
                    f"{said} value in column {column.name!r}; {_FILL}"
                    if column.kind is Kind.NUMBERS
                    else f"{said} vector in column {column.name!r}, or one with a gap; {_FILL}"
                )
            whole &= ~missing
        numbers = np.flatnonzero(whole)
        parts = [
            self._values(place, values if len(numbers) == rows else _taken(values, numbers), numbers)
            for place, values in enumerate(batch)
        ]
        block = parts[0] if len(parts) == 1 else np.column_stack(parts)
        if self.drop_null:
            self.kept.append(self._start + numbers)
        return block

    def _values(self, place: int, values: Any, numbers: Indices) -> Points:
        """One column of the rows that are complete, (rows, w)."""
        column = self.columns[place]
        array = self._vectors(place, values, numbers) if column.kind is Kind.VECTORS else _numbers(values)[:, None]
        if not len(array):
            return array
        check_whole(f"{self.table}: numbers of column {column.name!r}", array)
        if not _all_finite(array):
            row = int((~np.isfinite(array).all(axis=1)).argmax())
            entry = f", entry {int((~np.isfinite(array[row])).argmax())}" if column.kind is Kind.VECTORS else ""
            raise InvalidProblemError(
                f"{self.table}: row {self._start + numbers[row]} holds infinity in column {column.name!r}{entry}; "
                "drop or replace it"
            )
        return array

    def _vectors(self, place: int, values: Any, numbers: Indices) -> Points:
        if isinstance(values, np.ndarray):
            return values
        values = getattr(values, "storage", values)
        lengths = _lengths(values)
        if not len(lengths):
            return np.empty((0, self._widths.get(place, (0, 0))[0]))
        width, known = self._widths.setdefault(place, (int(lengths[0]), self._start + int(numbers[0])))
        if (lengths != width).any():
            row = int((lengths != width).argmax())
            raise InvalidProblemError(
                f"{self.table}: row {self._start + numbers[row]} has {lengths[row]} numbers in column "
                f"{self.columns[place].name!r}, and row {known} has {width}"
            )
        return _numbers(values.flatten()).reshape(len(lengths), width)


def _missing(column: Column, values: Any) -> NDArray[np.bool_]:
    """Rows without a value: null, NaN, an empty vector, a vector with one of these in it."""
    if isinstance(values, np.ndarray):
        gaps = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        return np.asarray(gaps if gaps.ndim == 1 else gaps.any(axis=1))
    values = getattr(values, "storage", values)
    missing: NDArray[np.bool_] = _boolean(values.is_null())
    if column.kind is Kind.NUMBERS:
        return missing | _nan(values)
    lengths = _lengths(values)
    missing = missing | (lengths == 0)
    entries = values.flatten()
    if not entries.null_count and _all_finite(_numbers(entries)):
        return missing
    gaps = _nan(entries)
    if gaps.any():
        owner = np.repeat(np.arange(len(values)), np.where(_boolean(values.is_null()), 0, lengths))
        missing[owner[gaps]] = True
    return missing


def _all_finite(values: NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite: a sum shows it, unless the sum itself is too large."""
    if values.dtype.kind != "f":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum(dtype=np.result_type(values.dtype, np.float32))
    return bool(np.isfinite(total)) or bool(np.isfinite(values).all())


def _nan(values: Any) -> NDArray[np.bool_]:
    """Which values are null or NaN."""
    if str(values.type) == "halffloat":  # of which pyarrow 18 finds none
        return np.asarray(np.isnan(as_numpy(values)))
    return _boolean(values.is_null(nan_is_null=str(values.type) in ("float", "double")))


def _boolean(values: Any) -> NDArray[np.bool_]:
    return np.asarray(as_numpy(values), dtype=bool)


def _lengths(values: Any) -> Indices:
    """Length of each vector, 0 for a null."""
    if hasattr(values.type, "list_size"):
        lengths = np.full(len(values), values.type.list_size, np.int64)
        lengths[_boolean(values.is_null())] = 0
        return lengths
    lengths = values.value_lengths()
    return np.asarray(as_numpy(lengths.fill_null(0) if lengths.null_count else lengths), dtype=np.int64)


def _taken(values: Any, rows: Indices) -> Any:
    if isinstance(values, np.ndarray):
        return values[rows]
    return getattr(values, "storage", values).take(as_arrow(rows))


def _numbers(values: Any) -> Points:
    if isinstance(values, np.ndarray):
        return values
    if "decimal" in str(values.type):
        values = values.cast("float64")
    if str(values.type) == "null":
        return np.empty(len(values))
    return as_numpy(values)
