"""The parts of the exact searches, each against its definition in plain Python on graphs and points small enough."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Clock, Problem, Stop
from solvers._exact import (
    bitsets,
    branch_and_bound,
    cell_graph,
    cell_splitting,
    colouring,
    incumbents,
    kd_tree,
    nogoods,
)
from solvers._exact.boxes import farthest, nearest
from solvers._exact.clique_cover import clique_cover
from solvers._exact.clique_search import EXHAUSTED, FOUND, CliqueSearch
from solvers._exact.counted_clique import CountedCliqueSearch, unions
from solvers._exact.optimal_subsets import optimal_subsets
from solvers._exact.packing import independent
from solvers._exact.relaxation import Relaxation
from solvers._exact.threshold_graph import core, core_in_order, pairs_above
from solvers._exact.weighted_clique import WeightedCliqueSearch, heavy_core_in_order
from solvers._framework.compilation import njit
from solvers._framework.distance_forms import KINDS

repair = njit()(colouring.repair)  # which its callers compile with themselves

FORMS = {
    "sqeuclidean": lambda x, y: sum((a - b) ** 2 for a, b in zip(x, y, strict=True)),
    "manhattan": lambda x, y: sum(abs(a - b) for a, b in zip(x, y, strict=True)),
    "chebyshev": lambda x, y: max(abs(a - b) for a, b in zip(x, y, strict=True)),
}


@st.composite
def graphs(draw, most=12):
    n, density = draw(st.integers(1, most)), draw(st.sampled_from([0.3, 0.5, 0.7, 0.9]))
    adjacent = np.triu(np.random.default_rng(draw(st.integers(0, 2**32))).random((n, n)) < density, 1)
    return adjacent | adjacent.T


@st.composite
def lattice(draw, least=1, most=12, d=None):
    n, d = draw(st.integers(least, most)), d or draw(st.integers(1, 3))
    return np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, 9, (n, d)).astype(float)


def is_clique(adjacent, chosen):
    return all(adjacent[a, b] for a, b in itertools.combinations(chosen, 2))


def cliques(adjacent, size, among=None):
    among = range(len(adjacent)) if among is None else sorted(among)
    return [chosen for chosen in itertools.combinations(among, size) if is_clique(adjacent, chosen)]


def sets_of(rows):
    return [set(bitsets.members(row).tolist()) for row in rows]


# sets as words


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 127, 128, 129])
def test_sets_as_words(n):
    rng = np.random.default_rng(n)
    rows = np.vstack([rng.random((5, n)) < 0.5, np.zeros(n, bool), np.ones(n, bool)])
    words = bitsets.pack(rows)
    assert words.shape == (7, -(-n // 64))
    for row, packed in zip(rows, words, strict=True):
        assert bitsets.members(packed).tolist() == np.flatnonzero(row).tolist()
        assert bitsets.count(packed) == row.sum()
        assert sum(int(w) << (64 * i) for i, w in enumerate(packed)) == sum(1 << int(i) for i in np.flatnonzero(row))
    assert np.array_equal(bitsets.full(n), words[-1])


# graphs


@settings(max_examples=150)
@given(adjacent=graphs(), k=st.integers(1, 6), data=st.data())
def test_the_core_keeps_every_clique_and_has_enough_neighbours(adjacent, k, data):
    n = len(adjacent)
    forced = data.draw(st.sampled_from(cliques(adjacent, data.draw(st.integers(0, 2))) or [()]))
    kept = core(adjacent, k, forced).tolist()
    holding = [set(c) for c in cliques(adjacent, k) if set(forced) <= set(c)]
    assert set().union(*holding) <= set(kept)
    around = {i for i in range(n) if all(adjacent[i, f] for f in forced)} | set(forced)
    assert set(kept) <= around
    assert all(adjacent[i, kept].sum() >= k - 1 for i in kept)
    marked = cell_graph.core_of(bitsets.pack(adjacent), k)
    assert np.flatnonzero(marked).tolist() == core(adjacent, k).tolist()
    order = core_in_order(adjacent, np.arange(n), k)
    assert sorted(order.tolist()) == core(adjacent, k).tolist()
    for place, vertex in enumerate(order):
        before = order[: place + 1]
        degrees = adjacent[np.ix_(before, before)].sum(axis=1)
        assert degrees[place] == degrees.min(), vertex


@settings(max_examples=150)
@given(adjacent=graphs(), need=st.integers(1, 20), data=st.data())
def test_the_heavy_core_keeps_every_heavy_clique_and_has_enough_weight(adjacent, need, data):
    n = len(adjacent)
    weight = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)))
    order = heavy_core_in_order(adjacent, np.arange(n), weight, need)
    every = [list(c) for size in range(1, n + 1) for c in cliques(adjacent, size)]
    assert {v for c in every if weight[c].sum() >= need for v in c} <= set(order.tolist())
    for place in range(len(order)):
        before = order[: place + 1]
        reach = (adjacent | np.eye(n, dtype=bool))[np.ix_(before, before)] @ weight[before]
        assert reach[place] == reach.min()
        assert place < len(order) - 1 or reach.min() >= need


def test_pairs_above_a_distance():
    D = np.array([[0.0, 2.0, 3.0], [2.0, 0.0, 4.0], [3.0, 4.0, 0.0]])
    assert pairs_above(D, 3.0).tolist() == [[False, False, False], [False, False, True], [False, True, False]]
    assert not pairs_above(D, -1.0).diagonal().any()


def cover(conflict):
    """The rule of ``clique_cover``, in plain Python."""
    n, open_edges, found = len(conflict), set(cliques(conflict, 2)), []
    for u, v in itertools.combinations(range(n), 2):
        if (u, v) not in open_edges:
            continue
        members, common = [u, v], [w for w in range(n) if w not in (u, v) and conflict[u, w] and conflict[v, w]]
        while common:
            best = max(common, key=lambda w: sum(tuple(sorted((w, m))) in open_edges for m in members))  # first of ties
            members.append(best)
            common = [w for w in common if w != best and conflict[best, w]]
        open_edges -= {tuple(sorted(pair)) for pair in itertools.combinations(members, 2)}
        found.append(members)
    return found


@settings(max_examples=100)
@given(conflict=graphs())
def test_cliques_cover_all_conflicts_by_their_rule(conflict):
    start, members = clique_cover(conflict)
    assert [members[a:b].tolist() for a, b in itertools.pairwise(start)] == cover(conflict)
    with_diagonal = conflict | np.eye(len(conflict), dtype=bool)
    assert [part.tolist() for part in clique_cover(with_diagonal)] == [start.tolist(), members.tolist()]


@settings(max_examples=60)
@given(conflict=graphs(most=9), need=st.integers(1, 6))
def test_a_packing_is_found_or_refuted(conflict, need):
    free = ~conflict & ~np.eye(len(conflict), dtype=bool)
    chosen, refuted = independent(conflict, need, np.ones(len(conflict), np.int64), np.inf)
    there_are = bool(cliques(free, need))
    assert refuted is not there_are
    assert (chosen is not None) is there_are
    if chosen is not None:
        assert len(set(chosen.tolist())) == need
        assert is_clique(free, chosen)


@settings(max_examples=60)
@given(conflict=graphs(most=9), data=st.data())
def test_a_heavy_packing_is_found_or_refuted(conflict, data):
    n = len(conflict)
    least = data.draw(st.sampled_from([1, 10**9]))
    weight = np.array(data.draw(st.lists(st.integers(least, 10**12) | st.just(0), min_size=n, max_size=n)))
    free = ~conflict & ~np.eye(n, dtype=bool)
    sums = {int(weight[list(c)].sum()) for size in range(1, n + 1) for c in cliques(free, size)}
    need = data.draw(st.sampled_from(sorted(sums | {1})) | st.integers(1, 10**12)) or 1
    chosen, refuted = independent(conflict, need, weight, np.inf)
    assert not (refuted and max(sums) >= need)
    assert refuted or chosen is None or weight[chosen].sum() >= need
    if chosen is not None:
        assert is_clique(free, chosen)
    if max(sums) < need * (1 - 1e-4) and least > 1:
        assert refuted


def test_a_packing_that_is_lighter_by_less_than_rounding_is_none():
    weight = np.full(3, 10**9)
    chosen, refuted = independent(np.zeros((3, 3), dtype=bool), int(weight.sum()) + 1000, weight, np.inf)
    assert chosen is None
    assert not refuted


# colours


@settings(max_examples=200)
@given(adjacent=graphs(), need=st.integers(1, 6), data=st.data())
def test_colours_are_greedy_and_their_repair_refutes(adjacent, need, data):
    n = len(adjacent)
    candidates = data.draw(st.sets(st.integers(0, n - 1)))
    words = bitsets.pack(adjacent)
    one = np.array([[i in candidates for i in range(n)]])
    classes, rest = np.zeros((max(1, need), words.shape[1]), np.uint64), np.zeros(words.shape[1], np.uint64)
    left = colouring.colour(words, bitsets.pack(one)[0], need, classes, rest)
    expected, waiting = [], sorted(candidates)
    for _ in range(need - 1):
        members = []
        for vertex in waiting:
            if not adjacent[vertex, members].any():
                members.append(vertex)
        waiting = [vertex for vertex in waiting if vertex not in members]
        if members:
            expected.append(set(members))
    assert left is bool(waiting)
    assert sets_of([rest])[0] == set(waiting)
    assert [members for members in sets_of(classes[: need - 1]) if members][: len(expected)] == expected
    if not left:
        return
    used = np.ones(max(1, need), dtype=bool)  # whatever the search before left there
    still_left = repair(words, need, classes, used, rest)
    remaining = sets_of([rest])[0]
    assert remaining <= set(waiting)
    assert still_left is bool(remaining)
    assert not cliques(adjacent, need, candidates - remaining)


def test_a_class_is_used_for_one_repair_only():
    """Two vertices that the same class could absorb, and with both of which a clique is larger than the classes."""
    n, hidden = 16, 0
    rng = np.random.default_rng(0)
    for _ in range(2500):
        adjacent = np.triu(rng.random((n, n)) < 0.55, 1)
        adjacent = adjacent | adjacent.T
        need = int(rng.integers(3, 6))
        words = bitsets.pack(adjacent)
        classes, rest = np.zeros((need, 1), np.uint64), np.zeros(1, np.uint64)
        if not colouring.colour(words, bitsets.full(n), need, classes, rest):
            continue
        before = sets_of([rest])[0]
        repair(words, need, classes, np.zeros(need, dtype=bool), rest)
        after = sets_of([rest])[0]
        absorbed = len(before - after)
        hidden += absorbed > 1
        assert not cliques(adjacent, need, set(range(n)) - after)
    assert hidden > 50  # cases with more than one repair, in which a class used twice would show


# the clique search


@settings(max_examples=150)
@given(
    adjacent=graphs(most=14),
    k=st.integers(2, 6),
    blocks=st.sampled_from([0, 1]),
    slices=st.sampled_from([1, 3, 10**6]),
    forget=st.booleans(),
    apart=st.booleans(),
)
def test_the_search_finds_every_clique_and_remembers_only_sets_without_one(adjacent, k, blocks, slices, forget, apart):
    n = len(adjacent)
    graph = bitsets.pack(adjacent)
    kept = nogoods.new_nogoods(k, blocks, graph.shape[1]) if blocks else None
    fresh = nogoods.new_nogoods(k, 1, graph.shape[1]) if blocks and apart else None
    state = branch_and_bound.new_state(graph, bitsets.full(n), k, kept)
    found, outcome, before = [], None, 0
    while outcome != branch_and_bound.EXHAUSTED:
        outcome = branch_and_bound.search(state, kept, fresh, k, slices)
        if fresh is not None and len(found) % 2:
            nogoods.hand_over(fresh, kept)
        assert state.counter[branch_and_bound.NODES] - before <= slices
        before = int(state.counter[branch_and_bound.NODES])
        if outcome == branch_and_bound.FOUND:
            found.append(tuple(sorted(state.path[:k].tolist())))
            if forget:  # as the cells do: go on with another branch of the first level
                state.counter[branch_and_bound.DEPTH] = min(state.counter[branch_and_bound.DEPTH], 1)
    every = cliques(adjacent, k)
    assert set(found) <= set(every)
    assert bool(found) == bool(every)
    if not forget:
        assert sorted(found) == every
    for table in (table for table in (kept, fresh) if table is not None):
        for size in range(1, k + 1):
            for place in range(int(table.kept[size])):
                block, lane = divmod(place, nogoods.BLOCK)
                nogood = sets_of([table.sets[size, block, :, lane]])[0]
                assert not cliques(adjacent, size, nogood & set(range(n)))


def has_clique(neighbours, among, size):
    """Whether a set of vertices holds a clique; sets are the bits of whole numbers."""
    while among.bit_count() >= size > 0:
        v = among.bit_length() - 1
        among ^= 1 << v
        if has_clique(neighbours, among & neighbours[v], size - 1):
            return True
    return size == 0


@pytest.mark.parametrize(("n", "density", "k"), [(26, 0.72, 7), (30, 0.8, 10), (40, 0.75, 9)])
def test_remembered_sets_of_larger_graphs_hold_no_clique(n, density, k):
    remembered = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        adjacent = np.triu(rng.random((n, n)) < density, 1)
        adjacent = adjacent | adjacent.T
        graph = bitsets.pack(adjacent)
        kept = nogoods.new_nogoods(k, 1, graph.shape[1])
        state = branch_and_bound.new_state(graph, bitsets.full(n), k, kept)
        while branch_and_bound.search(state, kept, None, k, 10**6) != branch_and_bound.EXHAUSTED:
            if seed % 2:  # as the cells do
                state.counter[branch_and_bound.DEPTH] = min(state.counter[branch_and_bound.DEPTH], 1)
        remembered += int(kept.kept.sum())
        neighbours = [int(row[0]) for row in graph]
        for size in range(1, k + 1):
            for place in range(int(kept.kept[size])):
                block, lane = divmod(place, nogoods.BLOCK)
                assert not has_clique(neighbours, int(kept.sets[size, block, 0, lane]), size)
    assert remembered > 100


@settings(max_examples=100)
@given(adjacent=graphs(), k=st.integers(2, 6), data=st.data())
def test_a_clique_search_with_forced_vertices(adjacent, k, data):
    n = len(adjacent)
    forced = data.draw(st.lists(st.integers(0, n - 1), max_size=min(2, k - 1), unique=True))
    expected = [c for c in cliques(adjacent, k) if set(forced) <= set(c)]
    search, found = CliqueSearch(adjacent, k, forced), []
    while search.run(np.inf, data.draw(st.sampled_from([1, 2, 1000]))) != EXHAUSTED:
        if search.outcome == FOUND:
            found.append(tuple(sorted(search.clique.tolist())))
            assert search.clique[: len(forced)].tolist() == forced
    assert sorted(found) == expected
    assert search.run(np.inf) == EXHAUSTED


@settings(max_examples=60)
@given(adjacent=graphs(), k=st.integers(2, 5))
def test_the_same_question_as_a_packing(adjacent, k):
    search = CliqueSearch(adjacent, k)
    assume(search.outcome != EXHAUSTED)
    conflict, need, weight = search.as_packing()
    assert need == k
    assert weight.tolist() == [1] * len(conflict)
    there = search.chosen(np.arange(len(conflict)))
    between = adjacent[np.ix_(there, there)]
    assert np.array_equal(conflict, ~between & ~np.eye(len(there), dtype=bool))
    pairs = len(there) * (len(there) - 1)
    assert search.conflicts == pytest.approx(conflict.sum() / max(1, pairs) if pairs else 1.0)


@settings(max_examples=150)
@given(adjacent=graphs(), data=st.data())
def test_a_search_for_weight_with_forced_vertices(adjacent, data):
    n = len(adjacent)
    weight = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)))
    forced = data.draw(st.lists(st.integers(0, n - 1), max_size=2, unique=True))
    need = int(weight[forced].sum()) + data.draw(st.integers(1, 20))
    sets = [c for size in range(1, n + 1) for c in cliques(adjacent, size) if set(forced) <= set(c)]
    there_are = any(weight[list(c)].sum() >= need for c in sets)
    search, found = WeightedCliqueSearch(adjacent, weight, need, forced), []
    while search.run(np.inf, data.draw(st.sampled_from([1, 2, 1000]))) != EXHAUSTED:
        if search.outcome == FOUND:
            found.append(search.clique)
    assert bool(found) is there_are
    for clique in found:
        assert is_clique(adjacent, clique)
        assert weight[clique].sum() >= need
        assert clique[: len(forced)].tolist() == forced
    assert len({tuple(sorted(clique.tolist())) for clique in found}) == len(found)


@settings(max_examples=300)
@given(adjacent=graphs(most=11), k=st.integers(2, 6), attributes=st.integers(1, 2), seed=st.integers(0, 2**32))
def test_a_search_within_counts_finds_every_clique_that_keeps_them(adjacent, k, attributes, seed):
    n, rng = len(adjacent), np.random.default_rng(seed)
    assume(k <= n)
    groups = {a: rng.integers(0, 3, n) for a in range(attributes)}
    inner = rng.permutation(n)[:k]  # which keeps the counts
    counts = {}
    for a, labels in groups.items():
        own = {g: int((labels[inner] == g).sum()) for g in np.unique(labels).tolist()}
        counts[a] = {g: (c - rng.integers(0, min(c, 1) + 1), c + rng.integers(0, 3)) for g, c in own.items()}
    limits = Problem(k, points=np.arange(n)[:, None], groups=groups, counts=counts).group_counts
    if limits is None:  # for k = n
        return
    search, found = CountedCliqueSearch(adjacent, k, (), limits, np.arange(n)), []
    while search.run(np.inf, int(rng.choice([1, 2, 1000]))) != EXHAUSTED:
        if search.outcome == FOUND:
            found.append(tuple(sorted(search.clique.tolist())))
    assert sorted(found) == [c for c in cliques(adjacent, k) if not limits.violation(np.array(c))]


def test_the_unions_that_are_coloured_are_within_one_attribute():
    attribute, ones = np.array([0, 0, 1, 1, 1]), np.ones(5, np.int64)
    found = {tuple(np.flatnonzero(row).tolist()) for row in unions(attribute, ones, 2 * ones)}
    assert found == {(0,), (1,), (2,), (3,), (4,), (2, 3), (2, 4), (3, 4)}


def test_a_search_keeps_its_count_of_nodes():
    rng = np.random.default_rng(5)
    adjacent = np.triu(rng.random((70, 70)) < 0.7, 1)
    adjacent = adjacent | adjacent.T
    search, whole = CliqueSearch(adjacent, 14), CliqueSearch(adjacent, 14)
    whole.run(np.inf)
    while search.run(np.inf, 37) not in (EXHAUSTED, FOUND):
        assert search.nodes % 37 == 0
    assert search.nodes == whole.nodes > 37
    assert search.outcome == whole.outcome


@settings(max_examples=60)
@given(data=st.data())
def test_optimal_subsets_are_all_that_reach_the_optimum(data):
    points = data.draw(lattice(least=5, most=9))
    n, k = len(points), data.draw(st.integers(2, 4))
    order = data.draw(st.permutations(range(n)))
    include, exclude = order[: data.draw(st.integers(0, k))], order[n - data.draw(st.integers(0, 1)) :]
    problem = Problem(k, points=points, metric="manhattan", include=include, exclude=exclude)
    D = problem.matrix()
    every = [
        list(subset) for subset in itertools.combinations(problem.candidates.tolist(), k) if set(include) <= set(subset)
    ]
    values = [min(D[a, b] for a, b in itertools.combinations(subset, 2)) for subset in every]
    best = [subset for subset, value in zip(every, values, strict=True) if value == max(values)]
    clock = Clock(Stop())
    clock.report(best[0], max(values))
    assert optimal_subsets(problem, clock, 10**6) == best
    assert len(optimal_subsets(problem, clock, 1)) == 1
    assert optimal_subsets(problem, clock, 1)[0] in best


# cells of points


@settings(max_examples=100)
@given(points=lattice(), form=st.sampled_from(sorted(FORMS)), data=st.data())
def test_a_tree_divides_the_points_into_tight_boxes(points, form, data):
    tree, kind = kd_tree.build(points), KINDS[form]
    assert sorted(tree.points.tolist()) == list(range(len(points)))
    assert (tree.first[0], tree.last[0]) == (0, len(points))
    inside = [points[tree.points[a:b]] for a, b in zip(tree.first, tree.last, strict=True)]
    for node, here in enumerate(inside):
        assert np.array_equal(tree.low[node], here.min(axis=0))
        assert np.array_equal(tree.high[node], here.max(axis=0))
        child = tree.left[node]
        if child < 0:
            assert (here == here[0]).all()
            continue
        assert tree.first[child] == tree.first[node]
        assert tree.last[child] == tree.first[child + 1]
        assert tree.last[child + 1] == tree.last[node]
        side = int((tree.high[node] - tree.low[node]).argmax())
        middle = (tree.low[node, side] + tree.high[node, side]) / 2
        assert inside[child][:, side].max() <= middle < inside[child + 1][:, side].min()
    a, b = (data.draw(st.integers(0, len(inside) - 1)) for _ in range(2))
    low_a, high_a, low_b, high_b = tree.low[a], tree.high[a], tree.low[b], tree.high[b]
    corners = itertools.product(*zip(low_a, high_a, strict=True)), itertools.product(*zip(low_b, high_b, strict=True))
    assert farthest(kind, tree.low, tree.high, a, b) == max(FORMS[form](x, y) for x, y in itertools.product(*corners))
    gaps = np.maximum(0, np.maximum(low_a - high_b, low_b - high_a))
    assert nearest(kind, tree.low, tree.high, a, b) == FORMS[form](gaps, np.zeros_like(gaps))


def test_neighbouring_numbers_are_told_apart():
    points = np.array([[1.0], [np.nextafter(1.0, 2)], [1.0], [np.nextafter(1.0, 0)]])
    tree = kd_tree.build(points)
    leaves = [set(points[tree.points[tree.first[i] : tree.last[i]], 0]) for i in np.flatnonzero(tree.left < 0)]
    assert sorted(leaves, key=min) == [{np.nextafter(1.0, 0)}, {1.0}, {np.nextafter(1.0, 2)}]


def cover_of(tree, kind, t, count, form, points):
    cells = cell_graph.frontier(kind, tree, t, count)
    held = [tree.points[tree.first[c] : tree.last[c]].tolist() for c in cells]
    assert sorted(itertools.chain(*held)) == list(range(len(points)))
    for cell, inside in zip(cells, held, strict=True):
        assert farthest(kind, tree.low, tree.high, cell, cell) < t or tree.left[cell] < 0
        assert all(FORMS[form](points[i], points[j]) < t for i, j in itertools.combinations(inside, 2))
    return cells, held


@settings(max_examples=150)
@given(
    points=lattice(least=4, most=30),
    form=st.sampled_from(sorted(FORMS)),
    k=st.integers(2, 5),
    count=st.integers(1, 12),
    t=st.sampled_from([1.0, 2.0, 4.0, 9.0, 16.0]),
    room=st.integers(4, 80),
)
def test_a_clique_of_cells_is_refined_to_points_or_dissolves(points, form, k, count, t, room):
    kind, tree = KINDS[form], kd_tree.build(points)
    cells, held = cover_of(tree, kind, t, count, form, points)
    assume(len(cells) >= k)
    chosen = np.sort(np.random.default_rng(count).permutation(len(cells))[:k])
    is_split = np.zeros(len(tree.first), dtype=bool)
    outcome, nodes = cell_splitting.refine(kind, tree, cells[chosen], t, is_split, room)
    far = (
        any(
            all(FORMS[form](points[i], points[j]) >= t for i, j in itertools.combinations(picks, 2))
            for picks in itertools.product(*(held[c] for c in chosen))
        )
        if np.prod([len(held[c]) for c in chosen]) <= 2000
        else None
    )
    if outcome == cell_splitting.REAL:
        picks = tree.points[tree.first[nodes]]
        assert all(FORMS[form](points[i], points[j]) >= t for i, j in itertools.combinations(picks, 2))
        assert [any(p in held[c] for c in chosen) for p in picks] == [True] * k
    elif outcome == cell_splitting.DISSOLVED:
        assert far is not True
        assert is_split.any() or not refined_far(kind, tree, cells[chosen], t)
    else:
        assert room < 2 * sum(len(held[c]) for c in chosen)
    assert not is_split[tree.left < 0].any()
    if outcome == cell_splitting.DISSOLVED:
        new, parent = cell_graph.split_cells(tree, cells, is_split)
        assert sorted(itertools.chain(*(tree.points[tree.first[c] : tree.last[c]] for c in new))) == list(
            range(len(points))
        )
        for cell, place in zip(new, parent, strict=True):
            assert tree.first[cells[place]] <= tree.first[cell] < tree.last[cell] <= tree.last[cells[place]]
            assert not is_split[cell]


def test_cells_that_are_split_into_many_parts():
    """Three cells in nine dimensions, whose boxes tell little, at the last threshold that they reach and the next."""
    kind, splits = KINDS["sqeuclidean"], []
    corners = np.pad([[0.0, 0.0], [1.0, 0.0], [0.5, 0.87]], ((0, 0), (0, 7)))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        points = np.concatenate([corner + 0.45 * rng.random((400, 9)) for corner in corners])
        tree = kd_tree.build(points)
        sizes, owner = tree.last - tree.first, tree.points[tree.first] // 400
        cells = np.array([np.flatnonzero((sizes >= 160) & (sizes <= 400) & (owner == c))[0] for c in range(3)])
        one, two, three = (tree.points[tree.first[cell] : tree.last[cell]] for cell in cells)
        D = ((points[:, None] - points) ** 2).sum(axis=2)
        best = max(np.minimum(np.minimum(D[a, two, None], D[a, three]), D[np.ix_(two, three)]).max() for a in one)
        values = np.unique(D)
        for t, outcome in ((best, cell_splitting.REAL), (values[values > best][0], cell_splitting.DISSOLVED)):
            is_split = np.zeros(len(tree.first), dtype=bool)
            found, nodes = cell_splitting.refine(kind, tree, cells, t, is_split, 1000)
            assert found == outcome
            splits.append(int(is_split.sum()))
            if outcome == cell_splitting.REAL:
                picks = tree.points[tree.first[nodes]]
                assert D[np.ix_(picks, picks)][np.triu_indices(3, 1)].min() >= t
    assert max(splits) > 80


def refined_far(kind, tree, cells, t):
    return all(kd_tree.may_be_far(kind, tree, a, b, t) for a, b in itertools.combinations(cells, 2))


@settings(max_examples=60)
@given(data=st.data())
def test_the_graph_of_split_cells_is_that_of_all_pairs_within_the_old(data):
    points = data.draw(lattice(least=20, most=100))
    form, t = data.draw(st.sampled_from(sorted(FORMS))), data.draw(st.sampled_from([1.0, 4.0, 9.0]))
    kind, tree = KINDS[form], kd_tree.build(points)
    cells = cell_graph.frontier(kind, tree, t, data.draw(st.sampled_from([3, 12, 70])))
    old = bitsets.pack(np.array([[a != b and kd_tree.may_be_far(kind, tree, a, b, t) for b in cells] for a in cells]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    is_split = np.zeros(len(tree.first), dtype=bool)
    is_split[cells[(rng.random(len(cells)) < 0.4) & (tree.left[cells] >= 0)]] = True
    new, parent = cell_graph.split_cells(tree, cells, is_split)
    shuffled = rng.permutation(len(new)) if data.draw(st.booleans()) else np.arange(len(new))
    new, parent = new[shuffled], parent[shuffled]
    graph = cell_graph.refined_graph(kind, tree, new, t, cells, parent, old)
    before = [set(bitsets.members(row).tolist()) for row in old]
    for i, row in enumerate(sets_of(graph)):
        for j in range(len(new)):
            joined = parent[j] in before[parent[i]]
            unchanged = new[i] == cells[parent[i]] and new[j] == cells[parent[j]]
            expected = joined and (unchanged or kd_tree.may_be_far(kind, tree, new[i], new[j], t))
            if expected != (j in row):  # the order of a pair may matter to how it is split
                assert joined
                assert not unchanged
                assert expected != kd_tree.may_be_far(kind, tree, new[j], new[i], t)


@settings(max_examples=60)
@given(data=st.data())
def test_a_relaxation_decides_at_every_threshold(data):
    points = data.draw(lattice(least=6, most=14, d=2))
    k, form = data.draw(st.integers(2, 4)), data.draw(st.sampled_from(sorted(FORMS)))
    names = np.random.default_rng(0).permutation(100)[: len(points)]  # of the points in their problem
    levels = sorted({FORMS[form](x, y) for x, y in itertools.combinations(points, 2)} - {0.0})
    assume(levels)
    relaxation, pauses, calls = None, data.draw(st.booleans()), itertools.count()
    for t in [*levels, levels[-1] + 1]:
        if relaxation is None:
            relaxation = Relaxation(KINDS[form], kd_tree.build(points), names, k, t)
        else:
            relaxation.raise_to(t)
            assert relaxation.points is None
        while not relaxation.solve(lambda: pauses and next(calls) % 2 == 0):
            assert pauses
        far = np.array([[FORMS[form](x, y) >= t for y in points] for x in points])
        np.fill_diagonal(far, False)
        if relaxation.points is None:
            assert not cliques(far, k)
        else:
            places = [names.tolist().index(name) for name in relaxation.points]
            assert len(set(places)) == k
            assert is_clique(far, places)


def test_a_relaxation_of_too_few_points_or_no_threshold_has_no_answer():
    points = np.arange(6.0).reshape(3, 2)
    for k, t in ((4, 1.0), (2, np.inf)):
        relaxation = Relaxation(KINDS["manhattan"], kd_tree.build(points), np.arange(3), k, t)
        assert relaxation.solve(lambda: False)
        assert relaxation.points is None
        relaxation.raise_to(2.0)
        assert relaxation.solve(lambda: False)
        assert relaxation.points is None


def test_a_search_in_slices_counts_its_nodes_once(monkeypatch):
    points = np.random.default_rng(0).random((60, 2))
    nodes = []
    for at_a_time in (10**6, 7):
        monkeypatch.setattr("solvers._exact.graph_search._SLICE", at_a_time)
        relaxation = Relaxation(KINDS["manhattan"], kd_tree.build(points), np.arange(60), 12, 0.07)
        assert relaxation.solve(lambda: False)
        nodes.append(relaxation.nodes)
    assert nodes[0] == nodes[1] > 50


# which search proves


@pytest.mark.parametrize(
    ("n", "d", "metric", "method"),
    [
        (200, 2, "euclidean", "matrix"),
        (201, 2, "euclidean", "cells"),
        (201, 2, "haversine", "cells"),
        (201, 2, "hamming", "matrix"),
        (1000, 3, "manhattan", "matrix"),
        (1001, 3, "manhattan", "cells"),
        (1001, 6, "chebyshev", "cells"),
        (1001, 7, "chebyshev", "matrix"),
    ],
)
def test_the_search_that_suits_a_problem(n, d, metric, method):
    from solvers._exact.choice_of_proof import choose

    problem = Problem(3, points=np.random.default_rng(0).uniform(-80, 80, (n, d)), metric=metric)
    assert choose(problem, "auto") == method
    assert choose(problem, "matrix") == "matrix"
    assert choose(Problem(3, distances=np.ones((1500, 1500)) - np.eye(1500)), "auto") == "matrix"


@pytest.mark.parametrize("method", ["matrix", "cells"])
def test_a_long_proof_looks_for_better_incumbents(method, monkeypatch):
    from solvers._exact import cell_proof, matrix_proof
    from solvers._exact.choice_of_proof import prove

    monkeypatch.setattr(cell_proof, "_TURN_NODES", 20)
    monkeypatch.setattr("solvers._exact.graph_search._SLICE", 10)
    monkeypatch.setattr(cell_proof, "_TURN_NODES_PER_POINT", 0)
    monkeypatch.setattr(matrix_proof, "_QUICK_NODES", 20)
    points = np.random.default_rng(3).random((300, 2))
    problem = Problem(14, points=points)
    best = solvers.solve(problem, solver="local_search", stop=Stop(iterations=200_000))
    clock, calls = Clock(Stop()), []
    clock.report(best.indices, best.objective)
    prove(problem, clock, method, lambda: calls.append(1))
    assert calls
    assert clock.objective == clock.upper_bound


def test_restarts_run_one_at_a_step(monkeypatch):
    monkeypatch.setattr(incumbents, "_STARTS", 3)
    problem, seeds = Problem(4, points=np.random.default_rng(3).random((50, 2))), []
    monkeypatch.setattr(incumbents, "warm_start", lambda problem, clock, rng, *_, **__: seeds.append(rng.integers(99)))
    attempts = incumbents.restarts(problem, Clock(Stop()), np.random.default_rng(0), ("local_search",))
    assert not seeds
    for steps in (1, 2, 3, 3):
        next(attempts, None)
        assert len(seeds) == steps
