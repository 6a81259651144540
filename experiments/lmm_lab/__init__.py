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
    evaluate = "evaluate"
    train = "train"


def main(
    step: Annotated[
        Step,
        typer.Argument(
            help="study: all selectors, and report; report: from the rows there are; evaluate: all tokens; train: anew."
        ),
    ] = (Step.study),
    scenes: Annotated[int, typer.Option(help="Test scenes, each with a question of every kind.", min=1)] = 300,
    seeds: Annotated[int, typer.Option(help="Runs of the methods that draw at random.", min=1)] = 3,
    checkpoint: Annotated[Path, typer.Option(help="Folder of the model.")] = _CHECKPOINT,
    results: Annotated[Path, typer.Option(help="Folder of the rows and the report.")] = RESULTS,
    threads: Annotated[int, typer.Option(help="Threads of torch and Numba.", min=1)] = 2,
) -> None:
    """Train a small multimodal model, prune it with every selector, and relate its accuracy to optimality.

    Study and training go on where they were stopped.
    """
    import numba
    import torch

    from experiments.lmm_lab import report, study, train
    from experiments.lmm_lab.evaluate import Lab
    from experiments.lmm_lab.model import load
    from experiments.lmm_lab.questions import KINDS

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.get_num_threads()))
    if step is Step.train:
        train.train(train.Recipe(), checkpoint)
    elif step is Step.evaluate:
        right = Lab(load(checkpoint), scenes).ask("greedy", 1.0).right
        print(f"{right.mean():.2%} of {right.size} questions")
        print(", ".join(f"{kind} {right[:, i].mean():.2%}" for i, kind in enumerate(KINDS)))
    else:
        rows = study.measure(results, scenes, seeds, checkpoint) if step is Step.study else study.rows(results)
        for path in report.write(rows, results):
            print(f"wrote {path}")
