"""Where a measurement comes from: machine, code, versions and time."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "experiments" / "results"
PACKAGES = ("numpy", "scipy", "numba", "torch", "ortools")


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


@cache
def machine() -> dict[str, str | int | float]:
    """CPU model, cores this process may use, and memory in GiB."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in _lines(cpuinfo) if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@cache
def commit() -> str:
    """Abbreviated commit, with ``+dirty`` if a tracked file other than a result differs; "unknown" without git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)experiments/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+dirty" if changed else head


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@cache
def code(*packages: str) -> str:
    """Digest of the Python sources of some packages of this project: a change of code is a new measurement."""
    digest = hashlib.sha256()
    for source in sorted(path for package in packages for path in (ROOT / package).rglob("*.py")):
        digest.update(source.relative_to(ROOT).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def versions(packages: Iterable[str]) -> str:
    """Return "name version" of those packages that are installed, separated by semicolons."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return "; ".join(found)


def provenance(packages: Iterable[str] = PACKAGES) -> dict[str, str | int | float]:
    """Columns that every row of results carries beside its measurement."""
    return {
        **machine(),
        "commit": commit(),
        "python": platform.python_version(),
        "packages": versions(packages),
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
    }
