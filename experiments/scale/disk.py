"""Greedy on a file larger than it may hold: time beside a plain read of it, peak memory, killed and resumed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments._common.provenance import ROOT
from mmdp import TooLargeError

D = 64
HUGE_D = 32
WORKERS = 2
_ROWS_AT_A_TIME = 250_000
_SPARE_BYTES = 2**30  # of the disk, beside the file
_PEAK = 'int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024'
_RUN = f"""
import json, re, sys, time
from pathlib import Path
import numpy as np
from solvers import solve
from mmdp.tables import open_table
path, k, checkpoint = sys.argv[1], int(sys.argv[2]), sys.argv[3]
few = Path(checkpoint).with_name("few.npy")
np.save(few, next(open_table(path).read())[:5000])
solve(few, 9)  # compiles
plain = []
for _ in range(3):
    begin = time.perf_counter()
    sum(float(block.sum(dtype=np.float32)) for block in open_table(path).read())
    plain.append(time.perf_counter() - begin)
result = solve(path, k, checkpoint=checkpoint)
print(json.dumps({{"picks": result.indices.tolist(), "seconds": result.runtime, "passes": result.notes["passes"],
                  "pass_seconds": sorted(plain)[1], "peak_mib": {_PEAK}}}))
"""
_CORESET = f"""
import json, re, sys
from pathlib import Path
from solvers import solve
path, k, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
result = solve(path, k, solver="coreset", columns="embedding", workers=workers)
rows = result.of(path)
print(json.dumps({{"picks": result.indices.tolist(), "seconds": result.runtime, "objective": result.objective,
                  "upper_bound": result.upper_bound, "granted": result.notes["approximation_factor"],
                  "ids": rows.column("id").to_pylist(), "peak_mib": {_PEAK}}}))
"""


def measure(n: int, k: int, d: int = D, dtype: Any = np.float32) -> dict[str, Any]:
    """One row: seconds, passes, median seconds of a plain pass, their ratio, MiB, and whether a resumed run agrees.

    The file is made for the measurement and removed after it.

    Raises
    ------
    TooLargeError
        If the disk has no room for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, checkpoint = Path(folder) / "points.npy", Path(folder) / "run.json"
        _check_room(n * d * np.dtype(dtype).itemsize)
        _write(path, n, d, dtype)
        whole = json.loads(_start(_RUN, path, k, checkpoint).communicate()[0])
        killed = _start(_RUN, path, k, checkpoint)
        while killed.poll() is None and not checkpoint.exists():
            time.sleep(0.01)
        killed.kill()
        killed.communicate()
        was_killed = checkpoint.exists()
        resumed = json.loads(_start(_RUN, path, k, checkpoint).communicate()[0])
    ratio = whole["seconds"] / (whole["passes"] * whole["pass_seconds"])
    same = was_killed and resumed["picks"] == whole["picks"]
    return {**{name: whole[name] for name in whole if name != "picks"}, "ratio": ratio, "same_picks": same}


def measure_folder(n: int, k: int, d: int = HUGE_D, dtype: Any = np.float16) -> dict[str, Any]:
    """One row: the same points in a Parquet folder, through ``coreset``; whether the ids are those of the picks.

    Raises
    ------
    TooLargeError
        If the disk has no room for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        _check_room(n * (d * np.dtype(dtype).itemsize + 16))
        _write_folder(Path(folder), n, d, dtype)
        found = json.loads(_start(_CORESET, Path(folder), k, WORKERS).communicate()[0])
    same = found["ids"] == [f"row-{row}" for row in found["picks"]]
    return {**{name: found[name] for name in found if name not in ("picks", "ids")}, "same_picks": same}


def _check_room(needed: int) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed + _SPARE_BYTES:
        raise TooLargeError(
            f"the points take {needed / 2**30:.1f} GiB of {tempfile.gettempdir()}, where {free / 2**30:.1f} GiB are "
            "free; set the environment variable TMPDIR to a folder with more room, or ask for fewer rows"
        )


def _blocks(n: int, d: int, dtype: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Normal points, a block at a time, each with the number of its first row."""
    rng = np.random.default_rng(0)
    for start in range(0, n, _ROWS_AT_A_TIME):
        rows = min(n, start + _ROWS_AT_A_TIME) - start
        yield start, rng.standard_normal((rows, d), dtype=np.float32).astype(dtype)


def _write(path: Path, n: int, d: int, dtype: Any) -> None:
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (n, d)}
        np.lib.format.write_array_header_1_0(file, header)
        for _, block in _blocks(n, d, dtype):
            block.tofile(file)


def _write_folder(folder: Path, n: int, d: int, dtype: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for start, block in _blocks(n, d, dtype):
        ids = pa.array([f"row-{row}" for row in range(start, start + len(block))])
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), d)
        parquet.write_table(pa.table({"id": ids, "embedding": vectors}), folder / f"part-{start:010}.parquet")


def _start(code: str, *arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
