"""Farthest-first traversal (GMM): always add the point farthest from those chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmdp import Clock, InvalidOptionError, Problem
from mmdp._validation import to_numpy
from mmdp.metrics import Array, Vector, is_tensor, resolve, unit_vectors
from solvers._base import Run, Solver, check_k, selection_problem
from solvers._kernels.numba import KINDS, lower_nearest, neighbour_extremes

if TYPE_CHECKING:
    import torch

STARTS = ("auto", "isolated", "farthest_pair", "sweep", "random")
_QUADRATIC_START_LIMIT = 4096


@dataclass(frozen=True)
class Greedy(Solver):
    """Farthest-first: at least half the optimum wherever the triangle inequality holds.

    Gonzalez (Theoretical Computer Science 38, 1985); Ravi, Rosenkrantz, Tayi (Operations Research 42(2), 1994). Under
    cosine distance the guarantee is a quarter, since its square root is a metric. O(n k d) time. Beyond the points it
    keeps one row of n distances. Ties go to the lowest index. The distance of the last pick bounds the optimum.

    Parameters
    ----------
    start : str or int
        The first pick, and what it costs:

        - "isolated": the point whose nearest neighbour is farthest, as DivPrune does; O(n^2 d)
        - "farthest_pair": the two points farthest apart; O(n^2 d)
        - "sweep": the point farthest from point 0; O(n d)
        - "random": any; O(1)
        - an index
        - "auto" (default): "isolated" up to 4,096 points, "sweep" beyond

        With fixed picks (``Problem(include=...)``) the traversal starts from these and ``start`` is not used.
    backend : str
        "numba", "torch", or "auto": torch for tensors on an accelerator, where the data stays, Numba otherwise.
    """

    cost = "O(n k d), memory O(n)"
    device = "CPU, any torch device"

    start: str | int = "auto"
    backend: str = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.start, str) and self.start not in STARTS:
            raise InvalidOptionError(f"start = {self.start!r}; choose one of {', '.join(STARTS)}, or an index")
        if self.backend not in ("auto", "numba", "torch"):
            raise InvalidOptionError(f"backend = {self.backend!r}; choose auto, numba or torch")

    def _run(self, problem: Problem, clock: Clock, rng: np.random.Generator) -> Run:
        if isinstance(self.start, (int, np.integer)) and self.start not in problem.candidates:
            raise InvalidOptionError(
                f"start = {self.start} is not among the {len(problem.candidates)} points to choose from"
            )
        on_accelerator = is_tensor(problem.points) and problem.points.device.type != "cpu"
        if self.backend == "torch" or (self.backend == "auto" and on_accelerator):
            return self._run_torch(problem, rng)
        rows = _Rows(problem)
        nearest = np.full(problem.n, -1.0)
        nearest[problem.candidates] = np.inf
        picks = list(problem.include) or self._first(rows, rng)
        picks, radius = _traverse(rows, nearest, picks, problem.k)
        return Run(picks, upper_bound=_radius_bound(problem, radius), iterations=problem.k)

    def _start(self, n: int) -> str | int:
        if self.start == "auto":
            return "isolated" if n <= _QUADRATIC_START_LIMIT else "sweep"
        return self.start

    def _first(self, rows: _Rows, rng: np.random.Generator) -> list[int]:
        candidates = rows.problem.candidates
        start = self._start(len(candidates))
        if start == "random":
            return [int(rng.choice(candidates))]
        if start == "sweep":
            return [rows.farthest_from(int(candidates[0]))]
        if isinstance(start, str):
            nearest, farthest = rows.neighbour_extremes()
            if start == "isolated":
                return [int(candidates[int(nearest.argmax())])]
            a = int(candidates[int(farthest.argmax())])
            return [a, rows.farthest_from(a)]
        return [int(start)]

    def _run_torch(self, problem: Problem, rng: np.random.Generator) -> Run:
        import torch

        from solvers._kernels import torch as kernels

        x = problem.points if is_tensor(problem.points) else torch.as_tensor(problem.vectors)
        x = (problem.geometry.embed(x) if is_tensor(problem.points) else x).to(kernels.working_dtype(x))[None]
        kernel = problem.geometry.kernel
        blocked = torch.ones(1, problem.n, dtype=torch.bool, device=x.device)
        blocked[0, torch.as_tensor(problem.candidates, device=x.device)] = False
        row = lambda pick: kernels.distance_row(kernel, x, x[:, pick])  # noqa: E731
        first = self._first_torch(problem, x, blocked, rng)
        picks, radius = kernels.farthest_first(row, problem.k, first, blocked, x.dtype)
        rounding = 1 + 4 * x.shape[-1] * torch.finfo(x.dtype).eps
        return Run(picks[0].cpu().numpy(), _radius_bound(problem, float(radius) * rounding), iterations=problem.k)

    def _first_torch(
        self, problem: Problem, x: torch.Tensor, blocked: torch.Tensor, rng: np.random.Generator
    ) -> torch.Tensor:
        import torch

        from solvers._kernels import torch as kernels

        def indices(*values: Any) -> torch.Tensor:
            return torch.as_tensor([values], dtype=torch.int64, device=x.device)

        if problem.include:
            return indices(*problem.include)
        start = self._start(len(problem.candidates))
        if start == "random":
            return indices(int(rng.choice(problem.candidates)))
        kernel = problem.geometry.kernel

        def far_from(i: int) -> torch.Tensor:
            distances = kernels.distance_row(kernel, x, x[:, i : i + 1]).masked_fill(blocked, -1)
            distances[0, i] = -1
            return distances.argmax(1)

        if start == "sweep":
            return far_from(int(problem.candidates[0]))[:, None]
        if isinstance(start, str):
            nearest, farthest = kernels.neighbour_extremes(kernel, x, blocked)
            if start == "isolated":
                return nearest.argmax(1)[:, None]
            a = farthest.argmax(1)
            return torch.stack((a, far_from(int(a))), 1)
        return indices(start)

    def select(self, points: Array, k: int, metric: str = "cosine") -> Array:
        """As :meth:`Solver.select`; tensors stay on their device, in float32 at least, with no host round trip."""
        check_k(points.shape[-2], k)
        if not is_tensor(points):
            if points.ndim > 2:
                return np.stack([self.select(item, k, metric) for item in points])
            if k > 1:
                problem = selection_problem(to_numpy(points), k, metric)
                return np.asarray(self._run(problem, Clock(self.default_stop), np.random.default_rng(0)).indices)
            rows = _Rows(selection_problem(to_numpy(points), min(2, len(points)), metric)) if len(points) > 1 else None
            return np.array(self._first(rows, np.random.default_rng(0))[:1] if rows else [0])
        from solvers._kernels import torch as kernels

        x = points.detach().to(kernels.working_dtype(points)).reshape(-1, *points.shape[-2:])
        geometry = resolve(metric)
        x = unit_vectors(x) if metric in ("cosine", "angular") else geometry.embed(x)
        return kernels.select_isolated_first(geometry.kernel, x, k).reshape(*points.shape[:-2], k)


def _traverse(rows: _Rows, nearest: Vector, first: list[int], k: int) -> tuple[list[int], float]:
    """The readable formula: nearest[i] = min over chosen c of distance(i, c); the next pick is its argmax."""
    picks, radius = list(first), np.inf
    for step in range(k):
        if step >= len(picks):
            picks.append(int(nearest.argmax()))
        radius = float(nearest[picks[step]])
        if step < k - 1:
            rows.lower(nearest, picks[step])
            nearest[picks[step]] = -1.0
    return picks, radius


def _radius_bound(problem: Problem, radius: float) -> float:
    growth = problem.geometry.two_hops
    return np.inf if growth is None else float(problem.value(growth * radius))


class _Rows:
    """Distance rows of a problem: compiled for the named kernels, through the problem for the rest."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.kind = KINDS.get(problem.geometry.kernel)

    def lower(self, nearest: Vector, centre: int) -> None:
        """``nearest = min(nearest, row(centre))`` in place."""
        if self.kind is None:
            np.minimum(nearest, self.problem.surrogates(centre)[0], out=nearest)
        else:
            lower_nearest(self.kind, self.problem.vectors, centre, nearest)

    def farthest_from(self, i: int) -> int:
        """The candidate other than i farthest from it."""
        row = np.full(self.problem.n, np.inf)
        self.lower(row, i)
        row[i] = -1.0
        return int(self.problem.candidates[int(row[self.problem.candidates].argmax())])

    def neighbour_extremes(self) -> tuple[Vector, Vector]:
        """Surrogate to the nearest and the farthest other candidate, for each candidate; O(n^2 d)."""
        candidates = self.problem.candidates
        if self.kind is not None:
            extremes: tuple[Vector, Vector] = neighbour_extremes(self.kind, self.problem.vectors, candidates)
            return extremes
        nearest, farthest = np.empty(len(candidates)), np.empty(len(candidates))
        for place, i in enumerate(candidates):
            others = np.delete(self.problem.surrogates(i)[0, candidates], place)
            nearest[place], farthest[place] = others.min(), others.max()
        return nearest, farthest
