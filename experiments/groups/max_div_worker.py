"""PyPI ``max-div`` in a Python of its own: reads one problem a line as JSON, answers with one line.

It is started as a script, because the newest releases need a newer Python than this project, and bring libraries that
change how Numba compiles. It imports nothing of this project.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import Any

import numpy as np

NAME = "max-div"


def solve(job: dict[str, Any]) -> dict[str, Any]:
    """Choose points within the counts; the seconds include stating the problem."""
    from max_div import Constraint, DistanceMetric, DiversityMetric, MaxDivProblem, MaxDivSolverBuilder
    from max_div import seconds as budget

    with np.load(job["data"]) as data:
        rows, member = data["rows"].astype(np.float32), data["member"]
        limits = [(np.flatnonzero((member == g).any(axis=1)), *both) for g, both in enumerate(data["limits"].tolist())]
    start = time.perf_counter()
    goal = getattr(DiversityMetric, "MIN_SEPARATION", None) or DiversityMetric.min_separation()  # until 0.17, and since
    constraints = [Constraint(set(points.tolist()), low, high) for points, low, high in limits]
    if job["is_matrix"]:
        stated = MaxDivProblem.from_distances(rows, job["k"], goal, constraints=constraints)
    else:
        metric = DistanceMetric.l2_euclidean()
        stated = MaxDivProblem.new(rows, job["k"], metric, goal, constraints=constraints)
    builder = MaxDivSolverBuilder(stated).with_preset(budget(job["seconds"])).with_seed(job["seed"])
    solution = builder.with_end_to_end_budget().build().solve()
    seconds = time.perf_counter() - start
    return {"indices": np.asarray(solution.i_selected).tolist(), "seconds": seconds}


def main() -> None:
    """Say which versions these are, then answer until the input ends."""
    print(json.dumps({"version": f"{NAME} {version(NAME)}, Python {platform.python_version()}"}), flush=True)
    for line in sys.stdin:
        try:
            with redirect_stdout(sys.stderr):  # where its progress bar goes
                answer = solve(json.loads(line))
        except Exception as error:  # whatever it is, the other side names it
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
