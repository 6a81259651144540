"""Mutated CSV and Parquet files: each is read as pandas and pyarrow read it, or refused; never another row or a crash.

``python -m tests.mutated_files 10000`` makes so many, seeded, and prints how many were read, refused, and wrong.
"""

import csv
import io
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from mmdp import MMDPError
from mmdp.tables import open_table
from mmdp.tables.dialect import AS_FOUND, dialect
from tests.parquet_files import writes_nulls_of_fixed_lists

NULLS_OF_FIXED_LISTS = writes_nulls_of_fixed_lists()

ODD_CELLS = ["", "NA", "nan", "null", "x", "1e5", "-0", " 7", "7 ", "inf", "0x10", "1,5", '"3"', '"a""b"', "'4'"]
ODD_CELLS += [
    "\u0661",
    "1_0",
    "9007199254740993",
    "True",
    "2024-01-01",
    "1;2",
    "\t",
    "1e400",
    "+.5",
    "5.",
    "--1",
    "1 2",
]
NAMES = ["x", "y", "z", "x", "", "0", "1", "a b", "id", "ä", "Unnamed: 0"]
SEPARATORS = [",", ",", ",", ";", "\t", "|"]


def outcome(number, folder):
    """Make file number so and so, read it, and say how that went."""
    rng = np.random.default_rng((17, number))
    make = mutated_csv if rng.random() < 0.6 else mutated_parquet
    path, options = make(rng, folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = open_table(path, **options)
    except MMDPError as error:
        return f"{path.suffix} refused", str(error)
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    wrong = csv_differs(path, table, options) if path.suffix == ".csv" else parquet_differs(path, table)
    return ("wrong", wrong) if wrong else (f"{path.suffix} read", "")


def mutated_csv(rng, folder):
    """A table of a few columns, with some of its cells, lines and bytes changed."""
    n, d = int(rng.integers(1, 30)), int(rng.integers(1, 6))
    scale = rng.choice(["whole", "float", "short"])
    numbers = (
        rng.integers(-9, 9, (n, d))
        if scale == "whole"
        else rng.normal(size=(n, d)).round(3 if scale == "short" else 17)
    )
    rows = [list(map(str, row)) for row in numbers.tolist()]
    names = list(map(str, rng.choice(NAMES, d)))
    options = {}
    if rng.random() < 0.3:
        place = int(rng.integers(0, d + 1))
        for number, row in enumerate(rows):
            row.insert(place, f"t{number}")
        names.insert(place, "text")
        options["drop"] = ["text"]
    if rng.random() < 0.2:
        names = list(map(str, range(len(names))))
    lines = [names, *rows] if rng.random() < 0.8 else rows
    for _ in range(int(rng.integers(0, 4))):
        change_lines(rng, lines)
    packed = io.StringIO()
    separator = str(rng.choice(SEPARATORS))
    if rng.random() < 0.5:
        csv.writer(packed, delimiter=separator, lineterminator=str(rng.choice(["\n", "\r\n"]))).writerows(lines)
    else:
        packed.write("\n".join(separator.join(line) for line in lines) + "\n" * int(rng.integers(0, 3)))
    data = bytearray(packed.getvalue().encode("utf-16" if rng.random() < 0.03 else "utf-8"))
    if rng.random() < 0.1:
        data = data[: int(rng.integers(0, len(data) + 1))]
    if rng.random() < 0.1 and data:
        data[int(rng.integers(0, len(data)))] = int(rng.integers(0, 256))
    if rng.random() < 0.2:
        options["header"] = bool(rng.random() < 0.5)
    if rng.random() < 0.2:
        options["drop_null"] = True
    path = folder / "t.csv"
    path.write_bytes(data)
    return path, options


def change_lines(rng, lines):
    """One change of the kinds that files suffer."""
    line = lines[int(rng.integers(0, len(lines)))]
    kind = rng.choice(["cell", "cell", "cell", "fewer", "more", "empty line", "twice", "swap", "blank"])
    if kind == "cell" and line:
        line[int(rng.integers(0, len(line)))] = str(rng.choice(ODD_CELLS))
    elif kind == "fewer" and line:
        line.pop()
    elif kind == "more":
        line.append(str(rng.choice(ODD_CELLS)))
    elif kind == "empty line":
        lines.insert(int(rng.integers(0, len(lines) + 1)), [])
    elif kind == "twice":
        lines.insert(int(rng.integers(0, len(lines) + 1)), list(line))
    elif kind == "swap":
        other = int(rng.integers(0, len(lines)))
        lines[0], lines[other] = lines[other], lines[0]
    elif line:
        line[-1] += " "


def csv_differs(path, table, options):
    """Say how a table differs from what pandas makes of the file, or pyarrow; empty if it does not."""
    said = dialect("t", path.read_bytes(), True, ".csv", AS_FOUND.__class__(header=options.get("header")))
    try:
        frame = pd.read_csv(
            path,
            sep=said.separator,
            header=None,
            skiprows=said.skipped + int(said.headed),
            encoding=said.encoding,
            index_col=False,
            names=range(len(said.names)),
        )
        if frame.shape[1] != len(said.names):
            raise ValueError("another width")
    except (ValueError, pd.errors.ParserError, UnicodeError):
        frame = by_pyarrow(path, said)
    known = list(said.names)
    try:
        places = [known.index(name) if known.count(name) == 1 else None for name in table.columns]
        if None in places:  # of one name: all that are neither dropped nor an index
            unnamed = len(known) > 1 and known[0] in ("", "Unnamed: 0")
            dropped = options.get("drop", ())
            places = [place for place in range(int(unnamed), len(known)) if known[place] not in dropped]
        expected = np.column_stack([pd.to_numeric(frame.iloc[:, place]).to_numpy(float) for place in places])
    except (ValueError, TypeError) as error:
        return f"read, and not by pandas: {error}"
    if options.get("drop_null"):
        kept = np.flatnonzero(~np.isnan(expected).any(axis=1))
        expected = expected[kept]
        if table.row_numbers.tolist() != kept.tolist():
            return f"rows {table.row_numbers.tolist()} instead of {kept.tolist()}"
    found = table.load()
    # some releases of pandas lose the last digits of long numbers
    same = found.shape == expected.shape and np.allclose(found, expected, rtol=1e-12, atol=0)
    return "" if same else f"{found.tolist()} instead of {expected.tolist()}"


def by_pyarrow(path, said):
    names = list(map(str, range(len(said.names))))
    read = arrow_csv.ReadOptions(column_names=names, skip_rows=said.skipped, skip_rows_after_names=int(said.headed))
    parse = arrow_csv.ParseOptions(delimiter=said.separator, newlines_in_values=True)
    return arrow_csv.read_csv(path, read, parse).to_pandas()


def mutated_parquet(rng, folder):
    """Columns or lists with gaps and of mixed types, an index or none, cut or with a byte changed."""
    n = int(rng.integers(1, 40))
    columns = {}
    if rng.random() < 0.5:
        d = int(rng.integers(1, 5))
        rows = rng.normal(size=(n, d)).astype(rng.choice(["f2", "f4", "f8"])).tolist()
        for _ in range(int(rng.integers(0, 3))):
            row = int(rng.integers(0, n))
            rows[row] = [None, [], rows[row], (rows[row] or [])[:-1], [*(rows[row] or []), 1.0], [None] * d][
                int(rng.integers(0, 6))
            ]
        fixed = rng.random() < 0.3 and all(row is None or len(row) == d for row in rows)
        fixed = fixed and (NULLS_OF_FIXED_LISTS or None not in rows)
        columns["e"] = pa.array(rows, pa.list_(pa.float64(), d) if fixed else pa.list_(pa.float64()))
    else:
        for name in rng.choice(NAMES, int(rng.integers(1, 4))):
            kind = str(rng.choice(["int8", "int64", "float16", "float32", "float64", "bool"]))
            values = list(rng.integers(0, 2 if kind == "bool" else 100, n).astype(kind))  # pyarrow 18 wants its halves
            for _ in range(int(rng.integers(0, 3)) * int(rng.random() < 0.4)):
                values[int(rng.integers(0, n))] = None
            columns[str(name)] = pa.array(
                np.array(values, object), from_pandas=True, type=pa.from_numpy_dtype(np.dtype(kind))
            )
    table = pa.table(columns)
    if rng.random() < 0.3:
        frame = table.to_pandas()
        frame.index = rng.permutation(n) if rng.random() < 0.5 else pd.Index(rng.permutation(n), name="index")
        table = pa.Table.from_pandas(frame)
    path = folder / "t.parquet"
    parquet.write_table(table, path, row_group_size=int(rng.integers(1, n + 1)))
    data = bytearray(path.read_bytes())
    if rng.random() < 0.1:
        data = data[: int(rng.integers(0, len(data)))]
    if rng.random() < 0.1 and data:
        data[int(rng.integers(0, max(1, len(data) // 2)))] ^= int(rng.integers(1, 256))
    path.write_bytes(data)
    return path, {"drop_null": True} if rng.random() < 0.3 else {}


def parquet_differs(path, table):
    """Say how a table differs from what pyarrow reads; empty if it does not."""
    try:
        whole = parquet.ParquetFile(path).read(columns=list(table.columns))
    except (pa.ArrowException, OSError) as error:
        return f"read, and not by pyarrow: {error}"
    rows = []
    for place, record in enumerate(zip(*(whole.column(name).to_pylist() for name in table.columns), strict=True)):
        numbers = [number for cell in record for number in (cell if isinstance(cell, list) else [cell])]
        if numbers and not any(number is None or number != number for number in numbers):
            rows.append((place, numbers))
    expected = np.array([numbers for _, numbers in rows], float)
    kept = [place for place, _ in rows]
    if table.row_numbers is None and len(kept) < len(whole):
        return f"{len(whole) - len(kept)} rows with gaps were read"
    if table.row_numbers is not None and table.row_numbers.tolist() != kept:
        return f"rows {table.row_numbers.tolist()} instead of {kept}"
    found = table.load()
    return "" if np.array_equal(found, expected) else f"{found.tolist()} instead of {expected.tolist()}"


def run(count, first=0):
    """Outcomes of so many files, counted, and what is wrong with the first few."""
    outcomes, shown = Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, first + count):
            kind, words = outcome(number, Path(folder))
            outcomes[kind] += 1
            if kind in ("crash", "wrong"):
                shown.append(f"{number}: {kind}: {words}")
    return outcomes, shown


if __name__ == "__main__":
    counted, told = run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print("\n".join(told[:20]))
    print(dict(counted))
    sys.exit(bool(told))
