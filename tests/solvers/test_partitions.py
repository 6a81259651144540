"""Tables in partitions: rows come back with their ids, whatever the partitions hold, and a script needs no ceremony."""

import subprocess
import sys

import numpy as np
import pytest

from mmdp import DataFileError, InvalidOptionError, InvalidProblemError, MMDPError, Problem
from mmdp.tables import open_table
from solvers import solve
from solvers.__main__ import application
from solvers.coreset import Coreset
from tests.import_graph import ROOT

da = pytest.importorskip("dask.array")
bag = pytest.importorskip("dask.bag")
dd = pytest.importorskip("dask.dataframe")
pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
from pyarrow import parquet  # noqa: E402

X = np.random.default_rng(3).normal(size=(400, 3))
FRAME = pd.DataFrame(X, columns=list("abc")).assign(id=[f"00{row}" for row in range(400)], text="a, text")
IN_FOUR = Coreset(partitions=4)


def folder_of(path, frame=FRAME, parts=4, groups=100):
    path.mkdir()
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), parts)):
        table = pa.Table.from_pandas(frame.iloc[rows], preserve_index=False)
        parquet.write_table(table, path / f"part-{number:03}.parquet", row_group_size=groups)
    return path


def test_a_dask_frame_gives_its_rows_back():
    frame = dd.from_pandas(FRAME.set_axis(np.arange(400)[::-1]), npartitions=4, sort=False)
    for options in ({"columns": ["a", "b", "c"]}, {"drop": ["id", "text"]}):
        result = solve(frame, 9, solver="coreset", **options)
        assert result.indices.tolist() == solve(X, 9, solver=IN_FOUR).indices.tolist()
        assert result.of(frame)["id"].tolist() == [f"00{row}" for row in result.indices]
    with pytest.raises(InvalidProblemError, match=r"partition [0-3]: column 'id' holds text"):
        solve(frame, 9, solver="coreset")
    with pytest.raises(DataFileError, match="has no column 'z'"):
        solve(frame, 9, solver="coreset", columns=["z"])


def test_dask_arrays_give_their_rows_back():
    points = da.from_array(X, chunks=(90, 2))
    result = solve(points, 9, solver="coreset")
    assert np.array_equal(result.of(points), X[result.indices])
    unknown = dd.from_pandas(FRAME[["a", "b", "c"]], npartitions=5).to_dask_array()
    result = solve(unknown, 9, solver="coreset")
    assert np.array_equal(result.of(unknown), X[result.indices])


def test_names_that_are_numbers_and_a_single_column_of_dask():
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=4)
    expected = solve(X[:, [0, 2]], 9, solver=IN_FOUR).indices.tolist()
    assert solve(frame, 9, solver="coreset", columns=[0, 2]).indices.tolist() == expected
    assert solve(frame, 9, solver="coreset", drop=1).indices.tolist() == expected
    one = solve(X[:, :1], 9, solver=IN_FOUR).indices.tolist()
    assert solve(frame[0], 9, solver="coreset").indices.tolist() == one


def test_an_xarray_on_dask_takes_its_partitions():
    xarray = pytest.importorskip("xarray")
    points = xarray.DataArray(da.from_array(X, chunks=(100, 3)), dims=("row", "axis"))
    assert solve(points, 9, solver="coreset").indices.tolist() == solve(X, 9, solver=IN_FOUR).indices.tolist()
    assert solve(points.compute(), 9).indices.tolist() == solve(X, 9).indices.tolist()


@pytest.mark.parametrize("workers", [None, 2])
def test_a_parquet_folder_is_read_row_group_by_row_group(tmp_path, monkeypatch, workers):
    folder = folder_of(tmp_path / "parts")
    monkeypatch.setattr("mmdp.tables.source.Source.table", None)
    result = solve(folder, 9, solver="coreset", columns=["a", "b", "c"], workers=workers)
    assert result.indices.tolist() == solve(X, 9, solver=IN_FOUR).indices.tolist()
    assert result.notes["partitions"] == 4
    assert result.of(folder).column("id").to_pylist() == [f"00{row}" for row in result.indices]


def test_the_command_gives_rows_of_a_folder(tmp_path):
    folder = folder_of(tmp_path / "parts")
    arguments = ["select", str(folder), "-k", "9", "--columns", "a,b,c", "--solver", "coreset", "--workers", "2"]
    application([*arguments, "--rows", str(tmp_path / "out.parquet")], standalone_mode=False)
    expected = solve(X, 9, solver=IN_FOUR).indices
    written = parquet.read_table(tmp_path / "out.parquet")
    assert written.column("id").to_pylist() == [f"00{row}" for row in expected]
    assert np.array_equal(np.column_stack([written.column(name) for name in "abc"]), X[expected])


