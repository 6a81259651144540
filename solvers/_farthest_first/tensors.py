"""The torch half of :mod:`solvers.greedy`: tensors of any device, one operator that ``torch.compile`` keeps whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec

import numpy as np
import torch

from mmdp import InvalidOptionError, Problem
from mmdp.arrays import bits_of, is_tensor, to_numpy
from mmdp.metrics import resolve
from solvers._farthest_first import selection, tensor_traversal
from solvers._framework.grading import Run

STARTS = ("isolated", "farthest_pair", "sweep", "random")
_ITEMS = 2**16 - 1  # of a launch at most: programs along the second axis of a grid

Engine = Callable[
    [torch.Tensor, int, str, str, torch.Tensor | None, torch.Tensor | None], torch.Tensor
]  # points (b, n, d), k, metric, start, fixed, ks


def run(problem: Problem, start: str | int, rng: np.random.Generator) -> Run:
    """Solve a problem where its points are, by rows of distances; the answer alone comes to the host."""
    kernel = _supported(problem.geometry.form)
    points = problem.points if is_tensor(problem.points) else torch.as_tensor(problem.vectors)
    x = problem.geometry.embed(points) if is_tensor(problem.points) else points
    x = x.to(tensor_traversal.working_dtype(points))
    fixed = torch.full((1, problem.n), -1, dtype=torch.int8)
    fixed[0, problem.candidates] = 0
    fixed[0, list(problem.include)] = 1
    begin = str(rng.choice(problem.candidates) if start == "random" else start)
    picks, radius = tensor_traversal.traverse(kernel, x[None], problem.k, begin, fixed.to(x.device), None, gram=False)
    indices = picks[0].cpu().numpy()
    indices[: len(problem.include)] = problem.include  # the same points, in the order they were given
    constant = problem.geometry.triangle_constant
    rounding = 1 + 4 * x.shape[-1] * torch.finfo(x.dtype).eps
    bound = np.inf if constant is None else problem.geometry.bound(constant * float(radius) * rounding)
    return Run(indices, upper_bound=bound, iterations=problem.k)


def select(
    points: torch.Tensor,
    k: int,
    metric: str,
    start: str | int,
    lengths: torch.Tensor | None,
    ks: torch.Tensor | None,
    include: torch.Tensor | None,
    exclude: torch.Tensor | None,
    accelerate: bool,
) -> torch.Tensor:
    """Pick rows of points (..., n, d); see :meth:`solvers.greedy.Greedy.select`."""
    _supported(resolve(metric).form)
    n, d = points.shape[-2:]
    if not isinstance(start, str) and not 0 <= start < n:
        raise InvalidOptionError(f"start = {start} is not among the {n} points to choose from")
    _check_shapes(points, {"lengths": lengths, "ks": ks}, {"include": include, "exclude": exclude})
    fixed = _fixed(points, lengths, include, exclude)
    ks = None if ks is None else ks.reshape(-1)
    flat = points.detach().reshape(-1, n, d)
    picks: torch.Tensor = farthest_first(flat, k, metric, str(start), fixed, ks, accelerate)
    return picks.reshape(*points.shape[:-2], k)


torch.library.define(
    "mmdp::farthest_first",
    "(Tensor points, int k, str metric, str start, Tensor? fixed, Tensor? ks, bool accelerate=True) -> Tensor",
)


@torch.library.impl("mmdp::farthest_first", "default")
def _farthest_first(
    points: torch.Tensor,
    k: int,
    metric: str,
    start: str,
    fixed: torch.Tensor | None,
    ks: torch.Tensor | None,
    accelerate: bool = True,
) -> torch.Tensor:
    """Farthest-first of points (b, n, d), in compiled code on the CPU and where they are elsewhere."""
    if points.device.type == "cpu":
        return _on_the_cpu(points, k, metric, start, fixed, ks, accelerate)
    return in_parts(engine_for(points, metric), points, k, metric, start, fixed, ks)


@torch.library.register_fake("mmdp::farthest_first")
def _(
    points: torch.Tensor,
    k: int,
    metric: str,
    start: str,
    fixed: torch.Tensor | None,
    ks: torch.Tensor | None,
    accelerate: bool = True,
) -> torch.Tensor:
    return points.new_empty((points.shape[0], k), dtype=torch.int64)


farthest_first = torch.ops.mmdp.farthest_first.default


def _on_the_cpu(
    points: torch.Tensor,
    k: int,
    metric: str,
    start: str,
    fixed: torch.Tensor | None,
    ks: torch.Tensor | None,
    accelerate: bool,
) -> torch.Tensor:
    """Pick as from an array of the same numbers."""
    begin = start if start in STARTS else int(start)
    x = bits_of(points) if points.dtype == torch.bfloat16 else selection.as_rows(to_numpy(points))
    states, wanted = (None if mask is None else mask.cpu().numpy() for mask in (fixed, ks))
    return torch.from_numpy(selection.select(x, k, metric, begin, states, wanted, accelerate))


def in_parts(
    engine: Engine,
    points: torch.Tensor,
    k: int,
    metric: str,
    start: str,
    fixed: torch.Tensor | None,
    ks: torch.Tensor | None,
) -> torch.Tensor:
    """Run an engine on as many items at once as a launch takes and their matrices fit."""
    b, n, _ = points.shape
    together = _ITEMS
    if tensor_traversal.matrix_fits(points):
        together = min(together, tensor_traversal.MATRIX_BYTES // (4 * n * n))
    with _as_given(points.device.type):
        if b <= together:
            return engine(points, k, metric, start, fixed, ks)
        return torch.cat(
            [
                engine(points[part], k, metric, start, _item(fixed, part), _item(ks, part))
                for part in (slice(i, i + together) for i in range(0, b, together))
            ]
        )


def engine_for(points: torch.Tensor, metric: str) -> Engine:
    """Return the Triton kernels on a CUDA device for what they know, torch operations for everything else."""
    if points.is_cuda and find_spec("triton"):
        from solvers._farthest_first import gpu_launches

        if metric in gpu_launches.METRICS and points.dtype in gpu_launches.DTYPES:
            return gpu_launches.select
    return tensor_traversal.select


def _as_given(device: str) -> AbstractContextManager[object]:
    """Within it, autocast narrows no product."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def _item(tensor: torch.Tensor | None, part: slice) -> torch.Tensor | None:
    return None if tensor is None else tensor[part]


