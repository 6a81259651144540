"""Small cases of every kind of distance, where enumeration settles what the optimum is."""

from __future__ import annotations

import numpy as np

from experiments.suites import Case
from mmdp import Problem
from mmdp.instances import mdg_a, ran


def cases() -> list[Case]:
    """Random, tied, duplicated and clustered points under different metrics, and two random matrices."""
    rng = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2).astype(float)
    clusters = np.repeat(rng.normal(size=(4, 3)), 5, axis=0) + 0.05 * rng.normal(size=(20, 3))
    uniform = rng.uniform(size=(24, 2))
    problems = {
        "uniform": Problem(6, points=uniform),
        "grid": Problem(5, points=grid),
        "clusters": Problem(6, points=clusters),
        "duplicates": Problem(7, points=np.repeat(uniform[:8], 3, axis=0)),
        "manhattan": Problem(5, points=uniform, metric="manhattan"),
        "cosine": Problem(6, points=rng.normal(size=(20, 5)), metric="cosine"),
        "bits": Problem(5, points=rng.integers(0, 2, size=(20, 12)), metric="jaccard"),
        "ran": Problem(6, distances=ran(20).distances),
        "mdg_a": Problem(6, distances=mdg_a(20).distances),
    }
    return [Case("tiny", name, problem) for name, problem in problems.items()]
