"""Data frames in memory: pandas, polars, Arrow, xarray, and what else speaks Arrow's interface."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmdp.arrays import Indices, Points, is_tensor, to_numpy
from mmdp.exceptions import InvalidProblemError
from mmdp.tables.arrow import arrow, column_of, columns_of
from mmdp.tables.columns import Column, Kind, chosen, index_by_name, text_in_words
from mmdp.tables.coordinates import Decoder

_STREAMS = ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")


@dataclass(frozen=True, eq=False)
class Held:
    """The points of a frame.

    Attributes
    ----------
    points : (n, d) array
    columns : tuple of str
        The coordinates.
    row_numbers : (n,) int64 array or None
        Which row of the frame each point is, where rows were left out.
    """

    points: Points
    columns: tuple[str, ...]
    row_numbers: Indices | None


def is_frame(x: object) -> bool:
    """Whether x is a table of columns in memory, or a column of vectors."""
    if isinstance(x, np.ndarray):
        return x.dtype.names is not None
    if "torch" in sys.modules and isinstance(x, sys.modules["torch"].Tensor):
        return False
    return _is_pandas(x) or _is_xarray(x) or _is_lazy(x) or _is_dataset(x) or any(hasattr(x, name) for name in _STREAMS)


def is_column(frame: object) -> bool:
    """Whether a frame is a single column, whose values a function may compare whatever they are."""
    return not any(hasattr(type(frame), name) for name in ("columns", "column_names", "data_vars"))


def read_frame(
    frame: Any,
    columns: str | Collection[str] | None = None,
    drop: str | Collection[str] = (),
    drop_null: bool = False,
    name: str = "points",
) -> Held:
    """Points of a frame: its columns of numbers side by side, or its one column of vectors.

    An index is not a coordinate. O(n d) time and memory.

    Raises
    ------
    InvalidProblemError
        If a column holds no numbers, or a value is missing; the message names column and row.
    DataFileError
        If there is no such column.
    MissingDependencyError
        If the frame needs pyarrow to be read.
    """
    known, values = described(frame, columns)
    places = chosen(name, known, columns, drop)
    decoder = Decoder(name, [known[place] for place in places], drop_null)
    batch = [_read(name, known[place], values[place]) for place in places]
    if not len(batch[0]):
        raise InvalidProblemError(f"{name}: there are no rows")
    parts = max(1, *(getattr(column, "num_chunks", 1) for column in batch))
    blocks = list(decoder.blocks(_chunks(batch) if parts > 1 else [list(map(_one_chunk, batch))]))
    found = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    if not len(found):
        raise InvalidProblemError(f"{name}: every row has a missing value")
    return Held(found, tuple(known[place].name for place in places), decoder.row_numbers())


def _read(name: str, column: Column, values: Any) -> Any:
    try:
        return _pandas_values(values) if _is_pandas(values) else values
    except (ValueError, TypeError, OverflowError, NotImplementedError) as error:  # pyarrow's errors are among them
        raise InvalidProblemError(
            f"{name}: column {column.name!r} cannot be read as {column.holds} ({error})"
        ) from error


def _chunks(batch: list[Any]) -> Iterator[list[Any]]:
    """Columns of Arrow in common chunks."""
    pa = arrow("pyarrow")
    names = [str(place) for place in range(len(batch))]
    for piece in pa.table(dict(zip(names, batch, strict=True))).to_batches():
        yield list(piece.columns)


def _one_chunk(values: Any) -> Any:
    if not hasattr(values, "num_chunks"):
        return values
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def described(frame: Any, wanted: str | Collection[str] | None = None) -> tuple[list[Column], list[Any]]:
    """Columns of any frame, and the values of each: a Series of pandas, or an array of numpy or Arrow.

    ``wanted`` is all that has to be read of a frame that is not computed yet.
    """
    if isinstance(frame, np.ndarray):
        return _of_arrays({name: frame[name] for name in frame.dtype.names or ()})
    if _is_xarray(frame):
        return _of_xarray(frame)
    if _is_pandas(frame):
        return _of_pandas(frame)
    table = _arrow_table(frame, wanted)
    return list(columns_of(table.schema)), list(table.columns)


def _of_arrays(arrays: dict[str, Any]) -> tuple[list[Column], list[Any]]:
    columns = []
    for name, values in arrays.items():
        is_number = values.dtype.kind in "fiub"
        kind = (Kind.NUMBERS, Kind.VECTORS)[values.ndim - 1] if is_number and values.ndim in (1, 2) else Kind.OTHER
        columns.append(Column(name, kind, f"{values.dtype} of shape {values.shape}"))
    return _with_index(columns), list(arrays.values())


def _with_index(columns: list[Column]) -> list[Column]:
    marks = index_by_name([column.name for column in columns])
    return [replace(column, is_index=is_index) for column, is_index in zip(columns, marks, strict=True)]


def _of_xarray(frame: Any) -> tuple[list[Column], list[Any]]:
    if hasattr(frame, "data_vars"):
        arrays = {str(name): np.asarray(values.values) for name, values in frame.data_vars.items()}
        leading = {values.dims[:1] for values in frame.data_vars.values()}
        if len(leading) > 1:
            raise InvalidProblemError(
                f"points: the variables of the Dataset lie along different dimensions, {sorted(map(str, leading))}; "
                "give one DataArray of two dimensions"
            )
        return _of_arrays(arrays)
    values = np.asarray(frame.values)
    if values.ndim != 2:
        raise InvalidProblemError(f"points must be a table of two dimensions, not {dict(frame.sizes)}")
    return _of_arrays({str(frame.name or "points"): values})


def _of_pandas(frame: Any) -> tuple[list[Column], list[Any]]:
    pandas = sys.modules["pandas"]
    if isinstance(frame, pandas.Series):
        frame = frame.to_frame(name=frame.name if frame.name is not None else "points")
    series = [frame.iloc[:, place] for place in range(frame.shape[1])]
    names = list(map(str, frame.columns))
    columns = [_pandas_column(name, values) for name, values in zip(names, series, strict=True)]
    return _with_index(columns), series


def _pandas_column(name: str, values: Any) -> Column:
    """What a column holds; of objects the first that is not missing decides."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return Column(name, Kind.NUMBERS, str(dtype))
    if isinstance(dtype, np.dtype) and dtype.kind in "Mm":
        return Column(name, Kind.OTHER, "dates or times")
    if isinstance(dtype, np.dtype) and dtype.kind == "c":
        return Column(name, Kind.OTHER, "complex numbers")
    if not isinstance(dtype, np.dtype):
        return _extension_column(name, values)
    present = values.dropna()
    first = present.iloc[0] if len(present) else np.nan
    if isinstance(first, str):
        return Column(name, Kind.OTHER, text_in_words(first))
    if isinstance(first, (list, tuple)) or _is_vector(first):
        return Column(name, Kind.VECTORS, "lists of numbers")
    if isinstance(first, (bool, int, float, np.number, np.bool_)) or type(first).__name__ == "Decimal":
        return Column(name, Kind.NUMBERS, "numbers")
    return Column(name, Kind.OTHER, f"Python objects, such as a {type(first).__name__}")


