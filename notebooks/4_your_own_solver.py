# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Adding your own solver
#
# **You learn** to write a solver as one dataclass, to have it checked and graded, and to see it listed, compared and at
# work in a model's pruning.
#
# In a clone you would save the next cell as `solvers/best_of_random.py` and be done. Here the file goes to a temporary
# folder that joins the package's path.

# %%
import importlib
import tempfile
from pathlib import Path

import numpy as np

import solvers
from mmdp import SolverContractError
from solvers import Run, Solver, available, solve

SOURCE = '''
from dataclasses import dataclass

from solvers import Run, Solver


@dataclass(frozen=True)
class BestOfRandom(Solver):
    """The best of several random subsets."""

    cost = "O(tries k^2 d)"
    tries: int = 200

    def _run(self, problem, clock, rng):
        drawn = [rng.choice(problem.candidates, problem.k, replace=False) for _ in range(self.tries)]
        return Run(max(drawn, key=lambda subset: problem.objective(subset)[0]))
'''
folder = tempfile.TemporaryDirectory()
Path(folder.name, "best_of_random.py").write_text(SOURCE)
solvers.__path__.append(folder.name)
importlib.invalidate_caches()

# %% [markdown]
# It is listed, and `solve` finds it by name. Indices are checked, the objective is recomputed, and a bound is added.

# %%
print(available())
points = np.random.default_rng(0).random((100, 3))
for name in ("random", "best_of_random", "greedy"):
    print(solve(points, k=6, solver=name).summary())
assert solve(points, k=6, solver="best_of_random", tries=500).n == 100

# %% [markdown]
# It also prunes a model.

# %%
from lmm_integration import prune
from lmm_integration.demo import small_llava

model, inputs = small_llava()
with prune(model, solver="best_of_random", keep=0.1, tries=20) as pruning:
    model(**inputs)
print(pruning.stats)
assert pruning.stats.tokens_after == 58

# %% [markdown]
# It cannot cheat: a solver is not trusted to grade itself.


# %%
class Optimist(Solver):
    """Claims a bound below its own value."""

    def _run(self, problem, clock, rng):
        return Run(np.arange(problem.k), upper_bound=0.0)


try:
    Optimist().solve(solvers.Problem(6, points=points))
except SolverContractError as error:
    print(error)
else:
    raise AssertionError("the claim was believed")
