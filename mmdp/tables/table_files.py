"""Tables in files: which reader a format has."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mmdp.exceptions import DataFileError, InvalidOptionError
from mmdp.tables.arrow_files import open_arrow, saved_dataset
from mmdp.tables.blocks import Table, spooled
from mmdp.tables.columns import Column, Kind, chosen
from mmdp.tables.coordinates import Decoder
from mmdp.tables.delimited import open_delimited
from mmdp.tables.dialect import AS_FOUND, TextOptions
from mmdp.tables.json_lines import open_json_lines
from mmdp.tables.locations import Location, is_remote, locate, suffix_of
from mmdp.tables.numpy_files import open_npy, open_npz, open_shards
from mmdp.tables.parquet_files import open_parquet, pieces
from mmdp.tables.partitions import Partitions
from mmdp.tables.source import Source

NUMPY = (".npy", ".npz")
TEXT = (".csv", ".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")
ARROW = (".feather", ".arrow", ".ipc")
JSON = (".jsonl", ".ndjson", ".json")
_HERE = "file://"
FORMATS = (*NUMPY, *TEXT, *PARQUET, *ARROW, *JSON)


def read_file(
    path: str | Path,
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    drop_null: bool = False,
    text: TextOptions = AS_FOUND,
) -> Table:
    """Read a table of any format; see :func:`mmdp.tables.open_table`.

    Raises
    ------
    DataFileError
        If it is missing, cut short, or of an unknown format.
    InvalidProblemError
        If it has no rows, or values that are not numbers.
    """
    if holds_arrays(path):
        if text != AS_FOUND:
            raise InvalidOptionError(
                f"{path}: header, separator, decimal and encoding are for text files ({', '.join(TEXT)})"
            )
        table = _numpy(path, columns, drop)
        return _complete(table) if drop_null else table
    return open_source(path, text).table(columns, drop, drop_null)


def holds_arrays(path: str | Path) -> bool:
    """Whether a path stands for arrays of numpy, which have no named columns: by its suffix, or those of its files."""
    if suffix_of(str(path)) in NUMPY:
        return True
    is_uri = str(path).startswith(_HERE) and suffix_of(str(path)) not in FORMATS
    is_many = is_uri or (not is_remote(path) and (Path(path).is_dir() or _is_pattern(path)))
    return is_many and {suffix_of(file) for file in locate(path).files} == {".npy"}


def open_source(path: str | Path, text: TextOptions = AS_FOUND) -> Source:
    """Open a table of named columns, of any format but numpy's."""
    location, suffix = _located(path)
    if suffix in TEXT:
        return open_delimited(location, text)
    if text != AS_FOUND:
        raise InvalidOptionError(
            f"{path}: header, separator, decimal and encoding are for text files ({', '.join(TEXT)})"
        )
    if suffix in PARQUET:
        return open_parquet(location)
    return open_arrow(location) if suffix in ARROW else open_json_lines(location)


def read_partitions(
    path: str | Path, columns: str | Collection[str] | None, drop: str | Collection[str]
) -> Partitions | None:
    """The row groups of Parquet files, for workers to read; None for another format."""
    if holds_arrays(path):
        return None
    location, suffix = _located(path)
    if suffix not in PARQUET:
        return None
    source = open_parquet(location)
    places = chosen(source.name, source.columns, columns, drop)
    return Partitions.of_pieces(source, [source.columns[place] for place in places], pieces(location))


def existing(path: str | Path) -> Path:
    """Return the path, or name it if nothing is there."""
    if not Path(path).exists():
        raise DataFileError(f"{path}: no such file")
    return Path(path)


def _is_pattern(path: str | Path) -> bool:
    return any(mark in str(path) for mark in "*?[") and not Path(path).exists()


def _numpy(path: str | Path, columns: str | Collection[str] | None, drop: str | Collection[str]) -> Table:
    files = _array_files(path)
    suffixes = {file.suffix.lower() for file in files}
    if packed := suffixes - set(NUMPY):
        raise DataFileError(f"{path}: arrays are read in place, not from {min(packed)}; unpack it, or pack it as .npz")
    if drop or (columns is not None and ".npy" in suffixes):
        name = next(iter([drop] if isinstance(drop, str) else drop), columns)
        raise DataFileError(f"{path}: has no column {name!r}: an array has no names")
    if len(files) > 1 and ".npz" in suffixes:
        raise DataFileError(f"{path}: several .npz archives are not one table; give one of them, or save them as .npy")
    if len(files) > 1:
        return open_shards(str(path), files)
    return open_npy(files[0]) if suffixes == {".npy"} else open_npz(files[0], columns)


def _array_files(path: str | Path) -> list[Path]:
    """The file of an array, or all that a folder, a pattern or a URI of this machine stands for."""
    if is_remote(path) and not str(path).startswith(_HERE):
        raise DataFileError(
            f"{path}: .npy and .npz files are read in place; copy them to this machine, or save .parquet"
        )
    if not is_remote(path) and not _is_pattern(path) and existing(path).is_file():
        return [Path(path)]
    return [Path(file) for file in locate(path).files]


def _complete(table: Table) -> Table:
    """The rows of an array without NaN."""
    decoder = Decoder(table.name, [Column("points", Kind.VECTORS, "numbers")], drop_null=True)
    blocks = decoder.blocks([block] for block in table.read())
    return spooled(
        blocks,
        table.name,
        row_numbers=decoder.row_numbers,
        rows_in_all=decoder.rows_in_all,
        whole_rows=table.take,
    )


def _located(path: str | Path) -> tuple[Location, str]:
    """The files of a table and their one format."""
    if not is_remote(path) and not _is_pattern(path):
        kind = suffix_of(str(existing(path)))
        if kind not in FORMATS and Path(path).is_file():
            unpacked = "; unpack it, or pack it as .gz" if kind in (".zip", ".xz", ".7z", ".tar") else ""
            raise DataFileError(
                f"{path}: unknown format {kind or 'without a suffix'}{unpacked}; give one of {', '.join(FORMATS)}, or "
                "in Python an array or a data frame"
            )
    location = locate(path)
    if (saved := saved_dataset(location)) is not None:
        return saved, ARROW[0]
    suffixes = sorted({suffix_of(file) for file in location.files})
    if set(suffixes) <= set(NUMPY):
        raise DataFileError(
            f"{path}: several .npz archives are not one table, and .npy files are read on this machine alone; give one "
            "archive, copy the files, or save .parquet"
        )
    groups = {group for suffix in suffixes for group in (TEXT, PARQUET, ARROW, JSON) if suffix in group}
    if len(groups) != 1 or not all(suffix in next(iter(groups)) for suffix in suffixes):
        raise DataFileError(
            f"{path}: holds files that are not one table: {', '.join(suffix or 'no suffix' for suffix in suffixes)}; "
            f"name those that are, as in {path}/*.parquet"
        )
    return location, suffixes[0]
