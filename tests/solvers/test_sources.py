"""Files and blocks give the picks of the array they hold; broken input is named with where it breaks."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mmdp import DataFileError, InvalidOptionError, InvalidProblemError, MissingDependencyError, Problem
from mmdp.tables import Table, blocks, delimited, open_table, parquet_files
from solvers import rank, solve
from solvers.__main__ import application
from solvers._farthest_first import from_table
from solvers.greedy import Greedy

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
KINDS = (".npy", ".csv", ".parquet")


def data(n=6000, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def write(X, folder, kind):
    path = folder / f"points{kind}"
    if kind == ".npy":
        np.save(path, X)
    elif kind == ".csv":
        np.savetxt(path, X, fmt="%.9g", delimiter=",")
    else:
        parquet.write_table(pa.table({f"x{c}": X[:, c] for c in range(X.shape[1])}), path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_picks_of_their_array(tmp_path, kind):
    X = data()
    result = solve(write(X, tmp_path, kind), 40)
    expected = solve(X, 40, accelerated=False)
    assert result.indices.tolist() == expected.indices.tolist()
    assert result.objective == pytest.approx(expected.objective)
    assert result.critical_pair == expected.critical_pair
    assert result.upper_bound >= result.objective


def test_a_csv_file_with_names_and_labels(tmp_path):
    X, path = data(50, 2), tmp_path / "sites.csv"
    lines = [f'"Site {i}",{x!r},7,{y!r}' for i, (x, y) in enumerate(X.tolist())]
    path.write_text("\n".join(["name,x,kind,y", *lines]) + "\n")
    table = open_table(path, drop=("name", "kind"))
    assert (table.n, table.d) == (50, 2)
    assert solve(table, 5).indices.tolist() == solve(X, 5).indices.tolist()
    with pytest.raises((DataFileError, InvalidProblemError), match=r"sites\.csv.*--drop"):
        solve(path, 5)
    done = cli("select", path, "-k", 5, "--drop", "name", "--drop", "kind", "-o", tmp_path / "five.csv")
    assert np.loadtxt(tmp_path / "five.csv").tolist() == solve(X, 5).indices.tolist()
    assert "written to" in done.stderr
    assert "five.csv" in done.stderr


def test_without_pyarrow_a_table_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.fs", None)
    for kind in (".csv", ".parquet", ".jsonl", ".feather"):
        (tmp_path / f"points{kind}").write_text("x,y\n1,2\n3,4\n")
        with pytest.raises(MissingDependencyError, match=r"needs pyarrow: pip install 'mmdp\[tables\]'"):
            solve(tmp_path / f"points{kind}", 2)
    np.save(tmp_path / "points.npy", data(50, 2))
    arguments = ["select", str(tmp_path / "points.npy"), "-k", "3", "-o", str(tmp_path / "picks.parquet")]
    with pytest.raises(MissingDependencyError, match=r"picks\.parquet needs pyarrow"):
        application(arguments, standalone_mode=False)


def test_embeddings_stored_as_lists(tmp_path):
    X = data()
    parquet.write_table(
        pa.table({"embedding": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 5)}), tmp_path / "e.parquet"
    )
    assert solve(tmp_path / "e.parquet", 9).indices.tolist() == solve(X, 9).indices.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan", "hamming"])
@pytest.mark.parametrize("lattice", [False, True])
@pytest.mark.parametrize("d", [2, 12])
def test_small_pools_and_ties_change_no_pick(monkeypatch, metric, lattice, d):
    monkeypatch.setattr(from_table, "_POOL_BYTES", 8 * d * 50)
    X = data(5000, d)
    X = np.where(np.round(X) == 0, 3, np.round(X)).astype(np.float32) if lattice else X
    blocks = np.array_split(X, 7)
    assert (
        solve(blocks, 30, metric=metric).indices.tolist()
        == solve(X, 30, metric=metric, accelerated=False).indices.tolist()
    )


def test_views_of_a_map_and_blocks_that_come_once(tmp_path):
    X = data()
    mapped = np.load(write(X, tmp_path, ".npy"), mmap_mode="r")
    for view in (mapped, mapped[500:5500], mapped[::-1], mapped[:, 1:3]):
        assert solve(view, 12).indices.tolist() == solve(np.array(view), 12).indices.tolist()
    for table in (X, X.astype(X.dtype.newbyteorder())):
        assert solve(iter(np.array_split(table, 9)), 12).indices.tolist() == solve(X, 12).indices.tolist()


def test_resumed_from_any_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(from_table, "_POOL_BYTES", 1)
    X, checkpoint = data(), tmp_path / "run.json"
    whole = solve([X], 40)
    assert whole.notes["passes"] > 3
    save, calls = from_table._Traversal._save, []

    def killed(self):
        save(self)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(from_table._Traversal, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        solve([X], 40, checkpoint=checkpoint)
    assert checkpoint.exists()
    resumed = solve([X], 40, checkpoint=checkpoint)
    assert resumed.indices.tolist() == whole.indices.tolist()
    assert resumed.upper_bound == whole.upper_bound
    assert not checkpoint.exists()


def test_a_checkpoint_on_a_full_disk_is_named(tmp_path):
    (tmp_path / "c.tmp").symlink_to("/dev/full")
    with pytest.raises(DataFileError, match=r"c\.json: cannot be written \(.*No space left"):
        solve([data()], 3, checkpoint=tmp_path / "c.json")


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"n": 3, "picks": [1]}')
    with pytest.raises(DataFileError, match="belongs to"):
        solve([data()], 4, checkpoint=tmp_path / "run.json")


@pytest.mark.parametrize("picks", [[], [1, 1], [-1], [6000]])
def test_a_checkpoint_with_picks_that_cannot_be_is_refused(tmp_path, picks):
    saved = {"table": "blocks", "n": 6000, "d": 5, "columns": [], "metric": "euclidean", "first": None, "picks": picks}
    (tmp_path / "run.json").write_text(json.dumps(saved))
    with pytest.raises(DataFileError, match="its picks are not distinct rows of blocks"):
        solve([data()], 4, checkpoint=tmp_path / "run.json")


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "hamming"])
@pytest.mark.parametrize("kind", KINDS)
def test_streaming_reads_a_file_once_without_loading_it(tmp_path, monkeypatch, kind, metric):
    X = np.round(data(3000), 1) if metric == "hamming" else data(3000)
    path = write(X, tmp_path, kind)
    expected = solve(X, 12, solver="streaming", metric=metric)
    monkeypatch.setattr(blocks, "HELD_BYTES", 4000)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 4000)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 4000)
    monkeypatch.setattr(parquet_files, "ROWS", 100)
    monkeypatch.setattr(Table, "load", None)
    result = solve(path, 12, solver="streaming", metric=metric)
    assert result.indices.tolist() == expected.indices.tolist()
    assert result.objective == pytest.approx(expected.objective)
    assert result.notes == expected.notes
    assert result.upper_bound >= solve(X, 12, metric=metric).objective


def test_streaming_takes_blocks_smaller_than_k():
    X = data(300)
    blocks = np.array_split(X, 60)
    assert solve(blocks, 20, solver="streaming").indices.tolist() == solve(X, 20, solver="streaming").indices.tolist()


@pytest.mark.parametrize("solver", ["greedy", "streaming"])
def test_a_csv_file_cut_short_is_named(tmp_path, solver):
    path = write(data(), tmp_path, ".csv")
    text = path.read_text()
    path.write_text(text[: text.rindex(",", 0, len(text) // 2)])
    with pytest.raises(DataFileError, match=r"points\.csv: row [0-9]+ has [0-9] cells, and the first line has 5"):
        solve(path, 4, solver=solver)


@pytest.mark.parametrize("kind", [".npy", ".parquet"])
def test_a_truncated_file_is_named(tmp_path, kind):
    path = write(data(), tmp_path, kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataFileError, match=f"points{kind}"):
        solve(path, 4)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([1, 2], r"block 0 has shape \(\), not \(rows, columns\)"),
        ([np.ones((3, 2)), np.ones((3, 3))], r"block 1 has shape \(3, 3\), not \(rows, 2\)"),
        ([np.ones((3, 2), int), np.full((3, 2), 0.5)], "block 1 holds float64 and block 0 int64; give them"),
    ],
)
def test_blocks_that_do_not_belong_together_are_named(blocks, message):
    with pytest.raises(InvalidProblemError, match=message):
        solve(iter(blocks), 2)


def test_blocks_of_several_dtypes_are_the_table_they_make():
    whole, parts = data(3000, seed=1).astype(np.float64), np.random.default_rng(2).integers(0, 9, (3000, 5), np.uint8)
    joined = np.concatenate([parts, whole])
    for solver in ("greedy", "streaming", "local_search"):
        result = solve([parts, whole], 9, solver=solver)
        assert result.objective == pytest.approx(Problem(9, points=joined).objective(result.indices)[0])
        assert result.upper_bound >= solve(joined, 9).objective


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([np.ones((3, 2)), np.ones((3, 3))], r"block 1 has shape \(3, 3\), not \(rows, 2\)"),
        ([np.full((3, 2), 0.5), np.full((3, 2), 2**60)], "block 1 reach 1152921504606846976: float64 rounds"),
        ([np.ones((0, 2))], "has 0 rows"),
        ([np.full((5000, 2), 1e200)], "block 0 reach 1e.200: squared distances would overflow"),
    ],
)
def test_lists_of_blocks_that_are_no_table_are_named(blocks, message):
    for solver in ("greedy", "streaming"):
        with pytest.raises(InvalidProblemError, match=message):
            solve(blocks, 2, solver=solver)


def test_blocks_without_rows_change_nothing():
    X = data()
    for solver in ("greedy", "streaming"):
        assert (
            solve([X[:0], X, X[:0]], 9, solver=solver).indices.tolist() == solve([X], 9, solver=solver).indices.tolist()
        )


def test_changes_of_a_map_that_are_not_in_its_file_count(tmp_path):
    table = np.load(write(data(), tmp_path, ".npy"), mmap_mode="c")
    table[4321] = 1e4
    assert 4321 in solve(table, 3).indices


def test_bytes_in_many_dimensions():
    X = np.random.default_rng(3).integers(0, 255, (6000, 16), np.uint8)
    assert solve([X], 9).indices.tolist() == solve(X.astype(float), 9).indices.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",2\n1,2\n5,6\n", "the first line, ,2, has an empty cell"),
        ("1,NA\n1,2\n5,6\n", "the first line, 1,NA, has empty cells"),
        ("x,,y\n0,1,2\n1,5,6\n", "column 1 has no name in the first line"),
        ("x,y\n", "there are no rows"),
        ("\n\n", "there are no rows"),
        ("gr\xf6sse,y\n1,2\n", "is not text in UTF-8"),
    ],
)
def test_first_lines_that_could_be_taken_for_something_else_are_named(tmp_path, text, message):
    (tmp_path / "points.csv").write_text(text, encoding="latin-1")
    with pytest.raises((DataFileError, InvalidProblemError), match=message):
        solve(tmp_path / "points.csv", 2)


def test_first_lines_that_can_be_told(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("\n7,2\n1,2\n5,6\n")
    assert open_table(path).load()[0].tolist() == [7, 2]
    path.write_text(',"x, y",z\n0,1,2\n1,5,6\n')
    assert open_table(path).load().tolist() == [[1, 2], [5, 6]]
    assert open_table(path, columns=["", "z"]).load().tolist() == [[0, 2], [1, 6]]


def test_whole_numbers_that_get_fractions_further_down(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1000)
    (tmp_path / "points.csv").write_text("3,2\n" * 900 + "1.5,2\n")
    assert open_table(tmp_path / "points.csv").load()[-1].tolist() == [1.5, 2]


def test_an_archive_and_an_empty_array_are_named(tmp_path):
    with (tmp_path / "points.npy").open("wb") as file:
        np.savez(file, X=data())
    with pytest.raises(DataFileError, match="an archive of arrays"):
        solve(tmp_path / "points.npy", 3)
    np.save(tmp_path / "points.npy", np.empty((0, 3)))
    with pytest.raises(InvalidProblemError, match="there are no points"):
        solve(tmp_path / "points.npy", 3)


def test_options_of_solve_count_for_blocks_too():
    told = []
    result = solve([data()], 5, seed=3, watch=told.append)
    assert (result.seed, [moment.objective for moment in told]) == (3, [result.objective])
    with pytest.raises(InvalidOptionError, match="seed"):
        solve([data()], 5, seed=-1)
    with pytest.raises(InvalidOptionError, match="a proof needs all points in memory"):
        solve([data()], 5, solver="streaming", certify_seconds=1)
    with pytest.raises(InvalidOptionError, match="random writes no checkpoints"):
        solve([data()], 5, solver="random", checkpoint="picks.json")


def test_nan_is_named_with_block_row_and_column():
    blocks = np.array_split(data(6400), 64)
    blocks[37][4, 2] = np.nan
    for solver in ("greedy", "streaming"):
        with pytest.raises(InvalidProblemError, match="block 37 at row 3704, column 2"):
            solve(blocks, 4, solver=solver)


@pytest.mark.parametrize("k", [0, 1, 6001])
def test_wrong_k(k):
    for solver in ("greedy", "streaming"):
        with pytest.raises(InvalidProblemError, match="out of range"):
            solve([data()], k, solver=solver)


def cli(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from solvers.__main__ import main; main()", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", KINDS)
def test_command_line_round_trip(tmp_path, kind, written):
    X = data()
    arguments = ["select", str(write(X, tmp_path, kind)), "-k", "7", "--rows", str(tmp_path / f"chosen{written}")]
    application(arguments, standalone_mode=False)
    chosen = open_table(tmp_path / f"chosen{written}").load()
    assert np.allclose(chosen, X[solve(X, 7).indices])


def test_command_line_names_what_is_wrong(tmp_path):
    done = cli("select", tmp_path / "none.npy", "-k", 3)
    assert done.returncode == 1
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("suffix", KINDS)
def test_left_out_columns_exist_and_others_stay(tmp_path, suffix):
    path = write(data(), tmp_path, suffix)
    with pytest.raises(DataFileError, match=rf"points\{suffix}: has no column 'nmae'"):
        open_table(path, drop=["nmae"])


def test_not_all_columns_are_left_out(tmp_path):
    (tmp_path / "points.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataFileError, match="no column is left; it has a, b"):
        open_table(tmp_path / "points.csv", drop=["a", "b"])


def test_where_the_answer_cannot_go_is_named_before_the_search(tmp_path):
    points = write(data(), tmp_path, ".npy")
    for option in ("-o", "--checkpoint"):
        arguments = ["select", str(points), "-k", "3", option, str(tmp_path / "no such folder" / "picks.npy")]
        with pytest.raises(DataFileError, match=r"picks\.npy: cannot be written; does the folder exist"):
            application(arguments, standalone_mode=False)


def test_a_checkpoint_is_for_greedy(tmp_path):
    arguments = ["select", str(write(data(), tmp_path, ".npy")), "-k", "3", "--solver", "random"]
    with pytest.raises(InvalidOptionError, match="random writes no checkpoints"):
        application([*arguments, "--checkpoint", str(tmp_path / "picks.json")], standalone_mode=False)


def test_an_answer_that_cannot_be_written_is_printed(tmp_path, capsys):
    points = write(data(), tmp_path, ".npy")
    (tmp_path / "picks.npy").mkdir()
    with pytest.raises(DataFileError, match=r"picks\.npy: cannot be written .*the answer is on the standard output"):
        application(["select", str(points), "-k", "3", "-o", str(tmp_path / "picks.npy")], standalone_mode=False)
    assert list(map(int, capsys.readouterr().out.split())) == solve(data(), 3).indices.tolist()


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_a_file_of_distances(tmp_path, capsys, suffix):
    D = Problem(2, points=data(50)).matrix()
    path = tmp_path / f"D{suffix}"
    np.save(path, D) if suffix == ".npy" else np.savetxt(path, D, delimiter=",")
    tables = [path, *([np.load(path, mmap_mode="r")] if suffix == ".npy" else [])]
    for solver in ("greedy", "exact", "streaming", "coreset"):
        expected = solve(D, 3, metric="precomputed", solver="greedy" if solver != "exact" else "exact")
        for table in tables:
            result = solve(table, 3, metric="precomputed", solver=solver)
            assert result.metric == "precomputed"
            if solver in ("greedy", "exact"):
                assert result.indices.tolist() == expected.indices.tolist()
    assert rank(path, metric="precomputed").indices.tolist() == rank(D, metric="precomputed").indices.tolist()
    application(["select", str(path), "-k", "3", "--metric", "precomputed"], standalone_mode=False)
    expected = solve(D, 3, metric="precomputed").indices.tolist()
    assert [int(line) for line in capsys.readouterr().out.split()] == expected
    application(["spread", str(path), "--distance", "0.4", "--metric", "precomputed"], standalone_mode=False)
    assert "at least 0.4 apart, precomputed" in capsys.readouterr().err


@pytest.mark.parametrize("solver", [Greedy(), Greedy("sweep"), Greedy("random"), Greedy(17)], ids=str)
def test_however_greedy_is_asked_for_it_reads_a_file_block_by_block(tmp_path, monkeypatch, solver):
    X = data(6000)
    expected = solve(X, 12, solver=solver, seed=4).indices.tolist()
    path = write(X, tmp_path, ".npy")
    monkeypatch.setattr(Table, "load", None)
    result = solve(path, 12, solver=solver, seed=4)
    assert result.indices.tolist() == expected
    assert (result.seed, result.n, result.k) == (4, 6000, 12)


def test_a_start_that_compares_all_pairs_loads_and_saves_nothing(tmp_path):
    path = write(data(5000), tmp_path, ".npy")
    assert solve(path, 5, start="isolated").k == 5
    with pytest.raises(InvalidOptionError, match=r"checkpoint.*writes no checkpoints"):
        solve(path, 5, start="isolated", checkpoint=tmp_path / "run.json")


def test_a_start_outside_the_table_is_named(tmp_path):
    with pytest.raises(InvalidOptionError, match="start = 6000 is not among the 6000 points"):
        solve(write(data(6000), tmp_path, ".npy"), 5, start=6000)


def test_checkpoints_are_for_tables():
    with pytest.raises(InvalidOptionError, match="checkpoint is for tables"):
        solve(data(), 5, checkpoint="run.json")
