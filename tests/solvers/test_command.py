"""The command ``mmdp``: what it refuses before anything is computed, in its own words, and what it promises to keep."""

import json
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest

from mmdp import DataFileError, InvalidOptionError, MMDPError, Stop
from solvers import rank, solve, spread
from solvers.__main__ import application
from solvers._command.flags import in_flags
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


def test_help_fills_its_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    select("--help")
    assert "continues from --checkpoint after an interruption" in capsys.readouterr().out


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
        with pytest.raises(DataFileError, match=r"-o .*: this is what the command reads, or lies inside"):
            select(points, "-k", 3, "--columns", "x", "-o", output)
    with pytest.raises(DataFileError, match=r"--checkpoint .*t\.csv: this is what the command reads"):
        select(table, "-k", 3, "--columns", "x", "--checkpoint", table)
    assert table.read_bytes() == before


def test_files_beside_the_input_are_not_overwritten_and_answers_not_by_each_other(tmp_path, table):
    seen = tmp_path / "seen.csv"
    seen.write_text("3\n")
    np.save(tmp_path / "q.npy", [1.0])
    for flag, file in (("--exclude", seen), ("--include", seen), ("--query", tmp_path / "q.npy")):
        for output in ("-o", "--assignment"):
            with pytest.raises(DataFileError, match=f"{output} .*: this command already reads or writes this file"):
                select(table, "-k", 3, "--columns", "x", flag, file, output, file)
    with pytest.raises(DataFileError, match=r"--assignment .*: this command already reads or writes this file"):
        select(table, "-k", 3, "--columns", "x", "-o", tmp_path / "a.csv", "--assignment", tmp_path / "a.csv")
    assert seen.read_text() == "3\n"


REFUSED = {
    "seconds": (["--seconds", 1], InvalidOptionError, "--seconds: greedy constructs one solution"),
    "seconds of a coreset": (
        ["--seconds", 1, "--solver", "coreset"],
        InvalidOptionError,
        "--seconds: coreset constructs",
    ),
    "checkpoint": (
        ["--checkpoint", "c.json", "--solver", "random"],
        InvalidOptionError,
        "--checkpoint: random writes no checkpoints",
    ),
    "workers": (["--workers", 2], InvalidOptionError, "--workers: greedy takes"),
    "rank": (["--rank"], InvalidOptionError, "--rank adds columns to the chosen rows: give --rows"),
    "an array of text": (["--rows", "o.npy"], DataFileError, "column 'name' would be lost; write .parquet"),
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
        select(table, "-k", 3, "--columns", "x", "--rank", "--rows", "-")
    np.save(table.with_suffix(".npy"), X)
    with pytest.raises(InvalidOptionError, match=r"the columns of .* have no names"):
        select(table.with_suffix(".npy"), "-k", 3, "--rank", "--rows", "-")


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
    select(table, "-k", 4, "--columns", "x", "--rows", "-")
    lines = table.read_text().splitlines()
    assert capsys.readouterr().out.splitlines() == [lines[0], *(lines[1 + i] for i in solve(X[:, :1], 4).indices)]


def test_numbers_and_rows_at_once(table, capsys):
    numbers, rows = table.with_name("numbers.csv"), table.with_name("rows.csv")
    select(table, "-k", 4, "--columns", "x", "-o", numbers, "--rows", rows)
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split()[-1] for line in told.err.splitlines() if "written to" in line] == [str(numbers), str(rows)]
    lines, indices = table.read_text().splitlines(), solve(X[:, :1], 4).indices
    assert list(map(int, numbers.read_text().split())) == indices.tolist()
    assert rows.read_text().splitlines() == [lines[0], *(lines[1 + i] for i in indices)]
    with pytest.raises(DataFileError, match=r"--rows .*: this command already reads or writes this file"):
        select(table, "-k", 4, "--columns", "x", "-o", rows, "--rows", rows)


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


def test_an_assignment_that_cannot_be_written_is_printed(table, tmp_path, capsys):
    (tmp_path / "full.csv").symlink_to("/dev/full")
    with pytest.raises(DataFileError, match=r"full\.csv: cannot be written .*the answer is on the standard output"):
        select(table, "-k", 3, "--columns", "x", "-o", tmp_path / "o.npy", "--assignment", tmp_path / "full.csv")
    assert capsys.readouterr().out.startswith("row,nearest,distance\n0,")


