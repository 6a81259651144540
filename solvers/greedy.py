"""Farthest-first traversal (GMM): always add the point farthest from those chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np

from mmdp import Clock, InvalidOptionError, Problem, Stop
from mmdp.arrays import Array, Indices, is_tensor
from mmdp.groups import GroupCounts
from mmdp.tables import Partitions, Table
from mmdp.validation import tables
from solvers._farthest_first import from_products, from_table, plain_traversal, selection
from solvers._framework.base import Solver, check_k
from solvers._framework.counted_picks import within_counts
from solvers._framework.distance_forms import FEW_DIMENSIONS, KINDS
from solvers._framework.first_pick import RANKED, Rows, default_start, first_pick
from solvers._framework.grading import Run
from solvers._framework.table_problem import TableProblem, TableRun
from solvers._framework.warm_up import MANY_COORDINATES, kind_of, once, part_of

STARTS = ("auto", "isolated", "farthest_pair", "sweep", "random")
_PART = 10  # points of a problem on which a run compiles
LOADED_ROWS = 4096  # a table of at most this many rows is loaded, unless its progress is to be saved or shown


@dataclass(frozen=True)
class Greedy(Solver):
    """Farthest-first: at least half the optimum wherever the triangle inequality holds.

    Gonzalez (Theoretical Computer Science 38, 1985); Ravi, Rosenkrantz, Tayi (Operations Research 42(2), 1994). Under
    cosine distance the guarantee is a quarter, because only its square root is a metric. O(n k d) time; besides the
    points, it keeps one row of n distances, and up to 256 MiB of products where all pairs are compared in many
    dimensions. Ties go to the lowest index. The distance of the last pick gives an upper bound on the optimum.

    Parameters
    ----------
    start : str or int
        The first pick, and what it costs:

        - "isolated": the point whose nearest neighbour is farthest, as DivPrune does; O(n^2 d) at worst, and mostly far
          less
        - "farthest_pair": the two points farthest apart; O(n^2 d)
        - "sweep": the point farthest from point 0; O(n d)
        - "random": any; O(1)
        - an index
        - "auto" (default): "isolated" up to 4,096 points, "sweep" beyond

        With required points (``Problem(include=...)``) the traversal starts from these and ``start`` is not used.

        With group counts the next pick is the farthest point with which the counts can still be kept, on the CPU. If a
        rule for the start names a point that the counts forbid, the farthest point that they allow replaces it. The
        guarantee is lost.
    backend : str
        For ``solve``: "numba", "torch", or "auto", which is torch for tensors on an accelerator and Numba otherwise.
        ``select`` follows its input: Numba for arrays and tensors on the CPU, Triton kernels for tensors on CUDA, torch
        for others.
    accelerated : bool
        On the CPU, skip distances that cannot change a pick; the picks are the same. In many dimensions most of what is
        left is one product of integers, with float64 for the pairs that rounding to them leaves open.

    Examples
    --------
    >>> from solvers import solve
    >>> solve([[0.0], [1.0], [5.0]], k=2, solver="greedy", start=1).indices.tolist()
    [1, 2]
    """

    approximation_factor = 2.0
    resumable = True
    keeps_group_counts = True
    cost = "O(n k d), memory O(n)"
    device = "CPU, any torch device"

    start: str | int = "auto"
    backend: str = "auto"
    accelerated: bool = True

    def __post_init__(self) -> None:
        is_index = isinstance(self.start, (int, np.integer)) and not isinstance(self.start, bool)
        if not is_index and self.start not in STARTS:
            raise InvalidOptionError(f"start = {self.start!r}; choose one of {', '.join(STARTS)}, or an index")
        if self.backend not in ("auto", "numba", "torch"):
            raise InvalidOptionError(f"backend = {self.backend!r}; choose auto, numba or torch")

    def warm_up(self, problem: Problem) -> None:
        """Compile on a part of the problem that is traversed in the same way."""
        if self._on_torch(problem) or problem.points is None or problem.geometry.form not in KINDS:
            return
        n, d = problem.points.shape
        start = self._start(len(problem.candidates))
        like = Greedy(start if isinstance(start, str) else "random", "numba", self.accelerated)
        large = n * d >= MANY_COORDINATES

        def run() -> None:
            part = part_of(problem, 1 + MANY_COORDINATES // d if large else _PART, _PART)
            like._run(part, Clock(Stop()), np.random.default_rng(0))
            plain_traversal.extend(part, [], start if start in RANKED else 0, self.accelerated)
            if self.accelerated and problem.geometry.form == "sqeuclidean" and d > FEW_DIMENSIONS:
                from_products.warm_up(part.vectors, start if isinstance(start, str) else 0)

        once((like, large, kind_of(problem), d <= FEW_DIMENSIONS), run)

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        candidates = problem.candidates
        if isinstance(self.start, (int, np.integer)) and self.start not in candidates:
            raise InvalidOptionError(f"start = {self.start} is not among the {len(candidates)} points to choose from")
        start = self._start(len(candidates))
        if problem.group_counts is not None:
            return Run(self._within_counts(problem, problem.group_counts, rng), iterations=problem.k)
        if self._on_torch(problem):
            from solvers._farthest_first import tensors

            return tensors.run(problem, start, rng)
        start = int(rng.choice(candidates)) if start == "random" else start
        picks = self._from_products(problem, start) or list(problem.include)
        if len(picks) < problem.k:
            picks, radius = plain_traversal.extend(problem, picks, start, self.accelerated, clock.chosen)
        else:
            radius = from_products.radius_of_last(problem.vectors, picks)
        return Run(picks, upper_bound=_radius_bound(problem, radius), iterations=problem.k)

    def _order(self, problem: Problem, rng: np.random.Generator) -> Indices:
        """As for one point fewer, and the last one."""
        if problem.k - 1 < max(2, len(problem.include) + 1):
            return problem.max_min_order()
        fewer = replace(problem, k=problem.k - 1, groups=None, counts=None)
        self.warm_up(fewer)
        picks = np.asarray(self._run(fewer, Clock(Stop()), rng).indices)
        return np.concatenate([picks, np.setdiff1d(problem.candidates, picks)]).astype(np.int64)

    def _within_counts(self, problem: Problem, limits: GroupCounts, rng: np.random.Generator) -> list[int]:
        """Farthest-first within the counts, from the first two picks without counts as far as these allow them."""
        if self.backend == "torch":
            raise InvalidOptionError("backend = 'torch' does not keep group counts; choose auto or numba")
        first: list[int] = []
        if not problem.include:
            free = replace(problem, k=2, groups=None, counts=None)
            first = [int(i) for i in np.asarray(self._run(free, Clock(Stop()), rng).indices)]
        picks = within_counts(problem, limits, first)
        if isinstance(self.start, (int, np.integer)) and not problem.include and self.start not in picks:
            raise InvalidOptionError(f"start = {self.start}: with this point, no {problem.k} points keep the counts")
        return picks

    def _from_products(self, problem: Problem, start: str | int) -> list[int]:
        """Picks of :mod:`solvers._farthest_first.from_products`, perhaps not all; none where it does not apply."""
        candidates, k = problem.candidates, problem.k
        if not self.accelerated or problem.geometry.form != "sqeuclidean" or problem.points is None:
            return []
        x = problem.vectors
        if not from_products.applies(len(candidates), x.shape[1], k, start, problem.include):
            return []
        first = np.searchsorted(candidates, problem.include).tolist()
        place = start if isinstance(start, str) else int(np.searchsorted(candidates, start))
        rows = x if len(candidates) == problem.n else np.ascontiguousarray(x[candidates])
        threads = numba.get_num_threads()
        found = from_products.pick(rows, k, place, first, angular=False, threads=threads).picks
        return [int(i) for i in candidates[found]]

    @property
    def stops(self) -> bool:
        """One solution is constructed."""
        return False

    def _reads(self, asked: TableProblem) -> bool:
        """From 4,097 rows on, and where progress is to be saved or shown; not if all rows are needed in memory."""
        table = asked.table
        if isinstance(table, Partitions) or self.backend == "torch" or not self.accelerated:
            return False
        is_small = table.n <= LOADED_ROWS
        if asked.geometry.form not in KINDS or (self._start(table.n) in RANKED and not is_small):
            return False
        return not is_small or asked.checkpoint is not None or asked.progress

    def _warm_up_table(self, asked: TableProblem) -> None:
        assert isinstance(asked.table, Table)
        from_table.warm_up(asked.table, asked.geometry)

    def _run_table(self, asked: TableProblem) -> TableRun:
        table, geometry = asked.table, asked.geometry
        assert isinstance(table, Table)
        start = self._start(table.n)
        rng = np.random.default_rng(asked.seed)
        if start in RANKED:
            held = Problem(asked.k, table.load(), metric=geometry, include=asked.include, exclude=asked.exclude)
            start = first_pick(Rows(held), start)
        first = None if start == "sweep" else int(_any_row(rng, asked) if start == "random" else start)
        if first is not None and (not 0 <= first < table.n or first in asked.exclude):
            raise InvalidOptionError(
                f"start = {first} is not among the {table.n - len(asked.exclude)} points to choose from"
            )
        found = from_table.traverse_table(asked, first)
        constant = geometry.triangle_constant
        bound = np.inf if constant is None else geometry.bound(constant * found.radius)
        run = Run(found.picks, bound, iterations=asked.k, notes={"passes": found.passes})
        return TableRun(run, found.vectors, table.n)

    def _on_torch(self, problem: Problem) -> bool:
        on_accelerator = is_tensor(problem.points) and problem.points.device.type != "cpu"
        return self.backend == "torch" or (self.backend == "auto" and on_accelerator)

    def _start(self, n: int) -> str | int:
        if self.start == "auto":
            return default_start(n)
        return self.start

    def select(
        self,
        points: Array,
        k: int,
        metric: str = "cosine",
        *,
        lengths: Array = None,
        ks: Array = None,
        include: Array = None,
        exclude: Array = None,
    ) -> Array:
        """As :meth:`Solver.select`; tensors stay on their device, with no host round trip, and may differ by item.

        An array, a tensor on the CPU and :meth:`solve` give the same picks for the same numbers, those of distances in
        float64 with ties to the lowest index, whatever was computed in fewer bits. The items of a batch share the
        cores.

        On a CUDA device and for float32, float16 and bfloat16 under the Euclidean and angular metrics it runs in Triton
        kernels and accumulates in float32, so coordinates must lie between 1e-15 and 1e15 in size, or be zero. Such a
        call can be captured in a CUDA graph, and any call on tensors can be compiled by ``torch.compile``.

        Parameters
        ----------
        points : (n, d) or (batch, n, d) array
        k : int
        metric : str
        lengths : (batch,) integer tensor, optional
            How many rows of each item are points; those behind are padding. For tensors, like the following.
        ks : (batch,) integer tensor, optional
            How many points to choose of each item, at most k.
        include, exclude : (batch, n) bool tensor, optional
            Points chosen before all others, in the order of their indices, and points never chosen.

        Returns
        -------
        (k,) or (batch, k) array of int64
            Where an item has or is to give fewer than k points, the rest is -1.
        """
        points = tables(points)
        if is_tensor(points):
            from solvers._farthest_first import tensors

            check_k(points.shape[-2], k)
            start = self._start(points.shape[-2])
            return tensors.select(points, k, metric, start, lengths, ks, include, exclude, self.accelerated)
        if any(mask is not None for mask in (lengths, ks, include, exclude)):
            raise InvalidOptionError("lengths, ks, include and exclude are for tensors; pass torch.from_numpy(points)")
        x = selection.as_rows(points)
        check_k(x.shape[-2], k)
        start = self._start(x.shape[-2])
        if not isinstance(start, str) and not 0 <= start < x.shape[-2]:
            raise InvalidOptionError(f"start = {start} is not among the {x.shape[-2]} points to choose from")
        picks = selection.select(x.reshape(-1, *x.shape[-2:]), k, metric, start, accelerate=self.accelerated)
        return picks.reshape(*x.shape[:-2], k)


def _any_row(rng: np.random.Generator, asked: TableProblem) -> int:
    assert isinstance(asked.table, Table)
    return int(rng.choice(np.setdiff1d(np.arange(asked.table.n), asked.exclude) if asked.exclude else asked.table.n))


def _radius_bound(problem: Problem, radius: float) -> float:
    constant = problem.geometry.triangle_constant
    return np.inf if constant is None else problem.geometry.bound(constant * radius)
