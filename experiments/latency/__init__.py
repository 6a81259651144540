"""How much sooner does a pruned model answer? Published shapes with random weights, full and pruned in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import torch
import typer

from experiments._common.console import Console
from experiments._common.rows import RESULTS, Row, Rows
from experiments._common.shapes import SCALES, SHAPES, Shape
from experiments.latency import report
from experiments.latency.answer_times import Answer, answer, image_features, peak_bytes, selection_seconds
from lmm_integration import prune
from lmm_integration.budget import check_keep, retained_count
from mmdp import UnknownNameError

KEY = ("model", "scale", "where", "dtype", "solver", "keep", "text", "batch")
SOURCES = ("mmdp", "solvers", "lmm_integration")
KEEPS = (0.5, 0.25, 0.1)


@dataclass(frozen=True)
class Contest:
    """What every model is asked: ``batch`` prompts at once, of ``text`` tokens and one image each."""

    solvers: list[str]
    keeps: list[float]
    text: int
    batch: int
    new_tokens: int
    repeats: int


def main(
    model: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(SHAPES)}; repeat for several.")] = None,
    scale: Annotated[str, typer.Option(help="full, quarter or tiny; by default full on a GPU, else quarter.")] = "",
    keep: Annotated[list[float] | None, typer.Option(help="Fraction of visual tokens kept; repeat.")] = None,
    solver: Annotated[list[str] | None, typer.Option(help="A solver or selector; repeat for several.")] = None,
    text: Annotated[int, typer.Option(help="Text tokens: LLaVA's template and a question of COCO.", min=5)] = 25,
    batch: Annotated[int, typer.Option(help="Prompts answered at once, of one image each.", min=1)] = 1,
    new_tokens: Annotated[int, typer.Option(help="Length of the answer.", min=2)] = 9,
    repeats: Annotated[int, typer.Option(help="Interleaved runs of each, after a warm-up.", min=1)] = 5,
    results: Annotated[Path, typer.Option(help="Folder of latency.csv, .md and .png.")] = RESULTS,
    report_only: Annotated[bool, typer.Option(help="Only write the report, from the last run's rows.")] = False,
) -> None:
    """Time to first token, time per token, peak memory and selection time: full and pruned, medians and ratios."""
    console, rows = Console(), Rows(results / "latency.csv", KEY, SOURCES, report.PACKAGES)
    if report_only:
        measured = rows.last_run()
    else:
        on_gpu = torch.cuda.is_available()
        scale = scale or ("full" if on_gpu else "quarter")
        names = model or (list(SHAPES) if on_gpu else ["LLaVA-1.5-7B"])
        _check(names, scale)
        keeps = [check_keep(share) for share in keep or KEEPS]
        contest = Contest(solver or ["greedy"], keeps, text, batch, new_tokens, repeats)
        measured = []
        for row in _measure(rows, names, scale, contest, console):
            measured.append(row)
            console.print(report.line(row))
    console.print(report.terminal(measured))
    for written in report.write(measured, [rows.oldest(row) for row in measured], results):
        console.print(f"wrote {written}")


def _measure(rows: Rows, names: list[str], scale: str, contest: Contest, console: Console) -> Iterator[Row]:
    """Build one model after the other, and measure it full and pruned."""
    on_gpu, threads = torch.cuda.is_available(), torch.get_num_threads()
    device, dtype = ("cuda", torch.bfloat16) if on_gpu else ("cpu", torch.float32)
    where = torch.cuda.get_device_name() if on_gpu else f"CPU, {threads} thread{'s' * (threads > 1)}"
    console.print(f"{where}: {', '.join(names)} at scale {scale}; rows go to {rows.path}.")
    for name in names:
        built = SHAPES[name].build(SCALES[scale], device, dtype)
        for outcome in _outcomes(built, SHAPES[name], contest):
            about = {"model": name, "scale": scale, "where": where, "dtype": str(dtype).removeprefix("torch.")}
            yield rows.add(**about, text=contest.text, batch=contest.batch, repeats=contest.repeats, **outcome)
        del built
        torch.cuda.empty_cache()


def _check(names: list[str], scale: str) -> None:
    if unknown := [name for name in names if name not in SHAPES]:
        raise UnknownNameError(f"no model named {unknown[0]!r}; choose from {', '.join(SHAPES)}")
    if scale not in SCALES:
        raise UnknownNameError(f"no scale named {scale!r}; choose from {', '.join(SCALES)}")


def _outcomes(model: Any, shape: Shape, contest: Contest) -> list[dict[str, Any]]:
    """Measure one model: each way of answering in turn, so that a slow moment of the machine meets them all.

    Memory first, with the fewest tokens first: what an allocator holds on to is then never a later run's.
    """
    inputs = shape.prompt(model, contest.text, contest.batch)
    features = image_features(model, inputs)
    ways = [("", 1.0), *((solver, keep) for solver in contest.solvers for keep in sorted(contest.keeps, reverse=True))]
    peaks = {way: peak_bytes(partial(_answer, model, inputs, way, 2)) for way in reversed(ways)}
    for way in ways:
        _answer(model, inputs, way, 2)
    answers: dict[tuple[str, float], list[Answer]] = {way: [] for way in ways}
    for _ in range(contest.repeats):
        for way in ways:
            answers[way].append(_answer(model, inputs, way, contest.new_tokens))
    first = {way: median(one.first for one in runs) for way, runs in answers.items()}
    return [
        {
            "solver": solver,
            "keep": keep,
            "visual": features.shape[1],
            "kept": retained_count(features.shape[1], keep),
            "first_s": first[solver, keep],
            "first_ratio": first[solver, keep] / first["", 1.0],
            "token_s": median(one.per_token for one in answers[solver, keep]),
            "peak_gib": None if (peak := peaks[solver, keep]) is None else peak / 2**30,
            "select_s": selection_seconds(features, keep, solver, contest.repeats) if solver else 0.0,
        }
        for solver, keep in ways
    ]


def _answer(model: Any, inputs: dict[str, Any], way: tuple[str, float], new_tokens: int) -> Answer:
    solver, keep = way
    if not solver:
        return answer(model, inputs, new_tokens)
    with prune(model, solver, keep):
        return answer(model, inputs, new_tokens)
