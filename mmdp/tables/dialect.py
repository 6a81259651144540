"""How a text file separates its cells and whether its first line names them: found out where it can be, else asked."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mmdp.exceptions import DataFileError, InvalidOptionError
from mmdp.tables.columns import index_by_name

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_BLANK = " "
MISSING = ("", "na", "n/a", "#n/a", "null", "none", "nan")  # what tables say where a value is missing
_RECORDS = 50
_SURE = 4  # cells of a line from which on it is no accident that they rise where all others do not
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class TextOptions:
    """What a user says of a CSV file; None leaves it to the file.

    Parameters
    ----------
    header : bool, optional
        Whether the first line names the columns.
    separator : str, optional
        One character; "tab" is one as well.
    decimal : str
        The decimal mark, "." or ",".
    encoding : str, optional
        A codec of Python, such as "latin-1". UTF-8 if not given, or UTF-16 where the file begins with its mark.
    """

    header: bool | None = None
    separator: str | None = None
    decimal: str = "."
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.separator in ("tab", "\\t"):
            object.__setattr__(self, "separator", "\t")
        if self.separator is not None and len(self.separator) != 1:
            raise InvalidOptionError(f"separator = {self.separator!r}: give one character, or 'tab'")
        if self.decimal not in (".", ","):
            raise InvalidOptionError(f"decimal = {self.decimal!r}: the decimal mark is '.' or ','")
        if self.separator == self.decimal:
            raise InvalidOptionError(
                f"separator = {self.separator!r} is the decimal mark too; give two different characters"
            )
        if self.encoding is not None:
            object.__setattr__(self, "encoding", _codec(self.encoding))


AS_FOUND = TextOptions()


@dataclass(frozen=True)
class Dialect:
    """How to read a text file.

    Attributes
    ----------
    encoding, separator, decimal : str
    names : tuple of str
        Of the columns; their places where the file has no header.
    skipped : int
        Empty lines before the first one with cells.
    headed : bool
    first : tuple of tuple of str
        The first records behind the header.
    """

    encoding: str
    separator: str
    decimal: str
    names: tuple[str, ...]
    skipped: int
    headed: bool
    first: tuple[tuple[str, ...], ...]


def dialect(name: str, head: bytes, whole: bool, suffix: str, options: TextOptions) -> Dialect:
    """Work out how to read a file from its first bytes; ``whole`` says that these are all of them.

    Raises
    ------
    DataFileError
        If it is no text, it is empty, or something has to be said by the user; the message says what to type.
    """
    marked = next((known for mark, known in _MARKS.items() if head.startswith(mark)), "utf-8")
    encoding = marked if options.encoding in (None, "utf-8") else options.encoding
    text = _text(name, head, encoding)
    if not whole:
        text = text[: text.rfind("\n") + 1] or text
    lines = text.splitlines()
    skipped = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    if skipped == len(lines):
        raise DataFileError(f"{name}: there are no rows")
    separator = options.separator or _separator(name, lines[skipped:], suffix, options.decimal)
    records = list(_records(lines[skipped:], separator))
    cells, following = [cell.strip() for cell in records[0]], records[1:]
    headed = _is_headed(name, cells, following, options) if options.header is None else options.header
    if headed:
        _check_header(name, cells)
    places = tuple(cells) if headed else tuple(map(str, range(len(cells))))
    return Dialect(
        encoding, separator, options.decimal, places, skipped, headed, tuple(following if headed else records)
    )


def no_text(name: str, encoding: str, error: object) -> DataFileError:
    """The error of bytes that are no characters in an encoding."""
    if encoding.startswith("utf-8"):
        return DataFileError(
            f"{name}: is not text in UTF-8 ({error}); if it is text in another encoding, name it, as in "
            "encoding='latin-1' or 'cp1252' in open_table (--encoding latin-1)"
        )
    return DataFileError(f"{name}: is not text in {encoding} ({error})")


def _text(name: str, head: bytes, encoding: str) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError as error:
        raise no_text(name, encoding, error) from error


def _codec(encoding: str) -> str:
    """The name of a codec in Python."""
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)  # a codec of texts, unlike base64
    except LookupError as error:
        raise InvalidOptionError(
            f"encoding = {encoding!r}: {error}; give one that Python knows, such as 'latin-1', 'cp1252' or 'utf-16'"
        ) from error
    return found.name


def _records(lines: Sequence[str], separator: str) -> Iterator[tuple[str, ...]]:
    """The first records; a quoted cell may go over several lines."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator)
    try:
        for record in reader:
            if record:
                yield tuple(record)
            if reader.line_num > _RECORDS:
                return
    except csv.Error:
        return  # pyarrow says what is wrong there