@pytest.mark.parametrize("kind", ["folder", "data frame", "array"])
def test_rows_that_are_fixed_or_excluded(tmp_path, kind):
    points = {
        "folder": lambda: folder_of(tmp_path / "parts"),
        "data frame": lambda: dd.from_pandas(FRAME, npartitions=4),
        "array": lambda: da.from_array(X, chunks=(100, 3)),
    }[kind]()
    names = {} if kind == "array" else {"columns": ["a", "b", "c"]}
    free = solve(points, 9, solver="coreset", **names)
    exclude = np.union1d(np.arange(100, 200), free.indices[:3]).tolist()  # a whole partition among them
    include = [350, 3, 220]
    assert not set(include) & set(exclude)
    found = solve(points, 9, solver="coreset", include=include, exclude=exclude, **names)
    assert found.indices[:3].tolist() == include
    assert not set(exclude) & set(found.indices.tolist())
    assert found.objective == Problem(2, points=X).objective(found.indices)[0]
    best = solve(X, 9, include=include, exclude=exclude)
    assert best.objective / 3 <= found.objective <= found.upper_bound
    assert best.objective <= found.upper_bound
    assert found.notes["approximation_factor"] == np.inf
    without = solve(points, 9, solver="coreset", exclude=exclude, **names)
    assert solve(X, 9, exclude=exclude, solver="local_search").objective <= without.upper_bound
    assert without.notes["approximation_factor"] < np.inf
    share = solve(points, 0.05, solver="coreset", **names)
    assert share.indices.tolist() == solve(points, 20, solver="coreset", **names).indices.tolist()
    assert share.radii[1:].min() == pytest.approx(share.objective)
    with pytest.raises(InvalidProblemError, match=r"include names .400., outside 0 ... 399"):
        solve(points, 9, solver="coreset", include=[400], **names)
    with pytest.raises(InvalidProblemError, match="stayed in their partitions"):
        share.assignment()


def test_partitions_of_few_or_no_rows_change_nothing():
    pieces = [FRAME.iloc[:0], FRAME.iloc[:2], FRAME.iloc[2:390], FRAME.iloc[:0], FRAME.iloc[390:]]
    frame = dd.from_delayed([pytest.importorskip("dask").delayed(piece) for piece in pieces], meta=FRAME.iloc[:0])
    result = solve(frame, 9, solver="coreset", columns=["a", "b", "c"])
    assert result.n == 400
    assert np.array_equal(result.of(frame)[["a", "b", "c"]], X[result.indices])


GAPS = {
    "null": ((150, None), "partition 1: row 50 has no value in column 'b'"),
    "infinity": ((150, np.inf), "partition 1: row 50 holds infinity in column 'b'"),
}


@pytest.mark.parametrize("name", GAPS)
def test_what_is_wrong_in_a_partition_is_named(tmp_path, name):
    (row, value), message = GAPS[name]
    frame = FRAME.copy()
    frame.loc[row, "b"] = value
    with pytest.raises(InvalidProblemError, match=message):
        solve(dd.from_pandas(frame, npartitions=4), 9, solver="coreset", columns=["a", "b", "c"])
    folder = folder_of(tmp_path / "parts", frame)
    with pytest.raises(InvalidProblemError, match=message.replace("partition 1", "part-001.parquet, row group 0")):
        solve(folder, 9, solver="coreset", columns=["a", "b", "c"])


def test_partitions_that_do_not_belong_together_are_named():
    dask = pytest.importorskip("dask")
    widths = [da.from_delayed(dask.delayed(np.ones)((5, d)), (5, 3), float) for d in (3, 2)]
    with pytest.raises(InvalidProblemError, match="partition 0 have 3 coordinates, of partition 1 2"):
        solve(da.concatenate(widths), 3, solver="coreset")
    lengths = iter(range(50, 90))
    growing = da.from_delayed(dask.delayed(lambda: np.ones((next(lengths), 3)), pure=False)(), (50, 3), float)
    with pytest.raises(DataFileError, match="other lengths in the second pass"):
        solve(growing, 3, solver="coreset")


def test_what_is_no_matter_of_partitions_is_refused(tmp_path):
    folder = folder_of(tmp_path / "parts")
    for call, message in (
        (lambda: solve(folder, 3, solver="coreset", columns=["a"], checkpoint="x.json"), "writes no checkpoints"),
        (lambda: solve(dd.from_pandas(FRAME, npartitions=2), 3, columns=["a"]), "takes solver='coreset'"),
        (lambda: open_table(dd.from_pandas(FRAME, npartitions=2), drop_null=True), "call dropna"),
        (lambda: solve(da.ones((5, 3)), 3, solver="coreset", columns=["a"]), "a Dask array has no names"),
        (lambda: solve(da.ones((5, 3, 2)), 3, solver="coreset"), "two dimensions"),
        (lambda: solve(dd.from_pandas(FRAME, npartitions=2), 3, metric="gower"), "compute.. the Dask collection first"),
        (lambda: solve(bag.from_sequence([1, 2]), 2, solver="coreset"), "a Bag on Dask is neither an array nor"),
        (lambda: Coreset(workers=0), "workers = 0"),
    ):
        with pytest.raises(MMDPError, match=message):
            call()
    command = ["select", str(folder), "-k", "3", "--columns", "a", "--workers", "2"]
    with pytest.raises(InvalidOptionError, match="--workers: greedy takes its threads from NUMBA_NUM_THREADS"):
        application(command, standalone_mode=False)


def test_a_plain_script_needs_neither_client_nor_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import dask.array as da\nfrom solvers import solve\n"
        "print(solve(da.random.normal(size=(400, 2), chunks=(100, 2)), 5, solver='coreset').k)\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert (done.stdout.strip(), done.returncode) == ("5", 0), done.stderr


def environment():
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_a_partition_that_goes_with_its_worker_is_named():
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")

    def fatal():
        import os

        os._exit(1)

    points = da.from_delayed(dask.delayed(fatal)(), (50, 3), float)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster),
        pytest.raises(DataFileError, match="a partition was lost with the worker that held it"),
    ):
        solve(points, 3, solver="coreset")
