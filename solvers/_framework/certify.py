"""A smaller upper bound after the run, from the solver that proves; it is found by its keyword."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from mmdp import Clock, Problem

PROVER = "exact"


class Prover(Protocol):
    """What the proving solver offers besides ``solve``."""

    def warm_up_proof(self, problem: Problem) -> None:
        """Compile what a proof of this problem needs."""

    def prove(self, problem: Problem, clock: Clock) -> None:
        """Raise the incumbent and lower the bound of the clock until they meet or it expires."""


def prover() -> Prover:
    """Return the solver that proves, with its default options."""
    return cast(Prover, getattr(import_module(f"solvers.{PROVER}"), PROVER.title())())
