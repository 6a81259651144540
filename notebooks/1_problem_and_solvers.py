# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # The problem and its solvers
#
# **You learn** what the Max-Min Diversity Problem asks, how the solvers differ on one plot, and how to read the
# bound that comes with every answer.

# %%
import matplotlib.pyplot as plt
import numpy as np

from mmdp import Stop
from solvers import available, solve

points = np.random.default_rng(3).random((150, 2))
K = 9

# %% [markdown]
# Choose 9 of these 150 points so that the two closest are as far apart as possible. A dashed line joins the two that
# decide: the critical pair.

# %%
results = [
    solve(points, k=K, solver="random"),
    solve(points, k=K, solver="greedy"),
    solve(points, k=K, solver="local_search", stop=Stop(seconds=1)),
    solve(points, k=K, solver="exact"),
]
figure, axes = plt.subplots(1, len(results), figsize=(14, 3.8), layout="constrained")
for axis, result in zip(axes, results, strict=True):
    axis.scatter(*points.T, s=8, color="0.75")
    axis.scatter(*points[result.indices].T, s=45, color="C0")
    axis.plot(*points[list(result.critical_pair)].T, "--", color="C3")
    axis.set(title=f"{result.solver}: {result.objective:.3f}", aspect="equal", xticks=[], yticks=[])
plt.show()

# %% [markdown]
# Each result says how far it can be from the optimum. The greedy's bound is at most twice its own value; `exact`
# closes the gap.

# %%
for result in results:
    print(result.summary())
assert results[-1].is_optimal
assert all(result.objective <= results[-1].objective for result in results)

# %% [markdown]
# You can also spend a few seconds on a better bound afterwards, for any solver's answer.

# %%
certified = solve(points, k=K, solver="greedy", certify_seconds=1)
print(f"gap of the greedy: {results[1].gap:.1%} by the cheap bound, {certified.gap:.1%} after certifying")

# %%
print(available())