def _separator(name: str, lines: Sequence[str], suffix: str, decimal: str) -> str:
    """The one character that divides all of the first lines into equally many cells."""
    possible = [separator for separator in _SEPARATORS if separator != decimal]
    fitting = [separator for separator in possible if _divides(lines, separator)]
    if suffix in (".tsv", ".tab") and ("\t" in fitting or not fitting):
        return "\t"
    if len(fitting) > 1:
        said = " or ".join(_SEPARATORS[separator] for separator in fitting)
        raise DataFileError(
            f"{name}: {said} could separate the cells of {lines[0][:60]!r}; say which: separator={fitting[0]!r} "
            f"(--separator {'tab' if fitting[0] == chr(9) else repr(fitting[0])})"
        )
    if fitting:
        return fitting[0]
    if _divides(lines, _BLANK) and all(map(is_number, lines[0].split())):
        return _BLANK
    ragged = [separator for separator in possible if separator in lines[0]]
    return "," if "," in ragged or not ragged else ragged[0]


def _divides(lines: Sequence[str], separator: str) -> bool:
    widths = {len(record) for record in _records(lines, separator)}
    return len(widths) == 1 and max(widths) > 1


def _is_headed(name: str, cells: Sequence[str], following: Sequence[Sequence[str]], options: TextOptions) -> bool:
    """Whether the first line names columns instead of being a point; where it could be either, ask."""
    rest = cells[1:] if index_by_name(cells)[0] else cells
    numbers = [_value(cell, options.decimal) for cell in rest]
    if not all(number is not None for number in numbers):
        if all(_value(cell, options.decimal) is not None or cell.lower() in MISSING for cell in cells):
            raise DataFileError(
                f"{name}: the first line, {','.join(cells)}, has empty cells; fill them, or drop such rows with "
                "header=False and drop_null=True (--no-header --drop-null)"
            )
        return True
    values = [number for number in numbers if number is not None]
    if len(rest) < len(cells):
        if _counts(rest):
            return True
        raise DataFileError(
            f"{name}: the first line, {','.join(cells)}, has an empty cell; say header=True (--header) if it names the "
            "columns, or fill the cell"
        )
    if _counts(rest) or _only_this_rises(values, following, options.decimal):
        shown = ",".join(cells[:6]) + (",..." if len(cells) > 6 else "")
        raise DataFileError(
            f"{name}: the first line, {shown}, could name the columns or be a point; say which: header=True or "
            "header=False in open_table (--header or --no-header)"
        )
    return False


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells are 0, 1, 2, ... or 1, 2, 3, ..., which is how columns without names are written."""
    return any(list(cells) == [str(start + place) for place in range(len(cells))] for start in (0, 1))


def _only_this_rises(values: Sequence[float], following: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether numbers rise from cell to cell, as years and wavelengths in a header do, and none of the next lines."""
    if len(values) < _SURE or not _rise(values):
        return False
    others = [[_value(cell, decimal) for cell in record] for record in following]
    return not any(_rise([number for number in row if number is not None]) for row in others)


def _rise(values: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(values))


def _check_header(name: str, cells: Sequence[str]) -> None:
    unnamed = [place for place, cell in enumerate(cells) if not cell and place > 0]
    if unnamed:
        raise DataFileError(
            f"{name}: column {unnamed[0]} has no name in the first line, {','.join(cells)[:60]}; name it, or remove "
            "the separator at the end of each line"
        )


def is_number(cell: str) -> bool:
    """Whether Python reads a text as a number."""
    return _value(cell, ".") is not None


def _value(cell: str, decimal: str) -> float | None:
    try:
        return float(cell if decimal == "." else cell.replace(decimal, "."))
    except ValueError:
        return None
