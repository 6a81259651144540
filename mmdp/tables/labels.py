"""A value for each row, from a column of the points' file or a file of their own; what is typed of them and of rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.exceptions import DataFileError, InvalidOptionError
from mmdp.groups import Counts
from mmdp.separations import Apart
from mmdp.tables.blocks import Table
from mmdp.tables.dialect import AS_FOUND, TextOptions
from mmdp.tables.locations import suffix_of
from mmdp.tables.source import Source
from mmdp.tables.table_files import FORMATS, TEXT, existing, holds_arrays, open_source

_NUMBERS = re.compile(r"[\d,\s]+")
_COUNT = re.compile(r"(?P<label>.+)=(?P<low>\d*)(?P<range>:?)(?P<high>\d*)")


def labels_of(points: str | Path, groups: str, text: TextOptions = AS_FOUND) -> tuple[NDArray[Any], str | None]:
    """The label of each row, and the column of ``points`` that holds them; None for a file of its own.

    Parameters
    ----------
    points : path
    groups : str
        A column of ``points``, unless it ends like a table or lies on disk: then a .npy file, a Parquet file of one
        column, or a CSV file of one label a line without a header.
    text : TextOptions
        Of ``points``, whose encoding is that of the file of labels too.

    Raises
    ------
    DataFileError
        If there is no such column or file, or a label is missing.
    """
    file = Path(groups)
    if suffix_of(groups) in FORMATS or file.exists():
        return column_of_file(file, text), None
    return _column(points, groups, text), groups


def labels_of_points(labels: NDArray[Any], table: Table, groups: str) -> NDArray[Any]:
    """The labels of the rows that a table keeps.

    Raises
    ------
    DataFileError
        If there are more or fewer labels than rows.
    """
    rows = table.n if table.rows_in_all is None else table.rows_in_all
    if len(labels) != rows:
        header = "; its first line must not be a header" if suffix_of(groups) in TEXT else ""
        raise DataFileError(f"{groups}: {len(labels)} values for {rows} points{header}")
    return labels if table.row_numbers is None else labels[table.row_numbers]


def counts(typed: Sequence[str], labels: Mapping[str, NDArray[Any]]) -> Counts | Mapping[str, Counts]:
    """What ``--count red=10 --count green=5:`` says, for :class:`mmdp.Problem`; labels become numbers where theirs are.

    Parameters
    ----------
    typed : sequence of str
    labels : mapping
        Of each attribute. If there are several, each text begins with the name of one and a colon.

    Raises
    ------
    InvalidOptionError
        If one is not of the form LABEL=N, LABEL=LOW:HIGH, LABEL=LOW: or LABEL=:HIGH, or a label has two.
    """
    found: dict[str, dict[Any, int | tuple[int | None, int | None]]] = {name: {} for name in labels}
    for text in typed:
        name, rest = _attribute("--count", text, labels)
        match = _COUNT.fullmatch(rest)
        if match is None or not (match["low"] or match["high"]):
            raise InvalidOptionError(
                f"--count {text}: give LABEL=N for exactly N points, or LABEL=LOW:HIGH, LABEL=LOW: or LABEL=:HIGH"
            )
        low, high = (int(match[limit]) if match[limit] else None for limit in ("low", "high"))
        label = _like(match["label"], labels[name])
        if label in found[name]:
            raise InvalidOptionError(
                f"--count {text}: {match['label']} has a count already; for two limits, write LOW:HIGH"
            )
        found[name][label] = (low, high) if match["range"] else int(match["low"])
    return found if len(labels) > 1 else next(iter(found.values()))


def apart(typed: Sequence[str], labels: Mapping[str, NDArray[Any]]) -> Apart | Mapping[str, Apart]:
    """What ``--apart school,bar=5`` says, for :class:`mmdp.Problem`, as :func:`counts` reads it.

    Raises
    ------
    InvalidOptionError
        If one is not of the form LABEL,LABEL=DISTANCE, or a pair has two.
    """
    found: dict[str, dict[tuple[Any, Any], float]] = {name: {} for name in labels}
    for text in typed:
        name, rest = _attribute("--apart", text, labels)
        pair, _, distance = rest.rpartition("=")
        both = next(csv.reader([pair]), [])
        try:
            one, other = (_like(label, labels[name]) for label in both)
            value = float(distance)
        except ValueError as error:
            raise InvalidOptionError(
                f"--apart {text}: give LABEL,LABEL=DISTANCE, with the same label twice for points of one group, and "
                "quotes around a label with a comma: '\"a,b\",c=5'"
            ) from error
        if {(one, other), (other, one)} & set(found[name]):
            raise InvalidOptionError(f"--apart {text}: these two have a distance already")
        found[name][one, other] = value
    return found if len(labels) > 1 else next(iter(found.values()))


def rows_typed(typed: Sequence[str] | None, flag: str, text: TextOptions = AS_FOUND) -> list[int]:
    """What ``--include 3,17 --include rows.npy`` says: row numbers, and files of one such column without a header.

    A row that is named again, as by two files, counts once.

    Raises
    ------
    InvalidOptionError
        If something is neither.
    DataFileError
        If a file holds something else than whole numbers.
    """
    found: list[int] = []
    for said in typed or ():
        numbers = said if _NUMBERS.fullmatch(said) else _numbers_of_text(Path(said))
        if numbers is not None:
            found += [int(number) for number in numbers.replace(",", " ").split()]
            continue
        if not Path(said).exists():
            raise InvalidOptionError(f"{flag} {said}: give row numbers, such as 3,17, or a file of them")
        rows = np.ravel(column_of_file(Path(said), text))
        if rows.dtype.kind == "f" and (rows == np.floor(rows)).all():
            rows = rows.astype(np.int64)
        if rows.dtype.kind not in "iu":
            raise DataFileError(
                f"{flag} {said}: holds {'texts' if rows.dtype.kind == 'U' else rows.dtype}, not row numbers; give one "
                "whole number a line, without a header"
            )
        found += rows.tolist()
    return list(dict.fromkeys(found))


def _attribute(flag: str, text: str, labels: Mapping[str, NDArray[Any]]) -> tuple[str, str]:
    """Which attribute a text is about, and the rest of it."""
    if len(labels) == 1:
        return next(iter(labels)), text
    for name in sorted(labels, key=len, reverse=True):
        if text.startswith(f"{name}:"):
            return name, text[len(name) + 1 :]
    raise InvalidOptionError(
        f"{flag} {text}: with several --groups, begin with the name of one and a colon: {next(iter(labels))}:..."
    )


def _numbers_of_text(path: Path) -> str | None:
    """What a text file holds, if it is whole numbers and nothing else; none at all are allowed."""
    if path.suffix not in TEXT or not path.is_file():
        return None
    text = path.read_text(encoding="ascii", errors="replace")
    return text if _NUMBERS.fullmatch(f"{text} ") else None


def _like(label: str, labels: NDArray[Any]) -> Any:
    try:
        return labels.dtype.type(label).item() if labels.dtype.kind in "iuf" else label
    except (ValueError, OverflowError):
        return label


def _column(path: str | Path, name: str, text: TextOptions) -> NDArray[Any]:
    if holds_arrays(path):
        raise DataFileError(f"{path}: an array has no column {name!r}; give the labels as a file of their own")
    source = open_source(path, text)
    places = [place for place, column in enumerate(source.columns) if column.name == name]
    if len(places) != 1:
        names = ", ".join(column.name for column in source.columns)
        raise DataFileError(f"{path}: has {'no' if not places else len(places)} column {name!r}; it has {names}")
    return _values(source, places[0])


def column_of_file(path: Path, text: TextOptions = AS_FOUND) -> NDArray[Any]:
    """The values of a file of one column: a .npy array, or a table; a text file has no header.

    Raises
    ------
    DataFileError
        If there is no such file, or it holds more columns, or a value is missing.
    """
    if suffix_of(str(existing(path))) == ".npy":
        try:
            return _texts_or_numbers(np.load(path))
        except (ValueError, OSError, EOFError) as error:
            raise DataFileError(f"{path}: not a whole .npy file of numbers or texts ({error})") from error
    is_text = suffix_of(str(path)) in TEXT
    source = open_source(path, TextOptions(header=False, encoding=text.encoding) if is_text else AS_FOUND)
    if len(source.columns) != 1:
        raise DataFileError(f"{path}: one column is needed, a value for each row, not {len(source.columns)}")
    return _values(source, 0)


def _values(source: Source, place: int) -> NDArray[Any]:
    values = source.column(place)
    missing = values.is_null().to_numpy()
    if source.typed is not None:
        missing = missing | (values.cast("string").fill_null("").to_numpy() == "")
    if missing.any():
        raise DataFileError(
            f"{source.name}: row {int(missing.argmax())} has no label; fill column {source.columns[place].name!r} "
            "or drop such rows"
        )
    return _texts_or_numbers(values.to_numpy())


def _texts_or_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    return labels if labels.dtype.kind in "iuf" else labels.astype(str)
