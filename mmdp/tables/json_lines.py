"""JSON lines: one object a line, the columns those of the first lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from mmdp.arrays import Indices
from mmdp.exceptions import DataFileError, InvalidProblemError
from mmdp.tables.arrow import arrow, columns_of
from mmdp.tables.blocks import BLOCK_BYTES
from mmdp.tables.columns import Column, Kind
from mmdp.tables.locations import Location
from mmdp.tables.source import Source

_ROW = re.compile(r"in row (\d+)")


def open_json_lines(location: Location) -> Source:
    """Open files of one set of columns."""
    try:
        _, first = next(_tables(location))
    except StopIteration:
        raise DataFileError(f"{location.name}: there are no rows") from None
    columns = columns_of(first.schema)
    batches = partial(_batches, location, columns)
    return Source(location.name, columns, batches, partial(_records, location), has_dates=False)


def _batches(location: Location, columns: Sequence[Column], places: Sequence[int]) -> Iterator[list[Any]]:
    pa = arrow("pyarrow")
    wanted = [columns[place] for place in places]
    known = {column.name for column in columns}
    for start, table in _tables(location):
        if unknown := [name for name in table.column_names if name not in known]:
            raise DataFileError(
                f"{location.name}: column {unknown[0]!r} first appears after row {start}; give every line the same keys"
            )
        for column in wanted:
            kind = (
                columns_of(pa.schema([table.schema.field(column.name)]))[0].kind
                if column.name in table.column_names
                else column.kind
            )
            if kind is not column.kind:
                raise DataFileError(
                    f"{location.name}: column {column.name!r} holds values of another type after row {start}"
                )
        yield [_values(table, column, f"{location.name}: behind row {start}") for column in wanted]


def _values(table: Any, column: Column, where: str) -> Any:
    """Numbers as float64, whatever the lines of this block look like; anything else as it is."""
    pa = arrow("pyarrow")
    if column.name not in table.column_names:
        kinds = {Kind.NUMBERS: pa.float64(), Kind.VECTORS: pa.list_(pa.float64()), Kind.OTHER: pa.null()}
        return pa.nulls(len(table), kinds[column.kind])
    values = table.column(column.name).combine_chunks()
    if column.kind is Kind.OTHER or str(values.type) == "bool":
        return values
    try:
        return values.cast(pa.list_(pa.float64()) if column.kind is Kind.VECTORS else pa.float64())
    except pa.ArrowInvalid as error:
        raise InvalidProblemError(
            f"{where}, column {column.name!r} has more digits than float64 holds ({error}); drop the column if it is "
            "an identifier, or subtract a common offset"
        ) from error


def _records(location: Location, wanted: Indices | None) -> Iterator[tuple[int, Any]]:
    return _tables(location)


def _tables(location: Location) -> Iterator[tuple[int, Any]]:
    """Blocks of lines as Arrow tables, each with the number of its first row."""
    pa, lib = arrow("pyarrow"), arrow("pyarrow.lib")
    json = arrow("pyarrow.json")
    start = 0
    for file in location.files:
        name = location.says(file)
        for block in _blocks(location, file, name):
            try:
                table = json.read_json(
                    pa.BufferReader(block), json.ReadOptions(use_threads=False, block_size=len(block) + 1)
                )
            except (lib.ArrowException, OSError) as error:
                raise _named(name, start, block, error) from error
            yield start, table
            start += len(table)


def _blocks(location: Location, file: str, name: str) -> Iterator[bytes]:
    lib = arrow("pyarrow.lib")
    rest = b""
    try:
        with location.open_stream(file) as stream:
            while chunk := stream.read(BLOCK_BYTES):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if whole.strip():
                    yield whole + newline
        if rest.strip():
            yield rest
    except (lib.ArrowException, OSError, EOFError) as error:
        raise DataFileError(f"{name}: cannot be read to its end ({error})") from error


def _named(name: str, start: int, block: bytes, error: Exception) -> DataFileError:
    if start == 0 and block.lstrip()[:1] == b"[":
        return DataFileError(
            f"{name}: holds one JSON list; write one object a line, as df.to_json(path, orient='records', lines=True) "
            "does"
        )
    row = _ROW.search(str(error))
    where = f"row {start + int(row[1])}" if row else f"a row from {start} on"
    return DataFileError(f"{name}: {where} is not an object like those before it ({error})")
