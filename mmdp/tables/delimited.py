"""CSV and TSV files, packed or not: read by pyarrow, column by place, with the row and the cell of what is wrong."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from mmdp.arrays import LARGEST_WHOLE, Indices
from mmdp.exceptions import DataFileError, InvalidProblemError
from mmdp.tables.arrow import arrow, column_of
from mmdp.tables.blocks import BLOCK_BYTES
from mmdp.tables.columns import COMMA_NUMBERS, Column, Kind, index_by_name, text_in_words
from mmdp.tables.dialect import MISSING, Dialect, TextOptions, dialect, is_number, no_text
from mmdp.tables.locations import Location, suffix_of
from mmdp.tables.source import Source, counted

_HEAD_BYTES = 2**18
_LONG = 15  # digits of a whole number that float64 may round
_BAD_CELL = re.compile(r"CSV column #(\d+): Row #(\d+): CSV conversion error to \w+: invalid value '(.*)'", re.DOTALL)
_BAD_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns?, got (\d+): ?(.*)", re.DOTALL)
_PADDED = re.compile(r"[-+]?0\d")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
_COMMA_NUMBER = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.IGNORECASE)


def open_delimited(location: Location, options: TextOptions) -> Source:
    """Open files of one dialect and one header."""
    files = [_Delimited(location, file, options) for file in location.files]
    first = files[0]
    for file in files[1:]:
        if file.dialect.names != first.dialect.names:
            raise DataFileError(f"{file.name}: its columns are not those of the first file of {location.name}")

    def batches(places: Sequence[int]) -> Iterator[list[Any]]:
        start = 0
        for file in files:
            for batch in file.numbers(places, first.columns, start):
                yield batch
                start += len(batch[0])

    def records(wanted: Indices | None) -> Iterator[tuple[int, Any]]:
        return counted(table for file in files for table in file.texts())

    said = first.dialect
    return Source(
        location.name,
        first.columns,
        batches,
        records,
        partial(typed, decimal=said.decimal),
        separator=said.separator,
        decimal=said.decimal,
        headed=said.headed,
    )


def typed(rows: Any, decimal: str = ".") -> Any:
    """An Arrow table of texts with the types that the texts show; padded numbers such as 007 stay texts."""
    pa, text = arrow("pyarrow"), arrow("pyarrow.csv")
    found = {}
    for place, column in enumerate(rows.columns):
        cells = [cell or "" for cell in column.to_pylist()]
        packed = io.StringIO()
        csv.writer(packed, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([cell] for cell in cells)
        kinds = {"0": pa.string()} if any(map(_PADDED.match, cells)) else {}
        found[str(place)] = text.read_csv(
            pa.BufferReader(packed.getvalue().encode()),
            read_options=text.ReadOptions(column_names=["0"]),
            parse_options=text.ParseOptions(newlines_in_values=True),
            convert_options=text.ConvertOptions(column_types=kinds, decimal_point=decimal),
        ).column(0)
    return pa.table(found).rename_columns(rows.column_names)


@dataclass
class _Delimited:
    location: Location
    file: str
    options: TextOptions

    def __post_init__(self) -> None:
        self.name = self.location.says(self.file)
        with _opened(self.location, self.file, self.name) as stream:
            head = stream.read(_HEAD_BYTES)
        self.dialect: Dialect = dialect(self.name, head, len(head) < _HEAD_BYTES, suffix_of(self.file), self.options)
        self.columns = self._columns()

    def numbers(self, places: Sequence[int], columns: Sequence[Column], start: int) -> Iterator[list[Any]]:
        """Batches of some columns, numbers as float64; ``start`` is the number of the first row."""
        types = {str(place): _type_to_read(columns[place]) for place in places}
        numbers = [place for place in places if columns[place].kind is Kind.NUMBERS]
        whole = [places.index(place) for place in numbers if self._may_be_long(place, columns[place])]
        for batch in self._read(start, include_columns=list(map(str, places)), column_types=self._types(types)):
            values = [batch.column(str(place)) for place in places]
            for column in whole:
                self._check_whole(columns[places[column]], values[column], start)
            yield values
            start += len(batch)

    def texts(self) -> Iterator[Any]:
        """All columns as the file writes them."""
        pa = arrow("pyarrow")
        types = {str(place): "string" for place in range(len(self.dialect.names))}
        for batch in self._read(0, column_types=self._types(types)):
            yield pa.Table.from_batches([batch]).rename_columns(list(self.dialect.names))

    def _columns(self) -> tuple[Column, ...]:
        """What the first rows hold."""
        names = self.dialect.names
        index = index_by_name(names) if self.dialect.headed else [False] * len(names)
        schema = self._schema()
        kinds = [column_of(name, schema.field(str(place)).type, index[place]) for place, name in enumerate(names)]
        return tuple(map(self._told_of_texts, range(len(names)), kinds))

    def _told_of_texts(self, place: int, column: Column) -> Column:
        """Numbers that read as text: with a decimal comma, or as lists, refused; with a word between, named later."""
        cells = [record[place].strip() for record in self.dialect.first if place < len(record)]
        cells = [cell for cell in cells if cell.lower() not in MISSING]
        if column.kind is Kind.OTHER and cells and (told_commas := _with_commas(cells)):
            return replace(column, holds=told_commas)
        if column.holds == "text" and cells and (told := text_in_words(cells[0])) != "text":
            return replace(column, holds=told)
        if column.holds == "text" and cells and 2 * sum(map(is_number, cells)) >= len(cells):
            return replace(column, kind=Kind.NUMBERS)
        return column

    def _schema(self) -> Any:
        if not self.dialect.first:
            pa = arrow("pyarrow")
            return pa.schema([(str(place), pa.null()) for place in range(len(self.dialect.names))])
        return self._reader().schema

    def _reader(self, **convert: Any) -> Any:
        text, lib = arrow("pyarrow.csv"), arrow("pyarrow.lib")
        said = self.dialect
        read = text.ReadOptions(
            use_threads=False,
            block_size=BLOCK_BYTES,
            column_names=list(map(str, range(len(said.names)))),
            skip_rows=said.skipped,
            skip_rows_after_names=int(said.headed),
            encoding="utf8" if said.encoding.startswith("utf-8") else said.encoding,
        )
        parse = text.ParseOptions(delimiter=said.separator, newlines_in_values=True)
        try:
            return text.open_csv(
                _opened(self.location, self.file, self.name),
                read_options=read,
                parse_options=parse,
                convert_options=text.ConvertOptions(decimal_point=said.decimal, **convert),
            )
        except (lib.ArrowException, OSError, UnicodeDecodeError) as error:
            raise self._named(error) from error

    def _read(self, start: int, **convert: Any) -> Iterator[Any]:
        if not self.dialect.first:
            return
        lib = arrow("pyarrow.lib")
        self._start = start
        try:
            with self._reader(**convert) as reader:
                yield from (batch for batch in reader if len(batch))
        except (lib.ArrowException, OSError, UnicodeDecodeError, EOFError) as error:
            raise self._named(error) from error

    def _types(self, types: dict[str, str]) -> Any:
        pa = arrow("pyarrow")
        return pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])

    def _may_be_long(self, place: int, column: Column) -> bool:
        """Whether a column holds whole numbers that float64 might round."""
        cells = [record[place].strip().lstrip("+-") for record in self.dialect.first if place < len(record)]
        return column.holds == "int64" or any(cell.isdecimal() and len(cell) > _LONG for cell in cells)

    def _check_whole(self, column: Column, values: Any, start: int) -> None:
        long = np.abs(values.to_numpy(zero_copy_only=False)) >= LARGEST_WHOLE
        if long.any():
            raise InvalidProblemError(
                f"{self.name}: row {start + int(long.argmax())} of column {column.name!r} has more digits than float64 "
                f"holds; drop the column if it is an identifier, drop={column.name!r} (--drop {column.name}), or "
                "subtract a common offset"
            )

    def _named(self, error: Exception) -> DataFileError:
        """Translate the places that pyarrow counts into those of the table."""
        text, names = str(error), self.dialect.names
        before = getattr(self, "_start", 0) - 1 - int(self.dialect.headed)
        if cell := _BAD_CELL.search(text):
            place, row, value = int(cell[1]), int(cell[2]) + before, cell[3]
            shown = value if len(value) <= 40 else f"{value[:40]}..."
            return DataFileError(
                f"{self.name}: row {row}, column {names[place]!r}: {shown!r} is not a number; correct it, or drop the "
                f"column, as in drop={names[place]!r} (--drop {names[place]})"
            )
        if line := _BAD_ROW.search(text):
            comment = "; remove the comment above the table" if names[0].startswith("#") else ""
            return DataFileError(
                f"{self.name}: row {int(line[1]) + before} has {line[3]} cells, and the first line has {line[2]}; "
                f"it reads {line[4][:60]!r}{comment}"
            )
        if "UTF8" in text or isinstance(error, UnicodeDecodeError):
            return no_text(self.name, self.dialect.encoding, error)
        return DataFileError(f"{self.name}: cannot be read as a table ({text})")


def _with_commas(cells: Sequence[str]) -> str:
    """What numbers with commas in them are, in words; empty if these are none. 1,200 may be either kind."""
    if all(map(_THOUSANDS.fullmatch, cells)):
        return (
            f"{COMMA_NUMBERS} or with commas between thousands, such as {cells[0]!r}; remove commas between thousands, "
            "and say decimal=',' in open_table (--decimal ,) of decimal ones"
        )
    if all(map(_COMMA_NUMBER.fullmatch, cells)):
        return f"{COMMA_NUMBERS}, such as {cells[0]!r}; say decimal=',' in open_table (--decimal ,)"
    return ""


def _type_to_read(column: Column) -> str:
    if column.kind is not Kind.NUMBERS:
        return "string"
    return "bool" if column.holds == "bool" else "double"


def _opened(location: Location, file: str, name: str) -> Any:
    lib = arrow("pyarrow.lib")
    try:
        return location.open_stream(file)
    except (lib.ArrowException, OSError) as error:
        raise DataFileError(f"{name}: cannot be read ({error})") from error
