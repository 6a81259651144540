"""The clique search once more, on a graph that is known to have no clique, writing down why: for a certificate.

It remembers nogoods as ``branch_and_bound`` does, and every one of them becomes a lemma that later steps refer to.
``mmdp.check_certificate`` checks them, and docs/certificates.md says what each of them claims.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from solvers._exact.bitsets import Words, bit, highest, lowest, popcount
from solvers._exact.colouring import colour, propagate, use_classes
from solvers._exact.nogoods import BLOCK, Nogoods, closest, remember
from solvers._framework.compilation import njit

EXHAUSTED, FOUND, PAUSED = range(3)
GROUPS, KNOWN, ABSORB, BRANCH, LEMMA, FEW, END = range(7)  # the steps
DEPTH, LEMMAS, WRITTEN, REPAIRS = range(4)
_NEARLY = 8  # vertices outside a nogood from which groups are written instead: more write fewer groups, and more lemmas

Numbers = NDArray[np.int64]
Steps = NDArray[np.int32]


class Recording(NamedTuple):
    """A search on its explicit stack, the numbers of the lemmas that the table of nogoods holds, and the steps."""

    adjacent: Words
    candidates: Words
    nogood: Words
    chosen: Words
    branches: Words
    classes: Words
    path: Numbers
    lemma: Numbers
    counter: Numbers
    steps: Steps


def new_recording(adjacent: Words, start: Words, k: int, nogoods: Nogoods, repairs: bool, room: int) -> Recording:
    """Begin at the set ``start``; ``room`` is for the steps of one slice.

    Colours are repaired or not, as ``branch_and_bound.open_level`` does without and with nogoods.
    """
    width = adjacent.shape[1]
    candidates, nogood, chosen, branches, classes = np.zeros((5, k + 1, width), dtype=np.uint64)
    candidates[0] = start
    return Recording(
        adjacent,
        candidates,
        nogood,
        chosen,
        branches,
        classes,
        path=np.zeros(k + 1, dtype=np.int64),
        lemma=np.zeros(nogoods.useful.shape, dtype=np.int64),
        counter=np.array([-1, 0, 0, repairs], dtype=np.int64),
        steps=np.zeros(room + 256 * width + 4 * k + 64, dtype=np.int32),
    )


@register_jitable
def _write(recording: Recording, step: int | np.int64) -> None:
    recording.steps[recording.counter[WRITTEN]] = step
    recording.counter[WRITTEN] += 1


@register_jitable
def _open(recording: Recording, nogoods: Nogoods, depth: int, need: int, nearly: int | np.int64) -> None:
    """Write what covers a level's candidates, and set its branches: those that are not covered."""
    candidates, branches, nogood = recording.candidates[depth], recording.branches[depth], recording.nogood[depth]
    if nearly >= 0:
        _write(recording, KNOWN)
        _write(recording, recording.counter[LEMMAS] - recording.lemma[need, nearly])
        for x in range(len(candidates)):
            nogood[x] = nogoods.sets[need, nearly // BLOCK, x, nearly % BLOCK]
            branches[x] = candidates[x] & ~nogood[x]
    else:
        left = colour(recording.adjacent, candidates, need, recording.classes, branches)
        _write_groups(recording, candidates, branches)
        if left and recording.counter[REPAIRS]:
            _repair(recording, need, branches)
        for x in range(len(candidates)):
            nogood[x] = candidates[x] & ~branches[x]
    for x in range(len(candidates)):
        recording.chosen[depth, x] = branches[x]


@register_jitable
def _write_groups(recording: Recording, candidates: Words, rest: Words) -> None:
    """Write the colour classes: of each the size, the first vertex, and the differences to the next ones."""
    _write(recording, GROUPS)
    count = recording.counter[WRITTEN]
    _write(recording, 0)
    uncovered = candidates & ~rest
    for c in range(len(recording.classes)):
        if not uncovered.any():
            break
        recording.steps[count] += 1
        size = recording.counter[WRITTEN]
        _write(recording, 0)
        last = np.int64(0)
        for x in range(len(candidates)):
            members = recording.classes[c, x]
            uncovered[x] &= ~members
            while members:
                v = np.int64(64 * x + lowest(members))
                members &= members - np.uint64(1)
                _write(recording, v - last)
                recording.steps[size] += 1
                last = v


@register_jitable
def _repair(recording: Recording, need: int, rest: Words) -> None:
    """Absorb vertices of ``rest`` as ``colouring.repair`` does, and write the classes that each one takes."""
    adjacent, classes, used = recording.adjacent, recording.classes, np.zeros(need, np.bool_)
    common, because = np.empty(len(rest), np.uint64), np.empty(need, np.bool_)
    step, taken, taken_from = np.empty(need - 1, np.int64), np.empty(need, np.int64), np.empty(need, np.int64)
    for w in range(len(rest)):
        waiting = rest[w]
        while waiting:
            taken[0] = 64 * w + lowest(waiting)
            waiting &= waiting - np.uint64(1)
            empty, steps = propagate(adjacent, classes, used, common, step, taken, taken_from)
            if empty < 0:
                continue
            rest[w] &= ~bit(taken[0])
            use_classes(adjacent, classes, used, empty, steps, taken, taken_from, because)
            _write(recording, ABSORB)
            _write(recording, taken[0])
            length = recording.counter[WRITTEN]
            _write(recording, 1)
            for s in range(1, steps):
                if because[s]:
                    _write(recording, taken_from[s])
                    recording.steps[length] += 1
            _write(recording, empty)


@njit(cache=True, nogil=True)
def record(recording: Recording, nogoods: Nogoods, k: int) -> int:
    """Search on until ``steps`` might be full; FOUND tells that there is a clique, and so no certificate."""
    adjacent, candidates, nogood = recording.adjacent, recording.candidates, recording.nogood
    branches, chosen, path, counter = recording.branches, recording.chosen, recording.path, recording.counter
    width = adjacent.shape[1]
    counter[WRITTEN] = 0
    room = len(recording.steps) - 256 * width - 4 * k - 64  # what one level may write
    nearly = 1 if counter[REPAIRS] else _NEARLY
    depth = counter[DEPTH]
    if depth < 0:
        _open(recording, nogoods, 0, k, -1)
        depth = 0
    while depth >= 0:
        if counter[WRITTEN] > room:
            counter[DEPTH] = depth
            return PAUSED
        v = -1
        for w in range(width - 1, -1, -1):
            if branches[depth, w]:
                b = highest(branches[depth, w])
                branches[depth, w] &= ~bit(b)
                candidates[depth, w] &= ~bit(b)
                v = int(64 * w + b)
                break
        need = k - depth
        if v < 0:
            _write(recording, END)
            for x in range(width):
                nogood[depth, x] |= chosen[depth, x]
            remember(nogoods, need, nogood[depth])
            recording.lemma[need, nogoods.recent[need]] = counter[LEMMAS]
            counter[LEMMAS] += 1
            depth -= 1
            if depth >= 0:
                v = path[depth]
                for x in range(width):
                    nogood[depth, x] &= nogood[depth + 1, x] | ~adjacent[v, x]
            continue
        path[depth] = v
        if need == 1:
            return FOUND
        _write(recording, BRANCH)
        _write(recording, v)
        size = np.uint64(0)
        for x in range(width):
            candidates[depth + 1, x] = candidates[depth, x] & adjacent[v, x]
            size += popcount(candidates[depth + 1, x])
        if np.int64(size) < need - 1:
            _write(recording, FEW)
            for x in range(width):
                nogood[depth, x] &= candidates[depth + 1, x] | ~adjacent[v, x]
            continue
        place, left = closest(nogoods, need - 1, candidates[depth + 1], nearly)
        if left == 0:
            _write(recording, LEMMA)
            _write(recording, counter[LEMMAS] - recording.lemma[need - 1, place])
            for x in range(width):
                nogood[depth, x] &= nogoods.sets[need - 1, place // BLOCK, x, place % BLOCK] | ~adjacent[v, x]
            continue
        depth += 1
        _open(recording, nogoods, depth, need - 1, place)
    return EXHAUSTED
