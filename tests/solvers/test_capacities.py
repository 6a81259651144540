"""Capacities that reach a demand, and groups that are apart: every solver that takes them, against enumeration.

``LIMITED_CASES=20000`` in the environment runs as many.
"""

import functools
import operator
import os

import numpy as np
import pytest

import solvers
from mmdp import InvalidOptionError, InvalidProblemError, NoSolutionError, Problem, Status, Stop
from mmdp.bounds import upper_bound
from mmdp.instances import mdg_b
from solvers._framework.trimming import trimmed
from solvers._local_search.heaviest_set import BEST, RESTARTS, TOTAL, advance, new_heavy_search, start_from
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
            if solutions:
                try:
                    agrees(name, problem, D, solutions, seed)
                except NoSolutionError:
                    assert not method.exact, (seed, name)
            elif method.exact:
                infeasible += 1
                with pytest.raises(InvalidProblemError, match="it is proven"):
                    method.solve(problem)
            else:
                with pytest.raises((NoSolutionError, InvalidProblemError)):
                    method.solve(problem, SHORT[name])
    assert infeasible > LIMITED_CASES // 10


@pytest.mark.parametrize("seed", range(5))
def test_the_search_keeps_its_books(seed):
    rng = np.random.default_rng(seed)
    m = 40
    D = np.triu(rng.integers(1, 30, (m, m)), 1).astype(float)
    D = D + D.T
    D[rng.random((m, m)) < 0.01] = -np.inf
    D = np.minimum(D, D.T)
    np.fill_diagonal(D, np.inf)
    weight, fixed = rng.integers(1, 9, m), np.arange(m) == 3
    s = new_heavy_search(D, weight, int(weight.sum()), fixed, seed)
    for z in (4.0, 9.0, 15.0):
        start_from(s, z, rng.random(m) < 0.3)
        for _ in range(30):
            assert not advance(s, 7, 20)  # all points are never enough
            chosen = s.chosen
            assert chosen[3]
            assert (D[np.ix_(chosen, chosen)] > z).all()
            assert s.counter[TOTAL] == weight[chosen].sum()
            assert s.lost.tolist() == [(D[v] <= z) @ (weight * chosen) for v in range(m)]
            assert s.barred.tolist() == (D[3] <= z).tolist()
            assert (D[np.ix_(s.best, s.best)] > z).all()
            assert s.counter[BEST] == weight[s.best].sum()
    assert s.counter[RESTARTS] > 2


PLANE = np.random.default_rng(5).random((60, 2))
BEDS = np.random.default_rng(6).integers(1, 100, 60)


def sites(**changed):
    return Problem(**{"points": PLANE, "capacity": BEDS, "demand": 900, **changed})


