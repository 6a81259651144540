"""Do pruned models still answer right? Public benchmarks, asked and scored by lmms-eval, with ``prune`` on the model.

Data, prompts, decoding and metrics are the harness's own, and its model wrapper loads the weights: a score of this
experiment is a score of lmms-eval.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from itertools import product
from numbers import Real
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from lmms_eval import models
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager
from lmms_eval.utils import simple_parse_args_string
from loguru import logger

from experiments._common.console import Console, table
from experiments._common.rows import RESULTS, Row, Rows
from lmm_integration import prune
from lmm_integration.budget import check_keep
from lmm_integration.selection import chooser
from mmdp import MMDPError, UnknownNameError

KEY = ("model", "wrapper", "model_args", "task", "limit", "solver", "keep", "centre")
SOURCES = ("mmdp", "solvers", "lmm_integration")
PACKAGES = ("lmms-eval", "torch", "transformers")
COLUMNS = ("task", "metric", "solver", "keep", "tokens", "score", "of unpruned")
WHOLE = ("", 1.0)  # neither a solver nor a pruning

Way = tuple[str, float]


class UnansweredError(MMDPError, RuntimeError):
    """The harness has scored questions that the model did not answer."""


def main(
    tasks: Annotated[str, typer.Option(help="Tasks of lmms-eval, with commas between: gqa,pope.")],
    model: Annotated[str, typer.Option(help="Name on the Hugging Face hub, or folder.")] = "llava-hf/llava-1.5-7b-hf",
    keep: Annotated[list[float] | None, typer.Option(help="Fraction of visual tokens kept; repeat. 1: all.")] = None,
    solver: Annotated[list[str] | None, typer.Option(help="A solver or selector; repeat for several.")] = None,
    centre: Annotated[bool, typer.Option(help="Solvers see the features less their mean.")] = False,
    limit: Annotated[int, typer.Option(help="Questions of each task; 0 for all.", min=0)] = 0,
    wrapper: Annotated[str, typer.Option(help="The harness's wrapper for this family of models.")] = "llava_hf",
    model_args: Annotated[str, typer.Option(help="More for the wrapper: device_map=auto,dtype=float16.")] = "",
    include: Annotated[Path | None, typer.Option(help="Folder with task files of your own.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of lmms_eval.csv and of what tasks write.")] = RESULTS,
) -> None:
    """Accuracy on public benchmarks, full and pruned, scored by lmms-eval; a killed run continues where it stopped."""
    ways = _ways(solver or ["greedy"], keep or [0.098], centre)
    manager = TaskManager(model_name=wrapper, include_path=str(include) if include else None)
    _check("wrapper", wrapper, models.list_available_models(include_aliases=True))
    asked = [name.strip() for name in tasks.split(",")]
    for name in asked:
        _check("task", name, manager.all_subtasks)
    console, rows = Console(), Rows(results / "lmms_eval.csv", KEY, SOURCES, PACKAGES)
    about = {"model": model, "wrapper": wrapper, "model_args": model_args, "limit": limit or None}
    loaded: Any = None
    measured: list[Row] = []
    for task, (rule, share) in product(asked, ways):
        key = {**about, "task": task, "solver": rule, "keep": share, "centre": bool(rule) and centre}
        row = rows.find(**key)
        if row is None:
            loaded = loaded or _load(wrapper, model, model_args)
            files = results / "lmms_eval" / f"{task}-{rule or 'full'}-{share:g}"
            row = rows.add(**key, **_evaluate(loaded, manager, task, (rule, share), centre, limit, files))
        measured.append(row)
        console.print(f"{task}, {_way(row)}: {', '.join(f'{m} {s:.4g}' for m, s in scores(row).items())}")
    console.print(table(COLUMNS, _lines(measured), f"{model}, rows in {rows.path}"))


def scores(row: Row) -> dict[str, float]:
    """The metrics of a row, by the harness's names."""
    return {
        name.removeprefix("score_"): float(text) for name, text in row.items() if name.startswith("score_") and text
    }


def _ways(rules: list[str], keeps: list[float], centre: bool) -> list[Way]:
    """The unpruned model first, if it is asked for; a wrong name or share is an error before a model is loaded."""
    shares = [check_keep(share) for share in keeps]
    for rule in rules:
        chooser(rule, "cosine", 0, centre=centre)
    pruned = product(rules, sorted((share for share in shares if share < 1), reverse=True))
    return [WHOLE] * (1 in shares) + list(pruned)


def _check(kind: str, name: str, there: list[str]) -> None:
    if name not in there:
        near = get_close_matches(name, there, n=5, cutoff=0.5) or there[:5]
        raise UnknownNameError(f"lmms-eval has no {kind} named {name!r}; it has {', '.join(near)}, ...")


def _load(wrapper: str, model: str, model_args: str) -> Any:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments = {"pretrained": model, "device": device, "device_map": device, "batch_size": 1}
    loaded: Any = models.get_model(wrapper)(**arguments | simple_parse_args_string(model_args))
    loaded.clean = lambda: None  # it would throw the weights away after each task
    return loaded


def _evaluate(
    loaded: Any, manager: TaskManager, task: str, way: Way, centre: bool, limit: int, files: Path
) -> dict[str, Any]:
    """Ask one task, and return its scores with the visual tokens a question and the seconds they took."""
    rule, share = way
    pruning = None if way == WHOLE else prune(loaded.model, rule, share, centre=centre)
    begin = time.perf_counter()
    with pruning or nullcontext(), _errors() as errors:
        scored = simple_evaluate(
            model=loaded,
            tasks=[task],
            task_manager=manager,
            limit=limit or None,
            log_samples=False,
            bootstrap_iters=0,
            cli_args=Namespace(output_path=str(files), process_with_media=False),
        )
    if errors:
        raise UnansweredError(f"{len(errors)} questions of {task} have no answer, so there is no score. {errors[0]}")
    metrics = {
        f"score_{name.removesuffix(',none')}": value
        for name, value in scored["results"][task].items()
        if isinstance(value, Real) and "_stderr" not in name
    }
    seconds = time.perf_counter() - begin
    asked = scored["n-samples"][task]["effective"]
    if pruning is None:
        return {"questions": asked, "seconds": seconds, **metrics}
    stats = pruning.stats
    tokens = {"visual": stats.tokens_before / stats.calls, "kept": stats.tokens_after / stats.calls}
    return {"questions": asked, **tokens, "solve_s": stats.solve_seconds, "seconds": seconds, **metrics}


@contextmanager
def _errors() -> Iterator[list[str]]:
    """Collect what model wrappers log as errors: they answer a question that fails with nothing, and go on."""
    errors: list[str] = []
    keep = {"level": "ERROR", "filter": "lmms_eval.models", "format": "{message}"}
    sink = logger.add(lambda message: errors.append(message.strip()), **keep)
    try:
        yield errors
    finally:
        logger.remove(sink)


def _way(row: Row) -> str:
    return f"{row['solver']}, keep {float(row['keep']):g}" if row["solver"] else "unpruned"


def _lines(rows: list[Row]) -> Iterator[tuple[str, ...]]:
    """One line a score, beside the unpruned model's if that was asked for too."""
    whole = {row["task"]: scores(row) for row in rows if not row["solver"]}
    for row in rows:
        tokens = f"{float(row['kept']):.4g} of {float(row['visual']):.4g}" if row["solver"] else "all"
        for metric, score in scores(row).items():
            full = whole.get(row["task"], {}).get(metric)
            share = f"{score / full:.1%}" if full else ""
            yield row["task"], metric, row["solver"] or "none", row["keep"], tokens, f"{score:.4g}", share
