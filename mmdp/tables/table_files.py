"""Points in files: .npy, CSV and Parquet, read block by block."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmdp.arrays import Points
from mmdp.exceptions import DataFileError, InvalidProblemError, MissingDependencyError
from mmdp.tables.blocks import BLOCK_BYTES, Table, in_turn, mapped

_DROP = "drop such columns: `mmdp select --drop NAME`, or pass an array of the others"
_MISSING = ("", "na", "n/a", "#n/a", "null", "none")  # what tables say where a value is missing
FORMATS = (".npy", ".csv", ".parquet")


def read_file(path: Path, drop: Collection[str] = ()) -> Table:
    """Open a .npy, CSV or Parquet file, or a folder of Parquet files.

    Raises
    ------
    DataFileError
        If it is missing, cut short, or of an unknown kind.
    InvalidProblemError
        If it has no rows, or values that are not numbers.
    """
    if existing(path).suffix not in FORMATS and not path.is_dir():
        raise DataFileError(f"{path}: unknown kind of file; give one of {', '.join(FORMATS)}")
    if path.suffix == ".npy":
        _coordinates([], drop, path)  # an array has no names
        return _npy(path)
    return _csv(path, drop) if path.suffix == ".csv" else _parquet(path, drop)


def existing(path: Path) -> Path:
    """Return the path, or name it if nothing is there."""
    if not path.exists():
        raise DataFileError(f"{path}: no such file")
    return path


def arrow(name: str) -> Any:
    """Import a module of pyarrow."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "Parquet files and columns of labels need pyarrow: pip install 'mmdp[scale]'"
        ) from error


def _npy(path: Path) -> Table:
    try:
        table = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise DataFileError(f"{path}: not a whole .npy file ({error}); was it cut short? write it again") from error
    if not isinstance(table, np.memmap):
        raise DataFileError(f"{path}: an archive of arrays; save the one with the points by numpy.save")
    return mapped(table)


def _table(batch: Any, path: Path) -> Points:
    """Columns of numbers side by side; one column of lists, as embeddings are stored, opened up."""
    columns = [batch.column(i) for i in range(batch.num_columns)]
    if not columns:
        raise DataFileError(f"{path}: the table has no columns")
    if len(columns) == 1 and hasattr(columns[0], "flatten") and str(columns[0].type).find("list") >= 0:
        values = columns[0].flatten().to_numpy(zero_copy_only=False)
        if len(values) % max(1, len(columns[0])):
            raise DataFileError(f"{path}: the lists of column {batch.schema.names[0]!r} differ in length")
        return np.asarray(values).reshape(len(columns[0]), -1)
    arrays = [column.to_numpy(zero_copy_only=False) for column in columns]
    for name, array in zip(batch.schema.names, arrays, strict=True):
        if array.dtype.kind not in "fiub":
            raise InvalidProblemError(f"{path}: column {name!r} holds {array.dtype}, not numbers; {_DROP}")
    return np.column_stack(arrays)


def _coordinates(names: Sequence[str], drop: Collection[str], path: Path) -> list[str]:
    if missing := [name for name in drop if name not in names]:
        raise DataFileError(f"{path}: has no column {missing[0]!r}; it has {', '.join(names) or 'none with a name'}")
    left = [name for name in names if name not in drop]
    if drop and not left:
        raise DataFileError(f"{path}: no column is left; all of {', '.join(names)} are left out")
    return left


def _parquet(path: Path, drop: Collection[str]) -> Table:
    dataset, lib = arrow("pyarrow.dataset"), arrow("pyarrow.lib")
    try:
        table = dataset.dataset(path, format="parquet")
        if not (n := table.count_rows()):
            raise DataFileError(f"{path}: there are no rows")
        columns = _coordinates(table.schema.names, drop, path)
        first = _table(next(iter(table.to_batches(columns, batch_size=1))), path)
    except (lib.ArrowException, OSError, StopIteration) as error:
        raise DataFileError(f"{path}: not a whole Parquet file ({error})") from error
    d = first.shape[1]
    rows = max(1, BLOCK_BYTES // max(1, d * first.itemsize))

    def read() -> Iterator[Points]:
        batches = table.to_batches(columns, batch_size=rows, batch_readahead=1, fragment_readahead=1)
        try:
            yield from (_table(batch, path) for batch in batches if len(batch))
        except (lib.ArrowException, OSError) as error:
            raise DataFileError(f"{path}: cannot be read to its end ({error})") from error

    return in_turn(str(path), n, d, read)


def _csv(path: Path, drop: Collection[str]) -> Table:
    cells = _first_line(path)
    headed = _is_header(cells, path)
    columns = _coordinates(cells if headed else [], drop, path) if drop else cells
    if headed and "" in columns:
        raise DataFileError(
            f"{path}: column {columns.index('')} has no name in the first line. If it numbers the rows, leave it out: "
            "`mmdp select --drop ''`; if the line is a point, fill its empty cells"
        )
    if importlib.util.find_spec("pyarrow") is None:
        return _small_csv(path, headed, [cells.index(cell) for cell in columns] if headed and drop else None)
    text, lib, types = arrow("pyarrow.csv"), arrow("pyarrow.lib"), arrow("pyarrow.types")
    options = text.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, autogenerate_column_names=not headed)
    chosen = columns if headed and drop else []

    def opened(**kinds: Any) -> Any:
        convert = text.ConvertOptions(include_columns=chosen, **kinds)
        return text.open_csv(path, read_options=options, convert_options=convert)

    def read() -> Iterator[Points]:
        try:
            with opened() as reader:  # a column of whole numbers may have others further down
                whole = [field for field in reader.schema if types.is_integer(field.type) or types.is_null(field.type)]
            with opened(column_types={field.name: lib.float64() for field in whole}) as reader:
                yield from (_table(batch, path) for batch in reader if len(batch))
        except (lib.ArrowException, OSError) as error:
            raise DataFileError(f"{path}: {error}") from error

    return in_turn(str(path), sum(map(len, read())), len(columns), read)


def _first_line(path: Path) -> list[str]:
    """Cells of the first line that is not empty."""
    with path.open("rb") as file:
        lines = csv.reader(line.decode("utf-8-sig") for line in file)
        try:
            return [cell.strip() for cell in next(filter(None, lines), [])]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataFileError(f"{path}: no table of texts in UTF-8 ({error}); save it as one") from error


def _is_header(cells: Sequence[str], path: Path) -> bool:
    """Whether the first line names columns instead of being a point."""
    if all(map(_is_number, cells)):
        return False
    if all(_is_number(cell) or cell.lower() in _MISSING for cell in cells):
        raise DataFileError(f"{path}: the first line, {','.join(cells)}, has empty cells; drop or fill such rows")
    return True


def _small_csv(path: Path, headed: bool, columns: list[int] | None) -> Table:
    """Read it as a whole, where pyarrow is not installed."""
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=int(headed), usecols=columns, quotechar='"', ndmin=2)
    except ValueError as error:
        raise DataFileError(f"{path}: {error}; {_DROP}") from error
    return in_turn(str(path), len(rows), rows.shape[1], lambda: iter([rows]))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