WRONG = {
    "no demand": ({"demand": None}, "give both"),
    "no capacity": ({"capacity": None}, "give both"),
    "too much": ({"demand": BEDS.sum() + 1}, f"more than {BEDS.sum()}, the capacity of all 60 points"),
    "too much of the rest": (
        {"demand": BEDS.sum(), "exclude": [3]},
        f"{BEDS.sum() - BEDS[3]}, the capacity of all 59 points",
    ),
    "no number": ({"demand": "many"}, "demand = 'many'"),
    "nothing": ({"demand": 0}, "a number above 0"),
    "infinity": ({"demand": np.inf}, "a number above 0"),
    "another length": ({"capacity": BEDS[:50]}, r"shape \(50,\).*each of 60"),
    "text": ({"capacity": BEDS.astype(str)}, "give one number"),
    "negative": ({"capacity": np.where(np.arange(60) == 7, -1, BEDS)}, r"capacity\[7\] is -1"),
    "a gap": ({"capacity": np.where(np.arange(60) == 7, np.nan, BEDS)}, r"capacity\[7\] is nan"),
    "k as well": ({"k": 5}, "give one of them"),
    "counts as well": ({"groups": BEDS % 2, "counts": {0: 3}}, "limits on k points"),
    "one point": ({"exclude": range(59)}, "a distance needs a pair"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_demand_is_named_before_any_search(name):
    changed, message = WRONG[name]
    with pytest.raises(InvalidProblemError, match=message):
        sites(**changed)


WRONG_APART = {
    "no labels": ({"groups": None, "apart": {(0, 1): 1.0}}, "apart are about the labels: give both or neither"),
    "no pair": ({"apart": {0: 1.0}}, "apart names 0: give a pair"),
    "no such group": ({"apart": {(0, 5): 1.0}}, "names 5, but no point is in that group; known: 0, 1"),
    "negative": ({"apart": {(0, 1): -1.0}}, "give a distance"),
    "no mapping": ({"apart": 3.0}, "apart = 3.0: give a mapping"),
    "no such attribute": ({"groups": {"a": BEDS % 2}, "apart": {"b": {}}}, "names the attribute 'b'"),
    "fixed points": ({"apart": {(0, 0): 9.0}, "include": np.flatnonzero(BEDS % 2 == 0)[:2]}, "include has points"),
}


@pytest.mark.parametrize("name", WRONG_APART)
def test_what_is_wrong_with_apart_is_named(name):
    changed, message = WRONG_APART[name]
    with pytest.raises(InvalidProblemError, match=message):
        Problem(**{"k": 4, "points": PLANE, "groups": BEDS % 2, **changed})


@pytest.mark.parametrize("name", [info.name for info in TABLE])
def test_a_solver_that_does_not_know_a_limit_says_so(name):
    solver = solvers.load(name)()
    stop = Stop(seconds=0.05) if solver.stops else None
    few = list(range(18, 60))
    demanding = sites(exclude=few, demand=200)
    apart = Problem(3, points=PLANE, exclude=few, groups=BEDS % 2, apart={(0, 1): 0.2})
    for problem, knows in ((demanding, solver.reaches_demand), (apart, solver.keeps_apart)):
        if knows:
            assert not solver.refusal(problem)
            result = solver.solve(problem, stop)
            assert problem.k <= len(result.indices)
            assert problem.capacities is None or BEDS[result.indices].sum() >= 200
            assert not problem.too_close(result.indices)
        else:
            with pytest.raises(InvalidOptionError, match=f"{name} .*solvers.available"):
                solver.solve(problem, stop)


@pytest.mark.parametrize("options", [{"certificate_nodes": 5}, {"max_optima": 3}, {"certificate_file": "x.mmdp"}])
def test_what_a_proof_to_demand_cannot_record_is_refused(options):
    with pytest.raises(InvalidOptionError, match="demand"):
        solvers.solve(sites(), solver="exact", **options)


def test_textbook_models_and_cells_are_refused():
    with pytest.raises(InvalidOptionError, match="'big_m' states neither"):
        solvers.solve(sites(), solver="ilp", formulation="big_m")
    with pytest.raises(InvalidOptionError, match="does not keep group counts, nor apart, nor a demand"):
        solvers.solve(sites(), solver="exact", method="cells")
    with pytest.raises(InvalidOptionError, match="tie_break"):
        solvers.solve(sites(), solver="local_search", tie_break=True)


@pytest.mark.parametrize("name", ["exact", "ilp", "local_search"])
@pytest.mark.parametrize("stop", [Stop(seconds=0), Stop(iterations=1), Stop(target=0), Stop(gap=1)], ids=str)
def test_a_run_that_is_stopped_has_an_answer_and_a_bound(name, stop):
    optimum = solvers.solve(sites(), solver="exact").objective
    result = solvers.solve(sites(), solver=name, stop=stop)
    assert BEDS[result.indices].sum() >= 900
    assert result.objective <= optimum <= result.upper_bound


@pytest.mark.parametrize("name", ["exact", "ilp", "local_search", "brute_force"])
def test_a_start_is_never_made_worse_and_one_that_lacks_capacity_is_completed(name):
    problem = sites(exclude=range(16, 60), demand=300)
    best = solvers.solve(problem, solver="exact")
    again = solvers.solve(problem, solver=name, initial=best.indices)
    assert again.objective == best.objective
    assert "initial" not in again.notes
    repaired = solvers.solve(problem, solver=name, initial=best.indices[:2])
    assert repaired.notes["initial"].startswith("had a capacity of")
    assert BEDS[repaired.indices].sum() >= 300


def test_an_optimum_at_the_start_is_a_proof_at_once():
    best = solvers.solve(sites(), solver="exact")
    assert best.is_optimal
    again = solvers.solve(sites(), solver="local_search", initial=best.indices, stop=Stop(upper_bound=best.upper_bound))
    assert again.is_optimal
    assert again.iterations == 0


def test_certify_proves_what_the_search_has_found():
    result = solvers.solve(sites(), solver="local_search", certify_seconds=20)
    assert result.is_optimal
    assert result.objective == solvers.solve(sites(), solver="ilp").objective


def test_two_points_are_chosen_where_one_has_enough():
    X = [[0.0], [1.0], [7.0], [9.0]]
    for name in TO_DEMAND:
        result = solvers.solve(Problem(points=X, capacity=[10, 0, 4, 6], demand=10), solver=name)
        assert sorted(result.indices.tolist()) == [0, 3], name
        assert result.k == 2


def test_tenths_add_up_to_one():
    assert functools.reduce(operator.add, [0.1] * 10) < 1
    problem = Problem(points=PLANE[:12], capacity=[0.1] * 12, demand=1.0)
    assert problem.k == 10
    assert solvers.solve(problem, solver="exact").k == 10


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1 / 3, 1e12, 1e250])
def test_the_unit_of_capacities_does_not_matter(scale):
    plain = solvers.solve(sites(), solver="exact")
    scaled = solvers.solve(sites(capacity=BEDS * scale, demand=899.5 * scale), solver="exact")
    assert scaled.objective == plain.objective