def test_rows_on_the_standard_output_need_no_folder(table, capsys, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    select(table, "-k", 3, "--columns", "x", "--rows", "-")
    assert len(capsys.readouterr().out.splitlines()) == 4
    with pytest.raises(DataFileError, match="cannot be written; does the folder exist"):
        select(table, "-k", 3, "--columns", "x", "--rows", table.parent / "o.csv")


@pytest.mark.parametrize("command", ["select", "spread"])
def test_ctrl_c_is_told_in_one_line(table, monkeypatch, capsys, command):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Greedy, "_run", interrupt)
    monkeypatch.setattr("solvers._spread.spread.conflict_graph", interrupt)
    monkeypatch.setattr("solvers._spread.spread.Clock.report", interrupt)
    arguments = [command, str(table), "--columns", "x", *(["-k", "3"] if command == "select" else ["--distance", "1"])]
    with pytest.raises(SystemExit) as ended:
        application(arguments)
    assert (ended.value.code, capsys.readouterr().err) == (130, "interrupted\n")
    if command == "select":
        monkeypatch.setattr(Greedy, "_run_table", interrupt)
        with pytest.raises(SystemExit):
            application([*arguments, "--checkpoint", str(table.parent / "c.json")])
        assert capsys.readouterr().err == "interrupted; the same command continues from its checkpoint\n"
    with pytest.raises(SystemExit) as ended:
        application([command, "--no-such-flag"])
    assert ended.value.code == 2


def test_an_array_does_not_round_what_the_file_holds(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("id,x\n9007199254740993,0.5\n9007199254740995,1.5\n3,7.5\n")
    options = ["select", str(path), "-k", "2", "--columns", "x", "--rows"]
    with pytest.raises(DataFileError, match=r"column 'id' reaches 9007199254740993, .* write \.parquet, \.csv"):
        application([*options, str(tmp_path / "rows.npy")], standalone_mode=False)
    assert "9007199254740993" in capsys.readouterr().out
    path.write_text("id,x\n9007199254740991,0.5\n,1.5\n3,7.5\n")
    application([*options, str(tmp_path / "rows.npy")], standalone_mode=False)
    assert np.load(tmp_path / "rows.npy").tolist() == [[3, 7.5], [2**53 - 1, 0.5]]


def test_decimals_and_vectors_become_numbers_of_an_array(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "price": [Decimal("1.5"), Decimal("2.25"), Decimal("9.5")],
        "is_open": [True, None, False],
        "x": [0, 1, 9],
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    options = ["-k", 2, "--columns", "x", "--rows", tmp_path / "rows.npy"]
    select(tmp_path / "t.parquet", *options)
    assert np.load(tmp_path / "rows.npy").tolist() == [[9.5, 0, 9], [1.5, 1, 0]]
    vectors = {"ids": [[2**60], [1], [2]], "x": [0.5, 1.5, 9.5]}
    parquet.write_table(pa.table(vectors), tmp_path / "t.parquet")
    with pytest.raises(DataFileError, match="column 'ids' reaches 1152921504606846976"):
        select(tmp_path / "t.parquet", *options)


def test_messages_speak_of_flags():
    assert in_flags("k = 7 is out of range") == "-k 7 is out of range"
    assert in_flags("separator = 'ab': give one") == "--separator 'ab': give one"
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


def chosen(capsys):
    return [int(number) for number in capsys.readouterr().out.split()]


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".tsv", ".parquet", ".feather", ".jsonl"])
def test_rows_of_an_earlier_run_are_kept_or_left_out(table, capsys, suffix):
    earlier = table.with_name(f"earlier{suffix}")
    select(table, "-k", 4, "--columns", "x,y", "-o", earlier)
    first = solve(X[:, :2], 4).indices
    for flag in ("include", "exclude"):
        capsys.readouterr()
        select(table, "-k", 9, "--columns", "x,y", f"--{flag}", earlier, f"--{flag}", f"7,8,{first[0]}")
        assert chosen(capsys) == solve(X[:, :2], 9, **{flag: [*first, 7, 8]}).indices.tolist()


