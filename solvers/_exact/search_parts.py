"""A clique search cut into parts, which threads run at the same time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from solvers._exact.branch_and_bound import DEPTH, Numbers, State, cut_branch, new_state
from solvers._exact.nogoods import Nogoods, closest

_PARTS = 4  # for each thread, so that none waits long for the others
_DEEPEST = 3  # vertices still to be chosen by a part that is worth a thread: smaller parts end too soon


class Part(NamedTuple):
    """What is searched with the vertices ``prefix`` taken."""

    prefix: Numbers
    need: int
    state: State

    def split(self, nogoods: Nogoods | None = None) -> Part | None:
        """Cut off the next branch of the first level that has one worth it; None if there is none.

        What is cut off is not refuted here, so the levels it comes from leave no nogood behind.
        """
        last_level = min(int(self.state.counter[DEPTH]), self.need - _DEEPEST)
        for depth in range(last_level + 1):
            need = self.need - depth - 1
            while True:
                vertex, candidates = cut_branch(self.state, depth)
                if vertex < 0:
                    break
                self.state.holds[: depth + 1] = True
                if nogoods is not None and closest(nogoods, need, candidates, 1)[1] == 0:
                    continue
                prefix = np.concatenate((self.prefix, self.state.path[:depth], [vertex]))
                return Part(prefix, need, new_state(self.state.adjacent, candidates, need, nogoods))
        return None


def divide(parts: list[Part], threads: int, nogoods: Nogoods | None = None) -> None:
    """Cut a branch off each part in turn, until there are enough for the threads or none can be cut."""
    wanted = _PARTS * threads if threads > 1 else 1
    waiting = list(parts)
    while waiting and len(parts) < wanted:
        part = waiting.pop(0)
        if other := part.split(nogoods):
            parts.append(other)
            waiting += (part, other)
