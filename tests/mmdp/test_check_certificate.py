"""Certificate files: written for every optimum, and refused when they claim what is false.

``MUTATIONS=10000`` in the environment damages as many, and ``FALSE_PROOFS=200`` takes so many of each broken search.
"""

import importlib
import json
import lzma
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvers
from mmdp import Clock, InvalidOptionError, Problem, SolverContractError, Stop, check_certificate
from mmdp.check_certificate import RejectedError, check
from solvers._exact import certificate_file, relaxation
from solvers._exact.bitsets import full, pack
from solvers._exact.certificate_file import recorded_proof
from solvers._exact.nogoods import new_nogoods
from solvers._exact.recorded_search import FOUND, WRITTEN, new_recording, record
from tests.certificates import closed, data_of, opened, recorded, symmetric, verdicts
from tests.strategies import cases

MUTATIONS = int(os.environ.get("MUTATIONS", "300"))


def numbers(body):
    return list(check_certificate._numbers(body))


def as_body(values):
    return certificate_file._encoded(np.array(values))


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_every_small_optimum_has_a_certificate(case):
    best = solvers.solve(case.problem, solver="exact")
    for verdict in verdicts(case.problem, best):
        assert verdict.optimal
        assert (verdict.k, verdict.bound) == (case.problem.k, best.objective)


@settings(max_examples=60, deadline=None)
@given(case=cases(metrics=("euclidean", "manhattan", "chebyshev", "haversine"), picks=False))
def test_a_smaller_bound_has_none(case):
    problem = case.problem
    best = solvers.solve(problem, solver="exact")
    smaller = np.unique(symmetric(problem.matrix()))
    smaller = smaller[smaller < best.objective]
    if len(smaller):
        with pytest.raises(SolverContractError, match="farther apart"):
            recorded(problem, best.indices, float(smaller[-1]), True)


