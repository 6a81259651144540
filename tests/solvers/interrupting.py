"""A run in a process of its own that gets Ctrl-C after a while."""

import signal
import subprocess
import sys
import textwrap

_PREAMBLE = """
import signal
import numpy as np
import solvers
from mmdp import Problem
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start a background job without it
"""


def last_line(program, after, seconds):
    """Run a program until a line of it contains ``after``, send Ctrl-C so many seconds later, return its last line."""
    command = [sys.executable, "-c", _PREAMBLE + textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            while after not in process.stdout.readline():
                assert process.poll() is None
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    return output.splitlines()[-1]
