"""One generated instance of each family of the literature; ``mmdp.instances`` says how they are made."""

from __future__ import annotations

from experiments.suites import Case
from mmdp.instances import Instance, geo, gkd_c, glover, mdg_a, mdg_b, ran


def cases() -> list[Case]:
    """Euclidean families (geo, glover, gkd_c) and random matrices (ran, mdg_a, mdg_b), at the sizes in use."""
    chosen: list[tuple[Instance, int]] = [
        (glover(50), 10),
        (geo(100), 10),
        (geo(250), 25),
        (geo(500), 50),
        (gkd_c(500), 50),
        (ran(250), 25),
        (mdg_a(500), 50),
        (mdg_b(500), 50),
    ]
    return [Case("literature", instance.name, instance.problem(k)) for instance, k in chosen]
