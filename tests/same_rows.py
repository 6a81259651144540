"""Do the committed rows still come out? Recompute what does not depend on time, and compare picks, values and bounds.

``python -m tests.same_rows --sample 50`` draws rows of ``gaps.csv``, ``exact.csv`` and ``search.csv``; ``--all`` takes
every row that is deterministic. A row is deterministic if its method ended before its time limit: by itself, by a
counted limit, by its proof, or at its target. Of a proven optimum the value and the bound are compared, not the picks,
since several subsets can be optimal; rows of ``search.csv`` hold no picks and no bounds.

Instance files of the literature are not in the repository: ``--data FOLDER`` (repeat it) holds them, with the lists of
best known values. Rows without their file are counted as not tried.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import solvers
from experiments import exact, search, suites
from experiments._common.provenance import RESULTS
from experiments.gaps.comparison import BOUNDS, UNFIT
from experiments.search import max_div
from experiments.suites import Case
from mmdp import MMDPError, Problem, Status, Stop, bounds, instance_readers

BEFORE_LIMIT = 0.9  # of the limit: a run that took longer may have been ended by the clock
PATIENCE = 60.0  # seconds for a run without its limit, or thirty times what it took if that is more
SAME, DIFFERENT, SUPERSEDED, NOT_TRIED = "same", "different", "superseded", "not tried"

Row = dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """What a row says, or what came out now; None where there is nothing to compare."""

    objective: float | None = None
    upper_bound: float | None = None
    picks: tuple[int, ...] | None = None

    def differences(self, now: Outcome) -> Iterator[str]:
        """What is not the same now: values by more than float64 rounding, picks in any place."""
        for name in ("objective", "upper_bound"):
            before, after = getattr(self, name), getattr(now, name)
            if before is not None and not math.isclose(before, after, rel_tol=1e-9):
                yield f"{name} {before:.10g} is now {after:.10g}"
        if self.picks is not None and self.picks != now.picks:
            yield f"picks differ from place {self._first_other(now)} on"

    def _first_other(self, now: Outcome) -> int:
        pairs = zip(self.picks or (), now.picks or (), strict=False)
        return next((place for place, (before, after) in enumerate(pairs) if before != after), 0)


@dataclass(frozen=True)
class Claim:
    """One committed row, and how to compute it anew; ``compute`` returns None for a run that did not end in time.

    Rows of one ``run``, measured with other code or on another machine, are computed once; ``newest`` is what the last
    of them says.
    """

    name: str
    run: tuple[str, ...]
    seconds: float
    said: Outcome
    compute: Callable[[], Outcome | None]
    newest: Outcome | None = None


def claims(folders: list[Path], results: Path = RESULTS) -> list[Claim]:
    """Every deterministic row of the three files."""
    every = [
        *_gaps(_read(results / "gaps.csv")),
        *_exact(_read(results / "exact.csv"), folders),
        *_search(_read(results / "search.csv"), folders),
    ]
    newest = {claim.run: claim.said for claim in every}
    return [replace(claim, newest=newest[claim.run]) for claim in every]


def check(chosen: Iterable[Claim]) -> Counter[str]:
    """Compute every claim, print what is not the same, and count.

    A row that differs where the newest row of its run does not is superseded: an older algorithm had other picks, and
    the file already says so.
    """
    found: Counter[str] = Counter()
    known: dict[tuple[str, ...], Outcome | str] = {}
    for claim in chosen:
        if claim.run not in known:
            known[claim.run] = _outcome(claim)
        now = known[claim.run]
        why = [now] if isinstance(now, str) else list(claim.said.differences(now))
        verdict = NOT_TRIED if isinstance(now, str) else DIFFERENT if why else SAME
        if verdict == DIFFERENT and claim.newest is not None and not any(claim.newest.differences(now)):
            verdict = SUPERSEDED
        found[verdict] += 1
        if verdict not in (SAME, SUPERSEDED):
            print(f"{verdict}: {claim.name}: {'; '.join(why)}", flush=True)
    return found


def _outcome(claim: Claim) -> Outcome | str:
    """What comes out now, or why nothing does."""
    try:
        return claim.compute() or "no end in time"
    except (LookupError, MMDPError) as error:
        return f"{type(error).__name__}: {error}"


def _read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _in_time(seconds: str, limit: str) -> bool:
    return float(seconds) < BEFORE_LIMIT * float(limit)


def _patience(seconds: str) -> float:
    return max(PATIENCE, 30 * float(seconds))


def _run_of(row: Row) -> str:
    return f"seed {row['seed']}, commit {row['commit']}"


def _picks(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


def _gaps(rows: list[Row]) -> Iterator[Claim]:
    for row in rows:
        if row["status"] == UNFIT:
            continue
        name = f"gaps.csv: {row['suite']}/{row['case']} k={row['k']} {row['solver']}, {_run_of(row)}"
        run = tuple(row[column] for column in ("suite", "case", "digest", "k", "solver", "seed"))
        seconds, bound = float(row["runtime"]), float(row["upper_bound"])
        if row["status"] == BOUNDS:
            yield Claim(name, run, seconds, Outcome(upper_bound=bound), lambda row=row: _bound(row))
        elif row["status"] == Status.OPTIMAL:
            yield Claim(name, run, seconds, Outcome(float(row["objective"]), bound), lambda row=row: _gap_run(row))
        elif row["status"] == Status.HEURISTIC and _in_time(row["runtime"], row["limit"]):
            said = Outcome(float(row["objective"]), bound, _picks(row["indices"]))
            yield Claim(name, run, seconds, said, lambda row=row: _gap_run(row))


def _bound(row: Row) -> Outcome:
    return Outcome(upper_bound=bounds.upper_bound(_case(row).problem))


def _gap_run(row: Row) -> Outcome | None:
    method = solvers.load(row["solver"])()
    return _solved(method, _case(row).problem, method.default_stop, row["runtime"], int(row["seed"]))


def _solved(method: solvers.Solver, problem: Problem, stop: Stop, took: str, seed: int) -> Outcome | None:
    patience = _patience(took)
    result = method.solve(problem, stop=replace(stop, seconds=patience), seed=seed)
    if not result.is_optimal and result.runtime >= BEFORE_LIMIT * patience:
        return None
    return Outcome(result.objective, result.upper_bound, tuple(result.indices.tolist()))


@cache
def _suite(name: str) -> list[Case]:
    return suites.load(name)


def _case(row: Row) -> Case:
    for case in _suite(row["suite"]):
        if (case.digest, str(case.problem.k)) == (row["digest"], row["k"]):
            return case
    raise LookupError("the suite has other data now")


def _exact(rows: list[Row], folders: list[Path]) -> Iterator[Claim]:
    for row in rows:
        if row["status"] == Status.OPTIMAL:
            name = f"exact.csv: {row['instance']} k={row['k']}, commit {row['commit']}"
            said = Outcome(float(row["objective"]), float(row["upper_bound"]))
            yield Claim(
                name,
                (row["instance"], row["digest"], row["k"]),
                float(row["seconds"]),
                said,
                lambda row=row: _proof(row, folders),
            )


def _proof(row: Row, folders: list[Path]) -> Outcome | None:
    problem = _instance(row["instance"], row["k"], tuple(folders))
    if Case("exact", row["instance"], problem).digest != row["digest"]:
        raise LookupError("the instance has other data now")
    return _solved(solvers.load("exact")(), problem, Stop(), row["seconds"], 0)


@cache
def _generated() -> dict[tuple[str, str], Problem]:
    return {(task.known.instance, str(task.problem.k)): task.problem for task in exact.generated()}


def _instance(name: str, k: str, folders: tuple[Path, ...]) -> Problem:
    if (name, k) in _generated():
        return _generated()[name, k]
    for path in (path for folder in folders for path in sorted(folder.rglob(f"{name}.*"))):
        if path.suffix in (".tsp", ".txt"):
            return instance_readers.read(path).problem(int(k))
    raise LookupError(f"no file of {name}: --data FOLDER")


def _search(rows: list[Row], folders: list[Path]) -> Iterator[Claim]:
    for row in rows:
        if row["solver"] != max_div.NAME and _in_time(row["runtime"], row["limit"]):
            name = f"search.csv: {row['instance']} k={row['k']} {row['solver']}, {_run_of(row)}"
            said = Outcome(float(row["objective"]))
            run = tuple(row[column] for column in ("instance", "k", "solver", "seed"))
            yield Claim(name, run, float(row["runtime"]), said, lambda row=row: _search_run(row, folders))


def _search_run(row: Row, folders: list[Path]) -> Outcome | None:
    target = _targets(tuple(folders)).get((row["instance"], row["k"]))
    if target is None:
        raise LookupError(f"no file or no best known value of {row['instance']}: --data FOLDER")
    method, stop = solvers.load(row["solver"])(), Stop(target=target.goal)
    return _solved(method, target.instance.problem(target.k), stop, row["runtime"], int(row["seed"]))


@cache
def _targets(folders: tuple[Path, ...]) -> dict[tuple[str, str], search.Target]:
    lists = [path for folder in folders for path in sorted(folder.glob("*.csv"))]
    inner = [inner for folder in folders for inner in sorted(folder.rglob("*")) if inner.is_dir()]
    found = search.targets([*folders, *inner], lists)
    return {(target.instance.name, str(target.k)): target for target in found}


def main() -> int:
    """Check a sample of the rows, or all; the exit status says whether any came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=50, help="how many rows, drawn at random (default 50)")
    parser.add_argument("--all", action="store_true", help="every deterministic row")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--longest", type=float, default=math.inf, help="only rows that took at most so many seconds")
    parser.add_argument("--only", default="", help="only rows whose name contains this, such as gaps.csv")
    parser.add_argument("--data", type=Path, action="append", default=[], help="folder of instance files and lists")
    asked = parser.parse_args()
    every = [claim for claim in claims(asked.data) if claim.seconds <= asked.longest and asked.only in claim.name]
    chosen = every if asked.all else random.Random(asked.seed).sample(every, min(asked.sample, len(every)))
    found = check(chosen)
    print(f"{len(chosen)} of {len(every)} rows: " + ", ".join(f"{count} {verdict}" for verdict, count in found.items()))
    return int(found[DIFFERENT] > 0)


if __name__ == "__main__":
    sys.exit(main())
