"""What the study compares: diversity of every quality, every selector, and greedy on transformed features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

import solvers
from experiments.lmm_lab.evaluate import Lab
from lmm_integration import select_tokens, selectors
from mmdp import Problem, Stop
from mmdp.problem import selection_problem
from solvers._local_search.random_starts import randomized_greedy

HEADS = 4  # as many as the language model has
_RANDOM = ("random", "blend_25", "blend_50", "blend_75")
_STOPS = {"interchange": Stop(iterations=20), "local_search": Stop(iterations=20_000), "exact": Stop(seconds=0.5)}


@dataclass(eq=False)
class Method:
    """A rule to choose tokens, as ``prune`` takes it.

    group : "quality" (max-min diversity solved well or badly), "selector" or "transform"
    """

    name: str
    group: str
    seed: int
    rule: Any
    proven: list[bool] = field(default_factory=list)


def methods(lab: Lab, seeds: int) -> Iterator[Method]:
    """All methods; those that draw at random once a seed."""
    for name in (*_RANDOM, "greedy", "interchange", "local_search", "exact"):
        for seed in range(seeds if name in _RANDOM else 1):
            yield _diverse(name, seed)
    for name in selectors_of_images():
        for seed in range(seeds if name == "random_subset" else 1):
            yield Method(name, "selector", seed, name)
    for name, transform in TRANSFORMS.items():
        yield Method(f"greedy_{name}", "transform", 0, _transformed(transform, lab))


def selectors_of_images() -> list[str]:
    """All selectors but those for videos, and those that need keys of the tower's layers, which the lab lacks."""
    kinds = {name: selectors.load(name) for name in selectors.names()}
    return [name for name, kind in kinds.items() if kind.least_frames == 1 and "keys" not in kind.needs]


def _diverse(name: str, seed: int) -> Method:
    """A solver of the package, or the greedy with a share of chance; each image is solved once."""
    known: dict[tuple[bytes, int], Any] = {}
    proven: list[bool] = []

    def choose(features: Tensor, k: int) -> Any:
        rows = features.double().numpy()
        key = rows.tobytes(), k
        if key not in known:
            problem = selection_problem(rows, k, "cosine")
            if name.startswith("blend"):
                rng = np.random.default_rng([seed, len(known)])
                known[key] = randomized_greedy(problem, rng, float(name[-2:]) / 100)
            else:
                result = solvers.solve(problem, solver=name, stop=_STOPS.get(name), seed=seed * 10_000 + len(known))
                proven.append(result.is_optimal)
                known[key] = result.indices
        return known[key]

    return Method(name, "quality", seed, choose, proven)


def _transformed(transform: Callable[[Tensor, Tensor], Tensor], lab: Lab) -> Callable[[Tensor, int], Tensor]:
    def choose(features: Tensor, k: int) -> Tensor:
        return select_tokens(transform(features, lab.seen[lab.scene_of(features)]), k, "greedy")

    return choose


def _centred(features: Tensor, _: Tensor) -> Tensor:
    return features - features.mean(0)


def _whitened(features: Tensor, _: Tensor) -> Tensor:
    """Uncorrelated directions of equal variance, among those that carry any."""
    left, singular, _right = torch.linalg.svd(_centred(features, features).double(), full_matrices=False)
    varied: Tensor = left[:, singular > 1e-3 * singular[0]]
    return varied


def _per_head(features: Tensor, _: Tensor) -> Tensor:
    """Every head's slice at unit length, so that the cosine is the mean of the heads' cosines."""
    return normalize(features.unflatten(1, (HEADS, -1)), dim=-1).flatten(1)


TRANSFORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "centring_alone": _centred,
    "whitened": _whitened,
    "tower": lambda _, seen: seen,
    "per_head": _per_head,
}


def bounds(lab: Lab, keep: float) -> list[float]:
    """For each scene the largest smallest cosine distance that any subset can have, proven or bounded from above."""
    found = []
    for features in lab.features:
        problem = Problem(k=max(2, round(keep * len(features))), points=features.double().numpy(), metric="cosine")
        found.append(solvers.solve(problem, solver="exact", stop=Stop(seconds=0.3)).upper_bound)
    return found
