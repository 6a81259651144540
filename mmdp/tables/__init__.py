"""Points that are not an array in memory: files, blocks of rows, memory maps, partitions on other machines."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmdp.tables import blocks, table_files
from mmdp.tables.blocks import Table
from mmdp.tables.partitions import Partitions

__all__ = ["Partitions", "Table", "is_table", "open_table"]


def is_table(points: object) -> bool:
    """Whether points are to be read block by block instead of held as one array."""
    if isinstance(points, (str, Path, Table, Partitions, np.memmap, Iterator)) or hasattr(points, "__dask_graph__"):
        return True
    return isinstance(points, (list, tuple)) and all(
        isinstance(block, np.ndarray) and block.ndim == 2 for block in points
    )


def open_table(points: Any, drop: Collection[str] = ()) -> Table | Partitions:
    """Open a path, a memory map, blocks of rows, or a Dask collection.

    Parameters
    ----------
    points : path, memory map, list or iterator of (rows, d) arrays, Dask array or data frame, Table
    drop : collection of str
        Columns of a CSV or Parquet file that are not coordinates.

    Raises
    ------
    DataFileError
        If the file is missing, cut short, or of an unknown kind.
    InvalidProblemError
        If there are no rows, or blocks do not belong together.

    Examples
    --------
    >>> import numpy as np
    >>> table = open_table([np.zeros((3, 2)), np.ones((2, 2))])
    >>> table.n, table.d
    (5, 2)
    """
    if isinstance(points, (Table, Partitions)):
        return points
    if hasattr(points, "__dask_graph__"):
        return Partitions(points)
    if isinstance(points, np.memmap):
        return blocks.mapped(points)
    if isinstance(points, (list, tuple)):
        return blocks.listed(points)
    if isinstance(points, Iterator):
        return blocks.spooled(points)
    return table_files.read_file(Path(points), drop)
