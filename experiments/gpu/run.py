"""One run on a device: the check against float64, and the times of every size and batch."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial

import torch
import triton
import typer

from experiments._common.console import Console, Progress
from experiments._common.rows import Rows
from experiments.gpu.checks import Agreement, inputs
from experiments.gpu.peers import Floor, as_graph, divprune_loop, fps, milliseconds
from experiments.gpu.report import CHECK, FPS, GRAPH, LOOP, PRODUCTS, PYTHON, STEPS
from mmdp import InvalidOptionError, UnknownNameError
from solvers._farthest_first import gpu_launches
from solvers._farthest_first.tensor_traversal import FEW_DIMENSIONS
from solvers.greedy import Greedy

BATCHES = (1, 8, 32, 64)


@dataclass(frozen=True)
class Size:
    """One selection: k of n points in d dimensions."""

    name: str
    n: int
    d: int
    k: int
    metric: str = "cosine"


SIZES = (
    Size("LLaVA-1.5 image", 576, 4096, 58),
    Size("eight video frames", 1152, 3584, 115),
    Size("LLaVA-NeXT image", 2880, 4096, 282),
    Size("long video", 16384, 3584, 1638),
    Size("point cloud", 16384, 3, 1024, "euclidean"),
)
SMALL_SIZES = (Size("tiny image", 40, 24, 6), Size("tiny cloud", 50, 3, 6, "euclidean"))


def measure(
    rows: Rows, repeats: int, checks: int, dtype: str, interpret: bool, names: list[str], console: Console
) -> None:
    """Check the kernels, then time every size: each becomes rows. A wrong pick ends the run."""
    device = _device(interpret)
    where = torch.cuda.get_device_name() if device == "cuda" else f"Triton's interpreter, {platform.machine()}"
    console.print(f"{where}, torch {torch.__version__}, triton {triton.__version__}", style="bold")
    if checks:
        agreement = _check(min(checks, 16) if interpret else checks, 48 if interpret else 16384, device, console)
        console.print(str(agreement))
        rows.add(device=where, method=CHECK, **asdict(agreement))
        if agreement.wrong:
            raise typer.Exit(1)
    console.print(f"Every time becomes a row of {rows.path}: medians of {repeats} calls, by device events.")
    for size in _sizes(names, interpret):
        for batch in (1, 2) if interpret else BATCHES:
            if size.d > FEW_DIMENSIONS and batch * size.n**2 * 4 > 2**33:
                console.print(f"{size.name}, batch {batch}: dropped, its matrices need more than 8 GiB")
                continue
            points = _features(size, batch, getattr(torch, dtype), device)
            for method, (median, low, high) in _times(size, points, repeats):
                rows.add(
                    device=where, method=method, size=size.name, n=size.n, d=size.d, k=size.k, batch=batch,
                    dtype=dtype, milliseconds=median, lower_quartile=low, upper_quartile=high,
                )  # fmt: skip
            console.print(f"{size.name}, batch {batch}: done")


def _sizes(names: list[str], interpret: bool) -> list[Size]:
    """Those with the names, or all."""
    sizes = {size.name: size for size in (SMALL_SIZES if interpret else SIZES)}
    if unknown := [name for name in names if name not in sizes]:
        raise UnknownNameError(f"no size named {unknown[0]!r}; choose from {', '.join(sizes)}")
    return [sizes[name] for name in names or sizes]


def _device(interpret: bool) -> str:
    if torch.cuda.is_available():
        return "cuda"
    if not interpret:
        raise InvalidOptionError(
            "no CUDA device is here; --interpret runs tiny sizes on the CPU, with TRITON_INTERPRET=1 set"
        )
    if not triton.knobs.runtime.interpret:
        raise InvalidOptionError(
            "--interpret needs TRITON_INTERPRET=1 in the environment, from the start of the program"
        )
    return "cpu"


def _check(count: int, most: int, device: str, console: Console) -> Agreement:
    agreement = Agreement()
    with Progress(console) as progress:
        task = progress.add_task("checking", total=count)
        for points, k, metric in inputs(count, most, device):
            agreement.add(points, k, metric)
            progress.advance(task)
    return agreement


def _features(size: Size, batch: int, dtype: torch.dtype, device: str) -> torch.Tensor:
    generator = torch.Generator(device).manual_seed(1)
    return torch.randn(batch, size.n, size.d, generator=generator, device=device).to(dtype)


def _times(size: Size, points: torch.Tensor, repeats: int) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Each method's name and times; DivPrune's loop takes one image, so a batch is as many calls."""
    select = partial(Greedy().select if points.is_cuda else _interpreted, points, k=size.k, metric=size.metric)
    yield GRAPH, milliseconds(as_graph(select), repeats, queued=True)
    yield PYTHON, milliseconds(select, repeats)
    yield LOOP, milliseconds(partial(_one_by_one, points, size.k), max(2, repeats // 10))
    if size.d <= FEW_DIMENSIONS and fps(points, size.k) is not None:
        yield FPS, milliseconds(partial(fps, points, size.k), repeats)
    floor = Floor(points, size.k)
    if size.d > FEW_DIMENSIONS:
        yield PRODUCTS, milliseconds(as_graph(floor.products), repeats, queued=True)
    yield STEPS, milliseconds(as_graph(floor.steps), repeats, queued=True)


def _interpreted(points: torch.Tensor, k: int, metric: str) -> torch.Tensor:
    return gpu_launches.select(points, k, metric, "isolated", None, None)


def _one_by_one(points: torch.Tensor, k: int) -> None:
    for item in points:
        divprune_loop(item, k)
