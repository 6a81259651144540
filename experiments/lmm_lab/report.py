"""The report of the study: tables, plots and sentences, all from the rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from experiments._common.rows import Rows
from experiments.lmm_lab import figures
from experiments.lmm_lab.questions import KINDS
from experiments.lmm_lab.statistics import Estimate, accuracy, correlation, difference

RIVALS = ("exact", "local_search", "greedy_centring_alone", "greedy_whitened", "greedy_tower", "greedy_per_head")
_MIDDLE = 0.1  # the keep of the paper's headline, for tables of one keep


def write(rows: Rows, folder: Path) -> list[Path]:
    """Write lmm_lab.md and its plots; return their paths."""
    frame = _newest(rows)
    keeps = sorted(set(frame["keep"]) - {1.0}, reverse=True)
    named = frame[["method", "keep"]].drop_duplicates().itertuples(index=False)
    cells = {(str(name), keep): accuracy(_part(frame, keep, str(name))) for name, keep in named}
    full = cells["all tokens", 1.0]
    scenes = int(frame["scenes"].iloc[0])
    last = frame.iloc[-1]
    text = [
        "# Does a smaller gap mean a better model?",
        f"All tokens: {full.value:.1f} % of {5 * scenes} questions about {scenes} scenes "
        f"({full.low:.1f} to {full.high:.1f}). Intervals are 95 %, by bootstrap over scenes, each for itself: "
        "of twenty comparisons without a difference, one is likely to show one.",
        _in_short(frame, cells),
        "![Accuracy against the share of tokens kept](lmm_lab.png)",
        "## Objective and accuracy",
        *_optimality(frame, keeps),
        "![Accuracy against the objective](lmm_lab_objective.png)",
        "## What to use",
        *_advice(frame, cells, keeps),
        "## Accuracy, %",
        _table(cells, keeps),
        f"By kind of question, at keep {_MIDDLE:.0%}:",
        _kinds(frame),
        "## Objective and cost",
        _costs(frame, keeps),
        f"Measured at commit {last['commit']} on {last['cpu']}, {last['cores']} cores; {last['packages']}.",
    ]
    path = folder / "lmm_lab.md"
    path.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return [path, *figures.draw(frame, cells, keeps, folder)]


def _in_short(frame: pd.DataFrame, cells: dict[tuple[str, float], Estimate]) -> str:
    """Random, greedy and optimal tokens at the keep that most people ask about."""
    exact, greedy = (_part(frame, _MIDDLE, name) for name in ("exact", "greedy"))
    short = 1 - greedy["objective"].mean() / exact["objective"].mean()
    more = difference(exact, greedy)
    verdict = {1: "it helps", -1: "it hurts", 0: "no difference that this test can see"}[more.sign]
    return (
        f"**In short**, at keep {_MIDDLE:.0%}: from random tokens the model answers "
        f"{cells['random', _MIDDLE].value:.1f} % of the questions, from those of DivPrune's greedy "
        f"{cells['greedy', _MIDDLE].value:.1f} %. The greedy's smallest distance is {short:.1%} below that of optimal "
        f"tokens. Closing that gap: {verdict}, {more} points."
    )


def _newest(rows: Rows) -> pd.DataFrame:
    """Rows of the newest checkpoint and size, the last of each measurement."""
    frame = rows.frame()
    last = frame.iloc[-1]
    same = (frame["checkpoint"] == last["checkpoint"]) & (frame["scenes"] == last["scenes"])
    newest: pd.DataFrame = frame[same].drop_duplicates(["method", "keep", "seed"], keep="last")
    return newest


def _part(frame: pd.DataFrame, keep: float, name: str | None = None) -> pd.DataFrame:
    here = frame[frame["keep"] == keep]
    return here[here["method"] == name] if name else here[here["group"] == "quality"]


def _optimality(frame: pd.DataFrame, keeps: list[float]) -> list[str]:
    """Correlation by keep, and optimal subsets against greedy's on the same questions."""
    ranks = {keep: correlation(_part(frame, keep)) for keep in keeps}
    diverse = {keep: correlation(_part(frame, keep).query("method != 'random'")) for keep in keeps}
    gains = {keep: difference(_part(frame, keep, "exact"), _part(frame, keep, "greedy")) for keep in keeps}
    names = (
        "keep",
        "rank correlation",
        "without random",
        "exact - greedy, points",
        "greedy's objective",
        "proven optimal",
    )
    lines = [_row(names), "|---" * len(names) + "|"]
    for keep in keeps:
        exact, greedy = _part(frame, keep, "exact"), _part(frame, keep, "greedy")
        ratio = greedy["objective"].mean() / exact["objective"].mean()
        shown = (f"{rank.value:+.2f} ({rank.low:+.2f} to {rank.high:+.2f})" for rank in (ranks[keep], diverse[keep]))
        lines.append(_row((f"{keep:.0%}", *shown, gains[keep], f"{ratio:.1%}", f"{exact['proven'].mean():.0%}")))
    return [
        "The rank correlation is Spearman's, of objective and questions answered, over the subsets of one scene "
        "(random, blends of random and farthest-first, greedy, interchange, local search, exact), and averaged; "
        "once more without random. Greedy's objective is in percent of the optimal one.",
        "\n".join(lines),
        _sentence("Better subsets, from random to optimal, go with", ranks, "higher accuracy", "lower accuracy"),
        _sentence("Without random, better subsets go with", diverse, "higher accuracy", "lower accuracy"),
        _sentence("Optimal subsets answer", gains, "more questions than greedy's", "fewer questions than greedy's"),
    ]


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _sentence(start: str, estimates: dict[float, Estimate], up: str, down: str) -> str:
    groups: dict[str, list[str]] = {}
    for keep, estimate in estimates.items():
        verdict = {1: up, -1: down, 0: "neither (the interval holds zero)"}[estimate.sign]
        groups.setdefault(verdict, []).append(f"{keep:.0%}")
    return start + ": " + "; ".join(f"{verdict} at keep {', '.join(at)}" for verdict, at in groups.items()) + "."


