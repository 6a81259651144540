# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Does a smaller gap mean a better model?
#
# **You learn** to ask a trained multimodal model the same questions before and after pruning, to compare how well
# several selections do with how good they are as solutions of the Max-Min Diversity Problem, and how far thirty
# images can be trusted. The model is the repository's own: 144 visual tokens, trained from scratch on handwritten
# digits over photographs.

# %%
import matplotlib.pyplot as plt
import numpy as np

from experiments.lmm_lab.evaluate import Lab
from experiments.lmm_lab.methods import methods
from experiments.lmm_lab.model import load
from experiments.lmm_lab.statistics import over_scenes
from lmm_integration import overlay

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
# The selections of five rules that keep seven tokens. `greedy` and `exact` keep tokens far apart, and `exact` proves
# its choice optimal. The last two cover the image: all tokens count alike, or unusual ones count more.

# %%
rules = {rule.name: rule.rule for rule in methods(lab, seeds=1)}
names = ("random", "greedy", "exact", "facility_location", "weighted_coverage")
figure, axes = plt.subplots(1, len(names), figsize=(13, 3), layout="constrained")
for axis, name in zip(axes, names, strict=True):
    axis.imshow(overlay((255 * image).astype(np.uint8), lab.ask(rules[name], 0.05).kept[0]))
    axis.set_title(name)
    axis.axis("off")
plt.show()

# %% [markdown]
# The same questions, at several shares of tokens kept.

# %%
keeps = (0.25, 0.1, 0.05)
outcomes = {(name, keep): lab.ask(rules[name], keep) for name in names for keep in keeps}
for name in names:
    told = (f"{outcomes[name, keep].right.mean():6.1%}" for keep in keeps)
    print(f"{name:>17}", *told)

# %% [markdown]
# Solved to optimality, the smallest distance is larger than greedy's. Whether the model answers better is another
# question: here is the difference of the two with its 95 % interval over the images.

# %%
for keep in keeps:
    exact, greedy = outcomes["exact", keep], outcomes["greedy", keep]
    distance = exact.objective.mean() / greedy.objective.mean() - 1
    more = 100 * (exact.right.mean(axis=1) - greedy.right.mean(axis=1))
    points = over_scenes(lambda chosen, more=more: float(more[chosen].mean()), len(more))
    print(f"keep {keep:4.0%}: smallest distance {distance:+.1%}, answers {points} points")

# %% [markdown]
# Thirty images leave wide intervals. The study asks about hundreds, with every selector:
# `python -m experiments lmm_lab`, and its report in `experiments/results/lmm_lab.md`.
