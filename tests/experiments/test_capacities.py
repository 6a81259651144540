"""The experiment on capacities: its instances are of the literature's kind, a short run, its report, going on."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
typer = pytest.importorskip("typer")

from experiments import capacities  # noqa: E402
from experiments.capacities.instances import FAMILIES, SHARES, problems  # noqa: E402


def run(folder, *more):
    application = typer.Typer()
    application.command()(capacities.main)
    options = ["--results", str(folder), "--seconds", "0.2", "--instances", "1"]
    return CliRunner().invoke(application, [*options, "--only", "GKD-b n=50", *more])


def test_instances_are_of_the_literatures_kind():
    found = list(problems(1))
    assert len(found) == len(FAMILIES) * len(SHARES)
    for demanded, share in zip(found, SHARES * len(FAMILIES), strict=True):
        problem = demanded.problem
        capacity, D = np.asarray(problem.capacity), problem.distances
        assert capacity.min() >= 1
        assert capacity.max() <= 1000
        assert capacity.mean() == pytest.approx(500, rel=0.25)
        assert problem.demand == int(share * capacity.sum())
        assert np.array_equal(D, D.round(1))
        assert f"n={problem.n} " in demanded.name


def test_files_of_the_benchmark(tmp_path):
    (tmp_path / "files").mkdir()
    for name, demand in (("a_n4_b02", 3), ("b_n4_b03", 4)):
        rows = "\n".join("\t".join("0" if i == j else str(i + j) for j in range(4)) for i in range(4))
        (tmp_path / "files" / f"{name}.txt").write_text(f"4\n\n{demand}\n\n1\t2\t1\t2\n\n{rows}\n")
    (tmp_path / "files" / "other.txt").write_text("2\n0 1 5.0\n")
    application = typer.Typer()
    application.command()(capacities.main)
    options = ["--data", str(tmp_path / "files"), "--results", str(tmp_path), "--solver", "exact"]
    result = CliRunner().invoke(application, options)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(tmp_path / "capacities.csv")
    assert frame["instance"].tolist() == ["a_n4_b02", "b_n4_b03"]
    assert (frame["status"] == "optimal").all()


def test_rows_report_and_going_on(tmp_path):
    result = run(tmp_path, "--solver", "local_search", "--solver", "exact")
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(tmp_path / "capacities.csv")
    assert len(frame) == 2 * 2
    assert (frame["capacity"] >= frame["demand"]).all()
    assert {"commit", "cpu", "packages"} <= set(frame)
    report = (tmp_path / "capacities.md").read_text()
    assert "GKD-b n=50 seed=0 b=0.3" in report
    assert "local_search" in report
    assert run(tmp_path, "--solver", "local_search", "--solver", "exact").exit_code == 0
    assert len(pd.read_csv(tmp_path / "capacities.csv")) == len(frame)
