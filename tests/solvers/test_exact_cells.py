"""Proof on cells: coarse cells are refined to the optimum, and cells stay joined as long as they hold a far pair."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Problem, Stop
from solvers._exact import cell_proof, graph_search, kd_tree, nogoods, relaxation
from solvers._exact.boxes import farthest
from solvers._exact.cell_graph import frontier, inherit, join
from solvers._framework.distance_forms import KINDS

WEAK = {"heuristics": ("random",)}  # so that the search has to find the optimum, not only to confirm it


def some_points(draw, n, d):
    """On a lattice (ties, duplicates), in clusters, or spread evenly."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["lattice", "clusters", "even"]))
    if kind == "lattice":
        return rng.integers(0, 30, (n, d)).astype(float)
    spread = rng.uniform(0, 50, (n, d))
    return spread if kind == "even" else spread[rng.integers(0, min(n, 12), n)] + rng.normal(0, 2, (n, d))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_coarse_cells_are_refined_to_the_optimum(data, monkeypatch):
    monkeypatch.setattr(relaxation, "_CELLS", data.draw(st.sampled_from([1, 5])))
    monkeypatch.setattr(relaxation, "_CLIQUES", data.draw(st.sampled_from([1, 8])))
    monkeypatch.setattr(graph_search, "_BLOCKS", data.draw(st.sampled_from([0, 1, 128])))
    for least in ("_SPLITS", "_LEAST_SPLITS"):
        monkeypatch.setattr(relaxation, least, data.draw(st.sampled_from([1, 500])))
    points = some_points(data.draw, n=data.draw(st.integers(50, 200)), d=data.draw(st.integers(1, 3)))
    metric = data.draw(st.sampled_from(["euclidean", "manhattan", "chebyshev", "euc_2d", "ceil_2d"]))
    problem = Problem(data.draw(st.integers(2, 7)), points=points, metric=metric)
    cells = solvers.solve(problem, solver="exact", method="cells", **WEAK)
    dense = solvers.solve(problem, solver="exact", method="matrix", **WEAK)
    assert cells.is_optimal
    assert dense.is_optimal
    assert cells.objective == dense.objective


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_search_that_pauses_leaves_no_clique_behind(data, monkeypatch):
    monkeypatch.setattr(relaxation, "_CELLS", 1)
    monkeypatch.setattr(relaxation, "_CLIQUES", data.draw(st.sampled_from([1, 8])))
    monkeypatch.setattr(graph_search, "_SLICE", data.draw(st.sampled_from([1, 10])))
    monkeypatch.setattr(cell_proof, "_TURN_NODES", data.draw(st.integers(1, 30)))
    monkeypatch.setattr(cell_proof, "_TURN_NODES_PER_POINT", 0)
    points = some_points(data.draw, n=data.draw(st.integers(5, 60)), d=data.draw(st.integers(1, 3)))
    problem = Problem(data.draw(st.integers(2, 5)), points=points)
    limit = data.draw(st.none() | st.integers(1, 60))
    cells = solvers.solve(problem, solver="exact", method="cells", stop=Stop(iterations=limit), **WEAK)
    optimum = solvers.solve(problem, solver="exact", method="matrix").objective
    assert cells.objective <= optimum <= cells.upper_bound
    assert cells.is_optimal or limit


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_threads_find_the_same_optimum_every_time(data, monkeypatch):
    monkeypatch.setattr(graph_search, "_ALONE", data.draw(st.sampled_from([0, 20])))
    monkeypatch.setattr(relaxation, "_CELLS", data.draw(st.sampled_from([1, 8])))
    monkeypatch.setattr(graph_search, "_BLOCKS", data.draw(st.sampled_from([1, 128])))
    monkeypatch.setattr(graph_search, "_SLICE", data.draw(st.sampled_from([3, 50])))
    points = some_points(data.draw, n=data.draw(st.integers(50, 200)), d=data.draw(st.integers(1, 3)))
    problem = Problem(data.draw(st.integers(4, 8)), points=points)
    threads = data.draw(st.integers(2, 3))
    one, other = (solvers.solve(problem, solver="exact", method="cells", threads=threads, **WEAK) for _ in range(2))
    assert one.is_optimal
    assert one.objective == solvers.solve(problem, solver="exact", method="matrix", **WEAK).objective
    assert (one.indices == other.indices).all()
    assert one.iterations == other.iterations


