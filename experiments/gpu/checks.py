"""Are the kernels right? Their picks against distances in float64, and their code for a Hopper GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from solvers._farthest_first import gpu_launches, tensor_traversal

ROUNDING = 64 * torch.finfo(torch.float32).eps  # of float32 sums of thousands of products, relative to the largest


@dataclass
class Agreement:
    """Picks counted by how they compare with the oracle, given the picks before them."""

    inputs: int = 0
    picks: int = 0
    within_rounding: int = 0
    wrong: int = 0
    worst: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.inputs} inputs, {self.picks} picks: {self.picks - self.within_rounding - self.wrong} are the "
            f"float64 oracle's, {self.within_rounding} differ between candidates closer than float32 rounding "
            f"(worst {self.worst:.1e} of the largest distance), {self.wrong} are wrong"
        )

    def add(self, points: torch.Tensor, k: int, metric: str) -> None:
        """Select from one item (n, d) and judge every pick."""
        picks = gpu_launches.select(points[None], k, metric, "isolated", None, None)[0]
        self.inputs += 1
        for regret in regrets(points, picks, metric):
            self.picks += 1
            if regret > 0:
                self.within_rounding += regret <= ROUNDING
                self.wrong += regret > ROUNDING
                self.worst = max(self.worst, regret)


def regrets(points: torch.Tensor, picks: torch.Tensor, metric: str) -> Iterator[float]:
    """By how much each pick falls short of the best there was, in float64, relative to the largest distance seen.

    A repeated or missing pick falls short by infinity.
    """
    x = tensor_traversal.embed(points.double(), metric)
    nearest_other = torch.stack([_without(_row(x, i), i).amin() for i in range(len(x))])
    largest = float(max(_row(x, int(pick)).amax() for pick in picks)) or 1.0
    yield float(nearest_other.max() - nearest_other[picks[0]]) / largest if len(x) > 1 else 0.0
    nearest = torch.full_like(x[:, 0], torch.inf)
    for previous, pick in zip(picks[:-1].tolist(), picks[1:].tolist(), strict=True):
        nearest = torch.minimum(nearest, _row(x, previous))
        nearest[previous] = -torch.inf
        yield float(nearest.max() - nearest[pick]) / largest if pick >= 0 else torch.inf


def _row(x: torch.Tensor, i: int) -> torch.Tensor:
    return (x - x[i]).square().sum(1)


def _without(row: torch.Tensor, i: int) -> torch.Tensor:
    return torch.where(torch.arange(len(row), device=row.device) == i, torch.inf, row)


def inputs(count: int, most: int, device: str) -> Iterator[tuple[torch.Tensor, int, str]]:
    """Random and clustered points of sizes up to ``most``, in few and many dimensions, in all precisions."""
    generator = torch.Generator(device).manual_seed(0)
    for i in range(count):
        n = int(2 ** (1 + (i * 0.6180339887 % 1) * (torch.tensor(float(most)).log2().item() - 1)))
        d = (3, 16, 64, 1024)[i % 4]
        points = torch.randn(n, d, generator=generator, device=device)
        if i % 2:
            centres = torch.randn(1 + n // 16, d, generator=generator, device=device)
            points = centres[torch.arange(n, device=device) % len(centres)] + points / 8
        dtype = gpu_launches.DTYPES[i // 8 % 3]
        yield points.to(dtype), max(1, min(n // 4, 64)), ("cosine", "euclidean")[i // 4 % 2]


_COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from solvers._farthest_first import gpu_kernels as kernels
import sys, triton

TYPES = {"fixed": "*i8", "ks": "*i64", "picks": "*i64", "places": "*i64"}
ALIGNED = {kernels.lower_products: "nd"}
matrix = {"MATRIX": True, "MASKED": False, "COUNTED": False, "UNROLL": 1}
points = {"MATRIX": False, "MASKED": True, "COUNTED": True, "UNROLL": 3}
tile = {"FARTHEST": False, "MASKED": True}
for kernel, constants, warps in (
    (kernels.rank_gram, {**tile, "ROWS": 4, "COLUMNS": 256}, 4),
    (kernels.rank_points, {**tile, "KEEP": False, "UNROLL": 3, "ROWS": 32, "COLUMNS": 64}, 4),
    (kernels.rank_points, {**tile, "KEEP": True, "UNROLL": 4, "ROWS": 32, "COLUMNS": 64}, 4),
    (kernels.lower_products, {"TILE": 128, "DEPTH": 64}, 8),
    (kernels.traverse, {**matrix, "BLOCK": 1024}, 8),
    (kernels.traverse, {**matrix, "BLOCK": 4096}, 32),
    (kernels.traverse, {**matrix, "BLOCK": 16384}, 32),
    (kernels.traverse, {**matrix, "MASKED": True, "BLOCK": 16384}, 32),
    (kernels.traverse, {**points, "UNROLL": 4, "BLOCK": 16384}, 32),
    (kernels.traverse, {**points, "MASKED": False, "BLOCK": 16384}, 32),
    (kernels.traverse_step, {**matrix, "BLOCK": 1024, "BLOCKS": 64}, 4),
    (kernels.traverse_step, {**points, "BLOCK": 256, "BLOCKS": 128}, 4),
    (kernels.rank_gram, {**tile, "n": 1, "ROWS": 4, "COLUMNS": 256}, 4),  # an argument of 1 becomes a constant
    (kernels.rank_points, {**tile, "n": 1, "d": 1, "KEEP": False, "UNROLL": 1, "ROWS": 32, "COLUMNS": 64}, 4),
    (kernels.traverse, {**points, "n": 1, "d": 1, "k": 1, "UNROLL": 1, "BLOCK": 128}, 4),
    (kernels.traverse, {**matrix, "k": 1, "COUNTED": True, "BLOCK": 128}, 4),
    (kernels.traverse_step, {**points, "n": 1, "d": 1, "k": 1, "UNROLL": 1, "BLOCK": 128, "BLOCKS": 1}, 4),
):
    names = kernel.arg_names
    signature = {
        name: "constexpr" if name in constants
        else "i32" if name in ("n", "d", "k", "step")
        else "*bf16" if (kernel, name) == (kernels.lower_products, "points")
        else TYPES.get(name, "*fp32")
        for name in names
    }
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, name in enumerate(names)
        if signature[name][0] == "*" or (signature[name] == "i32" and name in ALIGNED.get(kernel, "n"))
    }
    source = ASTSource(kernel, signature, {(names.index(name),): value for name, value in constants.items()}, aligned)
    binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}).asm["cubin"]
    label = ",".join(f"{name.lower()}={int(value)}" for name, value in constants.items())
    open(f"{sys.argv[1]}/{kernel.__name__} {label}.cubin", "wb").write(binary)
"""


def hopper_resources() -> list[dict[str, str]]:
    """Registers, stack and shared memory of every kernel compiled for compute capability 9.0; needs no GPU."""
    import triton.backends.nvidia

    cuobjdump = Path(triton.backends.nvidia.__file__).parent / "bin" / "cuobjdump"
    compiled = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "compile_kernels.py")  # Triton reads sources, so the script has to be a file
        script.write_text(_COMPILE)
        paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
        subprocess.run([sys.executable, script, folder], env={**compiled, "PYTHONPATH": paths}, check=True)
        found = []
        for binary in sorted(Path(folder).glob("*.cubin")):
            report = subprocess.run(
                [cuobjdump, "--dump-resource-usage", binary], capture_output=True, text=True, check=True
            )
            usage = dict(re.findall(r"(REG|STACK|SHARED|LOCAL):(\d+)", report.stdout))
            found.append({"kernel": binary.stem, **{name.lower(): count for name, count in usage.items()}})
        return found
