"""Accuracy, differences and rank correlations, with intervals over the scenes of the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from experiments.lmm_lab.questions import KINDS
from experiments.lmm_lab.study import numbers

RESAMPLES = 2000
Values = NDArray[np.float64]


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.1f} ({self.low:+.1f} to {self.high:+.1f})"

    @property
    def sign(self) -> int:
        """1 or -1 if the interval lies on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def over_scenes(statistic: Callable[[NDArray[np.int64]], float], scenes: int) -> Estimate:
    """Percentile bootstrap of a statistic of scene numbers (Efron, Annals of Statistics 7(1), 1979)."""
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.integers(scenes, size=scenes)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(statistic(np.arange(scenes)), float(low), float(high))


def per_scene(rows: pd.DataFrame, column: str) -> Values:
    """Values of a cell's column, (scenes,), averaged over the seeds."""
    mean: Values = np.stack([numbers(text) for text in rows[column]]).mean(axis=0)
    return mean


def accuracy(rows: pd.DataFrame) -> Estimate:
    """Percent of questions answered."""
    share = 100 * per_scene(rows, "right") / len(KINDS)
    return over_scenes(lambda chosen: float(share[chosen].mean()), len(share))


def difference(rows: pd.DataFrame, base: pd.DataFrame) -> Estimate:
    """Percentage points that one method answers more than another, on the same questions."""
    more = 100 * (per_scene(rows, "right") - per_scene(base, "right")) / len(KINDS)
    return over_scenes(lambda chosen: float(more[chosen].mean()), len(more))


def correlation(rows: pd.DataFrame) -> Estimate:
    """Spearman's rank correlation of objective and accuracy over the subsets of one scene, averaged over the scenes.

    Scenes differ in how hard they are and in how far apart their tokens lie; comparing the subsets of one scene with
    each other drops both. Scenes whose subsets all do equally well say nothing and are dropped.
    """
    right = np.array([numbers(text) for text in rows["right"]])
    objective = np.array([numbers(text) for text in rows["objectives"]])
    each = ranks_of_scenes(objective, right)
    if not len(each):
        return Estimate(float("nan"), float("nan"), float("nan"))
    return over_scenes(lambda chosen: float(each[chosen].mean()), len(each))


def ranks_of_scenes(objective: Values, right: Values) -> Values:
    """Spearman's correlation of every scene that has one, for (subsets, scenes) arrays."""
    each = np.array([_spearman(objective[:, i], right[:, i]) for i in range(right.shape[1])])
    known: Values = each[np.isfinite(each)]
    return known


def _spearman(x: Values, y: Values) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
