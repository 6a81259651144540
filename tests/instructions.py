"""Count the machine instructions of a selection of each kind: a regression is seen without a clock.

    python -m tests.instructions            count, and compare with tests/instructions.toml
    python -m tests.instructions --write    count, and write that file

Valgrind's callgrind counts, on Linux on x86-64: ``apt-get install valgrind``. Only the selections are counted. One
process runs each of them once so that all code is loaded, and switches the counting on for another run. Valgrind knows
no AVX-512, and compiling in it takes hours: so the code is compiled outside first, for the processor that valgrind
pretends to be. Counts belong to the versions that the file names.
"""

import argparse
import ctypes
import mmap
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from solvers.greedy import Greedy

ROOT = Path(__file__).parents[1]
COUNTS = Path(__file__).with_suffix(".toml")
VERSIONS = ("numpy", "scipy", "numba", "llvmlite")
TOLERANCE = 0.03  # by which a count may differ: addresses and hashes change some
_ENVIRONMENT = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+fma,+popcnt,+sse4.2",
    "OPENBLAS_CORETYPE": "Haswell",
    "PYTHONHASHSEED": "0",
    **dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
}
_CALLGRIND = 0x43540000  # "CT": the number of its first request
_ZERO, _DUMP_AS, _START, _STOP = (_CALLGRIND + request for request in (1, 3, 4, 5))
_ASK_VALGRIND = (
    bytes.fromhex(  # mov rax, rdi; xor edx, edx; valgrind's mark: four rolls of rdi, an exchange; return rdx
        "4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3"
    )
)


def cases() -> dict[str, Callable[[], object]]:
    """Return the selections by name, their input at hand."""
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((4, 300, 256)).astype(np.float32)
    tokens[:, 150:] = tokens[:, :150] + 0.3 * tokens[:, 150:]
    tiles = tokens[0, rng.integers(0, 40, 300)] + 1e-5 * tokens[0]
    many = rng.standard_normal((3000, 64)).astype(np.float32)
    twins = np.concatenate([many[:1500], many[:1500] + 0.1 * many[1500:]])
    cloud = rng.standard_normal((30_000, 3)).astype(np.float32)
    rows = rng.standard_normal((10_000, 48)).astype(np.float32)
    return {
        "tokens, cosine": lambda: Greedy().select(tokens[0], 30),
        "tokens, cosine, float64": lambda: Greedy().select(tokens[0].astype(np.float64), 30),
        "tokens, euclidean": lambda: Greedy().select(tokens[0], 30, "euclidean"),
        "four images": lambda: Greedy().select(tokens, 30),
        "tiles that almost tie": lambda: Greedy().select(tiles, 30),
        "axes that all tie": lambda: Greedy().select(np.eye(200, dtype=np.float32), 60),
        "few of many, normal": lambda: Greedy().select(many, 5, "euclidean"),
        "few of many, twins": lambda: Greedy().select(twins, 5, "euclidean"),
        "farthest pair": lambda: Greedy("farthest_pair").select(tokens[0], 30),
        "many in space": lambda: Greedy("sweep").select(cloud, 200, "euclidean"),
        "many in 48 dimensions": lambda: Greedy("sweep").select(rows, 50, "euclidean"),
    }


def _ask(request: int, text: bytes = b"") -> None:
    """Send valgrind a request; outside valgrind the same instructions do nothing."""
    name = ctypes.create_string_buffer(text)
    words = (ctypes.c_uint64 * 6)(request, ctypes.addressof(name))
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as memory:
        memory[: len(_ASK_VALGRIND)] = _ASK_VALGRIND
        place = ctypes.c_char.from_buffer(memory)
        ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(ctypes.addressof(place))(ctypes.addressof(words))
        del place


def _run_all(names: list[str]) -> None:
    """Run the cases, once to load what they call and once counted; this is the process that valgrind looks at."""
    every = cases()
    for name in names:
        every[name]()
        _ask(_START)
        _ask(_ZERO)
        every[name]()
        _ask(_DUMP_AS, name.encode())
        _ask(_STOP)
        print(f"  {name}", file=sys.stderr, flush=True)


def count(names: list[str]) -> dict[str, int]:
    """Return how many instructions each of these cases takes."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed; apt-get install valgrind")
    environment = os.environ | _ENVIRONMENT | {"NUMBA_CACHE_DIR": str(ROOT / "build/instructions")}
    child = [sys.executable, "-m", "tests.instructions", "--run", *names]
    print("compiling", file=sys.stderr, flush=True)
    subprocess.run(child, cwd=ROOT, env=environment, check=True)
    print("counting", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        options = ["--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/counts", "--quiet"]
        subprocess.run(["valgrind", *options, *child], cwd=ROOT, env=environment, check=True)
        found = counts_of([path.read_text() for path in Path(folder).iterdir()])
    return {name: found[name] for name in names}


def counts_of(dumps: list[str]) -> dict[str, int]:
    """Read the files that callgrind writes on request: what was counted, by the name of the request."""
    counts = {}
    for dump in dumps:
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", dump, re.MULTILINE)
        total = re.search(r"^(?:summary|totals): (\d+)", dump, re.MULTILINE)
        if name and total:
            counts[name[1]] = int(total[1])
    return counts


def compared(counts: dict[str, int], before: dict[str, int], tolerance: float) -> list[str]:
    """Return a line for each count that differs by more than the tolerance, or has none to compare with."""
    lines = []
    for name, now in counts.items():
        if name not in before:
            lines.append(f"{name}: {now:,} instructions, and no count to compare with; --write keeps it")
        elif abs(now - before[name]) > tolerance * before[name]:
            lines.append(f"{name}: {now:,} instructions, {now / before[name]:.3f} times the {before[name]:,} of before")
    return lines


def read() -> tuple[dict[str, int], dict[str, str]]:
    """Return the committed counts, and the versions that they belong to."""
    kept = tomllib.loads(COUNTS.read_text(encoding="utf-8"))
    return kept["instructions"], kept["versions"]


def written(counts: dict[str, int]) -> str:
    """Return the text of the file of counts."""
    versions = (f'{package} = "{version(package)}"' for package in VERSIONS)
    lines = (f'"{name}" = {number}' for name, number in counts.items())
    return "\n".join([
        '# Machine instructions of a selection of each kind, written by "python -m tests.instructions --write".',
        *("", "[versions]", *versions, "", "[instructions]", *lines, ""),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.instructions", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the counts instead of comparing with them")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="share by which a count may differ")
    parser.add_argument("--run", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run is not None:
        return _run_all(options.run)
    counts = count(list(cases()))
    if options.write:
        COUNTS.write_text(written(counts), encoding="utf-8")
        return None
    before, versions = read()
    for package in VERSIONS:
        if version(package) != versions[package]:
            print(f"{package} is {version(package)}; the counts are of {versions[package]} and may differ for that")
    lines = compared(counts, before, options.tolerance)
    print("\n".join(lines) or f"all {len(counts)} counts are within {options.tolerance:.0%}")
    return sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
