"""What this release of pyarrow can write into a Parquet file."""

import io

import pyarrow as pa
from pyarrow import parquet


def writes_nulls_of_fixed_lists() -> bool:
    """Whether a list of fixed size may be null, which pyarrow has learnt late; it reads such files in any case."""
    try:
        parquet.write_table(pa.table({"e": pa.array([[1.0], None, [2.0]], pa.list_(pa.float64(), 1))}), io.BytesIO())
    except pa.ArrowNotImplementedError:
        return False
    return True
