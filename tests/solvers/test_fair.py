"""Group counts: every solution keeps them, exact solvers find the best that does, ``fair`` keeps its factor."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import solvers
from mmdp import InvalidOptionError, InvalidProblemError, Problem, SolverContractError, Status, Stop
from solvers import fair
from tests import naive
from tests.strategies import METRICS, TRIANGLE, Case, matrices, points

NAMES = [info.name for info in solvers.available() if not info.missing]
X = np.arange(12.0).reshape(6, 2)
LABELS = ["a", "a", "a", "b", "b", "c"]


def keeps(case_counts, labels, chosen):
    """Whether a subset keeps ``{label: (at least, at most)}``."""
    taken = {label: sum(labels[i] == label for i in chosen) for label in case_counts}
    most = {label: len(labels) if high is None else high for label, (_, high) in case_counts.items()}
    return all((low or 0) <= taken[label] <= most[label] for label, (low, _) in case_counts.items())


@st.composite
def fair_cases(draw, metrics=(*METRICS, "matrix"), picks=True):
    """A problem with counts that some subset keeps, that subset drawn first."""
    n = draw(st.integers(2, 9))
    labels = draw(st.lists(st.sampled_from("abcd"), min_size=n, max_size=n))
    solution = draw(st.permutations(range(n)))[: draw(st.integers(2, n))]
    counts = {}
    for label in sorted(set(labels)):
        taken = sum(labels[i] == label for i in solution)
        if draw(st.booleans()):
            counts[label] = (draw(st.integers(0, taken) | st.none()), draw(st.integers(taken, n) | st.none()))
    include = solution[: draw(st.integers(0, 2))] if picks else ()
    others = [i for i in range(n) if i not in solution]
    exclude = others[: draw(st.integers(0, len(others)))] if picks else ()
    metric = draw(st.sampled_from(metrics))
    fixed = {"include": include, "exclude": exclude, "groups": labels, "counts": counts}
    if metric == "matrix":
        D = draw(matrices(n))
        return Case(Problem(len(solution), distances=D, **fixed), D)
    P = draw(points(metric, n))
    return Case(Problem(len(solution), points=P, metric=metric, **fixed), naive.matrix(metric, P))


def optimum(case):
    problem = case.problem
    return max(
        naive.objective(case.D, subset)
        for subset in itertools.combinations(problem.candidates, problem.k)
        if set(problem.include) <= set(subset) and keeps(problem.counts, problem.groups, subset)
    )


def solved(case, name, **options):
    result = solvers.solve(case.problem, solver=name, **options)
    assert keeps(case.problem.counts, case.problem.groups, result.indices)
    assert set(case.problem.include) <= set(result.indices.tolist()) <= set(case.problem.candidates.tolist())
    assert result.objective == pytest.approx(naive.objective(case.D, result.indices), rel=5e-8, abs=1e-9)
    return result


def worst(problem, group_counts):
    subsets = itertools.combinations(problem.candidates, problem.k)
    return list(min((s for s in subsets if not group_counts.violation(s)), key=lambda s: problem.objective(s)[0]))


@settings(max_examples=150)
@given(case=fair_cases())
def test_exact_solvers_equal_enumeration(case):
    best = optimum(case)
    for name in ("ilp", "brute_force"):
        result = solved(case, name)
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(best, rel=5e-8, abs=1e-9)


@pytest.mark.slow
@settings(max_examples=1000)
@given(case=fair_cases())
def test_the_threshold_model_equals_enumeration(case):
    assert solved(case, "ilp").objective == pytest.approx(optimum(case), rel=5e-8, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("formulation", ["node_packing", "compact", "big_m"])
@settings(max_examples=5)
@given(case=fair_cases(metrics=("euclidean",)))
def test_textbook_models_equal_enumeration(formulation, case):
    assert solved(case, "ilp", formulation=formulation).objective == pytest.approx(optimum(case), rel=1e-6, abs=1e-9)


@settings(max_examples=1000)
@given(case=fair_cases(metrics=(*TRIANGLE, "sqeuclidean", "cosine"), picks=False))
def test_fair_keeps_its_factor(case):
    result, best = solved(case, "fair"), optimum(case)
    assert result.upper_bound >= best * (1 - 5e-8) - 1e-9
    assume(result.notes)  # none if there is one subset only
    groups = len(case.problem.group_counts.low)
    power = 1 if case.problem.geometry.is_metric else 2
    assert result.notes["approximation_factor"] <= 1.02 * (groups + 1) ** power
    assert result.objective * result.notes["approximation_factor"] >= best * (1 - 5e-8) - 1e-9


@settings(max_examples=300)
@given(case=fair_cases(metrics=TRIANGLE, picks=False))
def test_the_clusters_alone_keep_the_factor(case):
    """Without a good subset to begin with and exchanges to end with, nothing hides a guess that went wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fair, "_exchange", lambda problem, group_counts, clock: None)
        patch.setattr(fair, "within_counts", worst)
        result = solved(case, "fair")
    assume(result.notes)
    assert result.objective * result.notes["approximation_factor"] >= optimum(case) * (1 - 5e-8) - 1e-9