@pytest.mark.parametrize("solver", ["greedy", "streaming", "local_search", "coreset"])
def test_fixed_rows_of_a_file_that_is_read_in_blocks(tmp_path, capsys, solver):
    large = np.random.default_rng(1).normal(size=(5000, 2))
    np.save(tmp_path / "x.npy", large)
    np.savetxt(tmp_path / "out.csv", np.arange(100), fmt="%d")
    fixed = ["--include", "4000, 4001", "--exclude", tmp_path / "out.csv", "--exclude", 2500]
    select(tmp_path / "x.npy", "-k", 6, "--solver", solver, *fixed, *(("--seconds", 0) if "local" in solver else ()))
    rows = chosen(capsys)
    assert len(rows) == 6
    assert {4000, 4001} <= set(rows)
    assert not {*range(100), 2500} & set(rows)
    if solver == "greedy":
        expected = solve(large, 6, include=[4000, 4001], exclude=[*range(100), 2500])
        assert rows == expected.indices.tolist()


def test_fixed_rows_with_groups_and_gaps(tmp_path, capsys):
    frame = pd.DataFrame(X[:60], columns=["x", "y", "z"]).assign(city=["Oslo", "Bergen", "Rome"] * 20)
    frame.loc[5, "x"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    by_city = ["--groups", "city", "--count", "Oslo=2"]
    select(tmp_path / "t.csv", "-k", 6, *by_city, "--drop-null", "--include", 9, "--exclude", "0,3,6")
    rows = chosen(capsys)
    assert 9 in rows
    assert not {0, 3, 5, 6} & set(rows)
    assert sum(row % 3 == 0 for row in rows) == 2
    with pytest.raises(MMDPError, match="include: row 5 cannot be used: a value is missing there, or"):
        select(tmp_path / "t.csv", "-k", 6, "--drop", "city", "--drop-null", "--include", 5)


@pytest.mark.parametrize("text", ["3\n17\n", "3,17", " 3 17\n\n", "", "\n"])
def test_row_numbers_in_a_text_file_need_no_reader_of_tables(table, capsys, monkeypatch, text):
    rows = table.with_name("rows.txt")
    rows.write_text(text)
    np.save(table.with_suffix(".npy"), X)
    monkeypatch.setattr("mmdp.tables.labels.open_source", None)
    select(table.with_suffix(".npy"), "-k", 4, "--exclude", rows)
    assert chosen(capsys) == solve(X, 4, exclude=[3, 17] if text.strip() else []).indices.tolist()


def test_what_are_no_row_numbers_is_named(table):
    frame = table.with_name("texts.csv")
    frame.write_text("row\n3\n")
    np.save(table.with_name("floats.npy"), [1.5])
    for typed, error, message in (
        ("x", InvalidOptionError, "--include x: give row numbers, such as 3,17, or a file of them"),
        ("-1", InvalidOptionError, "--include -1: give row numbers"),
        (frame, DataFileError, "texts.csv: holds texts, not row numbers; .* without a header"),
        (table.with_name("floats.npy"), DataFileError, "floats.npy: holds float64, not row numbers"),
        (table, DataFileError, "one column is needed"),
        ("300", MMDPError, "include names .300., outside 0 ... 299"),
    ):
        with pytest.raises(error, match=message):
            select(table, "-k", 3, "--columns", "x", "--include", typed)
    assert in_flags("include names [300], outside").startswith("--include names")


def test_a_share_and_all_in_their_order(table, capsys):
    select(table, "-k", "0.05", "--columns", "x,y")
    assert chosen(capsys) == solve(X[:, :2], 15).indices.tolist()
    select(table, "-k", "all", "--columns", "x,y", "--exclude", "0,1")
    assert chosen(capsys) == rank(X[:, :2], exclude=[0, 1]).indices.tolist()
    with pytest.raises(InvalidOptionError, match="-k many: give a number of rows, such as 100, a share"):
        select(table, "-k", "many", "--columns", "x")
    with pytest.raises(MMDPError, match=r"not 1\.5; a share of them lies between 0 and 1"):
        select(table, "-k", "1.5", "--columns", "x")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_the_nearest_chosen_row_of_each(table, capsys, suffix):
    gaps = X.copy()
    gaps[7, 0] = np.nan
    pd.DataFrame(gaps[:, :2], columns=["x", "y"]).to_csv(table, index=False)
    out = table.with_name(f"near{suffix}")
    select(table, "-k", 4, "--drop-null", "--assignment", out)
    shown = capsys.readouterr().err
    kept = np.delete(np.arange(300), 7)
    expected = solve(X[kept, :2], 4)
    near = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda path: pd.read_json(path, lines=True)}
    found = near[suffix](out)
    assert found["row"].tolist() == kept.tolist()
    assert found["nearest"].tolist() == kept[expected.indices[expected.assignment().labels]].tolist()
    assert found["distance"].to_numpy() == pytest.approx(expected.assignment().distances)
    assert f"coverage     {expected.coverage_radius:.6g}" in shown
    with pytest.raises(DataFileError, match=r"--assignment .*t\.csv: this is what the command reads"):
        select(table, "-k", 4, "--assignment", table)
    with pytest.raises(InvalidOptionError, match="--assignment: coreset leaves the points in their partitions"):
        select(table, "-k", 4, "--assignment", out, "--solver", "coreset")


