"""The problems of the atlas: instance files with what is published of them, or the generated families."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments._common.published import Published, problems
from mmdp import Problem
from mmdp.instances import Instance, geo, gkd_c, gkd_d, glover, mdg_a, mdg_b, mdg_c, pmed, ran

_FAMILY = re.compile(r"(Geo|Ran|Glover|GKD-[a-d]|MDG-[a-c]|pmed)", re.IGNORECASE)
_SEEDS = 3  # generated instances of each family and size


@dataclass(frozen=True)
class Claim:
    """What the literature says of one instance and k, as columns of a row."""

    published: Published

    @property
    def instance(self) -> str:
        """Name of the instance."""
        return self.published.instance

    def columns(self, objective: float, upper_bound: float) -> dict[str, Any]:
        """The published bounds, their source, and whether ours can hold beside them; nothing if none are known."""
        beside = self.published.columns(objective, upper_bound)
        source = {"published_source": self.published.source, "published_proven": self.published.closed}
        return beside and beside | source


@dataclass(frozen=True)
class Entry:
    """One problem of the atlas."""

    family: str
    problem: Problem
    known: Claim


def entries(data: Path | None, ks: list[int] | None) -> Iterator[Entry]:
    """Every problem of the files of a folder, or of the generated families."""
    if data is not None:
        for instance, known in problems(data, ks):
            yield Entry(family_of(instance), instance.problem(known.k), Claim(known))
        return
    for instance, k in _generated():
        if not ks or k in ks:
            yield Entry(f"{family_of(instance)}, generated", instance.problem(k), Claim(Published(instance.name, k)))


def family_of(instance: Instance) -> str:
    """Name of the family of an instance: that of the literature's names, or TSPLIB for maps."""
    if found := _FAMILY.match(instance.name.replace("_", "-")):
        return found[1]
    return "TSPLIB and maps" if instance.metric in ("euc_2d", "ceil_2d", "geo") else "other"


def _generated() -> Iterator[tuple[Instance, int]]:
    """The families at their published sizes, and k = n / 10 and 3 n / 10."""
    for seed in range(_SEEDS):
        yield from ((glover(n, seed), k) for n in (10, 15, 30) for k in (n // 5, 2 * n // 5))
        yield from ((gkd_d(n, seed), k) for n in (50, 100, 250, 500, 1000) for k in (n // 10, n // 5))
        yield from ((pmed(n, seed), k) for n in (100, 200, 400) for k in (5, n // 10))
        yield mdg_c(3000, seed), 300
        for n in (100, 250, 500):
            yield from ((make(n, seed), k) for make in (geo, ran) for k in (n // 10, 3 * n // 10))
        for make in (gkd_c, mdg_a, mdg_b):
            yield make(500, seed), 50