def _check_shapes(
    points: torch.Tensor, per_item: dict[str, torch.Tensor | None], per_point: dict[str, torch.Tensor | None]
) -> None:
    items = math.prod(points.shape[:-2])
    for name, tensor in per_item.items():
        if tensor is not None and (tensor.numel() != items or tensor.is_floating_point()):
            raise InvalidOptionError(f"{name} is {_kind(tensor)}; give a whole number for each of {items} items")
    for name, tensor in per_point.items():
        if tensor is not None and (tensor.shape != points.shape[:-1] or tensor.dtype != torch.bool):
            raise InvalidOptionError(f"{name} is {_kind(tensor)}; give bool of shape {tuple(points.shape[:-1])}")


def _kind(tensor: torch.Tensor) -> str:
    return f"{tensor.dtype} of shape {tuple(tensor.shape)}"


def _fixed(
    points: torch.Tensor, lengths: torch.Tensor | None, include: torch.Tensor | None, exclude: torch.Tensor | None
) -> torch.Tensor | None:
    """Return 1 for points that must be chosen, -1 for those that must not, 0 for the rest; None if all are 0."""
    if lengths is None and include is None and exclude is None:
        return None
    n = points.shape[-2]
    fixed = torch.zeros(points.shape[:-1], dtype=torch.int8, device=points.device).reshape(-1, n)
    if include is not None:
        fixed = fixed.masked_fill(include.reshape(-1, n), 1)
    if exclude is not None:
        fixed = fixed.masked_fill(exclude.reshape(-1, n), -1)
    if lengths is not None:
        fixed = fixed.masked_fill(torch.arange(n, device=points.device) >= lengths.reshape(-1, 1), -1)
    return fixed


def _supported(kernel: str) -> str:
    if kernel not in tensor_traversal.KERNELS:
        raise InvalidOptionError(f"torch has no {kernel} distances here; pass a numpy array, or use backend='numba'")
    return kernel
