"""Writing indices and chosen rows: the format of the suffix, values as they were read."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import LARGEST_WHOLE
from mmdp.exceptions import DataFileError
from mmdp.tables.arrow import arrow
from mmdp.tables.columns import Column, Kind
from mmdp.tables.locations import suffix_of

WRITTEN = (".npy", ".csv", ".tsv", ".parquet", ".feather", ".arrow", ".jsonl")
_WITH_ARROW = (".parquet", ".feather", ".arrow")


def check_writable(path: Path, columns: tuple[Column, ...] = ()) -> None:
    """Refuse what cannot be written, before anything is computed.

    Parameters
    ----------
    path : path
    columns : tuple of Column
        Of the rows to be written; none for indices and for arrays.

    Raises
    ------
    DataFileError
        If the format is unknown, or cannot hold the columns.
    MissingDependencyError
        If the format needs pyarrow and it is not installed.
    """
    suffix = suffix_of(str(path))
    if (
        suffix not in WRITTEN
        or path.suffix not in (suffix, ".gz")
        or (path.suffix == ".gz" and suffix not in (".csv", ".tsv", ".jsonl"))
    ):
        raise DataFileError(f"{path}: unknown kind of file; write one of {', '.join(WRITTEN)}")
    if suffix in _WITH_ARROW:
        arrow("pyarrow", str(path))
    lost = [column.name for column in columns if column.kind is Kind.OTHER]
    if suffix == ".npy" and lost:
        raise DataFileError(
            f"{path}: an array holds only numbers, and column {lost[0]!r} would be lost; write .parquet, .csv or .jsonl"
        )


def write_indices(target: Path | TextIO, indices: NDArray[np.int64]) -> None:
    """One index a line, or an array, or a column named ``index``."""
    _write(target, indices, {"index": indices}, header=False)


def write_columns(target: Path | TextIO, columns: dict[str, NDArray[Any]]) -> None:
    """Columns of numbers, with their names in all formats but .npy."""
    _write(target, np.column_stack(list(columns.values())), columns, header=True)


def write_rows(
    target: Path | TextIO, rows: Any, suffix: str = ".csv", separator: str = ",", header: bool = True
) -> None:
    """Rows as an array, or as an Arrow table with their names and types.

    Parameters
    ----------
    target : path or text file
    rows : (m, d) array or pyarrow.Table
    suffix : str
        The format of what goes to a stream: .csv, .tsv or .jsonl.
    separator, header
        Of CSV.
    """
    if isinstance(rows, np.ndarray):
        columns = {str(place): rows[:, place] for place in range(rows.shape[1])}
        _write(target, rows, columns, header=False, suffix=suffix)
    else:
        _write(target, rows, rows, header=header, suffix=suffix, separator=separator)


def _write(
    target: Path | TextIO, array: Any, columns: Any, header: bool, suffix: str = ".csv", separator: str = ","
) -> None:
    if not isinstance(target, Path):
        _write_text(target, columns, header, suffix, separator)
        return
    suffix = suffix_of(str(target))
    if suffix == ".npy":
        np.save(target, array if isinstance(array, np.ndarray) else _matrix(array))
    elif suffix in _WITH_ARROW:
        table = arrow("pyarrow").table(columns) if isinstance(columns, dict) else columns
        _write_arrow(target, table, suffix)
    else:
        opened: Callable[..., Any] = gzip.open if target.suffix == ".gz" else open
        with opened(target, "wt", encoding="utf-8", newline="") as file:
            _write_text(file, columns, header, suffix, "\t" if suffix == ".tsv" else separator)


def _write_arrow(target: Path, table: Any, suffix: str) -> None:
    if suffix == ".parquet":
        arrow("pyarrow.parquet").write_table(table, target)
    else:
        arrow("pyarrow.feather").write_feather(table, str(target))


def _write_text(file: TextIO, columns: Any, header: bool, suffix: str, separator: str) -> None:
    if suffix == ".jsonl":
        _write_json(file, columns)
    else:
        _write_csv(file, columns, header, separator)


def _write_csv(file: TextIO, columns: Any, header: bool, separator: str) -> None:
    names, values = _listed(columns)
    writer = csv.writer(file, delimiter=separator, lineterminator="\n")
    if header:
        writer.writerow(names)
    writer.writerows(zip(*(map(_cell, column) for column in values), strict=True))


def _write_json(file: TextIO, columns: Any) -> None:
    names, values = _listed(columns)
    for row in zip(*values, strict=True):
        file.write(json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False) + "\n")


def _listed(columns: Any) -> tuple[list[str], list[list[Any]]]:
    """Names and Python values; numbers in the fewest digits that give them back in their own type."""
    if isinstance(columns, dict):
        return list(columns), [_shortest(values) for values in columns.values()]
    return list(columns.column_names), [_arrow_values(column) for column in columns.columns]


def _arrow_values(column: Any) -> list[Any]:
    kind = str(getattr(column.type, "value_type", column.type))
    if kind in ("float", "halffloat"):
        numpy_type = np.float32 if kind == "float" else np.float16
        return [_rounded(value, numpy_type) for value in column.to_pylist()]
    return list(column.to_pylist())


def _rounded(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(entry, kind) for entry in value]
    return value if value is None else float(str(kind(value)))


def _shortest(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "f":
        return [float(str(value)) for value in values]
    return list(values.tolist())


def _cell(value: Any) -> Any:
    """What a cell of a CSV file shows."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str)
    return "" if value is None else value


def _check_digits(name: str, values: Any) -> None:
    """Refuse whole numbers that an array of floats rounds."""
    values = values.combine_chunks()
    values = values.flatten() if hasattr(values.type, "value_type") else values
    if str(values.type) not in ("int64", "uint64"):
        return
    numbers = np.asarray(values.drop_null())
    largest = max(int(numbers.max()), -int(numbers.min())) if len(numbers) else 0
    if largest > LARGEST_WHOLE:
        raise DataFileError(
            f"column {name!r} reaches {largest}, which an array of floats would round; write .parquet, .csv or .jsonl, "
            "or -o for the row numbers alone"
        )


def _matrix(table: Any) -> NDArray[Any]:
    parts = []
    for column in table.columns:
        values = column.combine_chunks()
        array = (
            values.flatten().to_numpy(zero_copy_only=False)
            if hasattr(values.type, "value_type")
            else values.to_numpy(zero_copy_only=False)
        )
        array = array.astype(np.float64) if array.dtype.kind == "O" else array  # decimals, and truths with gaps
        parts.append(array.reshape(len(values), -1))
    matrix = np.column_stack(parts)
    if matrix.dtype.kind == "f":
        for name, column in zip(table.column_names, table.columns, strict=True):
            _check_digits(name, column)
    return matrix