@pytest.mark.parametrize(("usual", "demand"), [(6.0, 64.0), (1.0, 4.0), (1 / 3, 4.0), (0.25, 3.5)])
@pytest.mark.parametrize("huge", [1e15, 1e300])
def test_one_very_large_capacity_leaves_the_others_as_they_are(usual, demand, huge):
    X = np.random.default_rng(0).random((2000, 2))
    capacity = np.full(2000, usual)
    capacity[7] = huge
    problem = Problem(points=X, capacity=capacity, demand=demand, exclude=[7])
    assert problem.k >= demand / usual > problem.k - 1 - 1e-9
    result = solvers.solve(problem, solver="local_search", stop=Stop(iterations=200))
    assert result.notes["capacity"] >= demand
    assert Problem(points=X, capacity=capacity, demand=demand).k == 2
    assert Problem(points=X, capacity=capacity, demand=demand).capacities.violation([7, 3]) == ""


def test_capacities_of_narrow_floats_are_read_as_they_are_written():
    for narrow in (np.float16, np.float32):
        problem = Problem(points=np.eye(3), capacity=np.array([0.7, 0.7, 0.1], narrow), demand=narrow(1.4))
        assert (problem.k, problem.capacities.violation([0, 1]), problem.capacities.total([0, 1])) == (2, "", 1.4)


def test_k_without_anything_is_asked_for():
    with pytest.raises(InvalidProblemError, match="how many points"):
        Problem(points=PLANE)
    with pytest.raises(InvalidProblemError, match="how many points"):
        solvers.solve(PLANE)


def test_groups_that_cannot_be_apart_are_proven_so_and_a_search_says_that_it_found_none():
    problem = Problem(5, points=PLANE, groups=BEDS % 2, apart={(0, 0): 2.0, (1, 1): 2.0, (0, 1): 0.01})
    for name in ("exact", "ilp", "brute_force"):
        with pytest.raises(InvalidProblemError, match="it is proven that no 5 points keep the distances of apart"):
            solvers.solve(problem, solver=name)
    with pytest.raises(NoSolutionError, match="local_search found no 5 points"):
        solvers.solve(problem, solver="local_search")
    with pytest.raises(NoSolutionError, match="exact found no 5 points"):
        solvers.solve(problem, solver="exact", stop=Stop(seconds=0))


def test_all_optimal_subsets_of_groups_apart_are_listed():
    D = 1.0 - np.eye(5)
    problem = Problem(2, distances=D, groups=[0, 0, 0, 1, 1], apart={(0, 0): 2.0, (0, 1): 1.0})
    result = solvers.solve(problem, solver="exact", max_optima=100)
    assert result.notes["optima"] == [[0, 3], [0, 4], [1, 3], [1, 4], [2, 3], [2, 4], [3, 4]]


