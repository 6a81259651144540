"""pyarrow, imported where it is needed, and what the types of its columns mean here."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdp.arrays import Indices
from mmdp.exceptions import MissingDependencyError
from mmdp.tables.columns import NO_VALUES, Column, Kind, index_by_name

_TEXT = ("string", "large_string", "string_view")


def arrow(name: str, what: str = "this file") -> Any:
    """Import a module of pyarrow.

    Raises
    ------
    MissingDependencyError
        If pyarrow is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{what} needs pyarrow: pip install 'mmdp[tables]'") from error


def as_numpy(values: Any) -> NDArray[Any]:
    """Numbers or booleans of Arrow as an array of numpy that may be read-only; a null becomes NaN.

    Where there is no null they stay where they are: ``to_numpy`` imports pandas, which takes as long as a million rows.
    """
    kind = str(values.type)
    if values.null_count or "decimal" in kind or kind == "null":
        return np.asarray(values.to_numpy(zero_copy_only=False))
    if kind == "bool":
        return np.from_dlpack(values.cast("uint8")).view(bool)
    return np.from_dlpack(values)


def as_arrow(rows: Indices) -> Any:
    """Row numbers as an array of Arrow, likewise."""
    pa = arrow("pyarrow")
    numbers = np.ascontiguousarray(rows, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def column_of(name: str, kind: Any, is_index: bool = False) -> Column:
    """Describe a column by its name and Arrow type."""
    return Column(name, *_described(kind), is_index=is_index)


def columns_of(schema: Any) -> tuple[Column, ...]:
    """Describe the columns of an Arrow schema; an index that pandas recorded is marked."""
    recorded = _recorded_index(schema)
    index = [
        by_name or name in recorded for name, by_name in zip(schema.names, index_by_name(schema.names), strict=True)
    ]
    return tuple(column_of(field.name, field.type, is_index) for field, is_index in zip(schema, index, strict=True))


def _described(kind: Any) -> tuple[Kind, str]:
    types = arrow("pyarrow.types")
    kind = kind.storage_type if hasattr(kind, "storage_type") else kind
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind):
        return Kind.NUMBERS, str(kind)
    if types.is_null(kind):
        return Kind.NUMBERS, NO_VALUES
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind) or _is_list_view(kind):
        inner, holds = _described(kind.value_type)
        is_vector = inner is Kind.NUMBERS and holds != NO_VALUES
        return (Kind.VECTORS if is_vector else Kind.OTHER), f"lists of {holds}"
    if types.is_dictionary(kind):
        return Kind.OTHER, "categories"
    if str(kind) in _TEXT:
        return Kind.OTHER, "text"
    if types.is_temporal(kind):
        return Kind.OTHER, "dates or times"
    if types.is_struct(kind) or types.is_map(kind):
        return Kind.OTHER, "records"
    return Kind.OTHER, str(kind)


def _is_list_view(kind: Any) -> bool:
    return str(kind).startswith(("list_view", "large_list_view"))


def _recorded_index(schema: Any) -> set[str]:
    """Names of the columns that pandas wrote from the index of a frame."""
    recorded = (schema.pandas_metadata or {}).get("index_columns", ())
    return {name for name in recorded if isinstance(name, str)}
