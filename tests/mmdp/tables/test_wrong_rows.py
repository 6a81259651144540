"""What was once read wrongly: every kind, with the right values or the words that name row and column."""

import gzip
import io
import json
from decimal import Decimal

import numpy as np
import pytest
from typer.testing import CliRunner

from mmdp import DataFileError, InvalidOptionError, InvalidProblemError, MMDPError, Problem
from mmdp.tables import open_table, read_frame
from solvers import rank, solve
from solvers.__main__ import application

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
from pyarrow import ipc, parquet  # noqa: E402

from tests.parquet_files import writes_nulls_of_fixed_lists  # noqa: E402

X = np.random.default_rng(1).normal(size=(64, 12)).astype(np.float32)


def embeddings(folder, rows, kind=None, **options):
    if isinstance(kind, pa.FixedSizeListType) and None in rows and not writes_nulls_of_fixed_lists():
        pytest.skip("this pyarrow writes no nulls of lists of fixed size")
    parquet.write_table(pa.table({"embedding": pa.array(rows, kind)}), folder / "e.parquet", **options)
    return folder / "e.parquet"


def rows_with(place, value):
    return [value if row == place else values.tolist() for row, values in enumerate(X)]


FAULTY = {
    "null": (rows_with(5, None), "row 5 has no vector in column 'embedding'"),
    "null, fixed": (rows_with(5, None), "row 5 has no vector"),
    "empty": (rows_with(5, []), "row 5 has no vector"),
    "a null inside": (rows_with(5, [None, *X[5, 1:].tolist()]), "row 5 has no vector .*, or one with a gap"),
    "NaN inside": (rows_with(5, [float("nan"), *X[5, 1:].tolist()]), "row 5 has no vector"),
    "short": (rows_with(5, X[5, 1:].tolist()), "row 5 has 11 numbers in column 'embedding', and row 0 has 12"),
    "lengths that make up for each other": (
        [
            row.tolist() + ([0.0] if place == 3 else []) if place != 9 else row[1:].tolist()
            for place, row in enumerate(X)
        ],
        "row 3 has 13 numbers",
    ),
    "infinity": (
        rows_with(5, [float("inf"), *X[5, 1:].tolist()]),
        "row 5 holds infinity in column 'embedding', entry 0",
    ),
}


@pytest.mark.parametrize("groups", [64, 7])
@pytest.mark.parametrize("name", FAULTY)
def test_a_vector_that_is_none_is_named(tmp_path, name, groups):
    rows, message = FAULTY[name]
    kind = pa.list_(pa.float32(), 12) if "fixed" in name else pa.list_(pa.float32())
    path = embeddings(tmp_path, rows, kind, row_group_size=groups)
    with pytest.raises(InvalidProblemError, match=rf"e\.parquet: {message}"):
        solve(path, 4)
    with pytest.raises(InvalidProblemError, match=message.replace("column 'embedding'", "column 'points'")):
        solve(pd.Series(rows), 4)


@pytest.mark.parametrize("groups", [64, 7])
def test_rows_without_a_vector_are_left_out_and_indices_stay(tmp_path, groups):
    kept = np.delete(np.arange(64), [0, 5, 63])
    rows = [values.tolist() if row in kept else None for row, values in enumerate(X)]
    path = embeddings(tmp_path, rows, pa.list_(pa.float32()), row_group_size=groups)
    assert np.array_equal(open_table(path, drop_null=True).load(), X[kept])
    expected = kept[solve(X[kept], 9).indices].tolist()
    for table in (path, pd.DataFrame({"e": rows}), pa.table({"e": rows})):
        for solver in ("greedy", "exact"):
            result = solve(table, 9, solver=solver, drop_null=True)
            assert solver == "exact" or result.indices.tolist() == expected
            assert Problem(9, points=X).objective(result.indices) == (result.objective, result.critical_pair)


def test_rows_of_an_array_with_gaps_are_left_out_too(tmp_path):
    gaps = X.copy()
    gaps[[4, 40], [1, 2]] = np.nan
    np.save(tmp_path / "x.npy", gaps)
    np.savez(tmp_path / "x.npz", gaps)
    kept = np.delete(np.arange(64), [4, 40])
    for name in ("x.npy", "x.npz"):
        result = solve(tmp_path / name, 9, drop_null=True)
        assert result.indices.tolist() == kept[solve(X[kept], 9).indices].tolist()
        assert np.array_equal(result.of(tmp_path / name), X[result.indices])
        with pytest.raises(InvalidProblemError, match="NaN or infinity"):
            solve(tmp_path / name, 9)


def shards(folder, parts):
    (folder / "shards").mkdir()
    for number, part in enumerate(parts):
        np.save(folder / "shards" / f"part-{number}.npy", part)
    return folder / "shards"


@pytest.mark.parametrize("kinds", [(np.float32, np.float32), (np.float32, np.float64), (np.uint8, np.float32)])
def test_a_folder_of_arrays_is_one_table(tmp_path, kinds):
    X = np.random.default_rng(3).integers(0, 99, (6000, 3))
    folder = shards(tmp_path, [X[:1000].astype(kinds[0]), X[:0].astype(kinds[0]), X[1000:].astype(kinds[1])])
    whole = X.astype(np.result_type(*kinds))
    expected = solve(whole, 9).indices.tolist()
    for path in (folder, f"{folder}/*.npy", f"{folder}/part*", folder.as_uri(), f"{folder.as_uri()}/*.npy"):
        table = open_table(path)
        assert (table.n, table.d, table.load().dtype) == (6000, 3, whole.dtype)
        assert solve(path, 9).indices.tolist() == expected
    result = solve(folder, 9, solver="streaming")
    assert np.array_equal(result.of(folder), whole[result.indices])
    assert solve(folder, 2, metric="gower").n == rank(folder).k == 6000
    cli("select", folder, "-k", 9, "--rows", tmp_path / "rows.npy")
    assert np.array_equal(np.load(tmp_path / "rows.npy"), whole[expected])


