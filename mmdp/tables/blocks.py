"""Tables that are read block by block: arrays in memory, memory maps, blocks that come only once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from mmdp.arrays import Indices, Points, check_reach, check_whole, compiled_dtype, is_tensor, to_numpy, value_range
from mmdp.exceptions import DataFileError, InvalidProblemError
from mmdp.metrics import Metric, warn_of_packed_bits

BLOCK_BYTES = 2**22
HELD_BYTES = 2**28  # of rows that come only once; what is more goes into a temporary file


@dataclass(frozen=True)
class Table:
    """A table of n rows that can be read again and again, a block at a time.

    Parameters
    ----------
    name : str
        For messages.
    n, d : int
    parts : callable
        Begins a pass: an iterator over the blocks in order, of each its number of rows and a function that reads it,
        which any thread may call.
    columns : tuple of str
        Names of the columns that are coordinates, where they have names.
    row_numbers : (n,) int64 array, optional
        Which row of the file or frame each point is, where rows were left out.
    rows_in_all : int, optional
        How many rows the file or frame has, where some were left out.
    whole_rows : callable, optional
        The rows of some numbers with all their columns; see :meth:`take`.

    Raises
    ------
    InvalidProblemError
        If there are no rows or no columns.
    """

    name: str
    n: int
    d: int
    parts: Callable[[], Iterator[tuple[int, Callable[[], Points]]]] = field(repr=False)
    columns: tuple[str, ...] = ()
    row_numbers: Indices | None = field(default=None, repr=False)
    rows_in_all: int | None = None
    whole_rows: Callable[[Indices], Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.n == 0 or self.d == 0:
            raise InvalidProblemError(f"{self.name}: has {self.n} rows and {self.d} columns, so there are no points")

    def take(self, indices: Indices) -> Any:
        """The rows of these numbers, in this order, as they were given.

        Returns
        -------
        pyarrow.Table or (m, d) array
            With all columns where the table has named ones, else the points.
        """
        if self.whole_rows is not None:
            return self.whole_rows(indices)
        order = np.argsort(indices)
        ascending = np.asarray(indices)[order]
        parts, start = [], 0
        for block in self.read():
            low, high = np.searchsorted(ascending, (start, start + len(block)))
            parts.append(block[ascending[low:high] - start])
            start += len(block)
        found = np.concatenate(parts)
        rows = np.empty_like(found)
        rows[order] = found
        return rows

    def read(self) -> Iterator[Points]:
        """Blocks of rows as they are stored, in order."""
        return (part() for _, part in self.parts())

    def tasks(self, geometry: Metric, checked: bool = False) -> Iterator[Callable[[], tuple[int, Points]]]:
        """Functions for threads to call, in order: each gives the first row and the embedded points of a block.

        A block with NaN or infinity is named. ``checked`` leaves out the search for it, for passes after the first.
        """
        start = 0
        for number, (rows, part) in enumerate(self.parts()):
            yield partial(self._embedded, part, number, start, geometry, checked)
            start += rows
        if start != self.n:
            raise DataFileError(f"{self.name}: {start} rows came in this pass, {self.n} in the first one")

    def blocks(self, geometry: Metric, checked: bool = False) -> Iterator[tuple[int, Points]]:
        """What the tasks give; the next block is read while the caller is busy with this one."""
        coming = (task() for task in self.tasks(geometry, checked))
        with ThreadPoolExecutor(max_workers=1) as reader:
            pending = reader.submit(next, coming, None)
            while (block := pending.result()) is not None:
                pending = reader.submit(next, coming, None)
                yield block

    def vectors(self, wanted: Sequence[int], geometry: Metric) -> Points:
        """Read the embedded points of some rows, in the order asked for; one pass, up to the last of them."""
        order = np.argsort(wanted)
        ascending, parts = np.asarray(wanted)[order], []
        for start, block in self.blocks(geometry):
            low, high = np.searchsorted(ascending, (start, start + len(block)))
            parts.append(block[ascending[low:high] - start])
            if high == len(ascending):
                break
        rows = np.concatenate(parts)
        out = np.empty_like(rows)
        out[order] = rows
        return out

    def _embedded(
        self, part: Callable[[], Points], number: int, start: int, geometry: Metric, checked: bool
    ) -> tuple[int, Points]:
        block = part()
        if block.ndim != 2 or block.shape[1] != self.d:
            raise DataFileError(f"{self.name}: block {number} has shape {block.shape}, not (rows, {self.d})")
        if block.dtype.kind not in "fiub":
            raise InvalidProblemError(f"{self.name} must hold real numbers, not {block.dtype}")
        if not checked and len(block):
            check_whole(f"{self.name}: points of block {number}", block)
        if not checked:
            warn_of_packed_bits(geometry, block)
        if not checked and block.dtype.kind == "f" and len(block):
            low, high = value_range(block)
            if not np.isfinite((low, high)).all():
                row, column = np.argwhere(~np.isfinite(block))[0]
                raise InvalidProblemError(
                    f"{self.name}: NaN or infinity in block {number} at row {start + row}, column {column}; "
                    "drop or fill such rows"
                )
            check_reach(f"{self.name}: points of block {number}", max(-low, high))
        block = block.astype(np.float32) if block.dtype == np.float16 else block
        return start, np.ascontiguousarray(compiled_dtype(geometry.embed(block)))

    def load(self) -> Points:
        """All rows, for solvers that need them at once."""
        return np.concatenate(list(self.read()))


def in_turn(name: str, n: int, d: int, read: Callable[[], Iterator[Points]]) -> Table:
    """A source whose blocks come out of an iterator, for each pass a new one."""
    return Table(name, n, d, lambda: ((len(block), partial(np.asarray, block)) for block in read()))


def listed(blocks: Sequence[Points], name: str = "blocks") -> Table:
    """Blocks in memory, of one width; dtypes that differ widen to the one that holds them all."""
    if not blocks:
        raise InvalidProblemError("there are no blocks: give at least one (rows, d) array")
    d = blocks[0].shape[1]
    for number, block in enumerate(blocks):
        _check_block(number, block, d)
    dtype = np.result_type(*{block.dtype for block in blocks})
    for number, block in enumerate(blocks):
        if dtype.kind == "f" and len(block):
            check_whole(f"{name}: points of block {number}", block)  # before they are widened to what rounds them
    parts = [(len(block), partial(np.asarray, block, dtype)) for block in blocks]
    return Table(name, sum(map(len, blocks)), d, lambda: iter(parts))


def mapped(table: np.memmap[Any, Any]) -> Table:
    """Read the file anew for each pass: pages of a map that are kept would count as memory of this process."""
    if table.ndim != 2:
        raise DataFileError(f"{table.filename}: a table of two dimensions is needed, not shape {table.shape}")
    n, d = table.shape
    step = max(1, BLOCK_BYTES // max(1, d * table.itemsize))
    starts = range(0, n, step)
    has_changes = table.mode == "c"  # which are in memory only
    if has_changes or table.base is None or not table.flags.c_contiguous or table.filename is None:
        views = [table[i : i + step] for i in starts]
        return Table("memory map", n, d, lambda: ((len(view), partial(np.array, view)) for view in views))
    first = table.offset + table.ctypes.data - _base_address(table)
    filename, dtype = table.filename, table.dtype

    def part(start: int, rows: int) -> Points:
        block = np.fromfile(filename, dtype, rows * d, offset=first + start * d * dtype.itemsize)
        if block.size < rows * d:
            raise DataFileError(f"{filename}: ends in row {start + block.size // d} of {n}; was it cut short?")
        return block.reshape(rows, d)

    lengths = [(i, min(step, n - i)) for i in starts]
    return Table(str(filename), n, d, lambda: ((rows, partial(part, i, rows)) for i, rows in lengths))


def spooled(
    blocks: Iterable[Any],
    name: str = "blocks",
    columns: tuple[str, ...] = (),
    row_numbers: Callable[[], Indices | None] = lambda: None,
    rows_in_all: Callable[[], int | None] = lambda: None,
    whole_rows: Callable[[Indices], Any] | None = None,
) -> Table:
    """Keep blocks that come only once, because the traversal reads them several times.

    Small tables stay in memory. Of larger ones only the first blocks do; the rest goes into a temporary file.

    Parameters
    ----------
    blocks : iterable of (rows, d) arrays or tensors
    name, columns, whole_rows
        Of the table.
    row_numbers, rows_in_all : callable
        Give those of the table, when all blocks have come.
    """
    spool = _Spool(name)
    for number, block in enumerate(blocks):
        spool.add(number, _as_block(number, block))
    table = spool.table()
    return replace(table, columns=columns, row_numbers=row_numbers(), rows_in_all=rows_in_all(), whole_rows=whole_rows)


class _Spool:
    """Rows in memory, and the rest of them in a file that goes with its last reader."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.n, self.d, self.held = 0, 0, 0
        self.dtype: Any = None
        self.blocks: list[Points] = []
        self.file: Any = None
        self.spilled = 0

    def add(self, number: int, block: Points) -> None:
        self.dtype = self.dtype or block.dtype.newbyteorder("=")
        self.d = self.d or (block.shape[-1] if block.ndim else 0)
        _check_block(number, block, self.d)
        if np.result_type(block.dtype, self.dtype) != self.dtype:
            raise InvalidProblemError(
                f"block {number} holds {block.dtype} and block 0 {self.dtype}; give them one dtype"
            )
        self.n += len(block)
        if self.file is None and self.held + block.nbytes <= HELD_BYTES:
            self.blocks.append(np.array(block, self.dtype))
            self.held += block.nbytes
            return
        self.file = self.file or tempfile.NamedTemporaryFile(suffix=".rows")  # noqa: SIM115, kept by the table
        try:
            block.astype(self.dtype).tofile(self.file)
            self.file.flush()
        except OSError as error:
            free = shutil.disk_usage(tempfile.gettempdir()).free / 2**30
            raise DataFileError(
                f"{self.name}: its numbers do not fit into {tempfile.gettempdir()}, where {free:.1f} GiB are free "
                f"({error}); set the environment variable TMPDIR to a folder with more room"
            ) from error
        self.spilled += len(block)

    def table(self) -> Table:
        if not self.n:
            raise InvalidProblemError(f"{self.name}: there are no rows")
        held = [(len(block), partial(np.asarray, block)) for block in self.blocks if len(block)]
        if self.file is None:
            return Table(self.name, self.n, self.d, lambda: iter(held))
        file = self.file
        rest = mapped(np.memmap(file.name, self.dtype, "r", shape=(self.spilled, self.d)))

        def parts() -> Iterator[tuple[int, Callable[[], Points]]]:
            yield from held
            yield from rest.parts()
            file.seek(0)  # keeps the file

        return Table(self.name, self.n, self.d, parts)


def _as_block(number: int, block: Any) -> Points:
    """A block as a numpy array; what cannot become one is named."""
    if is_tensor(block):
        if "sparse" in str(block.layout):
            raise InvalidProblemError(f"block {number} is a sparse tensor; convert with .to_dense()")
        return np.asarray(to_numpy(block))
    if hasattr(block, "toarray"):
        raise InvalidProblemError(f"block {number} is a sparse matrix; convert with .toarray()")
    return np.asarray(block)


def _check_block(number: int, block: Points, d: int) -> None:
    if block.ndim != 2 or block.shape[1] != d:
        hint = "; blocks hold several rows each, so collect single ones by np.stack(list(points))" * (block.ndim == 1)
        raise InvalidProblemError(f"block {number} has shape {block.shape}, not (rows, {d or 'columns'}){hint}")
    if block.dtype.kind not in "fiub":
        raise InvalidProblemError(f"block {number} must hold real numbers, not {block.dtype}")


def _base_address(table: np.memmap[Any, Any]) -> int:
    """Address of the first item of the map that ``table`` is a view of; ``offset`` belongs to that item."""
    owner = table
    while isinstance(owner.base, np.memmap):
        owner = owner.base
    return int(owner.ctypes.data)
