"""Chosen rows of whatever the points came from, by their place and with everything that stands in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from mmdp.arrays import Indices, is_tensor
from mmdp.exceptions import InvalidProblemError
from mmdp.tables.blocks import Table
from mmdp.tables.partitions import Partitions
from mmdp.tables.table_files import holds_arrays, open_source, read_file


def is_list_of_blocks(points: object) -> bool:
    """Whether points are a list of (rows, d) arrays."""
    return isinstance(points, (list, tuple)) and all(
        isinstance(block, np.ndarray) and block.ndim == 2 for block in points
    )


def is_dask(points: object) -> bool:
    """Whether points are a Dask collection, or an xarray of one."""
    graph = getattr(points, "__dask_graph__", None)
    return callable(graph) and graph() is not None


def rows_of(table: Any, indices: Indices, n: int | None = None) -> Any:
    """The rows at some places, in this order, in the type of the table.

    Parameters
    ----------
    table : array, tensor, data frame, Arrow table, xarray, Table, path, list
        A path gives an Arrow table, or an array for .npy and .npz.
    indices : (m,) int64 array
        Places, whatever an index says.
    n : int, optional
        How many points they were chosen from. A list of so many arrays holds a point in each; another list of arrays
        holds blocks of rows.

    Raises
    ------
    InvalidProblemError
        If rows cannot be taken from such an object, or it has too few.
    """
    places = np.asarray(indices)
    if isinstance(table, (str, Path)):
        return read_file(table).take(places) if holds_arrays(table) else open_source(table).rows(places)
    if isinstance(table, (Table, Partitions)):
        return table.take(places)
    if is_dask(table):
        return Partitions.of_dask(table).take(places) if hasattr(table, "to_delayed") else _at_places(table, places)
    if is_list_of_blocks(table) and len(table) and (len(table) != n or sum(map(len, table)) == n):
        table = np.concatenate(table)
    if hasattr(table, "__len__") and not hasattr(table, "data_vars") and len(table) <= places.max():
        raise InvalidProblemError(f"row {places.max()} was chosen, and this table has {len(table)} rows")
    return _at_places(table, places)


def _at_places(table: Any, places: Indices) -> Any:
    module = type(table).__module__.partition(".")[0]
    if hasattr(table, "iloc"):
        return table.iloc[places]
    if hasattr(table, "isel"):
        dimension = table.dims[0] if isinstance(table.dims, tuple) else next(iter(table.data_vars.values())).dims[0]
        return table.isel({dimension: places})
    if module == "datasets":
        return table.select(places)
    if module == "polars":
        return (table.collect() if hasattr(table, "collect") else table)[places.tolist()]
    if is_tensor(table):
        return table[sys.modules["torch"].as_tensor(places, device=table.device)]
    if module == "pyarrow":
        return table.take(places.tolist() if hasattr(table, "type") else sys.modules["pyarrow"].array(places))
    if isinstance(table, np.ndarray) or (hasattr(table, "shape") and hasattr(table, "__getitem__")):
        return table[places]
    if isinstance(table, (list, tuple)):
        return [table[place] for place in places.tolist()]
    raise InvalidProblemError(f"rows cannot be taken from a {type(table).__name__}; use result.indices")