def test_arrays_that_are_not_one_table_are_named(tmp_path):
    folder = shards(tmp_path, [X, X[:, :5]])
    with pytest.raises(DataFileError, match=r"part-1\.npy: has 5 columns, and .*part-0\.npy has 12"):
        solve(folder, 2)
    np.save(folder / "part-1.npy", np.full((2, 12), 2**60))
    with pytest.raises(DataFileError, match="holds arrays of int64 and of fractions; save them with one dtype"):
        solve(folder, 2)
    np.save(folder / "part-1.npy", np.full((2, 12), np.nan))
    with pytest.raises(InvalidProblemError, match="NaN or infinity in block 1 at row 64"):
        solve(folder, 2, solver="streaming")
    assert solve(folder, 2, drop_null=True).n == 64
    with pytest.raises(DataFileError, match="has no column 'x': an array has no names"):
        solve(folder, 2, columns="x")
    (tmp_path / "archives").mkdir()
    for name in "ab":
        np.savez(tmp_path / "archives" / f"{name}.npz", X)
    for path in (tmp_path / "archives", tmp_path / "archives" / "*.npz"):
        with pytest.raises(DataFileError, match=r"several \.npz archives are not one table"):
            solve(path, 2)
    pytest.importorskip("fsspec").filesystem("memory").pipe(
        "folder-of-arrays/a.npy", (folder / "part-0.npy").read_bytes()
    )
    for path in ("memory://folder-of-arrays/a.npy", "memory://folder-of-arrays"):
        with pytest.raises(DataFileError, match="copy the"):
            solve(path, 2)


def test_an_array_is_told_by_its_suffix_in_capitals_and_not_read_packed(tmp_path):
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "X.NPY").write_bytes((tmp_path / "x.npy").read_bytes())
    assert solve(tmp_path / "X.NPY", 4).indices.tolist() == solve(X, 4).indices.tolist()
    with gzip.open(tmp_path / "x.npy.gz", "wb") as file:
        file.write((tmp_path / "x.npy").read_bytes())
    with pytest.raises(DataFileError, match=r"x\.npy\.gz: arrays are read in place, not from \.gz; unpack it"):
        solve(tmp_path / "x.npy.gz", 2)


def test_a_number_beyond_all_types_is_named():
    frame = pd.DataFrame({"x": [2**70, 1, 3], "y": [1.0, 2.0, 3.0]})
    with pytest.raises(InvalidProblemError, match="column 'x' cannot be read as numbers"):
        solve(frame, 2)


def test_a_frame_can_be_opened_as_a_table():
    frame = pd.DataFrame({"id": ["a", "b", "c"], "x": [1.0, None, 3.0]})
    table = open_table(frame, columns="x", drop_null=True)
    assert (table.load().tolist(), table.columns) == ([[1], [3]], ("x",))
    assert sorted(solve(table, 2).of(frame)["id"]) == sorted(table.take(np.array([0, 2]))["id"]) == ["a", "c"]


def test_required_rows_count_all_rows_too(tmp_path):
    gaps = pd.DataFrame(X[:, :3].astype(float), columns=list("abc"))
    gaps.loc[[0, 5], "b"] = np.nan
    gaps.to_csv(tmp_path / "t.csv", index=False)
    kept = np.delete(np.arange(64), [0, 5])
    problem = Problem(6, points=gaps.to_numpy()[kept], include=[8, 1], exclude=[20])
    expected = kept[solve(problem).indices].tolist()
    for table in (gaps, tmp_path / "t.csv"):
        result = solve(table, 6, drop_null=True, include=[10, 2], exclude=[22])
        assert result.indices.tolist() == expected
        assert len(result.assignment().labels) == 62
        with pytest.raises(InvalidProblemError, match="include: row 5 cannot be used: a value is missing there, or"):
            solve(table, 6, drop_null=True, include=[5])
        same = solve(table, 6, drop_null=True, include={10, 2}, exclude=[22, 5])  # row 5 is none anyway
        assert set(same.indices.tolist()) == set(expected)
        for wrong, message in ((["a"], "sequence of whole numbers"), (None, "sequence of"), ([100], "no such row")):
            with pytest.raises(InvalidProblemError, match=f"include.*{message}"):
                solve(table, 6, drop_null=True, include=wrong)
    assert rank(gaps.iloc[1:5], columns=["a", "b"]).k == 4


def test_all_optimal_subsets_count_all_rows():
    points = pd.DataFrame({"x": [np.nan, 0.0, 1.0, 5.0, 6.0]})
    result = solve(points, 2, solver="exact", max_optima=5, drop_null=True)
    assert result.notes["optima"] == [[1, 4]]


