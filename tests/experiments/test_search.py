"""The search experiment on two small files that it can know everything about."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
typer = pytest.importorskip("typer")

from experiments import search  # noqa: E402

SQUARE = "NAME : square\nTYPE : TSP\nDIMENSION : 6\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n"


@pytest.fixture
def folder(tmp_path):
    corners = [(0, 0), (0, 10), (10, 0), (10, 10), (5, 5), (4, 6)]
    rows = "".join(f"{i + 1} {x} {y}\n" for i, (x, y) in enumerate(corners))
    (tmp_path / "square.tsp").write_text(SQUARE + rows + "EOF\n")
    X = np.random.default_rng(0).uniform(size=(12, 2))
    lines = "".join(f"{i} {x:.6f} {y:.6f}\n" for i, (x, y) in enumerate(X))
    (tmp_path / "Geo_12.txt").write_text(f"12\n2\n{lines}")
    best = "instance,k,best_known\nsquare,2,14\nsquare,4,10\nGeo_12,3,9.99\n"
    (tmp_path / "best.csv").write_text(best)
    return tmp_path


def run(folder, *more):
    application = typer.Typer()
    application.command()(search.main)
    common = ["--data", str(folder), "--best-known", str(folder / "best.csv"), "--results", str(folder / "out")]
    options = ["--solver", "greedy", "--solver", "local_search", "--seconds", "0.2", "--seeds", "2"]
    return CliRunner().invoke(application, [*common, *options, *more])


def test_rows_gaps_report_and_resumption(folder):
    result = run(folder)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(folder / "out" / "search.csv")
    assert len(frame) == 3 * 2 * 2
    square = frame[frame["instance"] == "square"]
    assert (square["gap"] == 0).all()  # the diagonal, 14.14, rounds to 14
    assert (frame.loc[frame["instance"] == "Geo_12", "gap"] > 0.8).all()
    assert {"commit", "cpu", "packages"} <= set(frame)
    assert (folder / "out" / "search_profile.png").stat().st_size > 1000
    assert "local_search" in (folder / "out" / "search.md").read_text()
    assert run(folder).exit_code == 0
    assert len(pd.read_csv(folder / "out" / "search.csv")) == len(frame)


def test_a_list_without_the_needed_columns_is_named(folder):
    (folder / "best.csv").write_text("name,value\nsquare,3\n")
    result = run(folder)
    assert "best_known are needed" in str(result.exception)
