"""Group counts in the searches and the proof: several attributes, starts, infeasible counts, what a limit means."""

import numpy as np
import pytest

import solvers
from mmdp import Clock, InvalidOptionError, InvalidProblemError, Problem, Soft, Stop
from mmdp.bounds import counts_bound
from mmdp.completion import Completion
from mmdp.instances import geo
from solvers._local_search.counts_search import counted_search
from tests import naive

SEARCHES = ("local_search", "drop_add", "grasp", "interchange", "fair")
KEEPING = [info.name for info in solvers.available() if info.group_counts and not info.missing]
SEX = np.array(["f", "m"])[np.arange(60) % 2]
CITY = np.array(["Oslo", "Bergen", "Rome"])[np.arange(60) * 7 % 3]


def few(name, moves=300):
    """Moves, or as much work in constructions."""
    return Stop(iterations=4 if name in ("grasp", "interchange") else moves)


def skewed(n, k, seed=0, **options):
    """Three groups of equal counts with shares of 70, 20 and 10 %."""
    labels = np.random.default_rng(seed).choice(3, n, p=[0.7, 0.2, 0.1])
    counts = {g: k // 3 + (g < k % 3) for g in range(3)}
    return Problem(k, points=geo(n, seed).points, groups=labels, counts=counts, **options)


def two_attributes(k=9, **changes):
    arguments = {
        "groups": {"sex": SEX, "city": CITY},
        "counts": {"sex": {"f": (6, None)}, "city": {"Oslo": (None, 2), "Rome": 4}},
        **changes,
    }
    return Problem(k, points=np.random.default_rng(3).random((60, 2)), **arguments)


@pytest.mark.parametrize("name", KEEPING)
def test_overlapping_groups_are_kept(name):
    if name == "brute_force":
        pytest.skip("too many subsets")
    problem = two_attributes(include=(1,), exclude=(0, 2))
    chosen = solvers.solve(problem, solver=name, stop=few(name)).indices
    assert (SEX[chosen] == "f").sum() >= 6
    assert (CITY[chosen] == "Oslo").sum() <= 2
    assert (CITY[chosen] == "Rome").sum() == 4
    assert 1 in chosen
    assert not {0, 2} & set(chosen.tolist())


def test_groups_that_single_swaps_cannot_leave():
    """With exact counts of two attributes every solution differs from every other by at least two points."""
    X = np.array([[0.0], [10.0], [0.1], [9.0], [5.0], [5.1], [4.0], [6.0]])
    groups = {"row": [0, 0, 0, 0, 1, 1, 1, 1], "column": [0, 1, 1, 0, 0, 1, 1, 0]}
    problem = Problem(4, points=X, groups=groups, counts={"row": {0: 2}, "column": {0: 2}})
    best = solvers.solve(problem, solver="brute_force").objective
    for name in ("local_search", "exact", "ilp"):
        assert solvers.solve(problem, solver=name).objective == best


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_improve_on_what_fair_constructs(name):
    problem = skewed(150, 12)
    constructed = solvers.solve(problem, solver="fair").objective
    best = solvers.solve(problem, solver="exact")
    assert best.is_optimal
    found = solvers.solve(problem, solver=name, stop=few(name, 3000)).objective
    assert constructed <= best.objective
    assert found >= (constructed if name in ("local_search", "fair") else 0.8 * best.objective)
    if name == "local_search":
        assert found == best.objective


def test_from_nets_as_from_all_points_the_counts_are_kept():
    problem = skewed(400, 15)
    first = solvers.solve(problem, solver="fair").indices
    values = []
    for together in (1000, 100):
        clock = Clock(Stop(iterations=6000))
        clock.report(first, problem.objective(first)[0])
        for _ in counted_search(problem, clock, first, np.random.default_rng(0), 0, 1000, together):
            pass
        assert not problem.group_counts.violation(clock.best())
        assert clock.objective == problem.objective(clock.best())[0]
        values.append(clock.objective)
    assert min(values) > problem.objective(first)[0]


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "haversine", "hamming"])
def test_several_starts_and_the_tie_break_keep_counts(metric):
    X = np.random.default_rng(5).integers(1, 9, (60, 2)).astype(float)
    problem = Problem(8, points=X, metric=metric, groups=CITY, counts={"Oslo": 5, "Rome": (1, 2)})
    stop = Stop(iterations=2000)
    plain = solvers.solve(problem, solver="local_search", stop=stop)
    broken = solvers.solve(problem, solver="local_search", stop=stop, tie_break=True, starts=2, threads=2)
    assert broken.objective >= plain.objective


