"""Jobs in processes of their own, with one thread each, and what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from tests.import_graph import ROOT
from tests.lmm_integration.vllm.engine import cases, checkpoints

NEW_TOKENS = 12
SECONDS = 900  # far more than a job takes, so that a hung engine is an error
THREADS = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
FOLDER = Path(tempfile.mkdtemp(prefix="served-models-"))


def checkpoint(kind: str) -> str:
    """Folder of a tiny model."""
    return str(checkpoints.make(kind, FOLDER))


def found(
    role: str, kind: str, asked: list[cases.Case], environment: dict[str, str] | None = None, **job: Any
) -> dict[str, Any]:
    """Run a job, and return what it found; ``environment`` stands in for that of one thread."""
    whole = {"role": role, "kind": kind, "model": checkpoint(kind), "cases": [asdict(case) for case in asked]}
    path = Path(tempfile.mkstemp(suffix=".json", dir=FOLDER)[1])
    path.write_text(json.dumps({"new_tokens": NEW_TOKENS, "rounds": [], **whole, **job}))
    command = [sys.executable, "-m", "tests.lmm_integration.vllm.engine.job", str(path)]
    variables = {**os.environ, **(THREADS if environment is None else environment)}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-6000:]
    answers: dict[str, Any] = json.loads(path.with_suffix(".found.json").read_text())
    return answers


KEEP = 0.3
PRUNINGS = [("greedy", KEEP), ("greedy", 0.1), ("greedy", 0.5), ("greedy", 9), ("stride", KEEP)]


def reference(kind: str, set_of_cases: str, keep: float | int | None = KEEP, solver: str = "greedy") -> Any:
    """Answers of the Hugging Face model, pruned or, without ``keep``, as it is."""
    answers = _references(kind, set_of_cases)
    return answers["whole"] if keep is None else answers[f"{solver} {keep}"]


@cache
def _references(kind: str, set_of_cases: str) -> dict[str, Any]:
    """All that the tests compare with, from one process a kind."""
    return found("reference", kind, getattr(cases, set_of_cases), prunings=PRUNINGS)