def _advice(frame: pd.DataFrame, cells: dict[tuple[str, float], Estimate], keeps: list[float]) -> list[str]:
    """For each keep the best method, those that cannot be told from it, and greedy's rivals."""
    lines = [_row(("keep", "most accurate", "not told apart from it", "against greedy, points")), "|---" * 4 + "|"]
    for keep in keeps:
        names = [name for name, at in cells if at == keep]
        best = max(names, key=lambda name: cells[name, keep].value)
        close = [
            name
            for name in names
            if name != best and difference(_part(frame, keep, best), _part(frame, keep, name)).sign == 0
        ]
        over = difference(_part(frame, keep, best), _part(frame, keep, "greedy"))
        lines.append(_row((f"{keep:.0%}", f"{best} {cells[best, keep].value:.1f} %", ", ".join(close) or "-", over)))
    rivals = [_row(("keep", *RIVALS)), "|---" * (len(RIVALS) + 1) + "|"]
    for keep in keeps:
        gains = [difference(_part(frame, keep, name), _part(frame, keep, "greedy")) for name in RIVALS]
        rivals.append(_row((f"{keep:.0%}", *gains)))
    return ["\n".join(lines), "Points more or fewer than greedy on the same questions:", "\n".join(rivals)]


def _table(cells: dict[tuple[str, float], Estimate], keeps: list[float]) -> str:
    lines = [_row(("method", *(f"{keep:.0%}" for keep in keeps))), "|---" * (len(keeps) + 1) + "|"]
    names = dict.fromkeys(name for name, keep in cells if keep != 1.0)
    for name in sorted(names, key=lambda name: -sum(cells[name, keep].value for keep in keeps)):
        shown = (cells[name, keep] for keep in keeps)
        lines.append(_row((name, *(f"{e.value:.1f} ({e.low:.0f}-{e.high:.0f})" for e in shown))))
    return "\n".join(lines)


def _kinds(frame: pd.DataFrame) -> str:
    lines = [_row(("method", *KINDS)), "|---" * (len(KINDS) + 1) + "|"]
    for name in figures.SHOWN:
        means = _part(frame, _MIDDLE, name)[list(KINDS)].mean()
        lines.append(_row((name, *(f"{100 * mean:.1f}" for mean in means))))
    return "\n".join(lines)


def _costs(frame: pd.DataFrame, keeps: list[float]) -> str:
    """Mean objective at each keep, and the time of a selection at the middle one."""
    columns = ("method", *(f"objective at {keep:.0%}" for keep in keeps), f"ms at {_MIDDLE:.0%}")
    lines = [_row(columns), "|---" * len(columns) + "|"]
    for name in dict.fromkeys(frame[frame["keep"] != 1.0]["method"]):
        values = [_part(frame, keep, name)["objective"].mean() for keep in keeps]
        spent = 1000 * _part(frame, _MIDDLE, name)["seconds"].mean()
        lines.append(_row((name, *(f"{value:.3f}" for value in values), f"{spent:.2f}")))
    return "\n".join(lines)