def test_the_same_seed_gives_the_same_answer_and_starts_are_counted_apart():
    problem = sites()
    runs = [solvers.solve(problem, solver="local_search", stop=Stop(iterations=5000), starts=2, seed=3) for _ in "ab"]
    assert runs[0].indices.tolist() == runs[1].indices.tolist()


def test_a_search_goes_on_from_incumbents_with_fixed_points():
    problem = sites(include=[0, 1])
    result = solvers.solve(problem, solver="local_search")
    assert {0, 1} <= set(result.indices.tolist())
    assert result.objective == solvers.solve(problem, solver="exact").objective


@pytest.mark.parametrize("name", ["exact", "local_search"])
def test_ctrl_c_leaves_the_incumbent_and_a_bound(name):
    capacity = np.random.default_rng(0).integers(1, 1000, 300)
    problem = Problem(distances=mdg_b(300).distances, capacity=capacity, demand=int(0.2 * capacity.sum()))
    told = []

    def interrupt(incumbent):
        told.append(incumbent)
        if len(told) == 3:
            raise KeyboardInterrupt

    result = solvers.solve(problem, solver=name, watch=interrupt)
    assert result.status is Status.INTERRUPTED
    assert capacity[result.indices].sum() >= problem.demand
    assert told[-1].objective <= result.objective <= result.upper_bound


def test_the_matrix_does_not_outlast_the_time():
    X = np.random.default_rng(0).normal(size=(3000, 2))
    calls = []

    def metric(a, b):
        calls.append(1)
        return float(np.abs(a - b).sum())

    slow = Problem(points=X, metric=metric, capacity=np.ones(3000), demand=5)
    result = solvers.solve(slow, solver="local_search", stop=Stop(seconds=0.5))
    assert result.k >= 5
    assert len(calls) < 3000 * 2999 / 2


@pytest.mark.parametrize("counts", [None, {0: (2, None), 1: (None, 5)}])
def test_the_search_finds_the_optimum_of_groups_apart(counts):
    problem = Problem(8, points=PLANE, groups=BEDS % 3, counts=counts, apart={(0, 1): 0.35, (2, 2): 0.4}, include=[4])
    best = solvers.solve(problem, solver="exact")
    assert best.is_optimal
    for seed in range(3):
        assert solvers.solve(problem, solver="local_search", seed=seed).objective == best.objective
    stopped = solvers.solve(problem, solver="local_search", stop=Stop(target=best.objective))
    assert stopped.objective == best.objective
    assert stopped.iterations < 100_000


def test_what_can_be_spared_leaves_from_the_closest_pairs():
    problem = sites(include=[7])
    rng = np.random.default_rng(0)
    for _ in range(20):
        whole = np.union1d(rng.choice(60, 40, replace=False), [7])
        if problem.capacities.violation(whole):
            continue
        rest = trimmed(problem, whole)
        assert set(rest.tolist()) <= set(whole.tolist())
        assert 7 in rest
        assert not problem.capacities.violation(rest)
        objective, pair = problem.objective(rest)
        assert objective >= problem.objective(whole)[0]
        for i in set(pair) - {7}:
            assert problem.capacities.violation(np.setdiff1d(rest, [i]))
    exceeding = Problem(5, points=PLANE, groups=BEDS % 2, apart={(0, 1): 0.0}, include=[1, 2])
    rest = trimmed(exceeding, np.arange(20))
    assert len(rest) == 5
    assert {1, 2} <= set(rest.tolist())


def test_a_demand_that_apart_does_not_allow_is_proven_so():
    problem = sites(demand=BEDS.sum() / 2, groups=BEDS % 2, apart={(0, 0): 2.0, (1, 1): 2.0})
    for name in ("exact", "ilp"):
        with pytest.raises(InvalidProblemError, match="no points with the capacity demanded keep"):
            solvers.solve(problem, solver=name)
    with pytest.raises(NoSolutionError, match="found no points with the capacity demanded"):
        solvers.solve(problem, solver="local_search")
