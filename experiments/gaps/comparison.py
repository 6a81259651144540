"""What the rows of one problem say together: the best bound, the best known value, and a score for each solver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median, median_low

from experiments._common.rows import Row
from experiments._common.tables import duration
from experiments.suites import Case
from mmdp import Result, Status

BOUNDS, UNFIT = "bounds", "unfit"  # a bound without a solver; a solver that does not accept the problem


@dataclass(frozen=True, eq=False)
class Comparison:
    """One problem and the rows of all solvers on it."""

    case: Case
    rows: list[Row]

    @cached_property
    def runs(self) -> dict[str, list[Result]]:
        """Results by solver, over the repeats."""
        runs: dict[str, list[Result]] = {}
        for row in self.rows:
            if row["status"] not in (BOUNDS, UNFIT):
                runs.setdefault(row["solver"], []).append(Result.from_row(row))
        return runs

    @property
    def unfit(self) -> dict[str, str]:
        """Solvers that do not accept the problem, and why."""
        return {row["solver"]: row["reason"] for row in self.rows if row["status"] == UNFIT}

    @cached_property
    def upper_bound(self) -> float:
        """The best upper bound that any solver, or the bounds alone, has proven."""
        return min(float(row["upper_bound"]) for row in self.rows if row["status"] != UNFIT)

    @cached_property
    def best_known(self) -> float:
        """The best objective that any run has reached."""
        return max(result.objective for runs in self.runs.values() for result in runs)

    def score(self, solver: str) -> Score:
        """Medians of a solver's repeats against the best bound and the best known."""
        runs = self.runs[solver]
        objective = median_low(result.objective for result in runs)
        return Score(
            solver=solver,
            objective=objective,
            gap=_short_of(self.upper_bound, objective),
            to_best=_short_of(self.best_known, objective),
            seconds=median(result.runtime for result in runs),
            proven=all(result.status is Status.OPTIMAL for result in runs),
        )

    @property
    def scores(self) -> list[Score]:
        """Scores of all solvers, worst objective first."""
        return sorted((self.score(solver) for solver in self.runs), key=lambda s: (s.objective, s.solver))


@dataclass(frozen=True)
class Score:
    """A solver on a problem; gaps are shares of the bound and of the best known objective."""

    solver: str
    objective: float
    gap: float
    to_best: float
    seconds: float
    proven: bool

    def cells(self) -> tuple[str, ...]:
        """For a table: solver, objective, gap, gap to best known, time, proof."""
        return (
            self.solver,
            f"{self.objective:.5g}",
            f"{self.gap:.2%}",
            f"{self.to_best:.2%}",
            duration(self.seconds),
            "optimal" if self.proven else "",
        )


def _short_of(reference: float, objective: float) -> float:
    return (reference - objective) / reference if reference > 0 else 0.0