@pytest.mark.parametrize("written", [3, 64, 70])
def test_nogoods_of_another_table_are_handed_over(written):
    one, other = nogoods.new_nogoods(2, 1, 1), nogoods.new_nogoods(2, 2, 1)
    for word in range(written):
        nogoods.remember(one, 2, np.array([word], np.uint64))
    nogoods.hand_over(one, other)
    latest = range(max(0, written - nogoods.BLOCK), written)
    assert other.kept.tolist() == [0, 0, len(latest)]
    assert other.sets[2, 0, 0, : len(latest)].tolist() == list(latest)
    assert not one.kept.any()
    nogoods.remember(one, 2, np.array([99], np.uint64))
    nogoods.hand_over(one, other)
    assert other.kept[2] == len(latest) + 1
    assert nogoods.closest(other, 2, np.array([99], np.uint64), 1)[1] == 0


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_closest_set_of_two_tables(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    old, fresh = nogoods.new_nogoods(2, 1, width=2), nogoods.new_nogoods(2, 1, width=2)
    sets = [set(np.flatnonzero(rng.random(100) < 0.9).tolist()) for _ in range(data.draw(st.integers(0, 40)))]
    for one in sets:
        nogoods.remember(old if rng.random() < 0.7 else fresh, 2, words_of(one, 2))
    given_set, most = set(rng.choice(100, 30, replace=False).tolist()), data.draw(st.integers(1, 9))
    found = np.zeros(2, np.uint64)
    left = nogoods.find(nogoods.beside(old), fresh, 2, words_of(given_set, 2), most, found)
    assert left == min([most, *(len(given_set - one) for one in sets)])
    if left < most:
        members = set(np.flatnonzero(np.unpackbits(found.view(np.uint8), bitorder="little")).tolist())
        assert members in sets
        assert len(given_set - members) == left


@pytest.mark.parametrize("splits", [0, 2, 30])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_nodes_with_a_far_pair_are_never_told_apart(splits, data):
    points = some_points(data.draw, n=data.draw(st.integers(2, 40)), d=data.draw(st.integers(1, 3)))
    kind = KINDS[data.draw(st.sampled_from(["sqeuclidean", "manhattan", "chebyshev"]))]
    tree = kd_tree.build(points)
    a, b = (data.draw(st.integers(0, len(tree.first) - 1)) for _ in range(2))
    of_a, of_b = (tree.points[tree.first[node] : tree.last[node]] for node in (a, b))
    truth = max(farthest(kind, points, points, i, j) for i in of_a for j in of_b)
    for t in (np.nextafter(truth, 0), truth):
        assert kd_tree.may_be_far(kind, tree, a, b, t, splits)
    if splits == 30:
        assert not kd_tree.may_be_far(kind, tree, a, b, np.nextafter(truth, np.inf), splits)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_cells_are_joined_iff_they_may_hold_a_far_pair(data):
    points = some_points(data.draw, n=data.draw(st.integers(2, 80)), d=data.draw(st.integers(1, 3)))
    kind = KINDS[data.draw(st.sampled_from(["sqeuclidean", "manhattan", "chebyshev"]))]
    t = data.draw(st.sampled_from([1.0, 9.0, 25.0, 400.0]))
    tree = kd_tree.build(points)
    cells = frontier(kind, tree, t, data.draw(st.integers(1, 60)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    cells = rng.permutation(cells)[: rng.integers(1, len(cells) + 1)]
    graph, order = np.zeros((len(cells), 2), np.uint64), np.argsort(tree.first[cells])
    half = int(rng.integers(len(cells) + 1))
    for first, last in ((0, half), (half, len(cells))):
        join(kind, tree, cells, t, order, graph, first, last)
    joined = np.unpackbits(graph.view(np.uint8), axis=1, bitorder="little")
    far = [[a != b and kd_tree.may_be_far(kind, tree, a, b, t) for b in cells] for a in cells]
    np.testing.assert_array_equal(joined[:, : len(cells)], far)
    assert not joined[:, len(cells) :].any()


def words_of(members, width):
    """A set of vertices, 64 a word."""
    bits = np.zeros(64 * width, dtype=np.uint8)
    bits[list(members)] = 1
    return np.packbits(bits, bitorder="little").view(np.uint64)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_nogoods_are_found_and_handed_on(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    n, blocks, most, size = 150, data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6)), 2
    known = nogoods.new_nogoods(size, blocks, width=3)
    sets = [frozenset(np.flatnonzero(rng.random(n) < 0.9).tolist()) for _ in range(data.draw(st.integers(0, 300)))]
    for one in sets:
        nogoods.remember(known, size, words_of(one, 3))
    for _ in range(2):
        remembered = [one for one in sets if rng.random() < 0.05 or one is sets[-1]] or [frozenset(range(n))]
        given_set = frozenset(v for v in remembered[0] if rng.random() < 0.5) | {int(rng.integers(n))}
        place, left = nogoods.closest(known, size, words_of(given_set, 3), most)
        fewest = min((len(given_set - one) for one in sets), default=most)
        assert (left == most) if place < 0 else (fewest <= left < most)
        if len(sets) <= nogoods.BLOCK * blocks:
            assert left == min(fewest, most)
    parent = np.sort(rng.integers(0, n, 170))
    heirs = nogoods.new_nogoods(size, blocks, width=3)
    inherit(known, parent, heirs)
    for one in sets[-nogoods.BLOCK * blocks :][:40]:
        place, left = nogoods.closest(heirs, size, words_of(np.flatnonzero(np.isin(parent, list(one))), 3), 1)
        assert left == 0


@pytest.mark.parametrize("written", [5, 64, 70, 100, 128, 170])
def test_heirs_with_less_room_go_on_remembering(written):
    rng = np.random.default_rng(written)
    known, heirs = nogoods.new_nogoods(2, 2, width=1), nogoods.new_nogoods(2, 1, width=1)
    for _ in range(written):
        nogoods.remember(known, 2, words_of(np.flatnonzero(rng.random(60) < 0.9), 1))
    inherit(known, np.arange(60), heirs)
    assert heirs.kept[2] == min(written, nogoods.BLOCK)
    for new in range(1, 2 * nogoods.BLOCK):
        assert heirs.oldest[2] < nogoods.BLOCK
        one = words_of(np.flatnonzero(rng.random(60) < 0.5), 1)
        nogoods.remember(heirs, 2, one)
        assert heirs.kept[2] == min(written + new, nogoods.BLOCK)
        assert nogoods.closest(heirs, 2, one, 1)[1] == 0
