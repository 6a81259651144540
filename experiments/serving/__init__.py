"""How many more requests does a vLLM server answer when it prunes? Whole and pruned engines in turn, in one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer

from experiments._common.console import Console
from experiments._common.rows import RESULTS, Rows
from experiments._common.shapes import SCALES
from experiments.serving import report
from experiments.serving.engines import Answered, Engine
from experiments.serving.models import MODELS, write
from lmm_integration.budget import check_keep
from lmm_integration.vllm import pruned
from mmdp import UnknownNameError

KEY = ("model", "scale", "where", "dtype", "solver", "keep", "requests", "new_tokens")
SOURCES = ("mmdp", "solvers", "lmm_integration")


@dataclass
class _Way:
    """Serving with one rule, or with none, and what was measured of it."""

    solver: str
    keep: float
    engine: Engine
    many: list[Answered] = field(default_factory=list)
    first: list[Answered] = field(default_factory=list)


def main(
    model: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(MODELS)}; repeat for several.")] = None,
    scale: Annotated[str, typer.Option(help="full, quarter or tiny; by default full on a GPU, else quarter.")] = "",
    keep: Annotated[list[float] | None, typer.Option(help="Fraction of visual tokens kept; repeat.")] = None,
    solver: Annotated[str, typer.Option(help="A solver or selector.")] = "greedy",
    requests: Annotated[int, typer.Option(help="Requests at once.", min=1)] = 8,
    new_tokens: Annotated[int, typer.Option(help="Length of their answers.", min=1)] = 16,
    repeats: Annotated[int, typer.Option(help="Turns of each engine, after a warm-up.", min=1)] = 5,
    results: Annotated[Path, typer.Option(help="Folder of serving.csv and .md.")] = RESULTS,
    report_only: Annotated[bool, typer.Option(help="Only write the report, from the last run's rows.")] = False,
) -> None:
    """Requests a second and time to first token of vLLM, whole and pruned, medians and ratios."""
    console, rows = Console(), Rows(results / "serving.csv", KEY, SOURCES, report.PACKAGES)
    if report_only:
        measured = rows.last_run()
    else:
        on_gpu = torch.cuda.is_available()
        scale, names = scale or ("full" if on_gpu else "quarter"), model or list(MODELS)
        _check(names, scale)
        keeps = [check_keep(share) for share in keep or [0.1]]
        measured = []
        for name in names:
            for row in _measure(name, scale, solver, keeps, requests, new_tokens, repeats):
                measured.append(rows.add(**row))
                console.print(report.line(measured[-1]))
    console.print(report.terminal(measured))
    console.print(f"wrote {report.write(measured, results)}")


def _check(names: list[str], scale: str) -> None:
    if unknown := [name for name in names if name not in MODELS]:
        raise UnknownNameError(f"no model named {unknown[0]!r}; choose from {', '.join(MODELS)}")
    if scale not in SCALES:
        raise UnknownNameError(f"no scale named {scale!r}; choose from {', '.join(SCALES)}")


def _measure(
    name: str, scale: str, solver: str, keeps: list[float | int], requests: int, new_tokens: int, repeats: int
) -> Iterator[dict[str, Any]]:
    """Rows of one model: an engine for each way, which take turns."""
    with TemporaryDirectory() as folder, ExitStack() as engines:
        write(name, scale, Path(folder))
        ways = [
            _Way(
                rule,
                keep,
                engines.enter_context(closing(Engine(name, _arguments(name, folder, rule, keep, len(keeps) + 1)))),
            )
            for rule, keep in [("", 1.0), *((solver, keep) for keep in keeps)]
        ]
        for way in ways:
            way.engine.answer(range(2), 2)
        for turn in range(1, repeats + 1):
            for way in ways:
                way.many.append(way.engine.answer(range(1000 * turn, 1000 * turn + requests), new_tokens))
                way.first.append(way.engine.answer(range(10**6 + turn, 10**6 + turn + 1), 1))
        on_gpu = torch.cuda.is_available()
        threads = torch.get_num_threads()
        about = {
            "model": name,
            "scale": scale,
            "where": torch.cuda.get_device_name() if on_gpu else f"CPU, {threads} thread{'s' * (threads > 1)}",
            "dtype": "bfloat16" if on_gpu else "float32",
            "requests": requests,
            "new_tokens": new_tokens,
            "repeats": repeats,
        }
        yield from ({**about, **_results(way, ways[0], requests)} for way in ways)


def _arguments(name: str, folder: str, solver: str, keep: float, engines: int) -> dict[str, Any]:
    """What an engine is started with."""
    on_gpu = torch.cuda.is_available()
    source = pruned(folder, keep, solver) if solver else {"model": folder}
    limits = {"image": 1} if name == "llava" else {"image": 1, "video": 0}
    return {
        **source,
        "load_format": "dummy",
        "dtype": "bfloat16" if on_gpu else "float32",
        "enforce_eager": not on_gpu,
        "max_model_len": 2048,
        "max_num_batched_tokens": 2048,
        "limit_mm_per_prompt": limits,
        "enable_prefix_caching": False,
        "gpu_memory_utilization": 0.9 / engines,
    }


def _results(way: _Way, whole: _Way, requests: int) -> dict[str, Any]:
    many, first = (median(one.seconds for one in runs) for runs in (way.many, way.first))
    return {
        "solver": way.solver,
        "keep": way.keep,
        "prompt": way.many[0].prompt,
        "requests_per_s": requests / many,
        "rate_ratio": median(one.seconds for one in whole.many) / many,
        "first_s": first,
        "first_ratio": first / median(one.seconds for one in whole.first),
        "choice_s": median(one.choosing for one in way.many) / requests,
        "choice_share": median(one.choosing / one.seconds for one in way.many),
    }
