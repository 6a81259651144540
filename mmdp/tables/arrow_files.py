"""Files of Arrow's own format: Feather, IPC files and streams, and the folders that ``datasets`` saves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from mmdp.arrays import Indices
from mmdp.exceptions import DataFileError
from mmdp.tables.arrow import arrow, columns_of
from mmdp.tables.locations import Location
from mmdp.tables.source import Source, counted

_STATE = "state.json"
_SPLITS = "dataset_dict.json"


def open_arrow(location: Location) -> Source:
    """Open files of one schema, that of the first."""
    reader = _open(location, location.files[0])
    columns = columns_of(reader.schema)
    return Source(location.name, columns, partial(_batches, location), partial(_records, location))


def saved_dataset(location: Location) -> Location | None:
    """The files of a folder written by ``save_to_disk`` of datasets, in their order; None for another folder."""
    notes = {PurePosixPath(file).name: file for file in location.files}
    if _SPLITS in notes:
        splits = sorted({PurePosixPath(file).parent.name for file in location.files if file.endswith(".arrow")})
        raise DataFileError(
            f"{location.name}: holds several splits, {', '.join(splits)}; give one of them, as in "
            f"{location.name.rstrip('/')}/{splits[0] if splits else 'train'}"
        )
    if _STATE not in notes:
        return None
    folder = PurePosixPath(notes[_STATE]).parent
    try:
        state = json.loads(location.open_stream(notes[_STATE]).read())
        files = [str(folder / part["filename"]) for part in state["_data_files"]]
        reordered = state.get("_indices_data_files") or state.get("_indices_files")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataFileError(f"{notes[_STATE]}: is not a state file of datasets' save_to_disk ({error!r})") from error
    if reordered:
        raise DataFileError(f"{location.name}: rows are reordered by an index; call flatten_indices() before saving")
    return replace(location, files=tuple(files))


def _open(location: Location, file: str) -> Any:
    ipc, lib = arrow("pyarrow.ipc"), arrow("pyarrow.lib")
    try:
        opened = location.open_file(file)
        if opened.read(6) == b"ARROW1":
            opened.seek(0)
            return ipc.open_file(opened)
        opened.seek(0)
        return ipc.open_stream(opened)
    except (lib.ArrowException, OSError) as error:
        raise DataFileError(f"{location.says(file)}: not a whole Arrow file ({error})") from error


def _read(location: Location) -> Iterator[Any]:
    lib = arrow("pyarrow.lib")
    schema = None
    for file in location.files:
        reader = _open(location, file)
        schema = schema or reader.schema
        if reader.schema.names != schema.names:
            raise DataFileError(f"{file}: its columns are not those of the first file of {location.name}")
        try:
            if hasattr(reader, "num_record_batches"):
                yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
            else:
                yield from reader
        except (lib.ArrowException, OSError) as error:
            raise DataFileError(f"{location.says(file)}: cannot be read to its end ({error})") from error


def _batches(location: Location, places: Sequence[int]) -> Iterator[list[Any]]:
    for batch in _read(location):
        yield [batch.column(place) for place in places]


def _records(location: Location, wanted: Indices | None) -> Iterator[tuple[int, Any]]:
    pa = arrow("pyarrow")
    return counted(pa.Table.from_batches([batch]) for batch in _read(location))
