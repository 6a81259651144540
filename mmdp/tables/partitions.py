"""Tables in partitions that stay where they are: Dask collections, and the row groups of Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from mmdp.arrays import Indices, Points
from mmdp.exceptions import DataFileError, InvalidProblemError
from mmdp.tables.columns import Column, as_names, index_by_name
from mmdp.tables.coordinates import Decoder
from mmdp.tables.frames import is_frame, read_frame
from mmdp.tables.parquet_files import Piece
from mmdp.tables.source import Source


@dataclass(frozen=True)
class Partitions:
    """A table of which no machine need hold all rows.

    Parameters
    ----------
    name : str
        For messages.
    parts : list
        One for each partition: a delayed value of Dask, or what ``read`` takes.
    read : callable
        ``read(part, number)`` gives the points of a partition, (rows, d); called where the partition is.
    lengths : callable
        How many rows each partition has; of a Dask collection that takes a pass.
    columns : tuple of str
        The coordinates, where they have names.
    whole_rows : callable
        The rows of some numbers with all their columns.
    """

    name: str
    parts: Sequence[Any] = field(repr=False)
    read: Callable[[Any, int], Points] = field(repr=False)
    lengths: Callable[[], list[int]] = field(repr=False)
    columns: tuple[str, ...] = ()
    whole_rows: Callable[[Indices], Any] | None = field(default=None, repr=False)

    @classmethod
    def of_dask(
        cls, collection: Any, columns: str | Collection[str] | None = None, drop: str | Collection[str] = ()
    ) -> Partitions:
        """The partitions of a Dask array of shape (n, d), or of a data frame."""
        whole = collection
        if hasattr(collection, "rechunk"):
            if collection.ndim != 2:
                raise InvalidProblemError(f"points must be a table of two dimensions, not of shape {collection.shape}")
            if columns is not None or drop:
                raise InvalidProblemError("columns and drop are for data frames: a Dask array has no names")
            collection = collection.rechunk({1: -1})
            names: tuple[str, ...] = ()
        else:
            collection = (
                collection.to_frame() if hasattr(collection, "to_frame") and collection.ndim == 1 else collection
            )
            if not hasattr(collection, "columns"):
                raise InvalidProblemError(
                    f"points: a {type(collection).__name__} on Dask is neither an array nor a data frame; of an xarray "
                    "Dataset give one DataArray of two dimensions, or compute() it"
                )
            read_names = list(map(str, collection.columns))
            drop = as_names(drop)
            asked = None if columns is None else as_names(columns)
            if missing := [name for name in [*drop, *(asked or ())] if name not in read_names]:
                raise DataFileError(f"points: has no column {missing[0]!r}; it has {', '.join(read_names)}")
            left = [
                name
                for name, is_index in zip(read_names, index_by_name(read_names), strict=True)
                if name not in drop and not is_index
            ]
            names = tuple(left if asked is None else asked)
            if not names:
                raise DataFileError(f"points: no column is left; it has {', '.join(read_names)}")
        parts = list(np.ravel(collection.to_delayed()))
        read = partial(_read_block, columns, tuple(drop))
        return cls("points", parts, read, partial(_lengths, parts), names, partial(_dask_rows, whole))

    @classmethod
    def of_pieces(cls, source: Source, columns: Sequence[Column], pieces: Sequence[Piece]) -> Partitions:
        """Row groups, each read by its worker."""
        names = tuple(column.name for column in columns)
        read = partial(_read_piece, tuple(columns))
        return cls(source.name, list(pieces), read, lambda: [piece.rows for piece in pieces], names, source.rows)

    def take(self, indices: Indices) -> Any:
        """The rows of these numbers, in this order, with all their columns."""
        assert self.whole_rows is not None
        return self.whole_rows(indices)

    def load(self) -> Points:
        """Refuse: to fetch all partitions is a decision of the caller's.

        Raises
        ------
        InvalidProblemError
            Always.
        """
        raise InvalidProblemError(
            "a Dask collection takes solver='coreset'; for another solver compute() it into memory first"
        )


def _read_block(columns: str | Collection[str] | None, drop: Collection[str], block: Any, number: int) -> Points:
    """Points of a partition of Dask; runs on a worker."""
    name = f"partition {number}"
    if is_frame(block):
        if not len(block):
            return np.empty((0, 0))
        return read_frame(block, columns, drop, name=name).points
    x = np.asarray(block)
    if x.dtype.kind not in "fiub":
        raise InvalidProblemError(f"{name} holds {x.dtype}, not numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise InvalidProblemError(f"{name} has NaN or infinity at row {row}, column {column} of it")
    return x


def _read_piece(columns: Sequence[Column], piece: Piece, number: int) -> Points:
    """Points of a row group; runs on a worker."""
    decoder = Decoder(f"{piece.file}, row group {piece.group}", columns)
    blocks = list(decoder.blocks(piece.batches([column.name for column in columns])))
    return np.concatenate(blocks) if blocks else np.empty((0, 0))


def _lengths(parts: Sequence[Any]) -> list[int]:
    """Rows of each partition of Dask."""
    from dask.base import compute  # the collection is its own
    from dask.delayed import delayed

    return list(compute(*[delayed(len)(part) for part in parts]))


def _dask_rows(collection: Any, indices: Indices) -> Any:
    """Rows of a Dask collection by their number: those of the partitions that hold them."""
    if hasattr(collection, "rechunk") and not np.isnan(collection.shape[0]):
        return np.asarray(collection[np.asarray(indices)].compute())
    parts = (
        list(np.ravel(collection.to_delayed()))
        if not hasattr(collection, "rechunk")
        else list(np.ravel(collection.rechunk({1: -1}).to_delayed()))
    )
    from dask.base import compute  # the collection is its own
    from dask.delayed import delayed

    lengths = np.array(_lengths(parts))
    starts = np.cumsum(lengths) - lengths
    owner = np.searchsorted(starts, indices, side="right") - 1
    places = {int(part): np.flatnonzero(owner == part) for part in np.unique(owner)}
    found = compute(
        *[delayed(_taken)(parts[part], np.asarray(indices)[at] - starts[part]) for part, at in places.items()]
    )
    order = np.argsort(np.concatenate(list(places.values())))
    if not hasattr(found[0], "iloc"):
        return np.concatenate(found)[order]
    import pandas

    return pandas.concat(found).iloc[order]


def _taken(block: Any, places: Indices) -> Any:
    return block.iloc[places] if hasattr(block, "iloc") else block[places]
