"""The command that counts instructions: every case has a committed count, and what differs is told."""

import platform
import tomllib

import numpy as np
import pytest

from tests import instructions

DUMP = """# callgrind format
version: 1
desc: Trigger: Client Request: four images
events: Ir
summary: 1234
fn=(1)
3 4
totals: 1234
"""


def test_every_case_has_a_committed_count():
    counts, versions = instructions.read()
    assert list(counts) == list(instructions.cases())
    assert min(counts.values()) > 1_000_000  # a selection, not a process that did nothing
    assert list(versions) == list(instructions.VERSIONS)


@pytest.mark.parametrize("name", instructions.cases())
def test_every_case_is_a_selection(name):
    picks = np.asarray(instructions.cases()[name]())
    assert picks.dtype == np.int64
    assert picks.min() >= 0


def test_counts_are_read_from_what_callgrind_writes():
    at_the_end = DUMP.replace("Client Request: four images", "Program termination")
    assert instructions.counts_of([DUMP, at_the_end, ""]) == {"four images": 1234}


def test_more_and_fewer_instructions_are_told():
    before = {"same": 1000, "more": 1000, "fewer": 1000}
    lines = instructions.compared({"same": 1010, "more": 1050, "fewer": 900, "new": 7}, before, tolerance=0.03)
    assert [line.partition(":")[0] for line in lines] == ["more", "fewer", "new"]
    assert "1.050 times the 1,000" in lines[0]
    assert instructions.compared({"same": 1030}, before, tolerance=0.03) == []


def test_what_is_written_is_read_again():
    counts = {"one image, cosine": 5, "axes": 6}
    kept = tomllib.loads(instructions.written(counts))
    assert kept["instructions"] == counts
    assert list(kept["versions"]) == list(instructions.VERSIONS)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the request is machine code of x86-64")
def test_a_request_outside_valgrind_does_nothing():
    instructions._ask(instructions._ZERO)


def test_without_valgrind_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="apt-get install valgrind"):
        instructions.count([])