@pytest.fixture(scope="module")
def coarse():
    """Few cells at the beginning, so that small problems have cells of many points and lemmas that are used again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relaxation, "_CELLS", 4)
        yield


def planar(n, seed, grid=False):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 12, (n, 2)).astype(float) if grid else rng.random((n, 2))


EXAMPLES = {
    "cells": (Problem(7, points=planar(400, 0)), True),
    "cells with ties": (Problem(6, points=planar(300, 1, grid=True), metric="euc_2d"), True),
    "cells with a fixed pick": (Problem(6, points=planar(400, 2), include=[7], exclude=[9, 11]), True),
    "points": (Problem(8, points=np.random.default_rng(3).random((60, 8))), False),
    "matrix": (Problem(7, distances=np.abs(np.subtract.outer(*[np.arange(40) ** 2 % 101] * 2))), False),
}


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request, coarse):
    problem, on_cells = EXAMPLES[request.param]
    best = solvers.solve(problem, solver="exact")
    content = recorded(problem, best.indices, best.objective, on_cells)
    return problem, best, content


def test_it_is_accepted_and_uses_what_there_is(example):
    problem, best, content = example
    data, fixed = data_of(problem, content), (problem.include, problem.exclude)
    verdict = check(content, data, *fixed)
    assert verdict.optimal
    assert verdict.objective == best.objective
    assert (verdict.n, verdict.include, verdict.exclude) == (problem.n, *fixed)
    if any(fixed):
        assert "that contain 7 and do not contain 9, 11 are" in str(verdict)
        for others in ((), ([7],), ([], [9, 11]), ([7], [9])):
            with pytest.raises(RejectedError, match="not what is asked for"):
                check(content, data, *others)


def test_cells_hold_many_points_and_lemmas_are_used(coarse):
    problem, _ = EXAMPLES["cells"]
    best = solvers.solve(problem, solver="exact")
    proof = recorded_proof(problem, best.indices, best.objective, True, Clock(Stop()))
    assert proof.cells < problem.n
    assert proof.lemmas > 10
    header, body = opened(proof.content)
    steps = Counter(kinds(numbers(body)[header["free"] + header["cells"] :]))
    assert {check_certificate.KNOWN, check_certificate.LEMMA, check_certificate.GROUPS} <= set(steps)


def kinds(steps):
    """The kind of every step, by a second reading of docs/certificates.md."""
    left = iter(steps)
    for step in left:
        yield step
        if step == check_certificate.GROUPS:
            for _ in range(next(left)):
                for _ in range(next(left)):
                    next(left)
        elif step == check_certificate.ABSORB:
            next(left)
            for _ in range(next(left)):
                next(left)
        elif step in (check_certificate.KNOWN, check_certificate.BRANCH, check_certificate.LEMMA):
            next(left)


def false_proof(problem, best, content, reduced, on_cells):
    """A certificate for a threshold that k points reach, from a search to which some joined cells are not joined."""
    header, body = opened(content)
    values, fixed = numbers(body), list(problem.include)
    order, sizes = np.split(np.array(values[: header["free"] + header["cells"]]), [header["free"]])
    cell = dict(zip(order.tolist(), np.repeat(np.arange(len(sizes)), sizes).tolist(), strict=True))
    free = np.setdiff1d(problem.candidates, fixed)
    free = free[(problem.reduced_distances(fixed, free) >= reduced).all(axis=0)] if fixed else free
    D = symmetric(problem.reduced_matrix())
    cells = [[]]
    for i in sorted(free.tolist(), key=lambda i: cell.get(i, len(sizes))):
        same = cells[-1] and i in cell and cell[i] == cell.get(cells[-1][-1])
        if same and (D[i, cells[-1]] < reduced).all():
            cells[-1].append(i)
        else:
            cells.append([i])
    cells = cells[1:]
    joined = np.array([[(D[np.ix_(a, b)] >= reduced).any() for b in cells] for a in cells])
    np.fill_diagonal(joined, False)
    while True:
        adjacent, need = pack(joined), problem.k - len(fixed)
        nogoods = new_nogoods(need, 4, adjacent.shape[1])
        recording = new_recording(adjacent, full(len(cells)), need, nogoods, not on_cells, 2**16)
        if record(recording, nogoods, need) != FOUND:
            break
        a, b = recording.path[:2]
        joined[a, b] = joined[b, a] = False
    weak = [*fixed, *np.argsort(D[best.indices[0]])[: problem.k]]
    header |= {"threshold": reduced.hex(), "bound": float(problem.value(np.nextafter(reduced, -np.inf))).hex()}
    header |= {"picks": [int(i) for i in dict.fromkeys(weak) if i not in problem.exclude][: problem.k]}
    header |= {"free": len(free), "cells": len(cells)}
    prefix = [*(i for c in cells for i in c), *(len(c) for c in cells)]
    return header, prefix, recording.steps[: recording.counter[WRITTEN]].tolist()


def test_no_proof_of_a_false_bound_is_accepted_whatever_is_changed_in_it(example):
    """The proofs are as near to right as can be, and then some steps are changed at random."""
    problem, best, content = example
    data, rng = data_of(problem, content), np.random.default_rng(0)
    on_cells = problem.points is not None and problem.n > 100
    D = symmetric(problem.reduced_matrix())
    of_best = D[np.ix_(best.indices, best.indices)][np.triu_indices(problem.k, 1)].min()
    refused = Counter()
    for reduced in np.unique(D[(D > 0) & (of_best >= D)])[-2:].tolist():
        header, prefix, steps = false_proof(problem, best, content, reduced, on_cells)
        for trial in range(max(20, MUTATIONS // len(EXAMPLES) // 2)):
            changed = damaged(steps, rng) if trial else steps
            with pytest.raises(RejectedError) as error:
                check(closed(header, as_body([*prefix, *changed])), data, header["include"], header["exclude"])
            refused[str(error.value)[:30]] += 1
    assert len(refused) > 2, refused


def damaged(steps, rng):
    changed = list(steps)
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(changed)))
        way = rng.integers(4)
        if way == 0:
            changed[place] = int(rng.integers(0, 8))
        elif way == 1:
            changed[place] = max(0, changed[place] + int(rng.choice([-1, 1])))
        elif way == 2 and len(changed) > 1:
            del changed[place]
        else:
            changed.insert(place, int(rng.integers(0, 8)))
    return changed


def test_a_changed_byte_is_no_proof_of_more(example):
    """A file that is still accepted still claims something true."""
    problem, best, content = example
    data, rng = data_of(problem, content), np.random.default_rng(1)
    text = lzma.decompress(content)
    for _ in range(max(20, MUTATIONS // len(EXAMPLES))):
        changed = bytearray(text)
        changed[int(rng.integers(len(changed)))] = int(rng.integers(256))
        try:
            verdict = check(lzma.compress(bytes(changed), preset=0), data, problem.include, problem.exclude)
        except RejectedError:
            continue
        assert verdict.k == problem.k
        assert verdict.bound >= best.objective or opened_differs(content, bytes(changed))


def opened_differs(content, text):
    """Whether the header now states another problem, of which the claim may be true."""
    one, two = opened(content)[0], json.loads(text.partition(b"\n")[0])
    return any(one[name] != two[name] for name in ("metric", "include", "exclude"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": "mmdp-certificate 2"}, "format"),
        ({"n": 39}, "about 39 points"),
        ({"metric": "taxi"}, "no metric"),
        ({"metric": "euclidean"}, "above the bound"),
        ({"threshold": float("nan").hex()}, "not distances"),
        ({"threshold": (-1.0).hex()}, "not distances"),
        ({"bound": (1.0).hex()}, "below the threshold"),
        ({"picks": [0, 1, 2, 3, 4, 5, 5]}, "not k points"),
        ({"picks": [0, 1, 2, 3, 4, 5, -1]}, "negative"),
        ({"picks": [0, 1, 2, 3, 4, 5, 99]}, "damaged"),
        ({"exclude": [0]}, "an excluded point is picked|every point exactly once"),
        ({"include": [0]}, "every point exactly once|lack an included one"),
        ({"free": 39}, "every point exactly once"),
        ({"cells": 39}, "every point exactly once"),
        ({"k": 6}, "not k points"),
    ],
)
def test_a_wrong_header_is_refused(change, why):
    problem, on_cells = EXAMPLES["matrix"]
    best = solvers.solve(problem, solver="exact")
    header, body = opened(recorded(problem, best.indices, best.objective, on_cells))
    claim = header | change
    with pytest.raises(RejectedError, match=why):
        check(closed(claim, body), problem.matrix(), claim["include"], claim["exclude"])


def proof_of(points, order, sizes, steps, k, threshold, picks):
    """Check a proof that no k points have squared distances of ``threshold`` or more."""
    header = {"format": check_certificate.FORMAT, "n": len(points), "k": k, "metric": "sqeuclidean", "picks": picks}
    header |= {"threshold": float(threshold).hex(), "bound": float(np.nextafter(threshold, 0)).hex()}
    header |= {"include": [], "exclude": [], "free": len(order), "cells": len(sizes)}
    return check(closed(header, as_body([*order, *sizes, *steps])), np.array(points, dtype=float))


LINE = [[0.0], [1.0], [5.0], [6.0], [10.0]]  # three points are 5 apart: 0, 5, 10
TWO_GROUPS = [0, 2, 1, 0, 1, 1, 6]  # cells 0 and 1
TRUE = [
    ("every point a group", [0, 1, 2, 3, 4], [2, 2, 1], 4, 26.0, [0, 3, 1, 0, 1, 1, 1, 2, 6]),
    ("two cells", [0, 1, 2, 3, 4], [2, 3], 3, 26.0, TWO_GROUPS),
    ("a branch", [0, 1, 2, 3, 4], [2, 2, 1], 3, 26.0, [0, 2, 1, 0, 1, 1, 3, 2, 5, 6]),
]
FALSE = [
    ("a cell too wide", [0, 1, 2, 3, 4], [4, 1], 3, 25.0, TWO_GROUPS, "a cell holds two points"),
    ("as many groups as picks", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, [0, 3, 1, 0, 1, 1, 1, 2, 6], "as many groups"),
    ("a group of joined cells", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, [0, 2, 2, 0, 1, 1, 2, 6], "two joined cells"),
    ("a cell left out", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, TWO_GROUPS, "do not end with a lemma"),
    ("a branch that is no end", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, [0, 2, 1, 0, 1, 1, 3, 2, 6], "before its branch"),
    ("too many left", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, [0, 2, 1, 0, 1, 1, 3, 2, 5, 6], "enough cells left"),
    ("a lemma of itself", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, [0, 2, 1, 0, 1, 1, 3, 2, 4, 1, 6], "does not exist"),
    ("no steps", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, [], "do not end"),
    ("steps after the end", [0, 1, 2, 3, 4], [2, 3], 3, 26.0, [*TWO_GROUPS, 6], "do not end"),
    ("steps that break off", [0, 1, 2, 3, 4], [2, 3], 3, 26.0, [0, 2, 1, 0], "damaged"),
    ("an unknown step", [0, 1, 2, 3, 4], [2, 3], 3, 26.0, [0, 2, 1, 0, 1, 1, 3, 1, 7, 6], "no step 7"),
    ("two roots", [0, 1, 2, 3, 4], [2, 3], 3, 26.0, [0, 0, 0, 1, 0, 6], "belongs to no branch"),
    ("a branch of a branch", [0, 1, 2, 3, 4], [2, 3], 3, 26.0, [0, 0, 3, 0, 3, 1, 6], "where there can be none"),
    ("an end without a branch", [0, 1, 2, 3, 4], [2, 3], 3, 26.0, [0, 0, 5, 6], "there is none"),
    ("a point twice", [0, 1, 2, 3, 3], [2, 3], 3, 26.0, TWO_GROUPS, "every point exactly once"),
    ("an empty cell", [0, 1, 2, 3, 4], [2, 3, 0], 3, 26.0, TWO_GROUPS, "every point exactly once"),
    ("a chain with a choice", [0, 1, 2, 3, 4], [1] * 5, 3, 25.0, [0, 2, 2, 0, 1, 2, 2, 1, 2, 4, 1, 0, 6], "choice"),
    ("a chain of nothing", [0, 1, 2, 3, 4], [2, 2, 1], 3, 25.0, [0, 2, 1, 0, 1, 1, 2, 2, 0, 6], "choice"),
    (
        "a group used twice",
        [0, 1, 2, 3, 4],
        [1] * 5,
        3,
        26.0,
        [0, 1, 1, 0, 2, 1, 1, 0, 2, 1, 1, 0, 6],
        "used twice",
    ),
]


@pytest.mark.parametrize("name", [line[0] for line in TRUE])
def test_a_proof_by_hand_is_accepted(name):
    _, order, sizes, k, threshold, steps = next(line for line in TRUE if line[0] == name)
    verdict = proof_of(LINE, order, sizes, steps, k, threshold, [0, 1, 2, 3][:k])
    assert verdict.bound == np.nextafter(threshold, 0)
    assert not verdict.optimal


@pytest.mark.parametrize("name", [line[0] for line in FALSE])
def test_a_false_proof_by_hand_is_refused(name):
    _, order, sizes, k, threshold, steps, why = next(line for line in FALSE if line[0] == name)
    with pytest.raises(RejectedError, match=why):
        proof_of(LINE, order, sizes, steps, k, threshold, [0, 1, 2])


def test_a_lemma_is_not_used_for_fewer():
    """That three cells hold no three is no reason why they should hold no two."""
    lemma = [0, 0, 3, 2, 0, 1, 1, 0, 6]  # below the branch 2, whose set needs two more of three
    steps = [*lemma, 3, 1, 0, 0, 3, 0, 4, 1, 6, 6]
    with pytest.raises(RejectedError, match="fewer cells"):
        proof_of([[0.0], [10.0], [20.0]], [0, 1, 2], [1] * 3, steps, 3, 401.0, [0, 1, 2])


@pytest.mark.parametrize("metric", sorted(check_certificate.METRICS))
def test_distances_are_the_problems_to_the_last_bit(metric):
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 80, (40, 2 if metric in ("haversine", "geo") else 3))
    problem = Problem(2, points=x, metric=metric)
    distances = check_certificate._Distances(metric, x)
    a, b = np.triu_indices(40, 1)
    assert np.array_equal(distances.between(a, b), problem.reduced_matrix()[a, b])
    assert [distances.value(s) for s in distances.between(a, b)] == problem.matrix()[a, b].tolist()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_cells_are_joined_iff_they_hold_a_far_pair(data):
    d = data.draw(st.integers(1, 3))
    n = data.draw(st.integers(1, 40))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 9, (n, d)).astype(float)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, n - 1)), max_size=6)) | {n})
    sizes = np.diff([0, *(c for c in cuts if c <= n)])
    form = data.draw(st.sampled_from(["squares", "absolutes", "largest"]))
    D = check_certificate._combine(form, np.abs(x[:, None] - x[None]))
    t = float(data.draw(st.sampled_from(sorted(set(D.ravel()) - {0.0}) or [1.0])))
    of = np.repeat(np.arange(len(sizes)), sizes)
    within = any((D[np.ix_(of == c, of == c)] >= t).any() for c in range(len(sizes)))
    if within:
        with pytest.raises(RejectedError, match="a cell holds"):
            check_certificate._joined(x, sizes, form, t)
    else:
        joined = check_certificate._joined(x, sizes, form, t)
        for a in range(len(sizes)):
            for b in range(len(sizes)):
                assert joined[a] >> b & 1 == (a != b and (D[np.ix_(of == a, of == b)] >= t).any())


@settings(max_examples=100, deadline=None)
@given(values=st.lists(st.integers(0, 2**31 - 1)), chunk=st.sampled_from([8, 9, 64]))
def test_numbers_survive_their_encoding(values, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_certificate, "_CHUNK", chunk)
        assert numbers(as_body(values)) == values


def test_the_file_is_checked_with_nothing_but_the_checker(tmp_path):
    points = planar(300, 5)
    np.savetxt(tmp_path / "points.csv", points, delimiter=",", fmt="%.17g")
    file = tmp_path / "five.proof"
    notes = solvers.solve(points, 5, solver="exact", certificate_file=str(file)).notes["certificate_file"]
    assert notes["written"]
    assert notes["bytes"] == file.stat().st_size
    code = Path(check_certificate.__file__).read_text(encoding="utf-8")
    (tmp_path / "check_certificate.py").write_text(code, encoding="utf-8")
    run = [sys.executable, "-I", "check_certificate.py", "points.csv"]
    accepted = subprocess.run([*run, "five.proof"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert accepted.stdout.startswith("ACCEPTED: no 5 of 300 points are pairwise more than")
    file.write_bytes(file.read_bytes()[:-20])
    refused = subprocess.run([*run, "five.proof"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("REJECTED")


def test_the_command_is_told_what_is_fixed(tmp_path):
    points = planar(300, 5)
    np.save(tmp_path / "points.npy", points)
    file = tmp_path / "five.proof"
    solvers.solve(points, 5, solver="exact", certificate_file=str(file), exclude=[0, 4])
    run = [sys.executable, check_certificate.__file__, tmp_path / "points.npy", file]
    refused = subprocess.run(run, capture_output=True, text=True, check=False)
    assert refused.stderr.startswith("REJECTED: the proof is about sets with exclude = [0, 4]")
    accepted = subprocess.run([*run, "--exclude", "4,0"], capture_output=True, text=True, check=False)
    assert accepted.stdout.startswith("ACCEPTED: no 5 of 300 points that do not contain 0, 4 are")


def test_a_direction_takes_no_squares_beyond_float64(tmp_path):
    rng, file = np.random.default_rng(3), str(tmp_path / "directions")
    points = rng.normal(size=(20, 3)) * 10.0 ** np.repeat([-170, -160, -155, 0, 100], 4)[:, None]
    result = solvers.solve(points, 5, solver="exact", metric="cosine", certificate_file=file)
    assert check(file, points).bound == result.objective


@pytest.mark.parametrize("zero", [[0.0, 0.0], [-0.0, 0.0]])
def test_points_without_a_direction_prove_nothing(zero):
    header = {"format": check_certificate.FORMAT, "n": 4, "k": 2, "metric": "cosine", "picks": [1, 3]}
    header |= {"threshold": (2e-9).hex(), "bound": (1e-9).hex(), "include": [], "exclude": [], "free": 4, "cells": 1}
    body = as_body([0, 1, 2, 3, 4, 0, 1, 1, 0, 6])
    with pytest.raises(RejectedError, match="no direction"):
        check(closed(header, body), np.array([zero, [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))


@pytest.mark.parametrize(
    "text",
    [
        "3\n2\n1\n9\n50\n",  # n and d of three points in no columns, or five points
        "3 2\n0 1 5\n0 2 7\n",  # one pair is missing
        "3 2\n0 1 5\n0 2 7\n0 1 7\n",
        "",
    ],
)
def test_a_file_is_not_read_as_the_certificate_would_like(tmp_path, text):
    (tmp_path / "points.csv").write_text(text)
    header = {"format": check_certificate.FORMAT, "n": 3, "k": 2, "metric": "euclidean", "picks": [0, 1]}
    header |= {"threshold": (1e-9).hex(), "bound": (1e-9).hex(), "include": [], "exclude": [], "free": 3, "cells": 1}
    (tmp_path / "p.proof").write_bytes(closed(header, as_body([0, 1, 2, 3, 0, 1, 1, 0, 6])))
    run = [sys.executable, check_certificate.__file__, tmp_path / "points.csv", tmp_path / "p.proof"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("REJECTED")


def test_a_file_that_is_not_written_says_why(tmp_path):
    points = planar(300, 5)
    small = solvers.solve(points, 5, solver="exact", certificate_file=str(tmp_path / "x"), certificate_bytes=10)
    assert small.notes["certificate_file"]["why"] == "it is larger than the limit"
    assert not (tmp_path / "x").exists()
    nowhere = solvers.solve(points, 5, solver="exact", certificate_file=str(tmp_path / "no" / "x"))
    assert "No such file" in nowhere.notes["certificate_file"]["why"]


def test_a_proof_under_group_counts_has_no_file(tmp_path):
    problem = Problem(2, points=[[0.0], [1.0], [5.0]], groups=["a", "a", "b"], counts={"a": 2})
    with pytest.raises(InvalidOptionError, match="states no group counts"):
        solvers.solve(problem, solver="exact", certificate_file=str(tmp_path / "x"))


FALSE_PROOFS = int(os.environ.get("FALSE_PROOFS", "20"))
BUGS = {  # what is replaced in the recording search, or in what it calls
    "a level is forgotten when the search pauses": (
        "recorded_search",
        "            counter[DEPTH] = depth\n            return PAUSED",
        "            counter[DEPTH] = max(0, depth - 1)\n            return PAUSED",
    ),
    "a nogood is not narrowed by its branches": (
        "recorded_search",
        "                    nogood[depth, x] &= nogood[depth + 1, x] | ~adjacent[v, x]",
        "                    nogood[depth, x] &= nogood[depth, x] | ~adjacent[v, x]",
    ),
    "a set that a nogood lacks one of counts as contained": ("recorded_search", "if left == 0:", "if left <= 1:"),
    "a colour class takes joined vertices": (
        "colouring",
        "for x in range(np.uint64(w), np.uint64(width)):",
        "for x in range(np.uint64(w) + np.uint64(1), np.uint64(width)):",
    ),
    "a repair ends before a class is empty": (
        "colouring",
        "            if choices == 0:",
        "            if choices <= 1:",
    ),
}


def broken_search(bug, folder):
    """A copy of the recording search with a bug, compiled on its own."""
    package = Path(certificate_file.__file__).parent
    texts = {name: (package / f"{name}.py").read_text(encoding="utf-8") for name in ("recorded_search", "colouring")}
    file, right, wrong = BUGS[bug]
    assert texts[file].count(right) == 1
    texts[file] = texts[file].replace(right, wrong)
    tag = f"broken_{list(BUGS).index(bug)}"
    text = texts["recorded_search"].replace("solvers._exact.colouring", f"{tag}_colouring")
    (folder / f"{tag}_recorded_search.py").write_text(text, encoding="utf-8")
    (folder / f"{tag}_colouring.py").write_text(texts["colouring"], encoding="utf-8")
    return importlib.import_module(f"{tag}_recorded_search")


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_no_proof_of_a_broken_search_is_accepted(bug, tmp_path, monkeypatch):
    """Wherever the search with a bug claims that a reached distance cannot be reached, its proof is refused."""
    monkeypatch.syspath_prepend(tmp_path)
    broken = broken_search(bug, tmp_path)
    monkeypatch.setattr(certificate_file, "record", broken.record)
    monkeypatch.setattr(certificate_file, "_ROOM", 40)
    found = trial = 0

    def new(adjacent, start, k, nogoods, _, room):
        return broken.new_recording(adjacent, start, k, nogoods, bool(trial % 2), room)

    monkeypatch.setattr(certificate_file, "new_recording", new)
    while found < FALSE_PROOFS and trial < 200 * FALSE_PROOFS:
        trial += 1
        rng = np.random.default_rng(trial)
        n, k = int(rng.integers(30, 80)), int(rng.integers(5, 10))
        x = rng.random((n, 2))
        problem = Problem(k, distances=symmetric(np.linalg.norm(x[:, None] - x[None], axis=2)))
        best = solvers.solve(problem, solver="exact", heuristics=("greedy",))
        D = problem.matrix()
        bound = float(D[best.objective > D].max())  # the next smaller distance: one subset exceeds it, or few
        weak = np.argsort(D[0], kind="stable")[:k]  # a subset that does not
        try:
            proof = recorded_proof(problem, weak, bound, False, Clock(Stop()), 2**20)
        except SolverContractError:
            continue  # it found a subset in spite of the bug
        if proof is None:
            continue
        found += 1
        with pytest.raises(RejectedError):
            check(proof.content, D)
    assert found == FALSE_PROOFS, trial
