"""Problems with capacities and a demand, as the literature's files have them.

The field's benchmark of 100 instances has five sets: SOM-a (n = 50), GKD-b (n = 50 and n = 150), GKD-c (n = 500) and
MDG-b (n = 500), ten instances each, with a demand of 0.2 and of 0.3 of all capacity (Peiro, Jimenez, Laguardia, Marti,
International Transactions in Operational Research 28(1), 2021). What follows was read off three published files, those
of SOM-a_11, GKD-b_11 and MDG-b_01 with 0.2: capacities are whole numbers up to 1000, which look uniform; the demand is
the share of their sum, rounded down; distances have one decimal, those of SOM-a none. No seeds were published, so these
are other instances of the same kind. :func:`published` reads the benchmark's own files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdp import Problem
from mmdp.instance_readers import read
from mmdp.instances import Instance, gkd_c, glover, mdg_b, ran

SHARES = (0.2, 0.3)  # of all capacity, that is demanded
_LARGEST = 1000  # capacity
_DECIMALS = 1  # of distances
_CAPACITY_SEED = 3


@dataclass(frozen=True, eq=False)
class Demanded:
    """A problem with a demand and a name."""

    name: str
    problem: Problem


def demanded(instance: Instance, seed: int, share: float) -> Problem:
    """State an instance by its distances, with random capacities and a share of them as demand."""
    whole = instance.problem(2).matrix().round(_DECIMALS)
    capacity = np.random.default_rng([seed, _CAPACITY_SEED]).integers(1, _LARGEST + 1, len(whole))
    return Problem(distances=whole, capacity=capacity, demand=int(share * capacity.sum()))


FAMILIES: dict[str, Callable[[int], Instance]] = {
    "SOM-a n=50": lambda seed: ran(50, seed, low=0, high=9),
    "GKD-b n=50": lambda seed: glover(50, seed),
    "GKD-b n=150": lambda seed: glover(150, seed),
    "GKD-c n=500": lambda seed: gkd_c(500, seed),
    "MDG-b n=500": lambda seed: mdg_b(500, seed),
}


def published(folder: Path, only: str = "") -> Iterator[Demanded]:
    """Problems of all text files of a folder that state a demand and whose name contains ``only``."""
    for path in sorted(folder.rglob("*.txt")):
        if only in path.stem:
            instance = read(path)
            if instance.demand is not None:
                yield Demanded(instance.name, instance.problem())


def problems(per_family: int, only: str = "") -> Iterator[Demanded]:
    """So many instances of each family, with each share, whose name contains ``only``."""
    for family, make in FAMILIES.items():
        for seed in range(per_family):
            for share in SHARES:
                name = f"{family} seed={seed} b={share:g}"
                if only in name:
                    yield Demanded(name, demanded(make(seed), seed, share))
