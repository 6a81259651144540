"""The command ``mmdp``: what it refuses before anything is computed, in its own words, and what it promises to keep."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mmdp import DataFileError, InvalidOptionError, MMDPError
from solvers import solve
from solvers.__main__ import _in_flags, application
from solvers._farthest_first import from_table
from solvers.greedy import Greedy

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

X = np.random.default_rng(0).normal(size=(300, 3))


def select(*arguments):
    application(["select", *map(str, arguments)], standalone_mode=False)


@pytest.fixture
def table(tmp_path):
    pd.DataFrame(X, columns=["x", "y", "a,b"]).assign(name="n").to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def test_the_input_is_not_overwritten(tmp_path, table, monkeypatch):
    before = table.read_bytes()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "p.csv").write_bytes(before)
    (tmp_path / "link.csv").symlink_to(table)
    for points, output in (
        (table, table), (table, "t.csv"), (table, "link.csv"), ("parts", "parts/out.csv"), ("t.csv", table),
        ("*.csv", "t.csv"), ("parts/*.csv", "parts/p.csv"), (table.as_uri(), table),
    ):  # fmt: skip
        with pytest.raises(DataFileError, match=r"-o .*: is what is read, or lies inside"):
            select(points, "-k", 3, "--columns", "x", "-o", output)
    with pytest.raises(DataFileError, match=r"--checkpoint .*t\.csv: is what is read"):
        select(table, "-k", 3, "--columns", "x", "--checkpoint", table)
    assert table.read_bytes() == before


REFUSED = {
    "seconds": (["--seconds", 1], InvalidOptionError, "--seconds: greedy constructs one solution"),
    "seconds of a coreset": (
        ["--seconds", 1, "--solver", "coreset"],
        InvalidOptionError,
        "--seconds: coreset constructs",
    ),
    "checkpoint": (["--checkpoint", "c.json", "--solver", "random"], InvalidOptionError, "--checkpoint: random saves"),
    "workers": (["--workers", 2], InvalidOptionError, "--workers: greedy takes"),
    "rank": (["--rank"], InvalidOptionError, "--rank adds columns to the chosen rows: give --rows"),
    "an array of text": (["--rows", "-o", "o.npy"], DataFileError, "column 'name' would be lost; write .parquet"),
    "a format": (["-o", "o.xlsx"], DataFileError, "unknown kind of file; write one of .npy"),
    "a packed array": (["-o", "o.npy.gz"], DataFileError, "unknown kind of file"),
    "a column": (["--drop", "z"], DataFileError, "has no column 'z'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(table, monkeypatch, name):
    monkeypatch.chdir(table.parent)
    monkeypatch.setattr(Greedy, "_run", None)
    options, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        select(table, "-k", 3, "--columns", "x", *options)


def test_rank_does_not_hide_a_column(table):
    table.write_text(table.read_text().replace("name", "rank", 1))
    with pytest.raises(InvalidOptionError, match=r"--rank: .* has a column 'rank' already"):
        select(table, "-k", 3, "--columns", "x", "--rows", "--rank")
    np.save(table.with_suffix(".npy"), X)
    with pytest.raises(InvalidOptionError, match=r"the columns of .* have no names"):
        select(table.with_suffix(".npy"), "-k", 3, "--rows", "--rank")


@pytest.mark.parametrize(
    "columns",
    [
        ["--columns", "x,y"],
        ["--columns", "x", "--columns", "y"],
        ["--drop", 'name,"a,b"'],
        ["--drop", "a,b", "--drop", "name"],
    ],
    ids=" ".join,
)
def test_several_columns_with_commas_between(table, capsys, columns):
    select(table, "-k", 4, *columns)
    told = capsys.readouterr()
    assert list(map(int, told.out.split())) == solve(X[:, :2], 4).indices.tolist()
    assert "coordinates  x, y" in told.err


def test_rows_on_the_standard_output_keep_their_form(table, capsys):
    select(table, "-k", 4, "--columns", "x", "--rows")
    lines = table.read_text().splitlines()
    assert capsys.readouterr().out.splitlines() == [lines[0], *(lines[1 + i] for i in solve(X[:, :1], 4).indices)]


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".tsv", ".parquet", ".feather", ".jsonl"])
def test_indices_in_every_format(table, suffix):
    out = table.with_name(f"out{suffix}")
    select(table, "-k", 4, "--columns", "x", "-o", out)
    expected = solve(X[:, :1], 4).indices.tolist()
    if suffix == ".npy":
        assert np.load(out).tolist() == expected
    elif suffix in (".csv", ".tsv"):
        assert list(map(int, out.read_text().split())) == expected
    elif suffix == ".jsonl":
        assert [json.loads(line)["index"] for line in out.read_text().splitlines()] == expected
    else:
        read = pd.read_parquet if suffix == ".parquet" else pd.read_feather
        assert read(out)["index"].tolist() == expected


def test_messages_speak_of_flags():
    assert _in_flags("k = 7 is out of range") == "-k 7 is out of range"
    assert _in_flags("separator = 'ab': give one") == "--separator 'ab': give one"
    command = [sys.executable, "-m", "solvers", "select", "x.npy", "-k", "3", "--seed", "-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--seed" in done.stderr


@pytest.mark.parametrize("start", ["auto", "isolated", "farthest_pair", "sweep", "random", 7])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_a_small_table_keeps_its_checkpoint_too(tmp_path, monkeypatch, start, metric):
    monkeypatch.setattr(from_table, "_POOL_BYTES", 1)
    np.save(tmp_path / "x.npy", X)
    solver, checkpoint = Greedy(start), tmp_path / "run.json"
    expected = solve(X, 40, solver=solver, metric=metric)
    save, calls = from_table._Traversal._save, []

    def killed(self):
        save(self)
        if self.checkpoint is not None and not calls:  # a warm-up has none
            calls.append(1)
            raise KeyboardInterrupt

    monkeypatch.setattr(from_table._Traversal, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        solve(tmp_path / "x.npy", 40, solver=solver, metric=metric, checkpoint=checkpoint)
    assert len(json.loads(checkpoint.read_text())["picks"]) > 0
    resumed = solve(tmp_path / "x.npy", 40, solver=solver, metric=metric, checkpoint=checkpoint)
    assert resumed.indices.tolist() == expected.indices.tolist()
    assert not checkpoint.exists()


def test_certifying_is_for_tables_that_are_loaded(tmp_path):
    np.save(tmp_path / "small.npy", X[:40])
    np.save(tmp_path / "large.npy", np.tile(X, (20, 1)))
    assert solve(tmp_path / "small.npy", 4, certify_seconds=5).is_optimal
    with pytest.raises(InvalidOptionError, match="a proof needs all points in memory"):
        solve(tmp_path / "large.npy", 4, certify_seconds=5)
    with pytest.raises(MMDPError, match="a proof needs all points in memory"):
        solve(tmp_path / "small.npy", 4, certify_seconds=5, checkpoint=tmp_path / "run.json")


def test_a_checkpoint_of_other_columns_is_refused(table):
    picks = {"table": str(table), "n": 300, "d": 1, "columns": ["y"], "metric": "euclidean", "first": 3, "picks": [3]}
    checkpoint = table.with_name("run.json")
    checkpoint.write_text(json.dumps(picks))
    with pytest.raises(DataFileError, match="belongs to"):
        select(table, "-k", 3, "--columns", "x", "--checkpoint", checkpoint)
