"""Problems with group counts: generated families with unequal groups, digits, photographs, cities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.datasets import load_digits

from experiments.suites.geography import cities, countries
from experiments.suites.image_tokens import GRID, tokens
from mmdp import Problem
from mmdp.groups import Counts
from mmdp.instances import Instance, geo, gkd_c, mdg_a, mdg_b, ran, uniform

SHARES = (0.7, 0.2, 0.1)  # of the points, in groups of which a solution takes equally many
_LABEL_SEED = 0


@dataclass(frozen=True, eq=False)
class Counted:
    """A problem with group counts and a name."""

    name: str
    problem: Problem
    note: str


def equal_counts(problem: Problem, shares: tuple[float, ...] = SHARES) -> Problem:
    """Label the points at random with the given shares, and take equally many of each group."""
    labels = np.random.default_rng(_LABEL_SEED).choice(len(shares), problem.n, p=shares)
    k, m = problem.k, len(shares)
    return replace(problem, groups=labels, counts={g: k // m + (g < k % m) for g in range(m)})


def _family(instance: Instance, k: int) -> Counted:
    return Counted(f"{instance.name} k={k}", equal_counts(instance.problem(k)), "three groups of 70, 20 and 10 %")


def _two_attributes() -> Counted:
    problem = geo(250).problem(25)
    rng = np.random.default_rng(_LABEL_SEED)
    groups = {"size": rng.choice(3, 250, p=SHARES), "side": rng.choice(2, 250)}
    counts: dict[str, Counts] = {"size": {1: (8, None), 2: (8, None)}, "side": {0: (12, 13)}}
    return Counted("geo_250 two attributes k=25", replace(problem, groups=groups, counts=counts), "groups overlap")


def _digits(k: int) -> Counted:
    data = load_digits()
    counts = {int(digit): k // 10 for digit in range(10)}
    return Counted(f"digits k={k}", Problem(k, points=data.data, groups=data.target, counts=counts), "equal by class")


def _photograph(photo: str, k: int) -> Counted:
    patches = tokens(photo)
    quadrant = 2 * (patches.cells // GRID >= GRID // 2) + (patches.cells % GRID >= GRID // 2)
    counts = dict.fromkeys(range(4), (k // 5, k // 3))
    problem = Problem(k, points=patches.vectors, metric="cosine", groups=quadrant, counts=counts)
    return Counted(f"{photo} k={k}", problem, "a fifth to a third of the patches from each quadrant")


def _cities(k: int) -> Counted:
    points = np.array(list(cities().values()))
    labels = countries()
    problem = Problem(
        k, points=points, metric="haversine", groups=labels, counts=dict.fromkeys(sorted(set(labels)), (0, 1))
    )
    return Counted(f"cities k={k}", problem, "at most one of each country")


ALL: tuple[Callable[[], Counted], ...] = (
    lambda: _family(geo(100), 10),
    lambda: _family(geo(250), 25),
    lambda: _family(geo(500), 50),
    lambda: _family(gkd_c(500), 50),
    lambda: _family(ran(250), 25),
    lambda: _family(mdg_a(500), 50),
    lambda: _family(mdg_b(500), 50),
    _two_attributes,
    lambda: _digits(20),
    lambda: _digits(50),
    lambda: _photograph("coffee", 58),
    lambda: _photograph("chelsea", 144),
    lambda: _cities(10),
    lambda: _cities(40),
    lambda: _family(uniform("plane_20000", 20_000, 2, 1.0, seed=0), 30),
)
