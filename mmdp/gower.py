"""Gower's distance of rows with columns of different kinds, as a Manhattan distance of numbers.

The distance of two rows is the mean over the columns of |x - y| / range for numbers and dates, and of x != y, 0 or 1,
for everything else (Gower, Biometrics 27(4), 1971, with equal weights). A column of m kinds becomes m columns of 0 and
1/2, so that two different kinds differ by 1 in sum.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Matrix, Vector, describe_rows, missing_values
from mmdp.exceptions import InvalidProblemError
from mmdp.metrics import Metric

_MOST_KINDS = 1000  # of one column, each of which takes a coordinate
_NUMBER = (int, float, Decimal, np.integer, np.floating)


@dataclass(frozen=True, eq=False)
class Compared:
    """A column: its values, and whether they are categories, which are compared by equality even if they are numbers.

    Attributes
    ----------
    name : object
    values : (n,) array
    is_category : bool
    """

    name: Any
    values: NDArray[Any]
    is_category: bool

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Rows without a value."""
        return missing_values(self.values)


def gower(frame: Any) -> tuple[Matrix, Metric]:
    """State the rows of a frame as points, and Gower's distance as their metric.

    Parameters
    ----------
    frame : data frame, Arrow table, mapping of columns, structured or plain array, or sequence of rows
        Numbers and dates are compared by their range; texts, booleans and categories by equality. An index is not
        compared.

    Returns
    -------
    (n, d) float64 array, Metric

    Raises
    ------
    InvalidProblemError
        If a value is missing, or a column has nearly as many kinds as rows.

    Examples
    --------
    >>> points, metric = gower({"age": [20, 30, 40], "town": ["Oslo", "Bergen", "Oslo"]})
    >>> metric.value(metric.pairwise(points[:1], points)).tolist()
    [[0.0, 0.75, 0.5]]
    """
    return of_columns(compared(frame))


def of_columns(columns: Sequence[Compared]) -> tuple[Matrix, Metric]:
    """As :func:`gower`, of columns that are read already."""
    parts: list[Matrix] = []
    for column in columns:
        if column.values.ndim != 1 or any(isinstance(value, (list, np.ndarray)) for value in column.values[:1]):
            raise InvalidProblemError(f"column {column.name!r} holds arrays; gower compares single values")
        if (missing := column.missing).any():
            rows = describe_rows(np.flatnonzero(missing))
            raise InvalidProblemError(
                f"column {column.name!r}: {rows} without a value; fill or drop them, as with "
                "drop_null=True (--drop-null)"
            )
        numbers = None if column.is_category else _numbers(column.name, column.values)
        parts.append(_kinds(column.name, column.values) if numbers is None else _by_range(column.name, numbers))
    if not parts or not len(parts[0]):
        raise InvalidProblemError("gower needs at least one row and one column")
    count = float(len(parts))
    return np.concatenate(parts, axis=1), Metric("gower", "manhattan", True, value=partial(_mean, count), largest=count)


def compared(frame: Any) -> list[Compared]:
    """The columns of any frame, in their order.

    Raises
    ------
    InvalidProblemError
        If it has none.
    """
    return [compared_column(name, column) for name, column in _columns(frame)]


def compared_column(name: Any, column: Any) -> Compared:
    """One column of pandas, polars, Arrow or numpy, or a list of values."""
    kind = str(getattr(column, "dtype", getattr(column, "type", ""))).lower()
    is_category = kind.startswith(("category", "categorical", "enum", "dictionary"))
    if kind.startswith("dictionary<") and hasattr(column, "cast"):
        column = column.cast(column.type.value_type)
    if getattr(getattr(column, "dtype", None), "tz", None) is not None and hasattr(column, "dt"):  # a Series of pandas
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return Compared(name, np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column), is_category)


def _mean(count: float, s: Vector) -> Vector:
    return s / count


