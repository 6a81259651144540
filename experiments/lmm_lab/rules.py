"""The registered study: every rule on every checkpoint, with what its subsets are worth under every objective."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import objectives
import solvers
from experiments._common.console import Console, Progress
from experiments._common.rows import Rows
from experiments.lmm_lab.evaluate import Lab
from experiments.lmm_lab.methods import selectors_of_images
from experiments.lmm_lab.model import load
from experiments.lmm_lab.tasks import CHECKPOINTS, Checkpoint
from lmm_integration import selectors
from lmm_integration.selectors.weighted_coverage import WeightedCoverage
from mmdp import Stop
from mmdp.problem import selection_problem
from objectives import measures
from solvers._local_search.random_starts import randomized_greedy

KEEPS = (0.1, 0.05, 0.25, 0.5, 0.15, 0.07, 0.04, 0.03)  # in the order they are asked about
QUICK_KEEPS = (0.25, 0.1, 0.05)
SCENES, QUICK_SCENES, PROVEN_SCENES = 300, 100, 50
CONFIRMATION = 2027  # seed of the test scenes that no rule was tried on
OWN, BASE = "weighted_coverage", "greedy"
REGISTERED = "weighted_coverage, floor=0"  # as it was first registered; its default changed before it was confirmed
VARIANTS: dict[str, tuple[str, dict[str, float]]] = {REGISTERED: (OWN, {"floor": 0.0})}
RIVALS = ("mmtok_vision", "k_medoids", "facility_location", "weighted_greedy", "centred_greedy", "dpp")
CONFIRMED = (OWN, REGISTERED, BASE, *RIVALS)
POSITIONED = {"original": CONFIRMED, "restore": (BASE, OWN)}  # also asked with these; not part of the registration
POSITION_KEEPS = (0.5, 0.25, 0.1, 0.05)
MEASURES = (
    "dispersion",
    "sum_of_distances",
    "coverage_radius",
    "mean_similarity",
    "weighted_similarity",
    "log_determinant",
)
KEY = ("checkpoint", "weights", "rule", "keep", "draw", "scenes", "seed")
PROOF_SECONDS = {"dispersion": 0.5, "radius": 0.5, "similarity": 20.0}  # for one scene
_SEEDS = 3
_SOURCES = ("mmdp", "solvers", "objectives", "lmm_integration", "experiments/lmm_lab")
_PACKAGES = ("numpy", "numba", "torch", "transformers", "ortools")


@dataclass(eq=False)
class Rule:
    """A way to choose tokens.

    group : "confirmed", "positions", "optimum", "random" or "described"
    scenes : how many scenes it is asked about, at most
    keeps : at which shares
    positions : of the tokens that stay, as in :func:`lmm_integration.prune`
    """

    name: str
    group: str
    choose: Any
    draw: int = 0
    scenes: int = SCENES
    keeps: tuple[float, ...] = KEEPS
    proven: list[bool] = field(default_factory=list)
    positions: str = "auto"


def rules(lab: Lab, quick: bool) -> Iterator[Rule]:
    """All rules of the registration that the task of the lab admits; those confirmed against alone, if ``quick``."""
    for name in CONFIRMED:
        keyword, options = VARIANTS.get(name, (name, {}))
        rule = solvers.make(name) if name == BASE else selectors.make(keyword, **options)
        choose = _once(lab, rule)
        yield Rule(name, "confirmed", choose)
        for positions, names in POSITIONED.items():
            if name in names and not quick:
                called = positioned(name, positions)
                yield Rule(called, "positions", choose, keeps=POSITION_KEEPS, positions=positions)
    if quick:
        return
    for name, solve in OPTIMA.items():
        yield _optimum(lab, name, solve)
    for draw in range(_SEEDS):
        yield Rule("random", "random", _blend(lab, 0.0, draw), draw)
        for share in (25, 50, 75):
            yield Rule(f"blend_{share}", "random", _blend(lab, share / 100, draw), draw)
    for name in selectors_of_images():
        rule = selectors.make(name)
        several_words = lab.task.longest_answer > 1
        if "keys" in rule.needs:  # of the tower's layers, which the lab does not record
            continue
        if name not in CONFIRMED and name != "random_subset" and not ("prompt" in rule.needs and several_words):
            yield Rule(name, "described", name if "prompt" in rule.needs or rule.needs else _once(lab, rule))


def positioned(name: str, positions: str) -> str:
    """What a rule is called when the tokens that it keeps have these positions."""
    return f"{name}, {positions} positions"


def _once(lab: Lab, rule: Any) -> Callable[[Tensor, int], Any]:
    """A rule that sees the features alone, asked once about each scene."""
    known: dict[tuple[int, int], Any] = {}

    def choose(features: Tensor, k: int) -> Any:
        key = lab.scene_of(features), k
        if key not in known:
            known[key] = rule.select(features, k) if isinstance(rule, solvers.Solver) else rule(features, k)
        return known[key]

    return choose


def _blend(lab: Lab, greed: float, draw: int) -> Callable[[Tensor, int], Any]:
    """Farthest-first with a share of chance: at 0 a random subset."""

    def choose(features: Tensor, k: int) -> Any:
        rng = np.random.default_rng([draw, lab.scene_of(features), k])
        problem = selection_problem(features.double().numpy(), k, "cosine")
        return randomized_greedy(problem, rng, greed)

    return _once(lab, choose)


def _limit(name: str) -> Stop:
    return Stop(seconds=PROOF_SECONDS[name])


def _dispersed(rows: Any, k: int, _: Any) -> tuple[Any, bool]:
    result = solvers.solve(selection_problem(rows, k, "cosine"), solver="exact", stop=_limit("dispersion"))
    return result.indices, result.is_optimal


def _centred(rows: Any, k: int, _: Any) -> tuple[Any, bool]:
    found = objectives.solve(rows, k, "k_centre", method="exact", metric="cosine", stop=_limit("radius"))
    return found.indices, found.is_optimal


def _covering(rows: Any, k: int, weights: Any) -> tuple[Any, bool]:
    given = {"metric": "cosine", "weights": weights, "stop": _limit("similarity")}
    found = objectives.solve(rows, k, "facility_location", method="exact", **given)
    return found.indices, found.is_optimal


OPTIMA = {
    "best_dispersion": _dispersed,
    "best_radius": _centred,
    "best_similarity": lambda rows, k, _: _covering(rows, k, None),
    "best_weighted_similarity": _covering,
}
GREEDY_OF = {
    "best_dispersion": BASE,
    "best_radius": "k_centre",
    "best_similarity": "facility_location",
    "best_weighted_similarity": REGISTERED,
}
"""The greedy of the same objective, to which an optimum is compared."""


def _optimum(lab: Lab, name: str, solve: Callable[..., tuple[Any, bool]]) -> Rule:
    proven: list[bool] = []

    def choose(features: Tensor, k: int) -> Any:
        indices, is_optimal = solve(features.double().numpy(), k, token_weights(features))
        proven.append(is_optimal)
        return indices

    short = name.endswith("similarity")
    scenes, keeps = (PROVEN_SCENES, QUICK_KEEPS) if short else (SCENES, KEEPS)
    return Rule(name, "optimum", _once(lab, choose), 0, scenes, keeps, proven)


def token_weights(features: Tensor) -> Any:
    """The weights of the rule as registered, (n,) float64."""
    return WeightedCoverage(floor=0.0).weights(all_cosines(features.double())).numpy()


def all_cosines(features: Tensor) -> Tensor:
    """Cosines of all pairs of rows, (n, n)."""
    unit = torch.nn.functional.normalize(features, dim=-1)
    return unit @ unit.T


def worth(features: Tensor, chosen: Any) -> dict[str, float]:
    """What a subset of the tokens of one scene is worth under every objective."""
    similarity = all_cosines(features.double()).numpy()
    distances, weights = 1 - similarity, token_weights(features)
    return {
        "dispersion": measures.dispersion(distances, chosen),
        "sum_of_distances": measures.sum_of_distances(distances, chosen),
        "coverage_radius": measures.coverage_radius(distances, chosen),
        "mean_similarity": measures.mean_similarity(similarity, chosen),
        "weighted_similarity": measures.mean_similarity(similarity, chosen, weights),
        "log_determinant": measures.log_determinant(similarity, chosen),
    }


def rows(results: Path) -> Rows:
    """What has been measured so far."""
    return Rows(results / "lmm_rules.csv", KEY, _SOURCES, _PACKAGES)


def measure(results: Path, quick: bool, names: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> Rows:
    """Ask every trained checkpoint, or those named, everything, or the rules named in ``only``; a row each.

    What is there is not asked again.
    """
    measured = rows(results)
    for model in CHECKPOINTS:
        if model.is_trained and (not names or model.name in names):
            _measure(model, measured, quick, only)
    return measured


def _measure(model: Checkpoint, measured: Rows, quick: bool, only: tuple[str, ...]) -> None:
    weights = hashlib.sha256((model.folder / "model.safetensors").read_bytes()).hexdigest()[:12]
    about = {"checkpoint": model.name, "weights": weights, "seed": CONFIRMATION}
    whole = QUICK_SCENES if quick else SCENES
    labs: dict[int, Lab] = {}

    def lab(scenes: int) -> Lab:
        if scenes not in labs:
            labs[scenes] = Lab(load(model.folder), scenes, model.task, CONFIRMATION)
        return labs[scenes]

    keeps = QUICK_KEEPS if quick else KEEPS
    all_rules = [rule for rule in rules(lab(whole), quick) if not only or rule.name in only]
    everything = [
        (rule, keep)
        for group in dict.fromkeys(rule.group for rule in all_rules)
        for keep in keeps
        for rule in all_rules
        if rule.group == group and keep in rule.keeps
    ]
    with Progress(Console()) as progress:
        task = progress.add_task("", total=len(everything) + 1)
        key = {**about, "rule": "all tokens", "keep": 1.0, "draw": 0, "scenes": whole}
        if measured.find(**key) is None:
            measured.add(**key, group="all", **_columns(lab(whole), BASE, 1.0))
        progress.advance(task)
        for rule, keep in everything:
            progress.update(task, description=f"{model.name} {rule.name} keep {keep:.0%}")
            scenes = min(whole, rule.scenes)
            key = {**about, "rule": rule.name, "keep": keep, "draw": rule.draw, "scenes": scenes}
            if measured.find(**key) is None:
                rule.proven.clear()
                columns = _columns(lab(scenes), rule.choose, keep, rule.positions)
                proven = float(np.mean(rule.proven)) if rule.proven else float("nan")
                measured.add(**key, group=rule.group, proven=proven, **columns)
            progress.advance(task)


def _columns(lab: Lab, rule: Any, keep: float, positions: str = "auto") -> dict[str, str | float]:
    outcome = lab.ask(rule, keep, positions=positions)
    columns: dict[str, str | float] = {
        "accuracy": float(outcome.right.mean()),
        "questions": lab.each,
        "kinds": json.dumps(dict(zip(lab.task.kinds, outcome.right.mean(0).round(4).tolist(), strict=True))),
        "right": " ".join(str(count) for count in outcome.right.sum(1)),
        "seconds": outcome.seconds,
    }
    if keep < 1:
        values = [worth(lab.features[i], one.indices.numpy()) for i, one in enumerate(outcome.kept)]
        columns |= {name: " ".join(f"{value[name]:.6g}" for value in values) for name in MEASURES}
    return columns
