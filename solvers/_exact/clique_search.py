"""A clique search of one graph that runs for as long as it is given, and goes on where it was."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from solvers._exact.bitsets import conflicts_of, full, pack, share_of_conflicts
from solvers._exact.branch_and_bound import (
    DEPTH,
    EXHAUSTED,
    FOUND,
    NODES,
    PAUSED,
    Numbers,
    new_state,
    search,
)
from solvers._exact.search_parts import Part, divide
from solvers._exact.threshold_graph import Adjacency, beside, core_in_order

_SLICE_SECONDS = 0.02  # between two looks at the clock: shorter slices cost more calls, longer ones overrun the limit
_LONGEST_SLICE = 10**9
_ALONE = 20_000  # nodes before the work is divided


class PacedSearch(ABC):
    """A search in slices so long that the clock and Ctrl-C are looked at often, and seldom in vain.

    Attributes
    ----------
    nodes : int
        Searched so far.
    outcome : int
        EXHAUSTED, FOUND or PAUSED.
    """

    def __init__(self, forced: Sequence[int], threads: int = 1) -> None:
        self._forced, self._threads = list(forced), threads
        self._vertices = np.empty(0, np.int64)
        self._slice = 500
        self._cliques: list[Numbers] = []
        self.nodes, self.outcome = 0, PAUSED

    @property
    def clique(self) -> NDArray[np.int64]:
        """The k vertices, once the outcome is FOUND."""
        return self.chosen(self._cliques[-1])

    def chosen(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the vertices at places of the search order, after the forced ones."""
        return np.concatenate((self._forced, self._vertices[places])).astype(np.int64)

    @property
    @abstractmethod
    def _unfinished(self) -> bool:
        """Whether there is anything left to search."""

    @abstractmethod
    def _advance(self, pool: ThreadPoolExecutor, nodes: float) -> None:
        """Search for a slice or that many nodes, whichever ends first."""

    def run(self, seconds: float, nodes: float = np.inf) -> int:
        """Search on for that long or that many nodes, whichever ends first; EXHAUSTED, FOUND or PAUSED.

        After FOUND, a further call looks for the next clique.
        """
        if self.outcome == EXHAUSTED:
            return EXHAUSTED
        end, last = time.perf_counter() + seconds, self.nodes + nodes
        self._cliques = self._cliques[:-1]  # the latest has been told
        with ThreadPoolExecutor(self._threads) as pool:  # starts no thread before there is work for it
            while self._unfinished and not self._cliques and self.nodes < last:
                started = time.perf_counter()
                self._advance(pool, last - self.nodes)
                now = time.perf_counter()
                if now >= end:
                    break
                if now - started < _SLICE_SECONDS:
                    self._slice = min(2 * self._slice, _LONGEST_SLICE)
                elif now - started > 2 * _SLICE_SECONDS:
                    self._slice = max(1, self._slice // 2)
        self.outcome = FOUND if self._cliques else PAUSED if self._unfinished else EXHAUSTED
        return self.outcome


class _Stack(Protocol):
    """A search on its explicit stack; on FOUND the clique is ``path`` up to ``counter[DEPTH]``, inclusive."""

    @property
    def path(self) -> Numbers: ...

    @property
    def counter(self) -> Numbers: ...


_S = TypeVar("_S", bound=_Stack)


class SingleSearch(PacedSearch, Generic[_S]):
    """A search of one stack, which is not divided among threads."""

    _state: _S | None = None

    @abstractmethod
    def _search(self, state: _S, nodes: int) -> int:
        """Run for at most so many nodes more; EXHAUSTED, FOUND or PAUSED."""

    @property
    def _unfinished(self) -> bool:
        return self._state is not None

    def _advance(self, pool: ThreadPoolExecutor, nodes: float) -> None:
        state = self._state
        assert state is not None
        before = int(state.counter[NODES])
        outcome = self._search(state, int(min(self._slice, nodes)))
        self.nodes += int(state.counter[NODES]) - before
        if outcome == FOUND:
            self._cliques.append(state.path[: state.counter[DEPTH] + 1].copy())
        elif outcome == EXHAUSTED:
            self._state = None


class CliqueSearch(PacedSearch):
    """Decides whether there are k pairwise adjacent vertices, the forced ones among them.

    Parameters
    ----------
    adjacent : (n, n) bool array
        Symmetric, False on the diagonal.
    k : int
    forced : sequence of int
    threads : int
        How many parts of a long search run at the same time. The answer is the same, another clique may come first.
    """

    def __init__(self, adjacent: Adjacency, k: int, forced: Sequence[int] = (), threads: int = 1) -> None:
        super().__init__(forced, threads)
        self._need = k - len(self._forced)
        self._parts: list[Part] = []
        free = beside(adjacent, self._forced)
        if free is None:
            self.outcome = EXHAUSTED
            return
        self._vertices = core_in_order(adjacent, np.flatnonzero(free), self._need)
        m = len(self._vertices)
        self.outcome = EXHAUSTED if m < self._need else PAUSED
        if self.outcome == PAUSED:
            self._adjacent = pack(adjacent[np.ix_(self._vertices, self._vertices)])
            self._parts = [Part(np.empty(0, np.int64), self._need, new_state(self._adjacent, full(m), self._need))]

    @property
    def _unfinished(self) -> bool:
        return bool(self._parts)

    @property
    def conflicts(self) -> float:
        """Share of pairs that are not adjacent, among the vertices searched."""
        return share_of_conflicts(self._adjacent)

    def as_packing(self) -> tuple[NDArray[np.bool_], int, NDArray[np.int64]]:
        """Return the same problem for ``packing.independent``: conflicts in search order, how many to choose, ones."""
        return conflicts_of(self._adjacent), self._need, np.ones(len(self._vertices), np.int64)

    def _advance(self, pool: ThreadPoolExecutor, nodes: float) -> None:
        """Run all parts for a slice, or for fewer nodes in all."""
        if self.nodes >= _ALONE:
            divide(self._parts, self._threads)
        running = self._parts if nodes >= len(self._parts) else self._parts[: int(nodes)]
        share = int(min(self._slice, nodes // len(running)))
        before = sum(int(part.state.counter[NODES]) for part in running)
        run_all = map if len(running) == 1 else pool.map
        outcomes = list(run_all(lambda part: search(part.state, None, None, part.need, share), running))
        self.nodes += sum(int(part.state.counter[NODES]) for part in running) - before
        for part, outcome in zip(running, outcomes, strict=True):
            if outcome == FOUND:
                self._cliques.append(np.concatenate((part.prefix, part.state.path[: part.need])))
        ended = [outcome == EXHAUSTED for outcome in outcomes] + [False] * (len(self._parts) - len(running))
        self._parts = [part for part, end in zip(self._parts, ended, strict=True) if not end]


__all__ = ["EXHAUSTED", "FOUND", "PAUSED", "CliqueSearch", "PacedSearch"]