def test_an_index_is_no_coordinate(tmp_path):
    frame = pd.DataFrame(X[:, :3].astype(float), columns=list("abc"))
    expected = solve(frame.to_numpy()[::2], 5).indices.tolist()
    for number, indexed in enumerate(
        (
            frame.iloc[::2],
            frame.iloc[::2].set_axis(np.arange(32)[::-1] * 3).rename_axis("id"),
            frame.iloc[::2].set_axis(pd.RangeIndex(900, 932)),
        )
    ):
        path = tmp_path / f"{number}.parquet"
        indexed.to_parquet(path)
        assert open_table(path).columns == ("a", "b", "c")
        assert solve(path, 5).indices.tolist() == solve(indexed, 5).indices.tolist() == expected
        back = pd.read_parquet(path).iloc[expected]
        found = solve(path, 5).of(path).to_pandas()
        assert found.equals(back if number == 1 else back.reset_index(drop=True))
        assert solve(indexed, 5).of(indexed).equals(indexed.iloc[expected])
    frame.iloc[::2].to_csv(tmp_path / "unnamed.csv")
    pd.read_csv(tmp_path / "unnamed.csv").to_csv(tmp_path / "again.csv", index=False)
    for name in ("unnamed.csv", "again.csv"):
        assert solve(tmp_path / name, 5).indices.tolist() == expected


def test_an_index_can_be_asked_for(tmp_path):
    frame = pd.DataFrame({"y": [0.0, 1, 2]}, index=pd.Index([5.0, 7, 6], name="x"))
    frame.to_parquet(tmp_path / "t.parquet")
    assert open_table(tmp_path / "t.parquet", columns=["x", "y"]).load().tolist() == [[5, 0], [7, 1], [6, 2]]


