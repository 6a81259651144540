"""Points that are no table of numbers: as row numbers with a metric that looks rows up, or as the table they stand for.

| points                        | metric                | become                                     |
|-------------------------------|-----------------------|--------------------------------------------|
| any objects                   | a function            | row numbers; each pair is compared once    |
| a sparse matrix               | cosine, euclidean, ... | row numbers; sparse rows are compared     |
| a data frame of mixed columns | gower                 | numbers whose Manhattan distance it is     |
| fingerprints of RDKit         | tanimoto, dice, ...   | rows of 0 and 1                            |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mmdp.arrays import Array, compiled_dtype, to_numpy
from mmdp.exceptions import InvalidProblemError
from mmdp.gower import gower
from mmdp.metrics import Metric, resolve
from mmdp.pairs import FunctionPairs, Pairs, as_items
from mmdp.sparse_rows import sparse_rows

_COMPARED_SPARSE = ("sqeuclidean", "jaccard")


def stated(
    points: Any, metric: str | Metric | Callable[[Any, Any], float], check: Callable[[Any], Array]
) -> tuple[Array, Metric]:
    """Return points as the (n, d) table that a problem holds, and the metric that compares its rows.

    ``check`` checks a table of numbers.
    """
    if isinstance(metric, str) and metric == "gower":
        table, geometry = gower(points)
        return check(table), geometry
    geometry = resolve(metric)
    if hasattr(points, "tocsr"):
        return _of_sparse(points, geometry)
    if geometry.function is None or isinstance(geometry.function, Pairs):
        return check(_bits(points) if is_fingerprints(points) else points), geometry
    items = list(points) if is_fingerprints(points) else as_items(points)
    rows = compiled_dtype(geometry.embed(to_numpy(check(points)))) if items is None else items
    if not len(rows):
        raise InvalidProblemError("points is empty")
    return _numbers(len(rows)), replace(geometry.of_embedded(), function=FunctionPairs(geometry.function, rows))


def _numbers(n: int) -> Array:
    return np.arange(n, dtype=np.float64)[:, None]


def _of_sparse(points: Any, metric: Metric) -> tuple[Array, Metric]:
    is_sum = metric.form == "sqeuclidean" and (metric.embeds_as_is or metric.compares_directions)
    if not is_sum and metric.form != "jaccard":
        raise InvalidProblemError(
            f"points is a sparse matrix, and the metric {metric.name} needs dense rows; sparse ones have cosine, "
            "angular, euclidean, sqeuclidean, jaccard and dice; otherwise convert with .toarray()"
        )
    pairs = sparse_rows(points, metric.form, metric.compares_directions)
    return _numbers(pairs.n), replace(metric.of_embedded(), form=f"sparse_{metric.form}", function=pairs)


def is_fingerprints(points: Any) -> bool:
    """Whether points are bit vectors of RDKit, told by their methods."""
    return isinstance(points, (list, tuple)) and bool(points) and hasattr(points[0], "GetOnBits")


def _bits(fingerprints: Any) -> Array:
    size = fingerprints[0].GetNumBits()
    rows = np.zeros((len(fingerprints), size), dtype=np.uint8)
    for row, fingerprint in enumerate(fingerprints):
        if not hasattr(fingerprint, "GetOnBits") or fingerprint.GetNumBits() != size:
            raise InvalidProblemError(f"row {row} is not a fingerprint of {size} bits, as row 0 is")
        rows[row, list(fingerprint.GetOnBits())] = 1
    return rows