@settings(max_examples=300)
@given(case=fair_cases(metrics=TRIANGLE, picks=False), data=st.data())
def test_the_clusters_keep_the_factor_for_two_attributes(case, data):
    one, n, k = case.problem, case.problem.n, case.problem.k
    labels = data.draw(st.lists(st.sampled_from("xy"), min_size=n, max_size=n))
    solution = data.draw(st.permutations(range(n)))[:k]
    assume("x" in labels and keeps(one.counts, one.groups, solution))
    fewest = data.draw(st.integers(0, sum(labels[i] == "x" for i in solution)))
    groups, counts = {"one": one.groups, "two": labels}, {"one": one.counts, "two": {"x": (fewest, None)}}
    problem = Problem(k, points=one.points, metric=one.metric, groups=groups, counts=counts)
    best = max(
        naive.objective(case.D, subset)
        for subset in itertools.combinations(range(n), k)
        if keeps(one.counts, one.groups, subset) and sum(labels[i] == "x" for i in subset) >= fewest
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fair, "_exchange", lambda problem, group_counts, clock: None)
        patch.setattr(fair, "within_counts", worst)
        result = solvers.solve(problem, solver="fair")
    assert keeps(one.counts, one.groups, result.indices)
    assert sum(labels[i] == "x" for i in result.indices) >= fewest
    assert result.upper_bound >= best * (1 - 5e-8) - 1e-9
    assume(result.notes)
    assert result.objective * result.notes["approximation_factor"] >= best * (1 - 5e-8) - 1e-9


@settings(max_examples=200)
@given(case=fair_cases())
def test_fair_keeps_counts_with_fixed_picks_and_any_distance(case):
    result = solved(case, "fair")
    assert result.upper_bound >= optimum(case) * (1 - 5e-8) - 1e-9
    assert solved(case, "fair").indices.tolist() == result.indices.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_every_solver_keeps_counts_or_says_that_it_does_not(name):
    rng = np.random.default_rng(2)
    problem = Problem(5, points=rng.normal(size=(18, 2)), groups=rng.integers(0, 3, 18), counts={0: 3, 1: (1, None)})
    solver = solvers.load(name)()
    if not solver.keeps_group_counts:
        with pytest.raises(InvalidOptionError, match=f"{name} does not keep group counts; .*available"):
            solver.solve(problem)
        return
    result = solver.solve(problem, stop=Stop(iterations=1))
    taken = np.bincount(problem.groups[result.indices], minlength=3)
    assert taken[0] == 3
    assert taken[1] >= 1


