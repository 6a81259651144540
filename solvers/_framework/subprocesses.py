"""A function called in a process of its own: HiGHS and SCIP cannot be interrupted from Python, a process can."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
import time
from typing import Any

import numpy as np

_RESERVE = 0.1  # share of the time that a function gets less, to come back with its answer before it is ended,
_MOST_RESERVE = 0.2  # and seconds of it at most
_GRACE = 0.2  # seconds after its time in which an answer is still taken: how far a limit may be overrun


def call(function: str, *arguments: Any, seconds: float) -> Any:
    """Return ``function(*arguments, seconds left)``, or None if it does not come back in time.

    The process is ended when this returns, also by Ctrl-C. Starting it and sending the arguments count.

    Parameters
    ----------
    function : str
        ``"package.module:name"``
    *arguments
        Whatever pickle takes.
    seconds : float
        Time limit of everything, may be infinite.

    Raises
    ------
    RuntimeError
        If the process ended with an error.
    """
    started = time.time()  # a clock that both processes read
    limited = np.isfinite(seconds)
    end = started + seconds - min(_MOST_RESERVE, _RESERVE * seconds) if limited else np.inf
    request = pickle.dumps((function, arguments, end))
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **paths},
    ) as process:
        try:
            limit = max(0.0, seconds + _GRACE - (time.time() - started)) if limited else None
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
    function, arguments, end = pickle.load(sys.stdin.buffer)
    module, _, name = function.partition(":")
    called = getattr(importlib.import_module(module), name)
    left = end - time.time()
    with answer:
        answer.write(pickle.dumps(called(*arguments, left) if left > 0 else None))


if __name__ == "__main__":
    _serve()