def test_an_index_without_a_name_is_no_coordinate_wherever_it_has_gone(tmp_path):
    frame = pd.DataFrame(X[:, :3].astype(float), columns=list("abc")).sample(frac=1, random_state=0)
    expected = solve(frame.to_numpy(), 5).indices.tolist()
    frame.to_csv(tmp_path / "u.csv")
    unnamed = pd.read_csv(tmp_path / "u.csv")
    unnamed.to_parquet(tmp_path / "u.parquet")
    unnamed.to_json(tmp_path / "u.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "i.parquet")
    polars = pytest.importorskip("polars").read_parquet(tmp_path / "i.parquet")
    polars.write_parquet(tmp_path / "p.parquet")
    tables = [unnamed, polars, pa.table(polars.to_arrow()), unnamed.to_records(index=False)]
    for table in (*tables, *(tmp_path / name for name in ("u.parquet", "u.jsonl", "p.parquet"))):
        assert solve(table, 5).indices.tolist() == expected
    assert open_table(tmp_path / "p.parquet", columns=["a", "__index_level_0__"]).d == 2


def test_a_column_named_index_is_asked_about(tmp_path):
    frame = pd.DataFrame(X[:, :3].astype(float), columns=list("abc"))
    frame.reset_index().to_csv(tmp_path / "t.csv", index=False)
    for table in (frame.to_records(), frame.reset_index(), tmp_path / "t.csv"):
        with pytest.raises(InvalidProblemError, match=r"column 'index' may number the rows.*--drop index"):
            solve(table, 5)
        assert solve(table, 5, drop="index").indices.tolist() == solve(frame, 5).indices.tolist()
        assert solve(table, 5, columns=["index", "a"]).k == 5
    assert solve(frame.rename(columns={"a": "index"}), 5).indices.tolist() == solve(frame, 5).indices.tolist()


def test_columns_whose_names_are_numbers():
    frame = pd.DataFrame(X)
    for asked in ({"columns": [0, 2]}, {"columns": ["0", "2"]}, {"drop": [1, *range(3, 12)]}):
        assert solve(frame, 5, **asked).indices.tolist() == solve(X[:, [0, 2]], 5).indices.tolist()
    assert solve(frame, 5, columns=3).indices.tolist() == solve(X[:, 3:4], 5).indices.tolist()
    with pytest.raises(DataFileError, match="has no column '12'"):
        solve(frame, 5, columns=[12])


NUMBERED = {
    "pandas": (pd.DataFrame(X).to_csv(index=False), 64),
    "one column": ("0\n5\n7\n", 2),
    "from one": ("1,2\n5,7\n3,9\n", 2),
    "years": ("2019,2020,2021,2022\n4,3,9,1\n5,1,2,8\n", 2),
    "wavelengths": ("400.5,401,402.5,404\n.4,.3,.9,.1\n.5,.1,.2,.8\n", 2),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_a_first_line_of_numbers_that_count_is_asked_about(tmp_path, name):
    text, below = NUMBERED[name]
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(
        DataFileError, match=r"could name the columns or be a point; say which: .*--header or --no-header"
    ):
        solve(path, 2)
    assert open_table(path, header=True).n == below
    assert open_table(path, header=False).n == below + 1
    done = cli("select", path, "-k", 2, "--header")
    assert done.stdout.split() == [str(row) for row in solve(open_table(path, header=True), 2).indices]


def test_a_header_of_numbers_behind_an_unnamed_index_can_be_told(tmp_path):
    pd.DataFrame(X).to_csv(tmp_path / "t.csv")
    assert np.array_equal(open_table(tmp_path / "t.csv").load().astype(np.float32), X)


def test_rising_points_are_points(tmp_path):
    (tmp_path / "t.csv").write_text("1,3,5,7\n2,4,6,9\n1,0,1,0\n")
    assert open_table(tmp_path / "t.csv").load()[0].tolist() == [1, 3, 5, 7]


def test_two_columns_of_one_name_keep_their_own_values(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name,x,x,y\na,1,2,3\nb,4,5,6\nc,9,9,9\n")
    assert open_table(path, drop="name").load().tolist() == [[1, 2, 3], [4, 5, 6], [9, 9, 9]]
    with pytest.raises(DataFileError, match="2 columns are named 'x'; rename"):
        open_table(path, columns=["x", "y"])
    frame = pd.read_csv(path).set_axis(["name", "x", "x", "y"], axis=1)
    assert read_frame(frame, drop="name").points.tolist() == [[1, 2, 3], [4, 5, 6], [9, 9, 9]]
    parquet.write_table(pa.table([[1.0], [2.0]], names=["x", "x"]), tmp_path / "t.parquet")
    with pytest.raises(DataFileError, match="two columns are named 'x'"):
        open_table(tmp_path / "t.parquet")


D = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
ADVICE = {
    "upper triangle": (np.triu(D), "only one triangle is filled, so pass D . D.T"),
    "lower triangle": (np.tril(D), "only one triangle is filled"),
    "other directions": (D + np.triu(np.ones((4, 4)), 1), "np.minimum"),
    "similarities": (np.exp(-D), "look like similarities, whose distances are 1 - S"),
    "similarities of 100": (100 * np.exp(-D), "distances are 100 - S"),
    "condensed": (D[np.triu_indices(4, 1)], "of the pairs of 4 points become one by scipy.*squareform"),
    "not condensed": (np.ones(5), "two dimensions"),
}


@pytest.mark.parametrize("name", ADVICE)
def test_advice_on_distances_helps(name):
    given, message = ADVICE[name]
    with pytest.raises(InvalidProblemError, match=message):
        Problem(2, distances=given)


def test_following_the_advice_on_a_triangle_gives_the_optimum():
    U = np.triu(D)
    assert solve(Problem(2, distances=U + U.T), solver="exact").objective == 3


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".jsonl"])
def test_written_rows_are_the_lines_of_the_file(tmp_path, suffix):
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    separator = "\t" if suffix == ".tsv" else ","
    lines = [separator.join(("id", "price", "note", "x"))]
    lines += [
        separator.join((f"00{row}", f"{row}.70", f'"say ""{row}"" , or{separator}"', f"38.{row}0")) for row in range(9)
    ]
    if suffix == ".jsonl":
        lines = [
            json.dumps({"id": f"00{row}", "price": row + 0.7, "note": f"ä {row}", "x": 38.7 + row}) for row in range(9)
        ]
    opened = gzip.open if suffix.endswith(".gz") else open
    with opened(source, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    done = cli("select", source, "-k", 3, "--columns", "price,x", "--rows", out)
    assert done.exception is None, done.exception
    with opened(out, "rt", encoding="utf-8") as file:
        written = file.read().splitlines()
    picks = solve(source, 3, columns=["price", "x"]).indices
    head = 0 if suffix == ".jsonl" else 1
    expected = [*lines[:head], *(lines[head + row] for row in picks)]
    if suffix == ".jsonl":
        assert list(map(json.loads, written)) == list(map(json.loads, expected))
    else:
        assert written == expected


def test_rows_of_a_parquet_file_keep_types_lists_and_names(tmp_path):
    table = pa.table(
        {
            "id": pa.array(range(64), pa.int32()),
            "when": pd.date_range("2024-01-01", periods=64),
            "price": pa.array([Decimal(f"{row}.70") for row in range(64)]),
            "embedding": pa.array(list(X), pa.list_(pa.float32())),
            "city": pa.array([f"c{row % 3}" for row in range(64)]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=10)
    picks = solve(X, 6).indices
    expected = table.take(pa.array(picks))
    for suffix in (".parquet", ".feather"):
        done = cli(
            "select",
            tmp_path / "in.parquet",
            "-k",
            6,
            "--columns",
            "embedding",
            "--rows",
            tmp_path / f"o{suffix}",
        )
        assert done.exception is None, done.exception
        assert "coordinates  embedding" in done.stderr
    back = parquet.read_table(tmp_path / "o.parquet")
    assert back.equals(expected.cast(back.schema))
    cli("select", tmp_path / "in.parquet", "-k", 6, "--columns", "embedding", "--rows", tmp_path / "o.csv")
    written = pd.read_csv(tmp_path / "o.csv", dtype={"price": str})
    assert written["id"].tolist() == picks.tolist()
    assert written["price"].tolist() == [f"{row}.70" for row in picks]
    assert np.array_equal(np.array(written["embedding"].map(json.loads).tolist(), np.float32), X[picks])
    cli("select", tmp_path / "in.parquet", "-k", 6, "--columns", "embedding", "--rows", tmp_path / "o.jsonl")
    assert [json.loads(line)["id"] for line in (tmp_path / "o.jsonl").read_text().splitlines()] == picks.tolist()


def test_rank_and_distance_beside_the_rows(tmp_path):
    pd.DataFrame({"name": list("abcde"), "x": [0.0, 1, 5, 9, 2]}).to_csv(tmp_path / "in.csv", index=False)
    done = cli("select", tmp_path / "in.csv", "-k", 3, "--columns", "x", "--rank", "--rows", tmp_path / "out.csv")
    assert done.exception is None, done.exception
    picks = solve(np.array([[0.0], [1], [5], [9], [2]]), 3).indices
    x = np.array([0.0, 1, 5, 9, 2])[picks]
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["name"].tolist() == ["abcde"[row] for row in picks]
    assert written["rank"].tolist() == [0, 1, 2]
    assert np.isnan(written["distance"][0])
    assert written["distance"].tolist()[1:] == [abs(x[1] - x[0]), min(abs(x[2] - x[1]), abs(x[2] - x[0]))]


def test_packed_bits_are_compared_as_bits_on_request(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (50, 64), np.uint8)
    packed = np.packbits(bits, axis=1)
    expected = solve(bits, 6, metric="hamming")
    for points in (packed, [packed], pytest.importorskip("torch").from_numpy(packed)):
        found = solve(points, 6, metric="packed_hamming")
        assert (found.indices.tolist(), found.objective) == (expected.indices.tolist(), expected.objective)
    with pytest.warns(UserWarning, match=r"if they are packed bits, use metric='packed_hamming'"):
        solve(packed, 6, metric="hamming")
    with pytest.raises(InvalidProblemError, match=r"give uint8, as np.packbits returns it, not float64"):
        solve(X.astype(float), 3, metric="packed_hamming")
    np.save(tmp_path / "p.npy", packed)
    with pytest.warns(UserWarning, match="packed bits"):
        cli("select", tmp_path / "p.npy", "-k", 6, "--metric", "hamming")


NAMED = {
    "a path": (lambda: Problem(2, points="p.npy"), r"'p.npy' is a path.*solve\('p.npy', k\) reads it"),
    "a dictionary": (lambda: solve({"x": [1, 2]}, 2), r"is a dictionary.*np\.column_stack"),
    "text": (lambda: solve(np.array([["a", "1"], ["2", "b"]]), 2), r"\[0, 0\] is the text 'a'; drop such columns"),
    "numbers as text": (lambda: solve(np.array([["1"], ["2"]]), 2), r"convert with np\.asarray\(x, dtype=float\)"),
    "arrays in an array": (
        lambda: solve(np.array([[1], None, [2, 3]], object)[[0, 2]], 2),
        r"\[0\] is a list of 1; np\.stack",
    ),
    "a gap": (lambda: solve(np.array([[None], [1]]), 2), r"\[0, 0\] is missing; drop or fill"),
    "objects": (lambda: solve(np.array([[object()], [1]]), 2), "is a object, which is not a number"),
    "complex": (lambda: solve(X * 1j, 2), r"real and imaginary parts as two columns"),
    "dates": (lambda: solve(np.array([["2024-01-01"], ["2024-01-02"]], "M8[D]"), 2), r"np\.timedelta64\(1, 'D'\)"),
    "on a line": (lambda: solve(np.arange(5.0), 2), r"on a line pass x\.reshape\(-1, 1\)"),
    "a batch": (lambda: solve(np.zeros((2, 3, 4)), 2), r"use select, as in solvers\.make\('greedy'\)\.select\(x, k\)"),
    "text beside": (
        lambda: solve(pd.DataFrame({"id": ["a", "b"], "x": [1, 2]}), 2),
        r"column 'id' holds text.*drop=\['id'\]",
    ),
    "vectors beside": (
        lambda: solve(pd.DataFrame({"id": [1, 2], "embedding": [[1.0], [2.0]]}), 2),
        "column 'embedding' holds a vector in each row, and column 'id' beside it holds int64.*--columns embedding",
    ),
    "dates beside": (
        lambda: solve(pd.DataFrame({"t": pd.date_range("2024", periods=2), "x": [1, 2]}), 2),
        "column 't' holds dates or times",
    ),
    "records": (lambda: solve(pa.table({"r": [{"a": 1}]}), 2), "column 'r' holds records"),
    "objects beside": (
        lambda: solve(pd.DataFrame({"o": [object(), object()], "x": [1, 2]}), 2),
        "column 'o' holds Python objects, such as a object",
    ),
    "complex column": (lambda: solve(pd.DataFrame({"z": [1j, 2j]}), 2), "column 'z' holds complex numbers"),
    "mixed objects": (lambda: solve(pd.DataFrame({"x": [1.0, "a"]}, dtype=object), 2), "column 'x' cannot be read"),
    "no such column": (lambda: solve(pd.DataFrame({"x": [1, 2]}), 2, columns=["y"]), "has no column 'y'; it has x"),
    "columns of an array": (lambda: solve(X, 2, columns=["y"]), "these points are an array"),
    "texts alone": (lambda: solve(["a", "b"], 2), r"\[0\] is the text 'a'; to compare texts.*function of two"),
    "a column of texts alone": (
        lambda: solve(pd.Series(["a", "b"]), 2),
        "'points' holds text, and no column holds numbers; metric='gower'",
    ),
    "a gap in a frame": (lambda: solve(pd.DataFrame({"x": [1, None]}), 2), "row 1 has no value.*drop_null=True"),
    "lists as text": (
        lambda: solve(pd.DataFrame({"e": [str([0.5, 1]), "[1, 2]"]}), 2, columns="e"),
        r"column 'e' holds lists that were written as text, such as '\[0\.5, 1\]'; .*json\.loads",
    ),
    "lists as text, of any dtype": (
        lambda: solve(pd.DataFrame({"e": ["[np.float64(0.5)]", "[1]"], "id": ["a", "b"]}, dtype="string"), 2),
        "column 'e' holds lists that were written as text",
    ),
    "paths": (
        lambda: solve(["a.csv", "b.csv"], 2, columns="x"),
        r"a list of paths, such as 'a\.csv'.*a folder or a pattern",
    ),
    "an open file": (lambda: solve(io.BytesIO(b"x,y"), 2), "is an open file; give its path"),
    "places in three columns": (
        lambda: solve(np.ones((3, 3)), 2, metric="haversine"),
        r"not 3 columns; .*columns=\['lat', 'lon'\] \(--columns lat,lon\)",
    ),
    "rows one by one": (lambda: solve(iter(X), 2), r"block 0 has shape \(12,\).*np\.stack\(list\(points\)\)"),
    "columns of blocks": (lambda: solve([X], 2, columns=["y"]), "not for a list"),
    "groups missing": (
        lambda: Problem(2, points=X[:3], groups=pd.Series(["a", None, "b"]), counts={"a": 1}),
        "groups: row 1 without a label",
    ),
    "groups mixed": (
        lambda: Problem(2, points=X[:3], groups=pd.Series(["a", 1, "b"]), counts={"a": 1}),
        "row 0 has the label 'a' and row 1 1",
    ),
    "too few rows": (lambda: solve(X, 2).of(X[:1]), "was chosen, and this table has 1 rows"),
    "rows of a number": (lambda: solve(X, 2).of(3), "rows cannot be taken from a int; use result.indices"),
    "dimensions of xarray": (
        lambda: solve(pytest.importorskip("xarray").DataArray(np.zeros((2, 3, 4))), 2),
        "two dimensions",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_cannot_be_read_says_what_helps(name):
    call, message = NAMED[name]
    with pytest.raises(MMDPError, match=message):
        call()


GROUPS = {
    "pandas": pd.Series,
    "objects": lambda labels: pd.Series(labels, dtype=object),
    "categories": lambda labels: pd.Series(labels, dtype="category"),
    "strings": lambda labels: pd.Series(labels, dtype="string"),
    "Arrow": pa.array,
    "list": list,
}


@pytest.mark.parametrize("as_groups", GROUPS.values(), ids=GROUPS)
def test_groups_come_from_a_column_of_a_frame(as_groups):
    cities = ["Oslo", "Bergen", "Oslo", "Narvik"] * 16
    problem = Problem(4, points=X, groups=as_groups(cities), counts={"Oslo": 1, "Narvik": 2})
    plain = Problem(4, points=X, groups=np.array(cities), counts={"Oslo": 1, "Narvik": 2})
    assert solve(problem, solver="fair").indices.tolist() == solve(plain, solver="fair").indices.tolist()


def test_frames_of_several_types_just_work():
    columns = {
        "a": pd.array([1.5, 2, 9], "Float64"),
        "b": [True, False, True],
        "c": pd.array([1, 2, 3], "Int8"),
        "d": pd.array([0.5, 1, 7], pd.ArrowDtype(pa.float32())),
        "e": [Decimal("1.5")] * 3,
        "f": pd.arrays.SparseArray([0.0, 0, 3]),
    }
    frame = pd.DataFrame(columns)
    assert read_frame(frame).points.tolist() == [[1.5, 1, 1, 0.5, 1.5, 0], [2, 0, 2, 1, 1.5, 0], [9, 1, 3, 7, 1.5, 3]]
    records = np.array([(1.0, 2), (3.0, 4)], dtype=[("x", float), ("y", int)])
    assert read_frame(records).points.tolist() == [[1, 2], [3, 4]]
    assert Problem(2, points=frame).vectors.shape == (3, 6)


def test_a_column_of_tensors_is_one_of_vectors():
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(row, requires_grad=place == 3) for place, row in enumerate(X)]
    for rows in (tensors, [row.detach().bfloat16().float() for row in tensors]):
        cells = np.empty(64, object)
        for place, row in enumerate(rows):
            cells[place] = row
        frame = pd.DataFrame({"id": range(64), "e": cells})
        held = np.array([row.tolist() for row in rows])
        assert solve(frame, 5, columns="e").indices.tolist() == solve(held, 5).indices.tolist()
    cells[7] = None
    with pytest.raises(InvalidProblemError, match="row 7 has no vector"):
        solve(pd.Series(cells), 5)


def test_narrow_tensors_are_widened():
    torch = pytest.importorskip("torch")
    narrow = torch.from_numpy(X).to(torch.float8_e4m3fn)
    for solver in ("greedy", "exact"):
        found = solve(narrow, 3, solver=solver)
        assert found.indices.tolist() == solve(narrow.float(), 3, solver=solver).indices.tolist()


def test_frames_that_come_one_after_the_other(tmp_path):
    frame = pd.DataFrame(X[:, :3].astype(float), columns=list("abc")).assign(id="n")
    frame.loc[40, "b"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    kept = np.delete(np.arange(64), 40)
    expected = kept[solve(X[kept, :2], 5).indices].tolist()

    def read(act, **options):
        with pd.read_csv(tmp_path / "t.csv", chunksize=20) as chunks:
            return act(chunks, **options)

    table = read(open_table, columns=["a", "b"], drop_null=True)
    assert (table.columns, table.n) == (("a", "b"), 63)
    assert read(solve, k=5, drop=["c", "id"], drop_null=True).indices.tolist() == expected
    for options, message in (
        ({"columns": ["a", "b"]}, "block 2, which begins with row 40: row 0 has no value in column 'b'"),
        ({}, "block 0, which begins with row 0: column 'id' holds text"),
    ):
        with pytest.raises(InvalidProblemError, match=message):
            read(solve, k=5, **options)
    with pytest.raises(InvalidProblemError, match="block 1 has the coordinates c, a, and block 0 a, c"):
        solve(iter([frame[["a", "c"]], frame[["c", "a"]]]), 5)
    with pytest.raises(InvalidProblemError, match="block 0 is a ndarray"):
        solve(iter([X]), 5, columns=["a"])


def test_lists_that_a_text_file_holds_as_text_are_named(tmp_path):
    frame = pd.DataFrame({"id": range(64), "e": X.tolist()})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for options in ({}, {"columns": "e"}):
        with pytest.raises(InvalidProblemError, match=r"column 'e' holds lists that were written as text.*json"):
            solve(tmp_path / "t.csv", 5, **options)


def test_generators_of_tensors():
    torch = pytest.importorskip("torch")
    expected = solve(X, 5).indices.tolist()
    parts = np.array_split(X, 4)
    for kind in (torch.float32, torch.float64, torch.bfloat16, torch.float8_e4m3fn):
        tensors = [torch.from_numpy(part).to(kind) for part in parts]
        held = np.concatenate([part.float().numpy() for part in tensors])
        assert solve(iter(tensors), 5).indices.tolist() == solve(held, 5).indices.tolist()
    assert solve((torch.from_numpy(part).requires_grad_() for part in parts), 5).indices.tolist() == expected
    with pytest.raises(InvalidProblemError, match=r"block 0 is a sparse tensor; convert with \.to_dense"):
        solve(iter([torch.eye(3).to_sparse()]), 2)
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(InvalidProblemError, match=r"block 0 is a sparse matrix; convert with \.toarray"):
        solve(iter([sparse.csr_matrix(np.eye(3))]), 2)


TEXTS = {
    "semicolons": ("x;y\n1;2\n3;4\n", None),
    "tabs": ("x\ty\n1\t2\n3\t4\n", None),
    "bars": ("x|y\n1|2\n3|4\n", None),
    "blanks, as np.savetxt": ("1.0 2.0\n3.0 4.0\n", None),
    "byte order mark": ("\ufeffx,y\n1,2\n3,4\n", None),
    "empty lines": ("\n\nx,y\n\n1,2\n\n3,4\n\n", None),
    "quotes": ('"x","y"\n"1","2"\n3,"4"\n', None),
    "Windows": ("x,y\r\n1,2\r\n3,4\r\n", None),
    "two separators": ("1,5;2,5\n3,5;4,5\n", "a comma or a semicolon could separate.*--separator"),
    "a word": ("x,y\n1,2\n3,four\n", "row 1, column 'y': 'four' is not a number"),
    "a short row": ("x,y\n1,2\n3\n", "row 1 has 1 cells, and the first line has 2"),
    "a long row": ("x,y\n1,2\n3,4,5\n", "row 1 has 3 cells, and the first line has 2"),
    "an empty cell": ("x,y\n1,2\n3,\n", "row 1 has no value in column 'y'"),
    "more digits than a float": ("x,y\n1,2\n3,9007199254740993\n", "row 1 of column 'y' has more digits"),
    "a file of text": ("x\na\nb\n", "column 'x' holds text"),
    "nothing": ("", "there are no rows"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_files(tmp_path, name):
    text, message = TEXTS[name]
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    if message is None:
        table = open_table(tmp_path / "t.csv")
        assert table.load().tolist() == [[1, 2], [3, 4]]
        return
    with pytest.raises(MMDPError, match=message):
        open_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('x,y\n"1,200",1\n"13,400",2\n', "with commas between thousands, such as '1,200'; remove commas between"),
        ("x;y\n1,5;\n;2\nNA;3\n", "column 'x' holds numbers with a decimal comma, such as '1,5'; say decimal=','"),
        ("# of May\nx,y\n1,2\n3,4\n", "row 0 has 2 cells.*remove the comment above the table"),
        ("id,x\n12345678901234567,1\n12345678901234569,2\n", r"more digits than float64.*drop='id' \(--drop id\)"),
    ],
)
def test_what_text_files_hold_is_told_with_what_helps(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(MMDPError, match=message):
        open_table(tmp_path / "t.csv")


def test_formats_that_are_not_read_are_named(tmp_path):
    for name, message in (("t.csv.zip", "unknown format .zip; unpack it, or pack it as .gz"), ("t.xlsx", "data frame")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataFileError, match=message):
            open_table(tmp_path / name)


def test_decimal_commas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name;x;note;y\na;1,5;;2,5\nb;3,5;;4,25\nc;9,0;;4,25\n")
    for columns in (["x", "y"], None):
        with pytest.raises(InvalidProblemError, match=r"column 'x' holds numbers with a decimal comma.*--decimal ,"):
            open_table(path, columns=columns)
    table = open_table(path, columns=["x", "y"], decimal=",")
    assert table.load().tolist() == [[1.5, 2.5], [3.5, 4.25], [9, 4.25]]
    assert table.take(np.array([1])).column("x").to_pylist() == [3.5]
    out = tmp_path / "out.csv"
    cli("select", path, "-k", 2, "--columns", "x", "--decimal", ",", "--rank", "--rows", out)
    assert out.read_text().splitlines() == ["name;x;note;y;rank;distance", "c;9,0;;4,25;0;", "a;1,5;;2,5;1;7,5"]


def test_a_decimal_comma_is_no_separator(tmp_path):
    (tmp_path / "t.csv").write_text("1,5;2,5\n3,5;4,5\n9,1;0,2\n")
    assert open_table(tmp_path / "t.csv", decimal=",").load().tolist() == [[1.5, 2.5], [3.5, 4.5], [9.1, 0.2]]
    with pytest.raises(InvalidOptionError, match="separator = ',' is the decimal mark too"):
        open_table(tmp_path / "t.csv", decimal=",", separator=",")


def test_a_column_without_values_is_no_advice(tmp_path):
    (tmp_path / "t.csv").write_text("name,x,note\na,1,\nb,2,\n")
    with pytest.raises(InvalidProblemError, match=r"column 'name' holds text.*as in columns=\['x'\] \(--columns x\)"):
        open_table(tmp_path / "t.csv")


def test_a_table_in_utf_16(tmp_path):
    (tmp_path / "t.csv").write_text("größe\ty\n1\t2\n3\t4\n", encoding="utf-16")
    assert open_table(tmp_path / "t.csv").columns == ("größe", "y")
    assert open_table(tmp_path / "t.csv").load().tolist() == [[1, 2], [3, 4]]


def test_objects_in_an_npy_file_are_named(tmp_path):
    np.save(tmp_path / "o.npy", np.array([1, "a"], dtype=object), allow_pickle=True)
    with pytest.raises(DataFileError, match=r"o\.npy: holds Python objects.*np\.save\(path, X\.astype\(float\)\)"):
        solve(tmp_path / "o.npy", 2)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    with pytest.raises(DataFileError, match="holds the arrays a, b; name the points, as in columns='a'"):
        solve(tmp_path / "two.npz", 2)
    assert solve(tmp_path / "two.npz", 2, columns="a").n == 64


def test_json_lines_that_change_are_named(tmp_path):
    path = tmp_path / "t.jsonl"
    for text, message in (
        ('{"x": 1}\n{"x": "a"}\n', "row 1 is not an object like those before"),
        ('[{"x": 1}]\n', "holds one JSON list; write one object a line"),
        ('{"x": 1}\n{"x": \n', "is not an object like those before"),
        ("", "there are no rows"),
        ('{"x": 1}\n{"x": 9007199254740993}\n', "column 'x' has more digits than float64 holds"),
        ('{"x": 1}\n{"y": 1}\n', "row 0 has no value in column 'y'|row 1 has no value in column 'x'"),
    ):
        path.write_text(text)
        with pytest.raises(MMDPError, match=message):
            solve(path, 2)


def test_folders_that_are_no_table_are_named(tmp_path):
    with pytest.raises(DataFileError, match="the folder holds no files"):
        solve(tmp_path, 2)
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "b.csv").write_text("x\n1\n")
    with pytest.raises(DataFileError, match=r"holds files that are not one table: \.csv, \.npy"):
        solve(tmp_path, 2)
    with pytest.raises(DataFileError, match="no file matches"):
        solve(tmp_path / "*.parquet", 2)
    (tmp_path / "splits" / "train").mkdir(parents=True)
    (tmp_path / "splits" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with ipc.new_stream(tmp_path / "splits" / "train" / "data.arrow", pa.schema([("x", pa.int8())])):
        pass
    with pytest.raises(DataFileError, match=r"holds several splits, train; give one of them, as in .*splits/train"):
        solve(tmp_path / "splits", 2)


def test_folders_that_name_values_stand_beside_the_rows(tmp_path):
    for city in ("Oslo", "Bergen"):
        (tmp_path / f"city={city}").mkdir()
        parquet.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / f"city={city}" / "part.parquet")
    result = solve(tmp_path, 4)
    assert set(zip(*result.of(tmp_path).to_pydict().values(), strict=True)) == {
        (x, city) for x in (1.0, 2.0) for city in ("Oslo", "Bergen")
    }


def test_a_uri_of_a_filesystem(tmp_path):
    parquet.write_table(pa.table({"x": X[:, 0], "y": X[:, 1]}), tmp_path / "t.parquet")
    expected = solve(tmp_path / "t.parquet", 5).indices.tolist()
    assert solve((tmp_path / "t.parquet").as_uri(), 5).indices.tolist() == expected
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://folder/t.parquet", "wb") as file:
        file.write((tmp_path / "t.parquet").read_bytes())
    assert solve("memory://folder/t.parquet", 5).indices.tolist() == expected
    assert solve("memory://folder", 5).indices.tolist() == expected
    with pytest.raises(DataFileError):
        solve("memory://none/t.parquet", 5)


def test_options_of_text_are_for_text(tmp_path):
    np.save(tmp_path / "x.npy", X)
    parquet.write_table(pa.table({"x": [1.0]}), tmp_path / "x.parquet")
    for call in (lambda: open_table(tmp_path / "x.parquet", header=True), lambda: open_table([X], header=True)):
        with pytest.raises(InvalidOptionError, match="for text files"):
            call()
    for wrong in ({"separator": "ab"}, {"decimal": ";"}):
        with pytest.raises(InvalidOptionError, match=r"separator = 'ab'|decimal = ';'"):
            open_table(tmp_path / "x.csv", **wrong)


def cli(*arguments):
    """Run the command in this process."""
    done = CliRunner().invoke(application, list(map(str, arguments)))
    assert done.exception is None or isinstance(done.exception, (MMDPError, SystemExit)), done.exception
    return done
