"""Which columns of a table are coordinates, and what to type where that cannot be told."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from mmdp.exceptions import DataFileError, InvalidProblemError

_UNNAMED = ("", "Unnamed: 0")  # the row names of pandas and R, and what pandas makes of them when it reads them back
_WRITTEN_INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an unnamed index in a Parquet or Arrow file
_ROW_NUMBERS = ("index", "level_0")  # what it calls one in records and after reset_index
_SHOWN = 12
NO_VALUES = "no values"
COMMA_NUMBERS = "numbers with a decimal comma"
TEXT_LISTS = "lists that were written as text"
_TEXT_LIST = re.compile(r"\s*\[\s*(np\.\w+\()?[-+.\d].*\]\s*", re.DOTALL)


class Kind(Enum):
    """What a column can be to the problem."""

    NUMBERS = auto()
    """One coordinate."""
    VECTORS = auto()
    """Several coordinates a row, such as an embedding."""
    OTHER = auto()
    """No coordinate."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, its kind, and what it holds, in words for messages.

    ``is_index`` marks what numbers or names the rows: it is a coordinate only if asked for.
    """

    name: str
    kind: Kind
    holds: str
    is_index: bool = False


def text_in_words(sample: str) -> str:
    """What a column of texts holds, told by one of them."""
    if _TEXT_LIST.fullmatch(sample):
        return (
            f"{TEXT_LISTS}, such as {sample[:24]!r}; read them back, as df[column].map(json.loads) does, and save the "
            "table as Parquet, where lists stay lists"
        )
    return "text"


def index_by_name(names: Sequence[str]) -> list[bool]:
    """Whether each column is an index without a name: the first one, where others have names, or one of pandas."""
    return [
        bool(_WRITTEN_INDEX.fullmatch(name)) or (place == 0 and len(names) > 1 and name in _UNNAMED)
        for place, name in enumerate(names)
    ]


def chosen(
    table: str, columns: Sequence[Column], wanted: str | Collection[str] | None, drop: str | Collection[str]
) -> list[int]:
    """Places of the columns that are coordinates, which hold numbers or vectors; parameters as for :func:`asked_for`.

    Raises
    ------
    DataFileError
        If there is no such column, or two have the name.
    InvalidProblemError
        If a column holds no numbers, or it cannot be told which columns are coordinates.
    """
    places = asked_for(table, columns, wanted, drop)
    found = [columns[place] for place in places]
    if wanted is None:
        _check_alike(table, found)
    elif wrong := [column for column in found if column.kind is Kind.OTHER]:
        is_told = wrong[0].holds.startswith((COMMA_NUMBERS, TEXT_LISTS))
        raise InvalidProblemError(
            f"{table}: column {wrong[0].name!r} holds {wrong[0].holds}{'' if is_told else ', not numbers'}"
        )
    return places


def asked_for(
    table: str, columns: Sequence[Column], wanted: str | Collection[str] | None, drop: str | Collection[str]
) -> list[int]:
    """Places of the columns to read, whatever they hold.

    Parameters
    ----------
    table : str
        For messages.
    columns : sequence of Column
    wanted : str or collection of str, optional
        Those to read, in this order. All columns but an index and those in ``drop`` if not given.
    drop : str or collection of str

    Raises
    ------
    DataFileError
        If there is no such column, or two have the name, or none is left.
    InvalidProblemError
        If one is asked for twice, or dropped as well.
    """
    drop = as_names(drop)
    dropped = [place for name in drop for place in _places(table, columns, name)]
    if wanted is None:
        left = [place for place, column in enumerate(columns) if place not in dropped and not column.is_index]
        if not left:
            raise DataFileError(f"{table}: no column is left; it has {_few([column.name for column in columns])}")
        _check_row_numbers(table, [columns[place] for place in left])
        return left
    names = as_names(wanted)
    places = [_place(table, columns, name) for name in names]
    if not places or len(set(places)) < len(places) or set(places) & set(dropped):
        raise InvalidProblemError(
            f"{table}: columns={names!r} with drop={drop!r}: name each coordinate once, and none that is dropped"
        )
    return places


def as_names(names: Any) -> list[str]:
    """Names as they are given: one or several, of a frame also numbers."""
    return list(map(str, [names] if isinstance(names, (str, int)) else names))


def _check_row_numbers(table: str, left: Sequence[Column]) -> None:
    """Ask of a column that may be the index of a frame, or not."""
    name = left[0].name
    if name in _ROW_NUMBERS and len(left) > 1 and "int" in left[0].holds and left[0].kind is Kind.NUMBERS:
        names = [column.name for column in left]
        all_of_them = f"columns={names!r} (--columns {','.join(names)})" if len(names) <= _SHOWN else "columns=[...]"
        raise InvalidProblemError(
            f"{table}: column {name!r} may number the rows; if it does, drop={name!r} (--drop {name}), and if it is a "
            f"coordinate, {all_of_them}"
        )


def _check_alike(table: str, left: Sequence[Column]) -> None:
    """Refuse text among the coordinates, and numbers beside vectors, of which only the user knows the meaning."""
    vectors = [column.name for column in left if column.kind is Kind.VECTORS]
    others = [column for column in left if column.kind is Kind.OTHER]
    numbers = [column.name for column in left if column.kind is Kind.NUMBERS and column.holds != NO_VALUES]
    for column in left:
        if column.holds.startswith((COMMA_NUMBERS, TEXT_LISTS)):
            raise InvalidProblemError(f"{table}: column {column.name!r} holds {column.holds}")
    if len(vectors) == 1 and len(left) == 1:
        return
    if vectors:
        beside = next(column for column in left if column.name != vectors[0])
        raise InvalidProblemError(
            f"{table}: column {vectors[0]!r} holds a vector in each row, and column {beside.name!r} beside it holds "
            f"{beside.holds}; if the vectors are the points, say so: columns={vectors[0]!r} (on the command line "
            f"--columns {vectors[0]})"
        )
    if others:
        names, said = [column.name for column in others], f"{table}: column {others[0].name!r} holds {others[0].holds}"
        if not numbers:
            raise InvalidProblemError(
                f"{said}, and no column holds numbers; metric='gower' (--metric gower) compares columns of all types, "
                "and in Python a function of two rows of a list compares anything"
            )
        hint = f"columns={numbers!r} (--columns {','.join(numbers)})" if len(numbers) <= _SHOWN else "columns=[...]"
        raise InvalidProblemError(
            f"{said}, not numbers; drop it, as in drop={names!r} (--drop {','.join(names)}), or name the coordinates, "
            f"as in {hint}; metric='gower' (--metric gower) compares columns of all types"
        )


def _places(table: str, columns: Sequence[Column], name: str) -> list[int]:
    places = [place for place, column in enumerate(columns) if column.name == name]
    if not places:
        raise DataFileError(
            f"{table}: has no column {name!r}; it has {_few([column.name for column in columns]) or 'none with a name'}"
        )
    return places


def _place(table: str, columns: Sequence[Column], name: str) -> int:
    places = _places(table, columns, name)
    if len(places) > 1:
        raise DataFileError(f"{table}: {len(places)} columns are named {name!r}; rename all but one")
    return places[0]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
