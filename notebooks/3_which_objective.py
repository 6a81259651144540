# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # By which objective should tokens be chosen?
#
# **You learn** to ask a trained multimodal model the same questions before and after pruning, to measure the same
# tokens under several objectives, and to tell which objective goes with good answers. The model is the repository's
# own: 144 visual tokens, trained from scratch on handwritten digits over photographs.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from experiments.lmm_lab.evaluate import Lab
from experiments.lmm_lab.methods import methods
from experiments.lmm_lab.model import load
from experiments.lmm_lab.rules import all_cosines
from experiments.lmm_lab.statistics import over_scenes, ranks_of_scenes
from lmm_integration import overlay
from objectives import measures

lab = Lab(load(), 30)
full = lab.ask("greedy", keep=1.0)
print(f"all 144 tokens: {full.right.mean():.1%} of {full.right.size} questions answered")

# %% [markdown]
# One scene of the test with a question of each kind. None of its digits or photographs was seen in training.

# %%
example = lab.asked[0]
image = (example.images[0].permute(1, 2, 0).numpy() * 0.5 + 0.5).clip(0, 1)
plt.figure(figsize=(2.6, 2.6))
plt.imshow(image)
plt.axis("off")
plt.show()
for question in example.questions[0]:
    print(f"{question.kind:>10}: {question.text}? {question.answer}")

# %% [markdown]
# Seven tokens of this scene, chosen by six rules. `greedy` and `exact` keep tokens far apart (dispersion), and `exact`
# proves its choice optimal. `dpp` grows the determinant of the similarities. `facility_location` covers the image: of
# every token a similar one should stay. In `weighted_coverage` unusual tokens count more.

# %%
rules = {rule.name: rule.rule for rule in methods(lab, seeds=1)}
names = ("random", "greedy", "exact", "dpp", "facility_location", "weighted_coverage")
keeps = (0.25, 0.1, 0.05)
outcomes = {(name, keep): lab.ask(rules[name], keep) for name in names for keep in keeps}
figure, axes = plt.subplots(1, len(names), figsize=(13, 2.6), layout="constrained")
for axis, name in zip(axes, names, strict=True):
    axis.imshow(overlay((255 * image).astype(np.uint8), outcomes[name, 0.05].kept[0]))
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% [markdown]
# Every subset has a value under every objective. Each rule should be ahead under its own.


# %%
def values(scene, chosen):
    """What a subset of a scene's tokens is worth; more is better in every column."""
    cosine = all_cosines(lab.features[scene].double()).numpy()
    return {
        "dispersion": measures.dispersion(1 - cosine, chosen),
        "minus radius": -measures.coverage_radius(1 - cosine, chosen),
        "coverage": measures.mean_similarity(cosine, chosen),
        "log determinant": measures.log_determinant(cosine, chosen),
    }


worth = {
    (name, keep): pd.DataFrame([values(i, one.indices.numpy()) for i, one in enumerate(outcome.kept)])
    for (name, keep), outcome in outcomes.items()
}
pd.DataFrame({name: worth[name, 0.1].mean() for name in names}).T.round(3)

# %% [markdown]
# And these are the questions answered, in per cent.

# %%
answered = {f"keep {keep:.0%}": {name: 100 * outcomes[name, keep].right.mean() for name in names} for keep in keeps}
pd.DataFrame(answered).round(1)

# %% [markdown]
# Does it help to solve an objective to optimality? Here is what `exact` gains over `greedy`: in distance, and in
# answers, with the 95 % interval over the scenes.

# %%
for keep in keeps:
    exact, greedy = outcomes["exact", keep], outcomes["greedy", keep]
    distance = exact.objective.mean() / greedy.objective.mean() - 1
    more = 100 * (exact.right.mean(axis=1) - greedy.right.mean(axis=1))
    points = over_scenes(lambda chosen, more=more: float(more[chosen].mean()), len(more))
    print(f"keep {keep:4.0%}: smallest distance {distance:+.1%}, answers {points} points")

# %% [markdown]
# Which objective goes with good answers? For each scene, rank its subsets by the objective and by the questions
# answered. A correlation near 1 means that the objective tells good subsets from bad ones.

# %%
for name in worth["greedy", 0.1]:
    objective = np.array([worth[rule, 0.1][name] for rule in names])
    right = np.array([outcomes[rule, 0.1].right.sum(axis=1) for rule in names])
    ranks = ranks_of_scenes(objective, right)
    told = over_scenes(lambda chosen, ranks=ranks: float(ranks[chosen].mean()), len(ranks))
    print(f"{name:>15}: {told.value:+.2f} ({told.low:+.2f} to {told.high:+.2f})")

# %% [markdown]
# Thirty scenes and one model leave wide intervals. The registered study asks hundreds of scenes, several models, all
# rules and proven optima of several objectives: `python -m experiments lmm_lab rules`, and its report in
# `experiments/results/lmm_rules.md`.
