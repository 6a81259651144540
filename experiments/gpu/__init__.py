"""Greedy selection on a GPU: whether it is right, how long it takes, and how near that is to the least possible."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import triton
import typer
from rich.console import Console
from rich.progress import track
from tabulate import tabulate

from experiments._common.rows import RESULTS, Rows
from experiments.gpu.checks import Agreement, hopper_resources, inputs
from experiments.gpu.peers import Floor, as_graph, divprune_loop, fps, milliseconds
from mmdp import InvalidOptionError
from solvers._farthest_first import gpu_launches
from solvers._farthest_first.tensor_traversal import FEW_DIMENSIONS
from solvers.greedy import Greedy

KEY = ("device", "method", "n", "d", "k", "batch", "dtype")
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


def main(
    results: Annotated[Path, typer.Option(help="Folder of the rows.")] = RESULTS,
    repeats: Annotated[int, typer.Option(help="Timed calls of each method.", min=2)] = 50,
    checks: Annotated[int, typer.Option(help="Inputs of the check against float64; 0 leaves it out.", min=0)] = 1000,
    dtype: Annotated[str, typer.Option(help="Of the features: bfloat16, float16 or float32.")] = "bfloat16",
    interpret: Annotated[bool, typer.Option(help="Without a GPU: tiny sizes in Triton's interpreter.")] = False,
    resources: Annotated[bool, typer.Option(help="Only compile for a Hopper GPU and show what kernels use.")] = False,
) -> None:
    """Greedy selection on a GPU: checked against float64, then timed beside DivPrune's loop and a floor."""
    console = Console()
    if resources:
        console.print(
            "Compiled for compute capability 9.0; registers and stack bytes of a thread, shared bytes of a program:"
        )
        console.print(tabulate(hopper_resources(), headers="keys"), soft_wrap=True)
        return
    device = _device(interpret)
    where = torch.cuda.get_device_name() if device == "cuda" else f"Triton's interpreter, {platform.machine()}"
    console.print(f"[bold]{where}[/bold], torch {torch.__version__}, triton {triton.__version__}")
    if checks:
        agreement = _check(min(checks, 16) if interpret else checks, 48 if interpret else 16384, device)
        console.print(str(agreement))
        if agreement.wrong:
            raise typer.Exit(1)
    rows = Rows(results / "gpu.csv", KEY, packages=("torch", "triton"))
    console.print(f"Every time becomes a row of {rows.path}: medians of {repeats} calls, by device events.")
    lines = []
    for size in SMALL_SIZES if interpret else SIZES:
        for batch in (1, 2) if interpret else BATCHES:
            if size.d > FEW_DIMENSIONS and batch * size.n**2 * 4 > 2**33:
                console.print(f"{size.name}, batch {batch}: left out, its matrices need more than 8 GiB")
                continue
            points = _features(size, batch, getattr(torch, dtype), device)
            measured = dict(_measure(size, points, repeats))
            for method, (median, low, high) in measured.items():
                rows.add(
                    device=where, method=method, size=size.name, n=size.n, d=size.d, k=size.k, batch=batch,
                    dtype=dtype, milliseconds=median, lower_quartile=low, upper_quartile=high,
                )  # fmt: skip
            lines.append(_line(size, batch, points, {name: times[0] for name, times in measured.items()}))
    console.print(tabulate(lines, headers="keys", disable_numparse=True, stralign="right"), soft_wrap=True)


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


def _check(count: int, most: int, device: str) -> Agreement:
    agreement = Agreement()
    for points, k, metric in track(inputs(count, most, device), "checking", total=count, transient=True):
        agreement.add(points, k, metric)
    return agreement


def _features(size: Size, batch: int, dtype: torch.dtype, device: str) -> torch.Tensor:
    generator = torch.Generator(device).manual_seed(1)
    return torch.randn(batch, size.n, size.d, generator=generator, device=device).to(dtype)


def _measure(size: Size, points: torch.Tensor, repeats: int) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Each method's name and times; DivPrune's loop takes one image, so a batch is as many calls."""
    select = partial(Greedy().select if points.is_cuda else _interpreted, points, k=size.k, metric=size.metric)
    yield "greedy", milliseconds(as_graph(select), repeats, queued=True)
    yield "greedy, launched from Python", milliseconds(select, repeats)
    yield "DivPrune's loop", milliseconds(partial(_one_by_one, points, size.k), max(2, repeats // 10))
    if size.d <= FEW_DIMENSIONS and fps(points, size.k) is not None:
        yield "torch_cluster fps", milliseconds(partial(fps, points, size.k), repeats)
    floor = Floor(points, size.k)
    if size.d > FEW_DIMENSIONS:
        yield "floor: products", milliseconds(as_graph(floor.products), repeats, queued=True)
    yield "floor: steps", milliseconds(as_graph(floor.steps), repeats, queued=True)


def _interpreted(points: torch.Tensor, k: int, metric: str) -> torch.Tensor:
    return gpu_launches.select(points, k, metric, "isolated", None, None)


def _one_by_one(points: torch.Tensor, k: int) -> None:
    for item in points:
        divprune_loop(item, k)


def _bytes(size: Size, points: torch.Tensor) -> int:
    """What a selection must read and write: the features, their matrix three times over, and a row of it a step."""
    matrix = 12 * size.n**2 if size.d > FEW_DIMENSIONS else 0
    row = 4 * size.n * (1 if matrix else size.d)
    return points.numel() * points.element_size() + len(points) * (matrix + size.k * row)


def _line(size: Size, batch: int, points: torch.Tensor, times: dict[str, float]) -> dict[str, str]:
    greedy, loop = times["greedy"], times["DivPrune's loop"]
    floor = times.get("floor: products", 0.0) + times["floor: steps"]
    return {
        "n, d, k": f"{size.n}, {size.d}, {size.k}",
        "batch": str(batch),
        "greedy ms": f"{greedy:.3f}",
        "from Python": f"{times['greedy, launched from Python']:.3f}",
        "DivPrune's loop": f"{loop:.3f}",
        "loop / greedy": f"{loop / greedy:.1f}",
        "fps": f"{times['torch_cluster fps']:.3f}" if "torch_cluster fps" in times else "-",
        "floor": f"{floor:.3f}",
        "floor share": f"{floor / greedy:.0%}",
        "GB/s": f"{_bytes(size, points) / greedy / 1e6:.0f}",
    }
