"""Does a smaller optimality gap mean a better model? A small multimodal model of our own, trained from scratch."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from experiments._common.rows import RESULTS

_CHECKPOINT = Path(__file__).parent / "checkpoint"


class Step(StrEnum):
    """What to do."""

    study = "study"
    report = "report"
    rules = "rules"
    evaluate = "evaluate"
    train = "train"


def main(
    step: Annotated[
        Step,
        typer.Argument(
            help="study: does optimality help, all selectors; report: both reports from the rows there are; rules: "
            "which objective, the registered study; evaluate: all tokens; train: anew."
        ),
    ] = (Step.study),
    scenes: Annotated[int, typer.Option(help="Test scenes, each with a question of every kind.", min=1)] = 300,
    seeds: Annotated[int, typer.Option(help="Runs of the methods that draw at random.", min=1)] = 3,
    checkpoint: Annotated[Path, typer.Option(help="Folder of the model, for the study.")] = _CHECKPOINT,
    model: Annotated[
        list[str] | None, typer.Option(help="For rules, evaluate and train: digits-0, digits-1, reading-0, dense-0.")
    ] = None,
    rule: Annotated[list[str] | None, typer.Option(help="For rules: only these, by the names in the report.")] = None,
    quick: Annotated[
        bool, typer.Option(help="For rules: 100 scenes, three keeps, the rules confirmed against.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Folder of the rows and the report.")] = RESULTS,
    threads: Annotated[int, typer.Option(help="Threads of torch and Numba.", min=1)] = 2,
) -> None:
    """Train a small multimodal model, prune it with every selector, and relate its accuracy to optimality.

    Study and training go on where they were stopped.
    """
    import numba
    import torch

    from experiments.lmm_lab import kept_tokens, report, rules, rules_report, study, train
    from experiments.lmm_lab.evaluate import Lab
    from experiments.lmm_lab.model import load
    from experiments.lmm_lab.tasks import checkpoint as named

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.get_num_threads()))
    models = [named(name) for name in model or ["digits-0"]]
    if step is Step.train:
        for one in models:
            train.train(train.recipe_of(one.task.name, one.seed), one.folder)
    elif step is Step.evaluate:
        for one in models:
            right = Lab(load(one.folder), scenes, one.task).ask("greedy", 1.0).right
            print(f"{one.name}: {right.mean():.2%} of {right.size} questions")
            print(", ".join(f"{kind} {right[:, i].mean():.2%}" for i, kind in enumerate(one.task.kinds)))
    else:
        paths = []
        if step is not Step.rules:
            rows = study.measure(results, scenes, seeds, checkpoint) if step is Step.study else study.rows(results)
            paths += report.write(rows, results)
        if step is not Step.study:
            measured = (
                rules.measure(results, quick, tuple(model or ()), tuple(rule or ()))
                if step is Step.rules
                else rules.rows(results)
            )
            paths += rules_report.write(measured, results)
        if step is Step.rules:
            paths.append(kept_tokens.draw(models[0], results))
        for path in paths:
            print(f"wrote {path}")