MIXED = pd.DataFrame(
    {
        "id": [f"p{row}" for row in range(40)],
        "age": [(7 * row) % 40 + 20 for row in range(40)],
        "town": [["Oslo", "Bergen", "Narvik"][row % 3] for row in range(40)],
        "since": pd.date_range("2020-01-01", periods=40)[::-1].astype(str),
        "member": [row % 4 == 0 for row in range(40)],
    },
    index=np.arange(40)[::-1],
)
WRITTEN = {
    ".csv": lambda frame, path: frame.to_csv(path),
    ".parquet": lambda frame, path: frame.to_parquet(path),
    ".feather": lambda frame, path: frame.to_feather(path),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, date_format="iso"),
}


@pytest.mark.parametrize("suffix", WRITTEN)
def test_gower_of_a_file_with_columns_of_all_types(tmp_path, capsys, suffix):
    frame = MIXED.astype({"since": "datetime64[ns]"}) if suffix != ".csv" else MIXED
    path, out = tmp_path / f"t{suffix}", tmp_path / "out.csv"
    WRITTEN[suffix](frame, path)
    expected = solve(MIXED.assign(since=pd.to_datetime(MIXED["since"])).drop(columns="id"), 5, metric="gower")
    select(path, "-k", 5, "--metric", "gower", "--drop", "id", "--rank", "--rows", out)
    written = pd.read_csv(out)
    assert written["id"].tolist() == [f"p{row}" for row in expected.indices]
    assert written["distance"].to_numpy()[1:] == pytest.approx(expected.radii[1:])
    assert f"objective    {expected.objective:.6g}" in capsys.readouterr().err
    assert solve(path, 5, metric="gower", drop="id").indices.tolist() == expected.indices.tolist()


def test_gower_of_gaps_and_names(tmp_path):
    frame = MIXED.copy()
    frame.iloc[3, 2] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(MMDPError, match=r"column 'town': row 3 without a value; .*--drop-null"):
        select(tmp_path / "t.csv", "-k", 5, "--metric", "gower", "--drop", "id")
    select(tmp_path / "t.csv", "-k", 5, "--metric", "gower", "--drop", "id", "--drop-null", "-o", tmp_path / "o.npy")
    kept = np.delete(np.arange(40), 3)
    frame = MIXED.assign(since=pd.to_datetime(MIXED["since"])).drop(columns="id")
    expected = solve(frame.iloc[kept], 5, metric="gower")
    assert np.load(tmp_path / "o.npy").tolist() == kept[expected.indices].tolist()
    with pytest.raises(DataFileError, match="has no column 'z'"):
        select(tmp_path / "t.csv", "-k", 5, "--metric", "gower", "--columns", "z")


