"""Handwritten digits of scikit-learn: 1,797 images of 8 x 8 pixels, Euclidean."""

from __future__ import annotations

from sklearn.datasets import load_digits

from experiments.suites import Case
from mmdp import Problem


def cases() -> list[Case]:
    """Choose 10 and 50 digits."""
    points = load_digits().data
    return [Case("digits", "digits", Problem(k, points=points)) for k in (10, 50)]