def _columns(frame: Any) -> Iterator[tuple[Any, Any]]:
    if hasattr(frame, "collect") and not hasattr(frame, "to_numpy"):
        frame = frame.collect()
    if isinstance(frame, Mapping):
        yield from frame.items()
    elif hasattr(frame, "column_names"):
        index = _recorded_index(frame)
        yield from ((name, frame.column(name)) for name in frame.column_names if name not in index)
    elif hasattr(frame, "iloc"):
        yield from ((name, frame.iloc[:, place]) for place, name in enumerate(frame.columns))
    elif hasattr(frame, "columns"):
        yield from ((name, frame[name]) for name in frame.columns)
    elif isinstance(frame, np.ndarray) and frame.dtype.names:
        yield from ((name, frame[name]) for name in frame.dtype.names)
    elif isinstance(frame, np.ndarray) and frame.ndim == 2:
        yield from enumerate(frame.T)
    else:
        try:
            yield from enumerate(list(column) for column in zip(*frame, strict=True))
        except (TypeError, ValueError) as error:
            raise InvalidProblemError(
                f"gower compares the columns of a data frame, or of rows of one length: {error}"
            ) from error


def _recorded_index(table: Any) -> set[str]:
    """Names of the columns of an Arrow table that are the index of a frame of pandas."""
    recorded = (table.schema.pandas_metadata or {}).get("index_columns", ())
    return {name for name in recorded if isinstance(name, str)}


def _numbers(name: Any, values: NDArray[Any]) -> Vector | None:
    """Values of a column as numbers; None where they are compared by equality."""
    if values.dtype.kind == "O" and all(isinstance(value, dt.date) for value in values):  # datetimes among them
        values = _moments(name, values)
    if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] in "YM":  # which differ in length
        values = values.astype("datetime64[D]")
    if values.dtype.kind in "mM":  # in their own unit: not every year is within the reach of nanoseconds
        return values.astype(np.int64).astype(np.float64)
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    is_number = values.dtype.kind == "O" and all(
        isinstance(value, _NUMBER) and not isinstance(value, bool) for value in values
    )
    return values.astype(np.float64) if is_number else None


def _moments(name: Any, values: NDArray[Any]) -> NDArray[Any]:
    """Dates and datetimes of Python, from year 1 to 9999; those with a time zone in UTC."""
    has_zone = np.array([getattr(value, "tzinfo", None) is not None for value in values])
    if has_zone.any() and not has_zone.all():
        raise InvalidProblemError(
            f"column {name!r}: {describe_rows(np.flatnonzero(~has_zone))} without a time zone, and others with one; "
            "give all of them one, or none"
        )
    if not has_zone.any():
        return values.astype("datetime64[us]")
    shown = np.array([value.replace(tzinfo=None) for value in values], dtype="datetime64[us]")
    return np.asarray(shown - np.array([value.utcoffset() for value in values], dtype="timedelta64[us]"))


def _by_range(name: Any, numbers: Vector) -> Matrix:
    if not np.isfinite(numbers).all():
        rows = describe_rows(np.flatnonzero(~np.isfinite(numbers)))
        raise InvalidProblemError(f"column {name!r}: {rows}: infinity has no range; drop or replace it")
    spread = float(np.ptp(numbers)) if len(numbers) else 0.0
    return np.asarray((numbers - numbers.min(initial=np.inf)) / (spread or 1.0))[:, None]


def _kinds(name: Any, values: NDArray[Any]) -> Matrix:
    place: dict[Any, int] = {}
    try:
        code = np.array([place.setdefault(value, len(place)) for value in values.tolist()], dtype=np.int64)
    except TypeError as error:
        raise InvalidProblemError(f"column {name!r} holds objects that cannot be compared: {error}") from error
    if len(place) > _MOST_KINDS:
        raise InvalidProblemError(
            f"column {name!r} has {len(place)} different values that are not numbers; leave out names and "
            f"identifiers: drop={name!r} (--drop {name})"
        )
    if len(place) <= 2:
        return code[:, None].astype(np.float64)
    return 0.5 * np.eye(len(place))[code]
