"""Rows survive a kill, are found again by their key, and carry where they come from."""

import csv

import pytest

from experiments._common import rows
from experiments._common.provenance import commit, machine
from experiments._common.rows import Rows
from mmdp import DataFileError

KEY = ("instance", "solver")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "rows.csv"


def test_a_later_run_finds_what_an_earlier_one_measured(path):
    Rows(path, KEY).add(instance="digits", solver="greedy", objective=0.1 + 0.2, k=5)
    again = Rows(path, KEY)
    assert float(again.find(instance="digits", solver="greedy")["objective"]) == 0.1 + 0.2
    assert again.find(instance="digits", solver="random") is None


def test_the_newest_of_equal_keys_is_found_and_none_is_lost(path):
    rows = Rows(path, KEY)
    for objective in (1, 2):
        rows.add(instance="a", solver="b", objective=objective)
    assert Rows(path, KEY).find(instance="a", solver="b")["objective"] == "2"
    assert list(Rows(path, KEY).frame()["objective"]) == [1, 2]


def test_every_row_says_where_it_comes_from(path):
    row = Rows(path, KEY).add(instance="a", solver="b")
    assert row["cpu"] == machine()["cpu"]
    assert row["commit"] == commit()
    assert "numpy " in row["packages"]
    assert all(row[name] for name in ("cores", "memory_gib", "python", "timestamp", "code"))


@pytest.mark.parametrize("kept", [1, 20, 60])
def test_a_line_cut_short_by_a_kill_is_dropped_and_the_rest_is_kept(path, kept):
    rows = Rows(path, KEY)
    rows.add(instance="a", solver="b", objective=1)
    whole = path.read_text()
    rows.add(instance="a", solver="c", objective=2)
    path.write_text(path.read_text()[: len(whole) + kept])
    resumed = Rows(path, KEY)
    assert resumed.find(instance="a", solver="b") is not None
    assert resumed.find(instance="a", solver="c") is None
    resumed.add(instance="a", solver="c", objective=3)
    assert [row["objective"] for row in csv.DictReader(path.read_text().splitlines())] == ["1", "3"]


def test_other_code_and_another_machine_are_other_measurements(path, monkeypatch):
    Rows(path, KEY).add(instance="a", solver="b")
    assert Rows(path, KEY, sources=("mmdp",)).find(instance="a", solver="b") is None
    monkeypatch.setattr(rows, "machine", lambda: {**machine(), "cpu": "another"})
    assert Rows(path, KEY).find(instance="a", solver="b") is None


def test_the_last_run_is_the_newest_rows_of_the_newest_code_and_machine_wherever_it_ran(path, monkeypatch):
    Rows(path, KEY).add(instance="a", solver="b", objective=0)
    monkeypatch.setattr(rows, "machine", lambda: {**machine(), "cpu": "another"})
    there = Rows(path, KEY)
    for solver, objective in (("b", 1), ("c", 2), ("b", 3)):
        there.add(instance="a", solver=solver, objective=objective)
    monkeypatch.undo()
    assert [(row["solver"], row["objective"]) for row in Rows(path, KEY).last_run()] == [("c", "2"), ("b", "3")]


def test_a_report_without_rows_is_an_error(path):
    with pytest.raises(DataFileError, match="no rows"):
        Rows(path, KEY).last_run()


def test_new_columns_join_and_old_rows_leave_them_empty(path):
    rows = Rows(path, KEY)
    rows.add(instance="a", solver="b")
    rows.add(instance="a", solver="c", gap=0.5)
    frame = Rows(path, KEY).frame()
    assert frame["gap"].isna().tolist() == [True, False]


def test_merging_adds_what_is_new_once(path, tmp_path):
    here, there = Rows(path, KEY), Rows(tmp_path / "there.csv", KEY)
    here.add(instance="a", solver="b")
    there.add(instance="a", solver="c", gap=0.5)
    there.merge(path)
    assert here.merge(there.path) == 1
    assert here.merge(there.path) == 0
    assert len(Rows(path, KEY)) == 2


def test_a_value_of_several_lines_is_refused(path):
    with pytest.raises(ValueError, match="one line"):
        Rows(path, KEY).add(instance="a\nb", solver="c")


def test_commas_and_quotes_round_trip(path):
    Rows(path, KEY).add(instance='a, "b"', solver="c")
    assert Rows(path, KEY).find(instance='a, "b"', solver="c") is not None


@pytest.mark.parametrize(
    ("damage", "message"),
    [(b"too,many,cells\n", "line 3: 3 cells"), (b"\xff\xfe\n", "is not text")],
    ids=["cells", "bytes"],
)
def test_a_damaged_file_is_named(path, damage, message):
    Rows(path, KEY).add(instance="a", solver="b")
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(DataFileError, match=message):
        Rows(path, KEY)


def test_the_oldest_row_of_a_measurement_is_of_the_same_machine(path, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(rows, "provenance", lambda packages: {**machine(), "cpu": "another"})
        Rows(path, KEY).add(instance="a", solver="b", objective=0)
    first = Rows(path, KEY, sources=("mmdp",)).add(instance="a", solver="b", objective=1)
    now = Rows(path, KEY)
    now.add(instance="a", solver="c", objective=2)
    last = now.add(instance="a", solver="b", objective=3)
    assert now.oldest(last) == first
    assert now.oldest(first) == first
