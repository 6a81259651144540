"""Every kind of table, with what stands beside the coordinates: picks and rows of the plain array, or a name."""

import json

import numpy as np
import pytest

from mmdp import MMDPError
from mmdp.tables import open_table, read_frame
from solvers import solve

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
from pyarrow import csv, feather, ipc, parquet  # noqa: E402

from tests.parquet_files import writes_nulls_of_fixed_lists  # noqa: E402

N, D, K = 90, 4, 7
RNG = np.random.default_rng(5)
VALUES = {
    "float64": RNG.normal(size=(N, D)),
    "float32": RNG.normal(size=(N, D)).astype(np.float32),
    "float16": RNG.normal(size=(N, D)).astype(np.float16),
    "int8": RNG.integers(-99, 99, (N, D), np.int8),
    "bool": RNG.random((N, D)) < 0.5,
}
NAMES = ["a", "b", "c", "d"]
IDS = [f"00{row}" for row in range(N)]
TEXT = [f'row "{row}", of {N}' for row in range(N)]


def frame(X, beside):
    """A pandas frame of the coordinates with what is asked for beside them."""
    table = pd.DataFrame(X, columns=NAMES)
    if "ids" in beside:
        table.insert(0, "id", IDS)
    if "text" in beside:
        table["text"] = TEXT
    if "index" in beside:
        table.index = np.random.default_rng(0).permutation(N) + 7
    return table


def as_arrow(X, beside, lists=None):
    columns = {"id": IDS} if "ids" in beside else {}
    if lists is None:
        columns |= {name: X[:, c] for c, name in enumerate(NAMES)}
    elif lists == "fixed":
        columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), D)
    else:
        columns["embedding"] = pa.array(list(X), pa.list_(pa.from_numpy_dtype(X.dtype)))
    return pa.table(columns | ({"text": TEXT} if "text" in beside else {}))


def polars(X, beside):
    return pytest.importorskip("polars").from_arrow(as_arrow(X, beside))


def polars_lists(X, beside):
    return pytest.importorskip("polars").from_arrow(as_arrow(X, beside, "lists"))


def an_xarray(X, beside):
    xarray = pytest.importorskip("xarray")
    if not beside:
        return xarray.DataArray(X, dims=("row", "feature"), coords={"row": np.arange(N)[::-1]})
    columns = {name: ("row", X[:, c]) for c, name in enumerate(NAMES)}
    beside = ({"id": ("row", IDS)} if "ids" in beside else {}) | ({"text": ("row", TEXT)} if "text" in beside else {})
    return xarray.Dataset(columns | beside)