LATIN = "Stra\u00dfe;H\u00f6he;L\u00e4nge\n" + "".join(f"Weg \u00e4{row};{row * row};{row}\n" for row in range(20))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ISO8859-15"])
def test_a_text_file_in_another_encoding(tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes(LATIN.encode(encoding))
    with pytest.raises(DataFileError, match=r"t\.csv: is not text in UTF-8 .*encoding='latin-1'.*--encoding latin-1"):
        select(tmp_path / "t.csv", "-k", 3, "--columns", "L\u00e4nge")
    options = ["--encoding", encoding, "--columns", "H\u00f6he,L\u00e4nge"]
    select(tmp_path / "t.csv", "-k", 3, *options, "--rows", tmp_path / "o.csv")
    lines = LATIN.splitlines()
    points = np.column_stack([np.arange(20) ** 2, np.arange(20)])
    expected = [lines[0], *(lines[1 + row] for row in solve(points, 3).indices)]
    assert (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines() == expected
    with pytest.raises(InvalidOptionError, match=r"encoding = 'klingon': .*give one that Python knows"):
        select(tmp_path / "t.csv", "-k", 3, "--encoding", "klingon")


def test_an_answer_is_not_lost_with_its_rows(tmp_path, capsys):
    lines = [f"caf\u00e9,{row * row % 71}" for row in range(40000)]
    text = "\n".join(["name,x", *[line.replace("\u00e9", "e") for line in lines[:-1]], lines[-1]]) + "\n"
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataFileError, match=r"the chosen rows cannot be read .*--encoding latin-1.*standard output"):
        select(tmp_path / "t.csv", "-k", 3, "--columns", "x", "--rows", "-", "--include", 39999)
    assert chosen(capsys)[0] == 39999
    select(tmp_path / "t.csv", "-k", 3, "--columns", "x", "--rows", "-", "--include", 39999, "--encoding", "latin-1")
    assert capsys.readouterr().out.splitlines()[1] == lines[-1]


def test_spread_reads_and_writes_as_select(table, capsys):
    out = table.with_name("far.csv")
    far = int(np.argmax(np.abs(X[:, :2] - X[3, :2]).sum(axis=1)))
    expected = spread(X[:, :2], 1.5, include=[3, far], exclude=[0])
    fixed = ["--distance", "1.5", "--include", f"3,{far}", "--exclude", "0"]
    application(["spread", str(table), "--drop", 'name,"a,b"', *fixed, "--rows", str(out)], standalone_mode=False)
    lines = table.read_text().splitlines()
    assert out.read_text().splitlines() == [lines[0], *(lines[1 + row] for row in expected.indices)]
    assert "coordinates  x, y" in capsys.readouterr().err
    application(["spread", str(table), "--columns", "x,y", *fixed], standalone_mode=False)
    assert chosen(capsys) == expected.indices.tolist()
    with pytest.raises(DataFileError, match=r"-o .*: this is what the command reads"):
        application(["spread", str(table), "--distance", "1", "-o", str(table)], standalone_mode=False)


def test_spread_of_a_mixed_file_with_gaps(tmp_path, capsys):
    frame = MIXED.copy()
    frame.iloc[3, 2] = None
    frame.to_csv(tmp_path / "t.csv", sep=";", index=False)
    command = ["spread", str(tmp_path / "t.csv"), "--distance", "0.5", "--metric", "gower", "--drop", "id"]
    application([*command, "--drop-null"], standalone_mode=False)
    found = spread(tmp_path / "t.csv", 0.5, metric="gower", drop=["id"], drop_null=True)
    assert chosen(capsys) == found.indices.tolist()
    assert 3 not in found.indices
    assert found.of(frame)["id"].tolist() == [f"p{row}" for row in found.indices]


@pytest.mark.parametrize("solver", ["greedy", "streaming", "local_search"])
def test_progress_of_a_table_reaches_its_end(tmp_path, capsys, solver):
    np.save(tmp_path / "x.npy", np.random.default_rng(1).random((5000, 2)))
    stop = None if solver in ("greedy", "streaming") else Stop(iterations=10)
    plain = solve(tmp_path / "x.npy", 6, solver=solver, stop=stop, include=[3])
    capsys.readouterr()
    shown = solve(tmp_path / "x.npy", 6, solver=solver, stop=stop, include=[3], progress=True)
    assert shown.indices.tolist() == plain.indices.tolist()
    assert "100%" in capsys.readouterr().err.splitlines()[-1].rpartition("\r")[2]


def test_a_parquet_file_is_read_without_pandas(tmp_path):
    vectors = pd.Series(list(X.astype(np.float32)))
    pd.DataFrame({"id": range(300), "text": "t", "v": vectors}).to_parquet(tmp_path / "t.parquet")
    script = (
        "import sys; from solvers.__main__ import application;"
        "application(sys.argv[1:], standalone_mode=False); print('pandas' in sys.modules)"
    )
    options = ["-k", "5", "--columns", "v", "--rows", str(tmp_path / "o.parquet")]
    command = [sys.executable, "-c", script, "select", str(tmp_path / "t.parquet"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
    assert pd.read_parquet(tmp_path / "o.parquet")["id"].tolist() == solve(X.astype(np.float32), 5).indices.tolist()
