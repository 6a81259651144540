"""A picture of one scene: what each objective keeps of it, and what the model then answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments._common import figures
from experiments.lmm_lab.evaluate import Lab
from experiments.lmm_lab.model import load
from experiments.lmm_lab.tasks import Checkpoint
from lmm_integration import overlay

SHOWN = {
    "greedy": "dispersion",
    "facility_location": "coverage",
    "weighted_coverage": "weighted coverage",
    "dpp": "determinant",
}
_KEEP, _LOOKED_AT = 0.05, 12  # of so many scenes, the one on which the objectives differ most


def draw(model: Checkpoint, folder: Path) -> Path:
    """Write lmm_rules.png: tokens kept at keep 5 % under each objective, and the share of questions answered."""
    lab = Lab(load(model.folder), _LOOKED_AT, model.task)
    outcomes = {rule: lab.ask(rule, _KEEP) for rule in SHOWN}
    right = np.stack([outcome.right.sum(1) for outcome in outcomes.values()])
    scene = int(np.ptp(right, axis=0).argmax())
    image = (255 * (lab.asked[scene].images[0].permute(1, 2, 0).numpy() / 2 + 0.5)).clip(0, 255).astype(np.uint8)
    figure, axes = figures.figure(figures.WIDTH, 2.6, ncols=1 + len(SHOWN), layout="constrained")
    axes[0].imshow(image)
    axes[0].set_title("all 144 tokens", fontsize=9)
    for axis, (rule, objective), outcome in zip(axes[1:], SHOWN.items(), outcomes.values(), strict=True):
        axis.imshow(overlay(image, outcome.kept[scene]))
        axis.set_title(f"{objective}\n{outcome.right[scene].sum()} of {lab.each} answered", fontsize=9)
        axis.set_xlabel(rule, fontsize=8)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    path = folder / "lmm_rules.png"
    figures.save(figure, path)
    return path