def test_the_same_seed_gives_the_same_answer():
    problem = skewed(120, 9)
    for name in SEARCHES:
        first, second = (solvers.solve(problem, solver=name, stop=few(name), seed=3) for _ in range(2))
        assert first.indices.tolist() == second.indices.tolist()


def test_a_group_all_of_which_is_wanted_ends_the_search():
    labels = ["rare", "rare", *["other"] * 18]
    X = np.vstack([[[0.0, 0.0], [1.0, 0.0]], np.random.default_rng(0).random((18, 2)) * 50 + 20])
    problem = Problem(4, points=X, groups=labels, counts={"rare": 2})
    result = solvers.solve(problem, solver="local_search")
    assert result.objective == 1.0
    assert solvers.solve(problem, solver="exact").objective == 1.0


def test_one_of_each_group_at_most():
    labels = np.arange(60) // 3
    problem = Problem(
        20, points=np.random.default_rng(1).random((60, 2)), groups=labels, counts=dict.fromkeys(range(20), 1)
    )
    result = solvers.solve(problem, solver="exact")
    assert result.is_optimal
    assert sorted(labels[result.indices].tolist()) == list(range(20))
    assert result.objective >= solvers.solve(problem, solver="local_search").objective


CLASHES = {
    "a pair across attributes": (
        {"sex": {"f": (8, None)}, "city": {"Oslo": (0, 1), "Bergen": (0, 1), "Rome": (None, 4)}},
        "at most 6 of the points that can be chosen, fewer than k = 9; these clash: "
        "at most 4 of group 'Rome' of 'city', at most 1 of group '.*' of 'city', at most 1 of group '.*' of 'city'",
    ),
    "least counts of one attribute": (
        {"sex": {"f": (5, None), "m": (5, None)}},
        "want at least 10 points in all, more than k = 9; these clash: "
        "at least 5 of group '[fm]' of 'sex', at least 5 of group '[fm]' of 'sex'",
    ),
    "unknown attribute": (
        {"age": {"old": 1}},
        "the attribute 'age', and groups has no labels for it; known: 'sex', 'city'",
    ),
    "limits without labels": ({"sex": 3}, "counts is {attribute: {label: number}}"),
    "unknown label": ({"sex": {"x": 1}}, "counts of 'sex' names 'x', but no point is in that group; known: 'f', 'm'"),
}


@pytest.mark.parametrize("name", CLASHES)
def test_counts_that_clash_are_named(name):
    counts, message = CLASHES[name]
    with pytest.raises(InvalidProblemError, match=message):
        two_attributes(counts=counts)


def test_counts_that_clash_only_through_a_second_attribute():
    """All women live in Oslo, so that six women are six from Oslo."""
    city = np.where(SEX == "f", "Oslo", CITY)
    with pytest.raises(InvalidProblemError, match="no 9 points keep all counts; these clash: ") as error:
        two_attributes(
            groups={"sex": SEX, "city": city},
            counts={"sex": {"f": (6, None)}, "city": {"Oslo": (0, 5), "Rome": (1, 8)}},
        )
    assert "at least 6 of group 'f' of 'sex'" in str(error.value)
    assert "at most 5 of group 'Oslo' of 'city'" in str(error.value)
    assert "Rome" not in str(error.value)


def test_a_completion_admits_a_point_iff_some_solution_has_it():
    problem = two_attributes(k=6, counts={"sex": {"f": 4}, "city": {"Oslo": 2, "Rome": (3, None)}})
    limits = problem.group_counts
    rng = np.random.default_rng(0)
    for _ in range(20):
        completion, picks = Completion(limits, 6, problem.candidates), []
        for point in rng.permutation(60).tolist():
            if len(picks) < 6 and completion.admits_open(int(limits.kind[point])):
                picks.append(point)
        assert not limits.violation(picks)


def test_bounds_know_the_counts():
    X = np.vstack([np.random.default_rng(0).random((10, 2)), np.random.default_rng(1).random((30, 2)) * 100])
    labels = ["near"] * 10 + ["far"] * 30
    problem = Problem(6, points=X, groups=labels, counts={"near": 4})
    assert counts_bound(problem) < 2
    for name in ("fair", "local_search", "greedy"):
        result = solvers.solve(problem, solver=name, certify_seconds=5)
        assert result.upper_bound == solvers.solve(problem, solver="exact").objective
    at_most = Problem(6, points=X, groups=labels, counts={"far": (None, 2)})
    assert counts_bound(at_most) == counts_bound(problem)


