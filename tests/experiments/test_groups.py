"""The experiment on group counts: its problems, a short run, its report, and a rival that is not there."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
pytest.importorskip("skimage")
typer = pytest.importorskip("typer")

from experiments import groups  # noqa: E402
from experiments.groups import instances, max_div_worker, rival  # noqa: E402
from mmdp import MissingDependencyError  # noqa: E402

FAKE = """
import json, sys
print(json.dumps({"version": "max-div 0, Python 0"}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    print(json.dumps({"indices": list(range(job["k"])), "seconds": 0.1}), flush=True)
"""


def run(folder, *more):
    application = typer.Typer()
    application.command()(groups.main)
    options = ["--results", str(folder), "--seconds", "0.1", "--seeds", "2", "--proof-seconds", "5"]
    return CliRunner().invoke(application, [*options, "--only", "geo_100", *more])


def test_rows_report_and_resumption(tmp_path):
    result = run(tmp_path, "--solver", "greedy", "--solver", "local_search")
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(tmp_path / "groups.csv")
    assert len(frame) == 1 + 2 * 2
    assert frame.loc[frame["solver"] == "proof", "status"].item() == "optimal"
    assert {"commit", "cpu", "packages", "note"} <= set(frame)
    assert "local_search" in (tmp_path / "groups.md").read_text()
    assert (tmp_path / "groups.png").stat().st_size > 1000
    assert run(tmp_path, "--solver", "greedy", "--solver", "local_search").exit_code == 0
    assert len(pd.read_csv(tmp_path / "groups.csv")) == len(frame)


def test_a_rival_whose_picks_violate_counts_has_no_value(tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(FAKE)
    monkeypatch.setattr(max_div_worker, "__file__", str(script))
    result = run(tmp_path, "--solver", "greedy", "--solver", "max-div", "--max-div-python", sys.executable)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(tmp_path / "groups.csv")
    own = frame[frame["solver"] == "max-div"]
    assert own["objective"].isna().all()
    assert own["status"].str.contains("points of group").all()
    assert (frame["rival"] == "max-div 0, Python 0").all()
    assert "max-div 0, Python 0" in (tmp_path / "groups.md").read_text()


def test_without_max_div_the_others_run(tmp_path, monkeypatch):
    monkeypatch.setattr(max_div_worker, "__file__", str(tmp_path / "no such script"))
    with pytest.raises(MissingDependencyError, match=r"Python 3\.12 or newer.*--max-div-python"):
        rival.MaxDiv(Path(sys.executable))
    result = run(tmp_path, "--solver", "greedy", "--solver", "max-div")
    assert result.exit_code == 0, result.output
    assert "max-div takes no part" in result.output
    assert set(pd.read_csv(tmp_path / "groups.csv")["solver"]) == {"proof", "greedy"}


def test_problems_have_counts_that_can_be_kept():
    made = [make() for make in instances.ALL]
    assert len({counted.name for counted in made}) == len(made)
    assert all(counted.problem.group_counts is not None for counted in made)
