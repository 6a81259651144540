"""Capacities that reach a demand, and groups that are apart: every solver that takes them, against enumeration.

``LIMITED_CASES=20000`` in the environment runs as many.
"""

import os

import numpy as np
import pytest

import solvers
from mmdp import InvalidProblemError, NoSolutionError, Problem, Stop
from mmdp.bounds import upper_bound
from tests import naive

LIMITED_CASES = int(os.environ.get("LIMITED_CASES", "150"))
TABLE = [info for info in solvers.available() if not info.missing]
TO_DEMAND = [info.name for info in TABLE if info.demand]
APART = [info.name for info in TABLE if info.apart]
SHORT = {"local_search": Stop(no_improvement=300)}  # others end soon enough
METRICS = ("euclidean", "manhattan", "sqeuclidean", "cosine")


def random_data(rng, n):
    """Points or a matrix, and the distances as the oracle has them."""
    if rng.random() < 0.3:
        D = np.triu(rng.integers(0, 9, (n, n)), 1).astype(float)
        return {"distances": D + D.T}, D + D.T
    X = rng.integers(1, 6, (n, 2)).astype(float) if rng.random() < 0.5 else rng.uniform(1, 2, (n, 3))
    metric = str(rng.choice(METRICS))
    return {"points": X, "metric": metric}, np.maximum(naive.matrix(metric, X), 0.0)  # cosines may be rounded past 1


def random_picks(rng, n, most):
    order = rng.permutation(n).tolist()
    include = order[: rng.integers(0, most)] if rng.random() < 0.3 else []
    return include, [i for i in order[len(include) :] if rng.random() < 0.2] if rng.random() < 0.3 else []


def random_demand(rng):
    """Whole, tenth and long capacities, some zero, and demands from one point's to more than all have."""
    n = int(rng.integers(2, 11))
    data, D = random_data(rng, n)
    scale = rng.choice([1.0, 0.1, 1 / 3])
    capacity = [float(c) / 10 if scale == 0.1 else float(c) * scale for c in rng.integers(0, 10, n)]
    demand = rng.uniform(0.05, 1.1) * sum(capacity) + 1e-9
    if scale != 1 / 3:  # so that some sums reach it exactly
        demand = round(max(0.1, demand), 0 if scale == 1.0 else 1) or 1.0
    include, exclude = random_picks(rng, n, 4)
    return D, {**data, "capacity": capacity, "demand": demand, "include": include, "exclude": exclude}


def random_apart(rng):
    """k points of up to three groups with some distances between them, now and then with counts or two attributes."""
    n = int(rng.integers(3, 11))
    k = int(rng.integers(2, n + 1))
    data, D = random_data(rng, n)
    labels = rng.integers(0, 3, n)
    some = D[np.triu_indices(n, 1)]
    known = np.unique(labels).tolist()
    apart = {}
    for _ in range(rng.integers(1, 4)):
        exactly = 1.0 if "distances" in data else 0.999  # the last bit of a computed distance may differ
        distance = round(float(rng.choice(some)) * float(rng.choice([0.5, exactly, 1.01])), 9)
        apart[int(rng.choice(known)), int(rng.choice(known))] = distance
    include, exclude = random_picks(rng, n, 2)
    exclude = exclude[: n - k]
    arguments = {**data, "k": k, "groups": labels, "apart": apart, "include": include, "exclude": exclude}
    if rng.random() < 0.3:
        arguments["counts"] = {known[0]: (int(rng.integers(0, 2)), int(rng.integers(1, k + 1)))}
    if rng.random() < 0.3:
        arguments["groups"], arguments["apart"] = {"kind": labels, "row": np.arange(n)}, {"kind": apart}
        if "counts" in arguments:
            arguments["counts"] = {"kind": arguments["counts"]}
    return D, arguments


def demanded(D, arguments):
    """All solutions."""
    sets = naive.subsets(len(D), range(2, len(D) + 1), arguments["include"], arguments["exclude"])
    return [s for s in sets if naive.reaches(arguments["capacity"], arguments["demand"], s)]


def kept_apart(D, arguments):
    """All solutions."""
    labels, apart, counts = arguments["groups"], arguments["apart"], arguments.get("counts", {})
    if isinstance(labels, dict):
        labels, apart, counts = labels["kind"], apart["kind"], counts.get("kind", {})
    sets = naive.subsets(len(D), [arguments["k"]], arguments["include"], arguments["exclude"])
    return [
        s
        for s in sets
        if naive.are_apart(D, labels, apart, s)
        and all(low <= sum(labels[i] == label for i in s) <= high for label, (low, high) in counts.items())
    ]


def agrees(name, problem, D, solutions, seed):
    """Check one solver's result against all solutions."""
    best = max(naive.objective(D, s) for s in solutions)
    result = solvers.solve(problem, solver=name, stop=SHORT.get(name), seed=seed)
    assert tuple(sorted(result.indices.tolist())) in solutions, (seed, name)
    assert result.objective == pytest.approx(naive.objective(D, result.indices), rel=1e-9, abs=1e-9)
    assert result.upper_bound >= best * (1 - 1e-9) - 1e-9, (seed, name)
    assert upper_bound(problem) >= best * (1 - 1e-9) - 1e-9, seed
    if solvers.load(name).exact:
        assert result.is_optimal, (seed, name)
        assert result.objective == pytest.approx(best, rel=1e-9, abs=1e-9), (seed, name)
    return result


def test_every_solver_reaches_the_demand_as_enumeration_does():
    infeasible = 0
    for seed in range(LIMITED_CASES):
        D, arguments = random_demand(np.random.default_rng(seed))
        solutions = demanded(D, arguments)
        if not solutions:
            with pytest.raises(InvalidProblemError):
                Problem(**arguments)
            infeasible += 1
            continue
        problem = Problem(**arguments)
        assert problem.k <= min(map(len, solutions)), seed
        for name in TO_DEMAND:
            result = agrees(name, problem, D, solutions, seed)
            assert result.k == len(result.indices) >= problem.k
            assert result.notes["capacity"] == pytest.approx(sum(arguments["capacity"][i] for i in result.indices))
    assert infeasible > LIMITED_CASES // 20


def test_every_solver_keeps_groups_apart_as_enumeration_does():
    infeasible = 0
    for seed in range(LIMITED_CASES):
        D, arguments = random_apart(np.random.default_rng(seed))
        solutions = kept_apart(D, arguments)
        try:
            problem = Problem(**arguments)
        except InvalidProblemError:
            assert not solutions, seed
            continue
        for name in APART:
            method = solvers.load(name)()
            if method.refusal(problem):
                assert "counts" in arguments
                continue
            if solutions:
                try:
                    agrees(name, problem, D, solutions, seed)
                except NoSolutionError:
                    assert not method.exact, (seed, name)
            elif method.exact:
                infeasible += 1
                with pytest.raises(InvalidProblemError, match="by proof"):
                    method.solve(problem)
            else:
                with pytest.raises((NoSolutionError, InvalidProblemError)):
                    method.solve(problem, SHORT[name])
    assert infeasible > LIMITED_CASES // 10
