"""Arrays that numpy saved: .npy, read in place, and .npz."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from mmdp.arrays import WIDE_BYTES, Points
from mmdp.exceptions import DataFileError, InvalidProblemError
from mmdp.tables.blocks import Table, listed, mapped

_WHOLE = "was it cut short? write it again"


def open_npy(path: Path) -> Table:
    """Open an array of two dimensions without reading it."""
    return mapped(_map(path))


def open_shards(name: str, paths: Sequence[Path]) -> Table:
    """Open arrays of one width as one table, in the order of their paths; dtypes that differ widen.

    Raises
    ------
    DataFileError
        If they differ in width, or whole numbers would be rounded beside fractions.
    """
    opened: list[tuple[Table, np.dtype[Any]]] = []
    for path in paths:
        array = _map(path)
        if array.ndim != 2 or len(array):
            opened.append((mapped(array), array.dtype))
    if not opened:
        raise InvalidProblemError(f"{name}: there are no rows")
    tables = [table for table, _ in opened]
    first = tables[0]
    dtype = np.result_type(*{other for _, other in opened})
    for table, other in opened:
        if table.d != first.d:
            raise DataFileError(f"{table.name}: has {table.d} columns, and {first.name} has {first.d}")
        if dtype.kind == "f" and other.kind in "iu" and other.itemsize >= WIDE_BYTES:
            raise DataFileError(f"{name}: holds arrays of {other} and of fractions; save them with one dtype")

    def parts() -> Iterator[tuple[int, Callable[[], Points]]]:
        for table in tables:
            for rows, part in table.parts():
                yield rows, partial(_as, dtype, part)

    return Table(name, sum(table.n for table in tables), first.d, parts)


def _as(dtype: np.dtype[Any], part: Callable[[], Points]) -> Points:
    return part().astype(dtype, copy=False)


def _map(path: Path) -> np.memmap[Any, Any]:
    try:
        table = np.load(path, mmap_mode="r")
    except ValueError as error:
        if _holds_objects(path):
            raise DataFileError(
                f"{path}: holds Python objects, which are not read from files; save numbers instead, as in "
                "np.save(path, X.astype(float)), or np.stack(X) for rows that are arrays"
            ) from error
        raise DataFileError(f"{path}: not a whole .npy file ({error}); {_WHOLE}") from error
    except (OSError, EOFError) as error:
        raise DataFileError(f"{path}: not a whole .npy file ({error}); {_WHOLE}") from error
    if not isinstance(table, np.memmap):
        raise DataFileError(f"{path}: is an archive of arrays; rename it to .npz")
    plain: np.memmap[Any, Any] = _plain(path, table)
    return plain


def open_npz(path: Path, wanted: str | Collection[str] | None) -> Table:
    """Open one array of an archive, the only one or the one that is named."""
    try:
        with np.load(path) as archive:
            names = list(archive.files)
            name = _member(path, names, wanted)
            table = archive[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(f"{path}: not a whole .npz file of numbers ({error}); {_WHOLE}") from error
    if table.ndim != 2:
        raise DataFileError(f"{path}: array {name!r} has shape {table.shape}; (rows, columns) are needed")
    return listed([_plain(path, table)], str(path))


def _member(path: Path, names: list[str], wanted: str | Collection[str] | None) -> str:
    asked = [wanted] if isinstance(wanted, str) else list(wanted or names)
    if len(asked) != 1:
        raise DataFileError(
            f"{path}: holds the arrays {', '.join(names) or 'none'}; name the points, as in columns={names[0]!r} "
            f"(--columns {names[0]})"
            if names
            else f"{path}: holds no arrays"
        )
    if asked[0] not in names:
        raise DataFileError(f"{path}: has no array {asked[0]!r}; it has {', '.join(names)}")
    return asked[0]


def _plain(path: Path, table: Any) -> Any:
    if table.dtype.names:
        raise DataFileError(
            f"{path}: holds records with the fields {', '.join(table.dtype.names)}; save their numbers as one array, "
            "as np.lib.recfunctions.structured_to_unstructured gives it"
        )
    if table.dtype.kind not in "fiub":
        raise DataFileError(f"{path}: holds {table.dtype}, not real numbers")
    return table


def _holds_objects(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            return bool(read(file)[2].hasobject)
    except (ValueError, OSError, EOFError):
        return False
