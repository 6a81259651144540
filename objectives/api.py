"""The one call: an objective's name, a method's name, and a graded solution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mmdp import Clock, InvalidOptionError, MissingDependencyError, Stop, UnknownNameError
from mmdp.arrays import Array, Indices
from mmdp.metrics import Metric
from objectives import facility_location, k_centre
from objectives.data import Data, read
from objectives.solution import Answer, Sense, Solution, graded

OBJECTIVES: dict[str, Sense] = {"facility_location": "max", "k_centre": "min"}
"""Names of the objectives, and whether larger or smaller is better."""
METHODS = ("greedy", "local_search", "exact")
"""From the fastest to the one that proves its answer optimal."""


def solve(
    points: Array = None,
    k: int = 1,
    objective: str = "facility_location",
    *,
    method: str = "greedy",
    metric: str | Metric | Callable[[Any, Any], float] = "euclidean",
    distances: Array = None,
    weights: ArrayLike | None = None,
    reach: float | None = None,
    stop: Stop | None = None,
) -> Solution:
    """Choose k of n points for the best coverage or the smallest radius.

    Parameters
    ----------
    points : (n, d) array, optional
        Give either ``points`` or ``distances``; n >= 2.
    k : int
        1 <= k <= n.
    objective : str
        "facility_location": the largest mean similarity of all points to the most similar chosen one, where similarity
        is ``reach`` minus distance. "k_centre": the smallest radius within which every point has a chosen one.
    method : str
        "greedy", "local_search" (from the greedy, until no swap helps), or "exact" (from the local search, by OR-Tools;
        up to a few hundred points).
    metric : str, Metric or callable
        A name in ``mmdp.METRICS``, or a symmetric function of two vectors.
    distances : (n, n) array, optional
    weights : (n,) array, optional
        How much each point counts: in the mean, or as a factor of its distance. All 1 by default.
    reach : float, optional
        Of facility location: the distance at which two points have nothing in common. By default 2 under "cosine",
        which makes a similarity 1 + cosine, and else the largest distance.
    stop : Stop, optional
        ``seconds`` and ``iterations`` (swaps, or models of k-centre) limit the local search and the exact method.

    Returns
    -------
    Solution
        The points, the objective measured again in float64, and a bound on what any k points can reach.

    Raises
    ------
    InvalidProblemError
        If points, distances, weights or k are invalid.
    UnknownNameError
        If there is no such objective, method or metric.
    InvalidOptionError
        If ``reach`` is smaller than a distance, or belongs to another objective.
    MissingDependencyError
        If OR-Tools is missing.

    Examples
    --------
    >>> solution = solve([[0.0], [1.0], [2.0], [9.0]], k=2, objective="k_centre", method="exact")
    >>> sorted(solution.indices.tolist()), solution.objective, solution.is_optimal
    ([1, 3], 1.0, True)
    """
    if objective not in OBJECTIVES:
        raise UnknownNameError(f"no objective named {objective!r}; choose one of {', '.join(OBJECTIVES)}")
    if method not in METHODS:
        raise UnknownNameError(f"no method named {method!r}; choose one of {', '.join(METHODS)}")
    if not (stop is None or isinstance(stop, Stop)):
        raise InvalidOptionError(f"stop is a Stop, such as Stop(seconds=5), not {stop!r}")
    if any(getattr(stop, name, None) is not None for name in _OTHER_LIMITS):
        raise InvalidOptionError(
            f"stop: only seconds and iterations limit these methods, not {', '.join(_OTHER_LIMITS)}"
        )
    data = read(points, k, metric, distances, weights)
    run, measure = _bound_to(objective, method, data, _reach(objective, reach, metric, data))
    clock = Clock(stop or Stop())
    try:
        answer = run(data, clock)
    except ModuleNotFoundError as error:
        raise MissingDependencyError("method='exact' needs ortools: pip install 'mmdp[ilp]'", name="ortools") from error
    spread = float((data.costs if objective == "k_centre" else data.distances).max())
    return graded(answer, measure, spread, OBJECTIVES[objective], objective, method, data.n, data.k, clock.elapsed)


_OTHER_LIMITS = ("no_improvement", "target", "gap", "upper_bound")


def _reach(objective: str, given: float | None, metric: Any, data: Data) -> float:
    if objective != "facility_location":
        if given is not None:
            raise InvalidOptionError(f"reach = {given!r} is for facility_location; {objective} has no similarities")
        return 0.0
    largest = float(data.distances.max())
    if given is None:
        return facility_location.SPHERE if metric == "cosine" and largest <= facility_location.SPHERE else largest
    if not (np.isfinite(given) and given >= largest):
        raise InvalidOptionError(f"reach = {given!r}: give at least the largest distance, {largest!r}")
    return float(given)


def _bound_to(
    objective: str, method: str, data: Data, reach: float
) -> tuple[Callable[[Data, Clock], Answer], Callable[[Indices], float]]:
    """The method and the measure of an objective."""
    if objective == "k_centre":
        run: Callable[..., Answer] = getattr(k_centre, method)
        return run, partial(k_centre.measure, data)
    covering: Callable[..., Answer] = getattr(facility_location, method)
    return partial(covering, reach=reach), partial(facility_location.measure, data, reach=reach)