def _extension_column(name: str, values: Any) -> Column:
    dtype = values.dtype
    if hasattr(dtype, "categories"):
        return Column(name, Kind.OTHER, "categories")
    if hasattr(dtype, "pyarrow_dtype"):
        return column_of(name, dtype.pyarrow_dtype)
    if str(dtype).startswith("Sparse") and dtype.subtype.kind in "fiub":
        return Column(name, Kind.NUMBERS, str(dtype))
    if getattr(dtype, "_is_numeric", False) or getattr(dtype, "kind", "") == "b":
        return Column(name, Kind.NUMBERS, str(dtype))
    if "str" in str(dtype):
        present = values.dropna()
        return Column(name, Kind.OTHER, text_in_words(present.iloc[0] if len(present) else ""))
    return Column(name, Kind.OTHER, str(dtype))


def _is_vector(value: Any) -> bool:
    return (isinstance(value, np.ndarray) or is_tensor(value)) and value.ndim == 1


def _pandas_values(values: Any) -> Any:
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub":
        return values.to_numpy()
    if str(values.dtype).startswith("Sparse"):
        return np.asarray(values.sparse.to_dense())
    pa = arrow("pyarrow", f"column {values.name!r} of type {values.dtype}")
    if values.dtype == object and any(map(is_tensor, values[:1])):
        return pa.array([to_numpy(value) if is_tensor(value) else value for value in values], from_pandas=True)
    return pa.array(values, from_pandas=True)


def _arrow_table(frame: Any, wanted: str | Collection[str] | None) -> Any:
    pa = arrow("pyarrow", "a data frame")
    if _is_lazy(frame):
        names = [wanted] if isinstance(wanted, str) else wanted
        frame = (frame if names is None else frame.select(list(names))).collect()
    if _is_dataset(frame):
        frame = frame.with_format("arrow")[:]
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    try:
        if hasattr(frame, "__arrow_c_stream__") and hasattr(frame, "columns"):
            return pa.RecordBatchReader.from_stream(frame).read_all()
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table({str(getattr(frame, "name", "") or "points"): pa.chunked_array(frame)})
        if isinstance(frame, pa.RecordBatch):
            return pa.Table.from_batches([frame])
        if hasattr(frame, "__arrow_c_array__"):
            return pa.table({"points": pa.array(frame)})
        return arrow("pyarrow.interchange").from_dataframe(frame)
    except (pa.lib.ArrowException, TypeError, NotImplementedError) as error:
        raise InvalidProblemError(f"points: a {type(frame).__name__} cannot be read as a table ({error})") from error


def _is_pandas(x: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(x, (pandas.DataFrame, pandas.Series))


def _is_xarray(x: object) -> bool:
    return type(x).__module__.partition(".")[0] == "xarray" and hasattr(x, "dims")


def _is_lazy(x: object) -> bool:
    return type(x).__module__.partition(".")[0] == "polars" and hasattr(x, "collect")


def _is_dataset(x: object) -> bool:
    return type(x).__module__.partition(".")[0] == "datasets" and hasattr(x, "with_format")
