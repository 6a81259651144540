"""Points that are read block by block: .npy, CSV and Parquet files, memory maps, iterables of blocks."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp import DataFileError, InvalidProblemError, MissingDependencyError
from mmdp._validation import kernel_dtype, value_range
from mmdp.metrics import Metric

Matrix = NDArray[Any]
_BLOCK_BYTES = 2**22
_LEAVE_OUT = "leave such columns out: `mmdp select --leave-out NAME`, or pass an array of the others"
FORMATS = (".npy", ".csv", ".parquet")


@dataclass(frozen=True)
class Source:
    """A table of n rows that can be read again and again, a block at a time.

    Parameters
    ----------
    name : str
        For messages.
    n, d : int
    parts : callable
        Begins a pass: an iterator over the blocks in order, of each its number of rows and a function that reads it,
        which any thread may call.
    """

    name: str
    n: int
    d: int
    parts: Callable[[], Iterator[tuple[int, Callable[[], Matrix]]]] = field(repr=False)

    def read(self) -> Iterator[Matrix]:
        """Blocks of rows as they are stored, in order."""
        return (part() for _, part in self.parts())

    def tasks(self, geometry: Metric, checked: bool = False) -> Iterator[Callable[[], tuple[int, Matrix]]]:
        """Functions for threads to call, in order: each gives the first row and the embedded points of a block.

        A block with NaN or infinity is named. ``checked`` leaves out the search for it, for passes after the first.
        """
        start = 0
        for number, (rows, part) in enumerate(self.parts()):
            yield partial(self._embedded, part, number, start, geometry, checked)
            start += rows
        if start != self.n:
            raise DataFileError(f"{self.name}: {start} rows came in this pass, {self.n} in the first one")

    def blocks(self, geometry: Metric, checked: bool = False) -> Iterator[tuple[int, Matrix]]:
        """What the tasks give; the next block is read while the caller is busy with this one."""
        coming = (task() for task in self.tasks(geometry, checked))
        with ThreadPoolExecutor(max_workers=1) as reader:
            pending = reader.submit(next, coming, None)
            while (block := pending.result()) is not None:
                pending = reader.submit(next, coming, None)
                yield block

    def _embedded(
        self, part: Callable[[], Matrix], number: int, start: int, geometry: Metric, checked: bool
    ) -> tuple[int, Matrix]:
        block = part()
        if block.ndim != 2 or block.shape[1] != self.d:
            raise DataFileError(f"{self.name}: block {number} has shape {block.shape}, not (rows, {self.d})")
        if block.dtype.kind not in "fiub":
            raise InvalidProblemError(f"{self.name} must hold real numbers, not {block.dtype}")
        if not checked and block.dtype.kind == "f" and len(block) and not np.isfinite(value_range(block)).all():
            row, column = np.argwhere(~np.isfinite(block))[0]
            raise InvalidProblemError(
                f"{self.name}: NaN or infinity in block {number} at row {start + row}, column {column}; "
                "drop or fill such rows"
            )
        block = block.astype(np.float32) if block.dtype == np.float16 else block
        return start, np.ascontiguousarray(kernel_dtype(geometry.embed(block)))

    def load(self) -> Matrix:
        """All rows, for solvers that need them at once."""
        return np.concatenate(list(self.read()))


def is_source(points: object) -> bool:
    """Whether points are to be read block by block instead of held as one array."""
    if isinstance(points, (str, Path, Source, np.memmap, Iterator)):
        return True
    return isinstance(points, (list, tuple)) and all(
        isinstance(block, np.ndarray) and block.ndim == 2 for block in points
    )


def source(points: Any, without: Collection[str] = ()) -> Source:
    """Open a path, a memory map or blocks of rows.

    Parameters
    ----------
    points : path, memory map, list or iterator of blocks
    without : collection of str
        Columns of a CSV or Parquet file that are no coordinates.

    Raises
    ------
    DataFileError
        If the file is missing, cut short, or of an unknown kind.
    """
    if isinstance(points, Source):
        return points
    if isinstance(points, np.memmap):
        return _mapped(points)
    if isinstance(points, (list, tuple)):
        blocks = list(points)
        if not blocks:
            raise InvalidProblemError("there are no blocks: give at least one (rows, d) array")
        return _one_after_the_other("blocks", sum(map(len, blocks)), blocks[0].shape[1], lambda: iter(blocks))
    if isinstance(points, Iterator):
        return _spooled(points)
    path = Path(points)
    if not path.exists():
        raise DataFileError(f"{path}: no such file")
    if path.suffix not in FORMATS and not path.is_dir():
        raise DataFileError(f"{path}: unknown kind of file; give one of {', '.join(FORMATS)}")
    if path.suffix == ".npy":
        _others([], without, path)  # an array has no names
        return _npy(path)
    return _csv(path, without) if path.suffix == ".csv" else _parquet(path, without)


def _one_after_the_other(name: str, n: int, d: int, read: Callable[[], Iterator[Matrix]]) -> Source:
    return Source(name, n, d, lambda: ((len(block), partial(np.asarray, block)) for block in read()))


def _npy(path: Path) -> Source:
    try:
        mapped = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise DataFileError(f"{path}: not a whole .npy file ({error}); was it cut short? write it again") from error
    return _mapped(mapped)


def _mapped(mapped: np.memmap[Any, Any]) -> Source:
    """Read the file anew for each pass: pages of a map that are kept would count as memory of this process."""
    if mapped.ndim != 2:
        raise DataFileError(f"{mapped.filename}: a table of two dimensions is needed, not shape {mapped.shape}")
    n, d = mapped.shape
    step = max(1, _BLOCK_BYTES // max(1, d * mapped.itemsize))
    starts = range(0, n, step)
    if mapped.base is None or not mapped.flags.c_contiguous or mapped.filename is None:
        views = [mapped[i : i + step] for i in starts]
        return Source("memory map", n, d, lambda: ((len(view), partial(np.array, view)) for view in views))
    first = mapped.offset + mapped.ctypes.data - _base_address(mapped)
    filename, dtype = mapped.filename, mapped.dtype

    def part(start: int, rows: int) -> Matrix:
        block = np.fromfile(filename, dtype, rows * d, offset=first + start * d * dtype.itemsize)
        if block.size < rows * d:
            raise DataFileError(f"{filename}: ends in row {start + block.size // d} of {n}; was it cut short?")
        return block.reshape(rows, d)

    lengths = [(i, min(step, n - i)) for i in starts]
    return Source(str(filename), n, d, lambda: ((rows, partial(part, i, rows)) for i, rows in lengths))


def _base_address(mapped: np.memmap[Any, Any]) -> int:
    """Address of the first item of the map that ``mapped`` is a view of; ``offset`` belongs to that item."""
    owner = mapped
    while isinstance(owner.base, np.memmap):
        owner = owner.base
    return int(owner.ctypes.data)


def arrow(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "Parquet files and columns of labels need pyarrow: pip install 'mmdp[scale]'"
        ) from error


def _table(batch: Any, path: Path) -> Matrix:
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
            raise InvalidProblemError(f"{path}: column {name!r} holds {array.dtype}, not numbers; {_LEAVE_OUT}")
    return np.column_stack(arrays)


def _others(names: Sequence[str], without: Collection[str], path: Path) -> list[str]:
    if missing := [name for name in without if name not in names]:
        raise DataFileError(f"{path}: has no column {missing[0]!r}; it has {', '.join(names) or 'none with a name'}")
    left = [name for name in names if name not in without]
    if without and not left:
        raise DataFileError(f"{path}: no column is left; all of {', '.join(names)} are left out")
    return left


def _parquet(path: Path, without: Collection[str]) -> Source:
    dataset, lib = arrow("pyarrow.dataset"), arrow("pyarrow.lib")
    try:
        table = dataset.dataset(path, format="parquet")
        n = table.count_rows()
        columns = _others(table.schema.names, without, path)
        first = _table(next(iter(table.to_batches(columns, batch_size=1))), path)
    except (lib.ArrowException, OSError, StopIteration) as error:
        raise DataFileError(f"{path}: not a whole Parquet file ({error})") from error
    d = first.shape[1]
    rows = max(1, _BLOCK_BYTES // max(1, d * first.itemsize))

    def read() -> Iterator[Matrix]:
        batches = table.to_batches(columns, batch_size=rows, batch_readahead=1, fragment_readahead=1)
        try:
            yield from (_table(batch, path) for batch in batches if len(batch))
        except (lib.ArrowException, OSError) as error:
            raise DataFileError(f"{path}: cannot be read to its end ({error})") from error

    return _one_after_the_other(str(path), n, d, read)


def _csv(path: Path, without: Collection[str]) -> Source:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        cells = [cell.strip().strip('"') for cell in file.readline().split(",")]
    headed = not all(map(_is_number, cells))
    columns = _others(cells if headed else [], without, path) if without else cells
    if importlib.util.find_spec("pyarrow") is None:
        return _small_csv(path, headed, [cells.index(cell) for cell in columns] if headed and without else None)
    csv, lib = arrow("pyarrow.csv"), arrow("pyarrow.lib")
    options = csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, autogenerate_column_names=not headed)
    convert = csv.ConvertOptions(include_columns=columns if headed and without else [])

    def read() -> Iterator[Matrix]:
        try:
            with csv.open_csv(path, read_options=options, convert_options=convert) as reader:
                yield from (_table(batch, path) for batch in reader if len(batch))
        except (lib.ArrowException, OSError) as error:
            raise DataFileError(f"{path}: {error}") from error

    return _one_after_the_other(str(path), sum(map(len, read())), len(columns), read)


def _small_csv(path: Path, headed: bool, columns: list[int] | None) -> Source:
    """Read it as a whole, where pyarrow is not installed."""
    try:
        rows = np.loadtxt(path, delimiter=",", skiprows=int(headed), usecols=columns, quotechar='"', ndmin=2)
    except ValueError as error:
        raise DataFileError(f"{path}: {error}; {_LEAVE_OUT}") from error
    return _one_after_the_other(str(path), len(rows), rows.shape[1], lambda: iter([rows]))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _spooled(blocks: Iterable[Matrix]) -> Source:
    """Blocks that come only once are written to a temporary file, because the traversal reads them several times."""
    file = tempfile.NamedTemporaryFile(suffix=".rows")  # noqa: SIM115, it lives as long as the source
    n, d = 0, 0
    dtype: Any = None
    for number, block in enumerate(map(np.asarray, blocks)):
        dtype, d = dtype or block.dtype, d or (block.shape[-1] if block.ndim else 0)
        if block.ndim != 2 or block.shape[1] != d:
            raise InvalidProblemError(f"block {number} has shape {block.shape}, not (rows, {d or 'columns'})")
        if not np.can_cast(block.dtype, dtype, "same_kind"):
            raise InvalidProblemError(f"block {number} holds {block.dtype} and block 0 {dtype}; give them one dtype")
        block.astype(dtype).tofile(file)
        n += len(block)
    if not n:
        raise InvalidProblemError("there are no rows in the blocks")
    file.flush()
    mapped = _mapped(np.memmap(file.name, dtype, "r", shape=(n, d)))

    def parts() -> Iterator[tuple[int, Callable[[], Matrix]]]:
        yield from mapped.parts()
        file.seek(0)  # keeps the file, which goes with the last reader

    return Source("blocks", n, d, parts)
