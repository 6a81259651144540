"""The main experiment on one tiny suite: rows, report, plots, resumption, and what stops it."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib")
typer = pytest.importorskip("typer")

import solvers  # noqa: E402
from experiments import gaps, suites  # noqa: E402
from experiments._common.provenance import machine  # noqa: E402
from experiments.gaps.comparison import Comparison  # noqa: E402
from experiments.gaps.plots import gap_over_time  # noqa: E402
from experiments.suites import Case  # noqa: E402
from mmdp import Problem, Result  # noqa: E402

TINY = [case for case in suites.load("tiny") if case.name in ("grid", "mdg_a")]


@pytest.fixture(autouse=True)
def two_cases(monkeypatch):
    monkeypatch.setattr(gaps, "_cases", lambda chosen: TINY)


def run(folder, *more):
    application = typer.Typer()
    application.command()(gaps.main)
    chosen = ["--solver", "random", "--solver", "greedy", "--solver", "brute_force"]
    return CliRunner().invoke(application, ["--results", str(folder), "--repeats", "2", *chosen, *more])


def rows(folder):
    return pd.read_csv(folder / "gaps.csv")


def test_it_says_what_it_will_do_then_measures_reports_and_draws(tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "2 problems from tiny; 3 solvers" in result.output
    assert len(rows(tmp_path)) == 2 * (1 + 3 * 2)  # a bound, and two repeats of three solvers, for each problem
    report = (tmp_path / "gaps.md").read_text()
    assert "tiny/grid k=5, n=25, euclidean: upper bound 2.8284, best known 2.8284" in report
    assert (tmp_path / "gaps.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["o[ut]", "runs [/scratch]"])
def test_folders_and_extras_are_printed_with_their_brackets(tmp_path, monkeypatch, name):
    monkeypatch.setattr(gaps.Plan, "missing", ["far needs dask: pip install 'mmdp[scale]'"])
    result = run(tmp_path / name)
    assert result.exit_code == 0, result.output
    assert "pip install 'mmdp[scale]'" in result.output
    assert f"wrote {tmp_path / name / 'gaps.md'}\n" in result.output


def test_the_report_is_made_anew_from_rows_of_other_code_or_another_machine(tmp_path):
    run(tmp_path)
    written = (tmp_path / "gaps.md").read_text()
    (tmp_path / "gaps.md").unlink()
    other = (tmp_path / "gaps.csv").read_text().replace(machine()["cpu"], "another CPU")
    (tmp_path / "gaps.csv").write_text(other)
    assert run(tmp_path, "--report-only").exit_code == 0
    assert (tmp_path / "gaps.md").read_text() == written.replace(machine()["cpu"], "another CPU")
    assert (tmp_path / "gaps.csv").read_text() == other


def test_a_second_run_measures_nothing_and_fresh_measures_all(tmp_path):
    run(tmp_path)
    before = rows(tmp_path)
    assert "0 of 6 pairs" in run(tmp_path).output
    assert rows(tmp_path).equals(before)
    run(tmp_path, "--fresh")
    assert len(rows(tmp_path)) == 2 * len(before)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    run(tmp_path)
    file = tmp_path / "gaps.csv"
    whole = file.read_text()
    file.write_text(whole[: len(whole) * 2 // 3])  # in the middle of a row
    assert run(tmp_path).exit_code == 0
    kept = rows(tmp_path)
    assert len(kept) == len(whole.splitlines()) - 1
    assert not kept.duplicated(["case", "solver", "seed"]).any()


def test_ctrl_c_keeps_what_is_measured_and_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(self, problem, clock, rng):
        raise KeyboardInterrupt

    monkeypatch.setattr(solvers.load("greedy"), "_run", interrupted)
    result = run(tmp_path)
    assert result.exit_code == 130
    assert "the same command continues" in result.output
    monkeypatch.undo()
    monkeypatch.setattr(gaps, "_cases", lambda chosen: TINY)
    assert run(tmp_path).exit_code == 0
    assert not rows(tmp_path).duplicated(["case", "solver", "seed"]).any()


def test_a_solver_that_does_not_accept_a_problem_says_why(tmp_path, monkeypatch):
    large = Case("tiny", "large", Problem(20, points=[[float(i)] for i in range(60)]))
    monkeypatch.setattr(gaps, "_cases", lambda chosen: [large])
    assert run(tmp_path).exit_code == 0
    assert "brute_force was not run: 4.19e+15 subsets" in (tmp_path / "gaps.md").read_text()


def test_an_unknown_solver_is_named_before_anything_runs(tmp_path):
    with pytest.raises(gaps.UnknownNameError, match="no solver named 'nothing'"):
        gaps._solvers(["nothing"])


def result_row(solver, objective, upper_bound, runtime=1.0):
    return {
        "solver": solver,
        "objective": objective,
        "upper_bound": upper_bound,
        "runtime": runtime,
        "history": f"0.5:{objective}:{upper_bound}",
        "status": "heuristic",
        "indices": "0 1",
        "critical_pair": "0 1",
        "metric": "euclidean",
        "notes": "{}",
        "iterations": 1,
        "seed": 0,
        "n": 3,
        "k": 2,
    }


def test_gaps_are_against_the_best_bound_and_the_best_objective_of_all():
    case = Case("s", "c", Problem(2, points=[[0.0], [1.0], [2.0]]))
    comparison = Comparison(
        case,
        [
            {"status": "bounds", "solver": "bounds", "upper_bound": "10"},
            {"status": "unfit", "solver": "c", "reason": "too large"},
            *(result_row("a", objective, 20, runtime) for objective, runtime in ((5, 1.0), (6, 3.0), (7, 2.0))),
            result_row("b", 8, 16),
        ],
    )
    a, b = comparison.scores
    assert (comparison.upper_bound, comparison.best_known) == (10, 8)
    assert (a.solver, a.objective, a.gap, a.to_best, a.seconds) == ("a", 6, 0.4, 0.25, 2.0)
    assert (b.gap, b.to_best, b.proven) == (0.2, 0.0, False)
    assert comparison.unfit == {"c": "too large"}


def test_the_photograph_is_drawn_with_the_patches_kept(tmp_path):
    from experiments.gaps import plots

    [case] = [c for c in suites.load("image_tokens") if (c.name, c.problem.k) == (plots._PHOTO, plots._PHOTO_K)]
    result = solvers.solve(case.problem, solver="random")
    comparison = Comparison(case, [{name: str(value) for name, value in result.to_row().items()}])
    assert plots.kept_tokens([comparison], tmp_path / "tokens.png")
    faded = plots._faded(plots.tokens(case.name).image, result.indices)
    assert (faded == plots.tokens(case.name).image).all(axis=2).sum() >= case.problem.k * plots.PATCH**2


def test_gap_over_time_falls_in_steps():
    row = {**result_row("a", 9, 10), "history": "0.1:5:10 0.5:8:10"}
    seconds = np.array([0.05, 0.1, 0.4, 0.5, 1.0])
    assert gap_over_time(Result.from_row(row), 10.0, seconds) == pytest.approx([1, 0.5, 0.5, 0.2, 0.1])
