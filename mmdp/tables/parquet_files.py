"""Parquet files and folders of them.

They are read file by file through ``ParquetFile.iter_batches`` with a small buffer. Compared with a scan of
``pyarrow.dataset``, that takes a third of the time for a column of lists, and the memory of a batch instead of that of
a row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np

from mmdp.arrays import Indices
from mmdp.exceptions import DataFileError
from mmdp.tables.arrow import arrow, columns_of
from mmdp.tables.columns import Column, Kind
from mmdp.tables.locations import Location
from mmdp.tables.source import Source

_BUFFER = 2**20
ROWS = 2**13  # of a batch


@dataclass(frozen=True)
class Piece:
    """A row group of a file, which a worker can read on its own."""

    location: Location
    file: str
    group: int
    rows: int

    def batches(self, names: Sequence[str]) -> Iterator[list[Any]]:
        """Batches of some columns."""
        parquet = _open(self.location, self.file)
        yield from _columns(self.location, self.file, parquet, names, [self.group])


def open_parquet(location: Location) -> Source:
    """Open files of one schema, that of the first."""
    first = _open(location, location.files[0])
    columns = columns_of(first.schema_arrow)
    folders = _folder_columns(location, location.files[0])
    names = [column.name for column in columns]
    twice = next((name for name in names if names.count(name) > 1 or name in folders), None)
    if twice is not None:
        raise DataFileError(f"{location.name}: two columns are named {twice!r}; rename one of them")
    return Source(
        location.name,
        (*columns, *(Column(name, Kind.OTHER, "the name of a folder", is_index=True) for name in folders)),
        partial(_batches, location, names),
        partial(_records, location),
    )


def pieces(location: Location) -> list[Piece]:
    """All row groups of all files, in order."""
    found = []
    for file in location.files:
        parquet = _open(location, file)
        for group in range(parquet.num_row_groups):
            found.append(Piece(location, file, group, parquet.metadata.row_group(group).num_rows))
    return found


def _open(location: Location, file: str) -> Any:
    lib = arrow("pyarrow.lib")
    try:
        opened = location.open_file(file)
        return arrow("pyarrow.parquet").ParquetFile(opened, buffer_size=_BUFFER, pre_buffer=False)
    except (lib.ArrowException, OSError) as error:
        raise DataFileError(f"{location.says(file)}: not a whole Parquet file ({error})") from error


def _batches(location: Location, names: Sequence[str], places: Sequence[int]) -> Iterator[list[Any]]:
    wanted = [names[place] for place in places]
    for file in location.files:
        yield from _columns(location, file, _open(location, file), wanted)


def _columns(
    location: Location, file: str, parquet: Any, names: Sequence[str], groups: list[int] | None = None
) -> Iterator[list[Any]]:
    if missing := [name for name in names if name not in parquet.schema_arrow.names]:
        raise DataFileError(f"{file}: has no column {missing[0]!r}, unlike the first file of {location.name}")
    for batch in _iter(
        location, file, parquet, columns=list(dict.fromkeys(names)), row_groups=groups, use_threads=False
    ):
        yield [batch.column(name) for name in names]


def _iter(location: Location, file: str, parquet: Any, **options: Any) -> Iterator[Any]:
    lib = arrow("pyarrow.lib")
    try:
        yield from parquet.iter_batches(ROWS, **options)
    except (lib.ArrowException, OSError) as error:
        raise DataFileError(f"{location.says(file)}: cannot be read to its end ({error})") from error


def _records(location: Location, wanted: Indices | None) -> Iterator[tuple[int, Any]]:
    """Whole rows, of the row groups alone that hold some of those wanted."""
    start = 0
    for file in location.files:
        parquet = _open(location, file)
        for group in range(parquet.num_row_groups):
            end = start + parquet.metadata.row_group(group).num_rows
            if wanted is None or np.searchsorted(wanted, start) < np.searchsorted(wanted, end):
                for table in _group(location, file, parquet, group):
                    yield start, table
                    start += len(table)
            start = end


def _group(location: Location, file: str, parquet: Any, group: int) -> Iterator[Any]:
    pa = arrow("pyarrow")
    for batch in _iter(location, file, parquet, row_groups=[group]):
        table = pa.Table.from_batches([batch]).replace_schema_metadata(parquet.schema_arrow.metadata)
        for name, value in _folder_columns(location, file).items():
            table = table.append_column(name, pa.array([value] * len(table)))
        yield table


def _folder_columns(location: Location, file: str) -> dict[str, str]:
    """What the folders between root and file say, each as ``name=value``."""
    if location.root in (".", file):
        return {}
    folders = PurePosixPath(file).relative_to(location.root).parts[:-1]
    pairs = (folder.partition("=") for folder in folders)
    return {unquote(name): unquote(value) for name, equals, value in pairs if equals}
