"""Compiled code that is kept on disk is that of the sources as they are."""

import os
import re
import subprocess
import sys
import threading

import pytest

from solvers._framework import compilation, warm_up

CALL = """
import sys
import numpy as np
from solvers._framework import compilation
compilation.sources_key = lambda: sys.argv[1]
from solvers._exact import bitsets
bitsets.count(np.ones(2, np.uint64))
print(sum(bitsets.count.stats.cache_misses.values()))
"""


def test_an_edit_of_any_file_of_compiled_functions_changes_the_key(monkeypatch, tmp_path):
    kernels, other = tmp_path / "kernels.py", tmp_path / "other.py"
    kernels.write_text("from compilation import njit\n")
    other.write_text("x = 1\n")
    monkeypatch.setattr(compilation, "_FOLDER", tmp_path)
    key = compilation.sources_key.__wrapped__
    first = key()
    other.write_text("x = 2\n")
    assert key() == first
    kernels.write_text("from compilation import njit\n\n")
    assert key() != first


def test_code_of_other_sources_is_compiled_anew(tmp_path):
    def misses(key):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", CALL, key]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert [misses(key) for key in ("a", "a", "b", "b")] == [1, 0, 1, 0]


def test_what_fails_is_not_taken_for_warm():
    calls = []

    def fail():
        calls.append(1)
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            warm_up.once("a test that fails", fail)
    warm_up.once("a test that fails", lambda: calls.append(2))
    warm_up.once("a test that fails", lambda: calls.append(3))
    assert calls == [1, 1, 2]


def test_a_second_thread_waits_until_it_is_warm():
    begun, end, order = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        end.wait(5)
        order.append("warm")

    first = threading.Thread(target=warm_up.once, args=("a test with threads", slow))
    first.start()
    begun.wait(5)
    second = threading.Thread(target=lambda: (warm_up.once("a test with threads", slow), order.append("second")))
    second.start()
    end.set()
    first.join(5)
    second.join(5)
    assert order == ["warm", "second"]


def run(*arguments):
    """A Python of its own, which forks safely because nothing has started threads in it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_nothing_is_compiled_inside_the_clock_of_a_first_run():
    done = run("-m", "tests.cold_start")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^(\d+) cases, 0 of which", done.stdout, re.MULTILINE), done.stdout


def test_the_count_notices_what_is_compiled_late():
    code = (
        "from solvers import make\nfrom tests import cold_start\n"
        "type(make('greedy')).warm_up = lambda self, problem: None\n"
        "print(list(cold_start.run([cold_start.Case('greedy', 300, 20, 5, 'float32')])))"
    )
    done = run("-c", code)
    assert re.search(r"\['\w+", done.stdout), done.stderr  # names of functions that were taken up


def test_digits_on_an_empty_cache_are_proven_within_their_limit(tmp_path):
    pytest.importorskip("sklearn")
    code = (
        "from sklearn.datasets import load_digits\nfrom mmdp import Stop\nfrom solvers import solve\n"
        "result = solve(load_digits().data, 10, solver='exact', stop=Stop(seconds=20))\n"
        "print(result.status, result.runtime < 20)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["optimal", "True"]
