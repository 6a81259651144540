"""Group labels from a column of the points' file or from a file of their own, and counts as they are typed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.exceptions import DataFileError, InvalidOptionError
from mmdp.groups import Counts
from mmdp.tables.blocks import Table
from mmdp.tables.table_files import FORMATS, arrow, existing, read_file

_COUNT = re.compile(r"(?P<label>.+)=(?P<low>\d*)(?P<range>:?)(?P<high>\d*)")


def labelled(points: Path, groups: str, drop: Collection[str] = ()) -> tuple[Table, NDArray[Any]]:
    """The table of points, and the label of each.

    Parameters
    ----------
    points : path
    groups : str
        A column of ``points``, which is then no coordinate, unless it ends like a table or lies on disk: then a .npy
        file, a Parquet file of one column, or a CSV file of one label a line without a header.
    without : collection of str
        Further columns of ``points`` that are no coordinates.

    Raises
    ------
    DataFileError
        If there is no such column or file, a label is missing, or there are more or fewer labels than points.
    """
    file = Path(groups)
    if file.suffix not in FORMATS and not file.exists():
        labels = _column(points, groups)
        return read_file(points, (*drop, groups)), labels
    labels, table = _file(file), read_file(points, drop)
    if len(labels) != table.n:
        header = "; its first line must not be a header" if file.suffix == ".csv" else ""
        raise DataFileError(f"{file}: {len(labels)} labels for {table.n} points{header}")
    return table, labels


def counts(typed: Sequence[str], labels: NDArray[Any]) -> Counts:
    """What ``--count red=10 --count green=5:`` says, for :class:`mmdp.Problem`; labels become numbers where theirs are.

    Raises
    ------
    InvalidOptionError
        If one is not of the form LABEL=N, LABEL=LOW:HIGH, LABEL=LOW: or LABEL=:HIGH, or a label has two.
    """
    found: dict[Any, int | tuple[int | None, int | None]] = {}
    for text in typed:
        match = _COUNT.fullmatch(text)
        if match is None or not (match["low"] or match["high"]):
            raise InvalidOptionError(
                f"--count {text}: give LABEL=N for exactly N points, or LABEL=LOW:HIGH, LABEL=LOW: or LABEL=:HIGH"
            )
        low, high = (int(match[limit]) if match[limit] else None for limit in ("low", "high"))
        label = _like(match["label"], labels)
        if label in found:
            raise InvalidOptionError(f"--count {text}: {match['label']} has a count already; both limits are LOW:HIGH")
        found[label] = (low, high) if match["range"] else int(match["low"])
    return found


def _like(label: str, labels: NDArray[Any]) -> Any:
    try:
        return labels.dtype.type(label).item() if labels.dtype.kind in "iuf" else label
    except (ValueError, OverflowError):
        return label


def _column(path: Path, name: str) -> NDArray[Any]:
    if existing(path).suffix == ".npy":
        raise DataFileError(f"{path}: an array has no column {name!r}; give the labels as a file of their own")
    table = _opened(path)
    if name not in table.schema.names:
        raise DataFileError(f"{path}: has no column {name!r}; it has {', '.join(table.schema.names)}")
    return _values(table, name, path)


def _file(path: Path) -> NDArray[Any]:
    if existing(path).suffix == ".npy":
        try:
            return _texts_or_numbers(np.load(path))
        except (ValueError, OSError, EOFError) as error:
            raise DataFileError(f"{path}: not a whole .npy file of numbers or texts ({error})") from error
    table = _opened(path, headless=True)
    if len(table.schema.names) != 1:
        raise DataFileError(f"{path}: one column of labels is needed, not {len(table.schema.names)}")
    return _values(table, table.schema.names[0], path)


def _opened(path: Path, headless: bool = False) -> Any:
    dataset, csv, lib = arrow("pyarrow.dataset"), arrow("pyarrow.csv"), arrow("pyarrow.lib")
    in_text = dataset.CsvFileFormat(read_options=csv.ReadOptions(autogenerate_column_names=headless))
    try:
        return dataset.dataset(path, format=in_text if path.suffix == ".csv" else "parquet")
    except (lib.ArrowException, OSError) as error:
        raise DataFileError(f"{path}: {error}") from error


def _values(table: Any, name: str, path: Path) -> NDArray[Any]:
    lib = arrow("pyarrow.lib")
    try:
        values = table.to_table([name]).column(0)
    except (lib.ArrowException, OSError) as error:
        raise DataFileError(f"{path}: {error}") from error
    if values.null_count:
        row = np.flatnonzero(values.is_null().to_numpy())[0]
        raise DataFileError(f"{path}: row {row} has no label; fill column {name!r} or drop such rows")
    return _texts_or_numbers(values.to_numpy())


def _texts_or_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    return labels if labels.dtype.kind in "iuf" else labels.astype(str)