def test_greedy_says_where_its_start_cannot_be():
    labels = ["a"] * 5 + ["b"] * 25
    problem = Problem(4, points=np.random.default_rng(2).random((30, 2)), groups=labels, counts={"a": 0})
    with pytest.raises(InvalidOptionError, match="start = 3: with this point, no 4 points keep the counts"):
        solvers.solve(problem, solver="greedy", start=3)
    assert solvers.solve(problem, solver="greedy", start=9).indices[0] == 9
    with pytest.raises(InvalidOptionError, match="does not keep group counts; choose auto or numba"):
        solvers.solve(problem, solver="greedy", backend="torch")


def test_greedy_within_counts_is_farthest_first_among_what_they_allow():
    problem = skewed(50, 6)
    D = naive.matrix("euclidean", problem.points)
    labels, room = problem.groups, dict.fromkeys(range(3), 2)
    picks = [7]
    room[labels[7]] -= 1
    while len(picks) < 6:
        allowed = [i for i in range(50) if room[labels[i]] and i not in picks]
        picks.append(max(allowed, key=lambda i: min(D[i][c] for c in picks)))
        room[labels[picks[-1]]] -= 1
    assert solvers.solve(problem, solver="greedy", start=7).indices.tolist() == picks


def test_cells_do_not_keep_counts():
    with pytest.raises(InvalidOptionError, match=r"'cells' does not keep group counts, .*; choose auto or matrix"):
        solvers.solve(skewed(50, 6), solver="exact", method="cells")


def test_labels_may_be_texts_in_an_array_of_objects():
    problem = Problem(2, points=np.eye(3), groups=np.array(["a", "a", "b"], dtype=object), counts={"a": 2})
    assert sorted(solvers.solve(problem, solver="exact").indices.tolist()) == [0, 1]


def test_soft_counts_give_way_by_as_little_as_possible():
    city = np.where(SEX == "f", "Oslo", CITY)
    counts = {"sex": {"f": Soft((6, None), weight=3.0)}, "city": {"Oslo": Soft((None, 5)), "Rome": (1, 8)}}
    problem = two_attributes(groups={"sex": SEX, "city": city}, counts=counts)
    assert problem.group_counts.moved == ("group 'Oslo' of 'city': at most 6 instead of 5",)
    for name in ("local_search", "exact", "ilp"):
        result = solvers.solve(problem, solver=name)
        assert result.notes["moved_counts"] == list(problem.group_counts.moved)
        assert (city[result.indices] == "Oslo").sum() == 6
    dearer = {**counts, "city": {"Oslo": Soft((None, 5), weight=9.0), "Rome": (1, 8)}}
    assert two_attributes(groups={"sex": SEX, "city": city}, counts=dearer).group_counts.moved == (
        "group 'f' of 'sex': at least 5 instead of 6",
    )


def test_soft_counts_that_can_be_kept_are_kept():
    strict = two_attributes()
    soft = two_attributes(counts={"sex": {"f": Soft((6, None))}, "city": {"Oslo": Soft((None, 2)), "Rome": 4}})
    assert soft.group_counts.low.tolist() == strict.group_counts.low.tolist()
    assert soft.group_counts.high.tolist() == strict.group_counts.high.tolist()
    assert "moved_counts" not in solvers.solve(soft, solver="fair").notes


def test_soft_counts_beyond_what_there_is_are_moved_to_what_there_is():
    problem = Problem(5, points=np.eye(6), groups=["a"] * 2 + ["b"] * 4, counts={"a": Soft(4), "b": Soft((None, 2))})
    assert problem.group_counts.moved == (
        "group 'a': at least 2 instead of 4",
        "group 'b': at most 3 instead of 2",
    )


def test_a_soft_count_above_k_is_moved_and_told():
    problem = Problem(3, points=np.eye(6), groups=["a"] * 4 + ["b"] * 2, counts={"a": Soft((1000, None)), "b": 1})
    assert problem.group_counts.moved == ("group 'a': at least 2 instead of 1000",)


def test_hard_counts_that_clash_are_named_whatever_is_soft():
    with pytest.raises(InvalidProblemError, match="want at least 10 points in all, more than k = 9") as error:
        two_attributes(counts={"sex": {"f": 5, "m": 5}, "city": {"Oslo": Soft(1)}})
    assert "Oslo" not in str(error.value)


@pytest.mark.parametrize("weight", [0, -1.0, np.inf, np.nan, "much"])
def test_a_weight_is_a_number_above_zero(weight):
    with pytest.raises(InvalidProblemError, match="give a number above 0"):
        two_attributes(counts={"sex": {"f": Soft(3, weight=weight)}})
