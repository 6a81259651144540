"""Greedy on a file larger than it may hold: time beside a plain read of it, peak memory, killed and resumed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments._common.provenance import ROOT

D = 64
_ROWS_AT_A_TIME = 250_000
_RUN = """
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
    sum(float(block.sum()) for block in open_table(path).read())
    plain.append(time.perf_counter() - begin)
result = solve(path, k, checkpoint=checkpoint)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"picks": result.indices.tolist(), "seconds": result.runtime, "passes": result.notes["passes"],
                  "pass_seconds": sorted(plain)[1], "peak_mib": peak}))
"""


def measure(n: int, k: int) -> dict[str, Any]:
    """One row: seconds, passes, median seconds of a plain pass, their ratio, MiB, and whether a resumed run agrees."""
    with tempfile.TemporaryDirectory() as folder:
        path, checkpoint = Path(folder) / "points.npy", Path(folder) / "run.json"
        _write(path, n)
        whole = json.loads(_start(path, k, checkpoint).communicate()[0])
        killed = _start(path, k, checkpoint)
        while killed.poll() is None and not checkpoint.exists():
            time.sleep(0.01)
        killed.kill()
        killed.communicate()
        was_killed = checkpoint.exists()
        resumed = json.loads(_start(path, k, checkpoint).communicate()[0])
    ratio = whole["seconds"] / (whole["passes"] * whole["pass_seconds"])
    same = was_killed and resumed["picks"] == whole["picks"]
    return {**{name: whole[name] for name in whole if name != "picks"}, "ratio": ratio, "same_picks": same}


def _write(path: Path, n: int) -> None:
    points = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, D))
    rng = np.random.default_rng(0)
    for start in range(0, n, _ROWS_AT_A_TIME):
        stop = min(n, start + _ROWS_AT_A_TIME)
        points[start:stop] = rng.standard_normal((stop - start, D), dtype=np.float32)
    points.flush()


def _start(path: Path, k: int, checkpoint: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _RUN, str(path), str(k), str(checkpoint)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
