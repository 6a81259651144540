"""Random problems with group counts, by every solver that keeps them, against enumeration.

``COUNTED_CASES=20000`` in the environment runs as many.
"""

import itertools
import os

import numpy as np
import pytest

import solvers
from mmdp import InvalidProblemError, Problem, Stop
from mmdp.bounds import counts_bound, upper_bound
from mmdp.certificate import Certificate, check
from tests import naive

COUNTED_CASES = int(os.environ.get("COUNTED_CASES", "80"))
NAMES = [info.name for info in solvers.available() if info.group_counts and not info.missing]
SHORT = {"local_search": Stop(no_improvement=300), "drop_add": Stop(no_improvement=300)}  # others end soon enough
METRICS = ("euclidean", "manhattan", "sqeuclidean", "cosine")


def random_counts(rng, labels, k):
    counts = {}
    for label in np.unique(labels).tolist():
        if rng.random() < 0.6:
            low = int(rng.integers(0, k // 2 + 1)) if rng.random() < 0.7 else None
            high = int(rng.integers(low or 0, k + 1)) if rng.random() < 0.7 else None
            counts[label] = low if low == high and low is not None else (low, high)
    return counts


def random_arguments(rng):
    """Points or a matrix, with up to three attributes whose groups overlap, ranges, fixed and excluded picks."""
    n = int(rng.integers(3, 11))
    k = int(rng.integers(2, n + 1))
    groups = {name: rng.integers(0, rng.integers(1, 4), n) for name in "abc"[: rng.integers(1, 4)]}
    counts = {name: random_counts(rng, labels, k) for name, labels in groups.items()}
    order = rng.permutation(n).tolist()
    include = order[: rng.integers(0, min(3, k))] if rng.random() < 0.3 else []
    exclude = [i for i in order[k:] if rng.random() < 0.3] if rng.random() < 0.3 else []
    if rng.random() < 0.3:
        D = np.triu(rng.integers(0, 9, (n, n)), 1).astype(float)
        data = {"distances": D + D.T}
    else:
        X = rng.integers(1, 6, (n, 2)).astype(float) if rng.random() < 0.5 else rng.uniform(1, 2, (n, 3))
        data = {"points": X, "metric": str(rng.choice(METRICS))}
        D = naive.matrix(data["metric"], X)
    if len(groups) == 1 and rng.random() < 0.5:
        groups, counts = groups["a"], counts["a"]
    return D + D.T if "distances" in data else D, {
        **data,
        "k": k,
        "include": include,
        "exclude": exclude,
        "groups": groups,
        "counts": counts,
    }


def keeps(arguments, subset):
    several = isinstance(arguments["groups"], dict)
    groups = arguments["groups"] if several else {"": arguments["groups"]}
    for name, counts in (arguments["counts"] if several else {"": arguments["counts"]}).items():
        for label, count in counts.items():
            low, high = count if isinstance(count, tuple) else (count, count)
            taken = sum(groups[name][i] == label for i in subset)
            if taken < (low or 0) or (high is not None and taken > high):
                return False
    return set(arguments["include"]) <= set(subset) and not set(arguments["exclude"]) & set(subset)


def solutions(D, arguments):
    return [s for s in itertools.combinations(range(len(D)), arguments["k"]) if keeps(arguments, s)]


def test_every_solver_agrees_with_enumeration():
    infeasible = 0
    for seed in range(COUNTED_CASES):
        D, arguments = random_arguments(np.random.default_rng(seed))
        subsets = solutions(D, arguments)
        if not subsets:
            with pytest.raises(InvalidProblemError):
                Problem(**arguments)
            infeasible += 1
            continue
        problem, best = Problem(**arguments), max(naive.objective(D, s) for s in subsets)
        near = pytest.approx(best, rel=1e-9, abs=1e-9)
        assert min(upper_bound(problem), counts_bound(problem)) >= best * (1 - 1e-9) - 1e-9, seed
        for name in NAMES:
            result = solvers.solve(problem, solver=name, stop=SHORT.get(name), seed=seed)
            assert keeps(arguments, result.indices.tolist()), (seed, name)
            assert result.objective == pytest.approx(naive.objective(D, result.indices), rel=1e-9, abs=1e-9)
            assert result.upper_bound >= best * (1 - 1e-9) - 1e-9, (seed, name)
            if solvers.load(name).exact:
                assert result.is_optimal, (seed, name)
                assert result.objective == near, (seed, name)
    assert infeasible > COUNTED_CASES // 10


def test_proofs_within_counts_can_be_checked_and_all_optima_are_listed():
    checked = 0
    for seed in range(COUNTED_CASES):
        D, arguments = random_arguments(np.random.default_rng(seed))
        if "distances" not in arguments or not (subsets := solutions(D, arguments)):
            continue
        problem = Problem(**arguments)
        result = solvers.solve(problem, solver="exact", certificate_nodes=1000, max_optima=500)
        assert result.notes["optima"] == [list(s) for s in subsets if naive.objective(D, s) == result.objective], seed
        certificate = Certificate(**result.notes["certificate"])
        assert check(certificate, problem, result.objective), seed
        free = Problem(**{**arguments, "groups": None, "counts": None})
        if solvers.solve(free, solver="brute_force").objective > result.objective:
            assert not check(certificate, free, result.objective), seed
            checked += 1
    assert checked