def records(folder, X, beside):
    table = frame(X, beside).reset_index(drop=True)
    lines = [json.dumps(row) for row in table.to_dict("records")]
    (folder / "t.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "t.jsonl"


def delimited(suffix, separator=","):
    def write(folder, X, beside):
        X = X.astype(float) if X.dtype.kind == "f" else X  # so that the texts are those numbers
        frame(X, beside).to_csv(folder / f"t{suffix}", index="index" in beside, sep=separator)
        return folder / f"t{suffix}"

    return write


def parquet_of(lists):
    def write(folder, X, beside):
        parquet.write_table(as_arrow(X, beside, lists), folder / "t.parquet", row_group_size=20)
        return folder / "t.parquet"

    return write


def pandas_parquet(folder, X, beside):
    frame(X, beside).to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def a_feather(folder, X, beside):
    feather.write_feather(as_arrow(X, beside), str(folder / "t.feather"))
    return folder / "t.feather"


def an_arrow_stream(folder, X, beside):
    table = as_arrow(X, beside, "lists")
    with ipc.new_stream(folder / "t.arrow", table.schema) as stream:
        stream.write_table(table, 30)
    return folder / "t.arrow"


def a_folder(folder, X, beside):
    (folder / "parts").mkdir()
    for part in range(3):
        piece = as_arrow(X, beside).slice(30 * part, 30)
        parquet.write_table(piece, folder / "parts" / f"part-{part}.parquet")
    (folder / "parts" / "_SUCCESS").touch()
    return folder / "parts"


def a_pattern(folder, X, beside):
    return f"{a_folder(folder, X, beside)}/part-*.parquet"


def a_saved_dataset(folder, X, beside):
    """As datasets' save_to_disk writes it: streams, and a note of their order."""
    (folder / "saved").mkdir()
    table = as_arrow(X, beside, "lists")
    files = []
    for part in range(3):
        files.append({"filename": f"data-0000{part}-of-00003.arrow"})
        with ipc.new_stream(folder / "saved" / files[-1]["filename"], table.schema) as stream:
            stream.write_table(table.slice(30 * part, 30))
    (folder / "saved" / "state.json").write_text(json.dumps({"_data_files": files}))
    (folder / "saved" / "dataset_info.json").write_text("{}")
    return folder / "saved"


def an_npz(folder, X, beside):
    np.savez(folder / "t.npz", points=X, other=np.zeros(3))
    return folder / "t.npz"


FRAMES = {
    "pandas": frame,
    "pandas, arrow-backed": lambda X, beside: frame(X, beside).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, nullable": lambda X, beside: frame(X, beside).convert_dtypes(),
    "pandas, vectors": lambda X, beside: frame(X, beside).drop(columns=NAMES).assign(embedding=list(X)),
    "polars": polars,
    "polars, vectors": polars_lists,
    "polars, lazy": lambda X, beside: polars(X, beside).lazy(),
    "Arrow": as_arrow,
    "Arrow, lists": lambda X, beside: as_arrow(X, beside, "lists"),
    "Arrow, fixed": lambda X, beside: as_arrow(X, beside, "fixed"),
    "xarray": an_xarray,
}
FILES = {
    "CSV": delimited(".csv"),
    "CSV with semicolons": delimited(".csv", ";"),
    "TSV": delimited(".tsv", "\t"),
    "gz": delimited(".csv.gz"),
    "Parquet, lists": parquet_of("lists"),
    "Parquet, fixed": parquet_of("fixed"),
    "Parquet, columns": parquet_of(None),
    "Parquet by pandas": pandas_parquet,
    "Feather": a_feather,
    "Arrow stream": an_arrow_stream,
    "JSON lines": records,
    "folder": a_folder,
    "pattern": a_pattern,
    "saved dataset": a_saved_dataset,
    "npz": an_npz,
}
BESIDE = ["", "index", "ids", "text", "index ids text"]


def coordinates(kind):
    """What to say of a table that has other columns too."""
    if kind == "npz":
        return "points"
    has_vectors = "lists" in kind or "fixed" in kind or "vectors" in kind or kind in ("Arrow stream", "saved dataset")
    return "embedding" if has_vectors else NAMES


def plain(X):
    return solve(X.astype(float) if X.dtype == bool else X, K).indices.tolist()


def values(found, kind):
    """Coordinates of rows that came back, as an array."""
    if isinstance(found, np.ndarray):
        return found
    if type(found).__module__.startswith("xarray"):
        return (
            found.values if hasattr(found, "values") and not callable(found.values) else read_frame(found, NAMES).points
        )
    return read_frame(found, coordinates(kind)).points


def column(found, name):
    if hasattr(found, "column_names"):
        return found.column(name).to_pylist()
    return found[name].values.tolist() if hasattr(found[name], "values") else found[name].to_list()


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kind", FRAMES)
def test_frames_give_the_picks_and_rows_of_their_array(kind, beside, dtype):
    X = VALUES[dtype]
    table = FRAMES[kind](X, beside.split())
    result = solve(table, K, columns=coordinates(kind) if "ids" in beside or "text" in beside else None)
    assert result.indices.tolist() == plain(X)
    found = result.of(table)
    assert type(found) is type(table) or "lazy" in kind
    assert np.array_equal(values(found, kind), X[result.indices])
    if "ids" in beside:
        assert column(found, "id") == [IDS[row] for row in result.indices]
    if "text" in beside:
        assert column(found, "text") == [TEXT[row] for row in result.indices]


@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kind", FILES)
def test_files_give_the_picks_and_rows_of_their_array(tmp_path, kind, beside, dtype):
    X = VALUES[dtype]
    path = FILES[kind](tmp_path, X, beside.split())
    named = kind == "npz" or "ids" in beside or "text" in beside
    table = open_table(path, coordinates(kind) if named else None)
    assert np.array_equal(table.load(), X)
    result = solve(table, K)
    assert result.indices.tolist() == plain(X)
    found = table.take(result.indices)
    assert np.array_equal(values(found, kind), X[result.indices])
    if "ids" in beside and kind != "npz":
        assert column(found, "id") == [IDS[row] for row in result.indices]
    if "text" in beside and kind != "npz":
        assert column(found, "text") == [TEXT[row] for row in result.indices]
    if kind != "npz":
        assert result.of(path).equals(found)


@pytest.mark.parametrize("dtype", ["float64", "int8", "bool"])
@pytest.mark.parametrize("kind", [*FRAMES, *FILES])
def test_a_missing_value_is_named_or_left_out(tmp_path, kind, dtype):
    if kind == "npz" or (kind == "xarray" and dtype != "float64"):
        pytest.skip("holds no missing values of this type")
    if kind == "Parquet, fixed" and not writes_nulls_of_fixed_lists():
        pytest.skip("this pyarrow writes no nulls of lists of fixed size")
    X = VALUES[dtype]
    table = with_a_gap(X, "fixed" if "fixed" in kind else "lists" if coordinates(kind) == "embedding" else None)
    given = FRAMES_OF_ARROW[kind](table) if kind in FRAMES else FILES_OF_ARROW[kind](tmp_path, table)
    with pytest.raises(MMDPError, match=r"row 41 has no (value|vector) in column '(b|embedding)'.*--drop-null|row 41"):
        solve(given, K)
    kept = np.delete(np.arange(N), 41)
    result = solve(given, K, drop_null=True)
    assert result.indices.tolist() == kept[plain(X[kept])].tolist()
    assert set(result.critical_pair) <= set(result.indices.tolist())


def with_a_gap(X, lists):
    if lists is None:
        columns = {name: pa.array(X[:, c]) for c, name in enumerate(NAMES)}
        columns["b"] = pa.array([None if row == 41 else value for row, value in enumerate(X[:, 1].tolist())])
        return pa.table(columns)
    rows = [None if row == 41 else list(values) for row, values in enumerate(X.tolist())]
    kind = pa.from_numpy_dtype(X.dtype)
    return pa.table({"embedding": pa.array(rows, pa.list_(kind, D) if lists == "fixed" else pa.list_(kind))})


def to_xarray(table):
    return pytest.importorskip("xarray").Dataset.from_dataframe(table.to_pandas())


FRAMES_OF_ARROW = {
    "pandas": lambda table: table.to_pandas(),
    "pandas, arrow-backed": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas, nullable": lambda table: table.to_pandas().convert_dtypes(),
    "pandas, vectors": lambda table: table.to_pandas(),
    "polars": lambda table: pytest.importorskip("polars").from_arrow(table),
    "polars, vectors": lambda table: pytest.importorskip("polars").from_arrow(table),
    "polars, lazy": lambda table: pytest.importorskip("polars").from_arrow(table).lazy(),
    "Arrow": lambda table: table,
    "Arrow, lists": lambda table: table,
    "Arrow, fixed": lambda table: table,
    "xarray": to_xarray,
}


def in_pieces(folder, table):
    (folder / "parts").mkdir()
    for part in range(3):
        parquet.write_table(table.slice(30 * part, 30), folder / "parts" / f"part-{part}.parquet")
    return folder / "parts"


def written(suffix, write):
    def to(folder, table):
        write(table, folder / f"t{suffix}")
        return folder / f"t{suffix}"

    return to


def stream(table, path):
    with ipc.new_stream(path, table.schema) as opened:
        opened.write_table(table, 30)


def lines(table, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def saved(folder, table):
    stream(table, folder / "data-0.arrow")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-0.arrow"}]}))
    return folder


FILES_OF_ARROW = {
    "CSV": written(".csv", csv.write_csv),
    "CSV with semicolons": written(".csv", lambda table, path: table.to_pandas().to_csv(path, sep=";", index=False)),
    "TSV": written(".tsv", lambda table, path: table.to_pandas().to_csv(path, sep="\t", index=False)),
    "gz": written(".csv.gz", lambda table, path: table.to_pandas().to_csv(path, index=False)),
    "Parquet, lists": written(".parquet", parquet.write_table),
    "Parquet, fixed": written(".parquet", parquet.write_table),
    "Parquet, columns": written(".parquet", parquet.write_table),
    "Parquet by pandas": written(".parquet", lambda table, path: table.to_pandas().to_parquet(path)),
    "Feather": written(".feather", lambda table, path: feather.write_feather(table, str(path))),
    "Arrow stream": written(".arrow", stream),
    "JSON lines": written(".jsonl", lines),
    "folder": in_pieces,
    "pattern": lambda folder, table: f"{in_pieces(folder, table)}/*.parquet",
    "saved dataset": saved,
}