def test_many_points():
    rng = np.random.default_rng(0)
    groups = rng.choice(["red", "green", "blue"], 20_000, p=[0.9, 0.09, 0.01])
    problem = Problem(30, points=rng.normal(size=(20_000, 3)), groups=groups, counts=dict.fromkeys(set(groups), 10))
    result = solvers.solve(problem, solver="fair")
    assert all(count == 10 for count in np.unique(groups[result.indices], return_counts=True)[1])
    free = solvers.solve(problem.points, 30)
    assert result.upper_bound <= free.upper_bound * (1 + 1e-9)
    assert result.objective * result.notes["approximation_factor"] >= free.objective / 2


BAD = {
    "labels missing": ({"groups": None, "counts": {"a": 1}}, "both or neither"),
    "counts missing": ({"counts": None}, "both or neither"),
    "too few labels": ({"groups": LABELS[:5]}, r"shape \(5,\).*each of 6 points"),
    "labels of lists": ({"groups": [[i] for i in range(6)]}, "one number or text"),
    "unknown group": ({"counts": {"d": 1}}, "'d', but no point is in that group; known: 'a', 'b', 'c'"),
    "count a text": ({"counts": {"a": "two"}}, r"counts\['a'\] = 'two': give a whole number"),
    "count negative": ({"counts": {"a": -1}}, "0 <= at least"),
    "count reversed": ({"counts": {"a": (3, 2)}}, "at least <= at most"),
    "group too small": ({"counts": {"c": 2}}, "at least 2 points of group 'c', but only 1 can be chosen"),
    "group excluded": ({"counts": {"c": 1}, "exclude": [5]}, "at least 1 points of group 'c', but only 0"),
    "too many wanted": ({"counts": {"a": (2, 3), "b": (2, None)}}, "at least 4 points in all, more than k = 3"),
    "too few allowed": ({"counts": {"a": 1, "b": 0, "c": (0, 1)}}, "at most 2 .*fewer than k = 3"),
    "include too many": (
        {"counts": {"a": (0, 1)}, "include": [0, 1]},
        "include fixes 2 points of group 'a'.*at most 1",
    ),
    "include in the way": ({"counts": {"a": (2, 3)}, "include": [3, 4]}, "counts and include want at least 4"),
}


@pytest.mark.parametrize("name", BAD)
def test_counts_that_cannot_be_kept_are_named(name):
    changes, message = BAD[name]
    with pytest.raises(InvalidProblemError, match=message):
        Problem(3, points=X, **{"groups": LABELS, "counts": {"a": (1, 2)}, **changes})


def test_labels_may_be_numbers_tensors_and_texts():
    torch = pytest.importorskip("torch")
    numbers = [0, 0, 0, 1, 1, 2]
    for labels in (numbers, np.array(numbers, dtype=np.int8), torch.tensor(numbers), np.array(numbers, dtype=float)):
        result = solvers.solve(Problem(3, points=X, groups=labels, counts={1: 2, 2: 1}), solver="fair")
        assert sorted(result.indices.tolist()) == [3, 4, 5]


def test_a_solver_that_breaks_counts_is_caught():
    class Liar(solvers.Solver):
        keeps_group_counts = True

        def _run(self, problem, clock, rng):
            return solvers.Run([0, 1, 2])

    with pytest.raises(SolverContractError, match="liar returned 3 points of group 'a', which takes 0 to 2"):
        Liar().solve(Problem(3, points=X, groups=LABELS, counts={"a": (0, 2)}))


@pytest.mark.parametrize(("metric", "power"), [("euclidean", 1), ("sqeuclidean", 2)])
@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_the_factor_that_is_stated(metric, power, epsilon):
    X, labels = np.random.default_rng(4).random((40, 2)), np.arange(40) % 2
    problem = Problem(6, points=X, metric=metric, groups=labels, counts={0: 3, 1: 3})
    factor = solvers.solve(problem, solver="fair", epsilon=epsilon).notes["approximation_factor"]
    assert factor == pytest.approx(3**power * (1 + epsilon), rel=1e-6)
