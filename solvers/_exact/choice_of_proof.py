"""Which of the two searches proves a problem, for the exact solver and for bounds of other solvers' results."""

from __future__ import annotations

import math
from collections.abc import Callable

from mmdp import Clock, InvalidOptionError, Problem
from solvers._exact.cell_proof import BOX_FORMS, CellProof
from solvers._exact.matrix_proof import MatrixProof

METHODS = ("auto", "matrix", "cells")
_BOX_DIMENSIONS = 6  # beyond, boxes say little about distances
_PLANE_POINTS = 200  # up to which the matrix is faster in the plane
_SPACE_POINTS = 1000  # up to which it is faster in more dimensions, where boxes say less


def _nothing() -> None:
    """Leave the incumbent as it is."""


def prove(
    problem: Problem,
    clock: Clock,
    method: str = "auto",
    improve: Callable[[], None] = _nothing,
    threads: int = 1,
) -> str:
    """Search for the optimum or for a bound until the clock, which holds an incumbent, expires; say what proved it.

    ``improve`` is called to look harder for an incumbent, now and then while a threshold is open; ``threads`` divide
    long searches.
    """
    if choose(problem, method) == "cells":
        on_cells = CellProof(problem, clock, improve, threads)
        on_cells.run()
        return on_cells.bounded_by
    proof = MatrixProof(problem, clock, improve, threads)
    proof.run()
    return proof.proven_by


def choose(problem: Problem, method: str) -> str:
    """Return "cells" or "matrix": the ``method`` itself, or for "auto" what suits the problem.

    Raises
    ------
    InvalidOptionError
        If the method is "cells" where there are no boxes, or where more is asked of a solution than k points.
    """
    if problem.is_limited and method == "cells":
        raise InvalidOptionError(
            "method = 'cells' does not keep group counts, nor apart, nor a demand; choose auto or matrix"
        )
    has_boxes = problem.points is not None and problem.geometry.form in BOX_FORMS
    if method == "cells" and not has_boxes:
        raise InvalidOptionError(f"method = 'cells' needs points and one of the distance forms {', '.join(BOX_FORMS)}")
    if method != "auto":
        return method
    assert problem.points is not None or not has_boxes
    dimensions = problem.points.shape[1] if has_boxes else math.inf  # of a sphere, two
    few = _PLANE_POINTS if dimensions <= 2 else _SPACE_POINTS
    many = len(problem.candidates) > few and not problem.is_limited
    return "cells" if dimensions <= _BOX_DIMENSIONS and many else "matrix"
