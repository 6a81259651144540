"""A function called in a process of its own: HiGHS and SCIP cannot be interrupted from Python, a process can."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np

_STARTUP_SECONDS = 5.0  # how much longer than its time limit a function may take to come back


def call(function: str, *arguments: Any, seconds: float) -> Any:
    """Return ``function(*arguments, seconds)``, or None if it overruns its time by far.

    The process is ended when this returns, also by Ctrl-C.

    Parameters
    ----------
    function : str
        ``"package.module:name"``
    *arguments
        Whatever pickle takes.
    seconds : float
        Time limit that the function keeps by itself, may be infinite.

    Raises
    ------
    RuntimeError
        If the process ended with an error.
    """
    request = pickle.dumps((function, (*arguments, seconds)))
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **paths},
    ) as process:
        try:
            limit = seconds + _STARTUP_SECONDS if np.isfinite(seconds) else None
            answer, _ = process.communicate(request, timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.kill()
    if process.returncode:
        raise RuntimeError(f"{function} ended with exit code {process.returncode}")
    return pickle.loads(answer)


def _serve() -> None:
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # HiGHS prints its name, which is no part of the answer
    function, arguments = pickle.load(sys.stdin.buffer)
    module, _, name = function.partition(":")
    with answer:
        answer.write(pickle.dumps(getattr(importlib.import_module(module), name)(*arguments)))


if __name__ == "__main__":
    _serve()
