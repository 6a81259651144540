"""The report of the registered study: every table, figure and verdict from its rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments._common.rows import Rows
from experiments.lmm_lab.rules import (
    BASE,
    CONFIRMED,
    GREEDY_OF,
    MEASURES,
    OWN,
    POSITION_KEEPS,
    POSITIONED,
    REGISTERED,
    RIVALS,
    positioned,
)
from experiments.lmm_lab.statistics import RESAMPLES, Estimate, over_scenes, ranks_of_scenes
from experiments.lmm_lab.study import numbers

_WORSE = ("coverage_radius",)  # measures of which less is better
_MIDDLE = (0.1, 0.05)
_NEEDED = 2.0  # points, of the primary hypothesis
Values = NDArray[np.float64]


def write(rows: Rows, folder: Path) -> list[Path]:
    """Write lmm_rules.md; return its path, or nothing if there are no rows."""
    if not len(rows):
        return []
    frame = _newest(rows.frame())
    models = list(dict.fromkeys(frame["checkpoint"]))
    keeps = sorted(set(frame["keep"]) - {1.0}, reverse=True)
    last = frame.iloc[-1]
    text = [
        "# Which objective keeps a model's answers?",
        "The study is registered in `experiments/lmm_lab/REGISTRATION.md`, which was committed first. Scenes "
        "are those of the confirmation, on which no rule was tried. Points are percentage points; "
        "intervals are 95 %, by bootstrap over scenes.",
        _coverage_of_plan(frame, models, keeps),
        "![What each objective keeps of one scene, and what the model then answers](lmm_rules.png)",
        "## The rule of our own against the others",
        *(_against(frame, model, keeps) for model in models),
        *(_primary(frame, models, keeps, own) for own in (OWN, REGISTERED)),
        "## Accuracy, %",
        *(_accuracies(frame, model, keeps) for model in models),
        "## What positions are worth",
        _positions(frame, models),
        "## The rules where tokens keep their positions",
        _with_positions(frame, models),
        "## What closing a gap is worth",
        _gaps(frame, models, keeps),
        "## Which objective goes with accuracy",
        _correlations(frame, models, keeps),
        "## Transfer",
        _transfer(frame, models),
        f"Measured at commit {last['commit']} on {last['cpu']}, {last['cores']} cores; {last['packages']}.",
    ]
    path = folder / "lmm_rules.md"
    path.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    return [path]


def _newest(frame: pd.DataFrame) -> pd.DataFrame:
    """The last row of each measurement; of each checkpoint those with the most scenes for a rule and a keep."""
    last = frame.drop_duplicates(["checkpoint", "rule", "keep", "draw", "scenes", "seed"], keep="last")
    most = last.groupby(["checkpoint", "rule", "keep"])["scenes"].transform("max")
    newest: pd.DataFrame = last[last["scenes"] == most]
    return newest


def _coverage_of_plan(frame: pd.DataFrame, models: list[str], keeps: list[float]) -> str:
    lines = [_row(("checkpoint", "all tokens", "scenes", "rules", "keeps")), "|---" * 5 + "|"]
    for model in models:
        here = frame[frame["checkpoint"] == model]
        whole = here[here["keep"] == 1.0].iloc[-1]
        measured = sorted(set(here["keep"]) & set(keeps), reverse=True)
        rules = here[here["keep"] < 1.0]["rule"].nunique()
        at = ", ".join(f"{keep:.0%}" for keep in measured)
        lines.append(_row((model, f"{whole['accuracy']:.1%}", whole["scenes"], rules, at)))
    missing = [name for name in ("digits-0", "digits-1", "reading-0", "dense-0") if name not in models]
    note = f"\n\nNot measured yet: {', '.join(missing)}." if missing else ""
    return "\n".join(lines) + note


def share(frame: pd.DataFrame, model: str, rule: str, keep: float, scenes: int | None = None) -> Values | None:
    """Percent of the questions of each scene answered, averaged over the draws; None if it was not measured."""
    here = frame[(frame["checkpoint"] == model) & (frame["rule"] == rule) & (frame["keep"] == keep)]
    if not len(here):
        return None
    right = np.stack([numbers(text)[:scenes] for text in here["right"]]).mean(axis=0)
    percent: Values = 100 * right / int(here["questions"].iloc[0])
    return percent


def gain(frame: pd.DataFrame, model: str, rule: str, base: str, keep: float) -> Estimate | None:
    """Points by which one rule answers more than another, on the scenes that both were asked about."""
    one, other = (share(frame, model, name, keep) for name in (rule, base))
    if one is None or other is None:
        return None
    both = min(len(one), len(other))
    more = one[:both] - other[:both]
    return over_scenes(lambda chosen: float(more[chosen].mean()), both)


def over_checkpoints(differences: list[Values]) -> Estimate:
    """Mean difference, with checkpoints resampled and scenes within each of them."""
    rng = np.random.default_rng(0)
    mean = lambda parts: float(np.mean([part.mean() for part in parts]))  # noqa: E731
    drawn = []
    for _ in range(RESAMPLES):
        chosen = [differences[i] for i in rng.integers(len(differences), size=len(differences))]
        drawn.append(mean([part[rng.integers(len(part), size=len(part))] for part in chosen]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(mean(differences), float(low), float(high))


def _against(frame: pd.DataFrame, model: str, keeps: list[float]) -> str:
    """Points of every confirmed rule against the greedy, and of ours against every rival."""
    shown = [keep for keep in keeps if share(frame, model, BASE, keep) is not None]
    lines = [f"{model}, points against DivPrune's greedy:", "", _row(("rule", *(f"{keep:.0%}" for keep in shown)))]
    lines.append("|---" * (len(shown) + 1) + "|")
    for rule in (OWN, REGISTERED, *RIVALS):
        lines.append(_row((rule, *(gain(frame, model, rule, BASE, keep) or "-" for keep in shown))))
    lines += [
        "",
        f"{model}, points of {OWN} against each rule:",
        "",
        _row(("rule", *(f"{keep:.0%}" for keep in shown))),
    ]
    lines.append("|---" * (len(shown) + 1) + "|")
    for rule in (REGISTERED, *RIVALS):
        lines.append(_row((rule, *(gain(frame, model, OWN, rule, keep) or "-" for keep in shown))))
    return "\n".join(lines)


def _primary(frame: pd.DataFrame, models: list[str], keeps: list[float], own: str) -> str:
    """The verdicts on the primary hypothesis, for our rule or the variant that was registered first."""
    cells = {(model, keep): gain(frame, model, own, BASE, keep) for model in models for keep in keeps}
    known = {place: cell for place, cell in cells.items() if cell is not None}
    at = lambda places: ", ".join(f"{model} {keep:.0%}" for model, keep in places) or "nowhere"  # noqa: E731
    worse = [place for place, cell in known.items() if cell.sign < 0]
    unsure = [place for place, cell in known.items() if cell.low < 0]
    lines = [
        f"**Primary hypothesis**, for {own}, over {len(known)} cells. Worse than the greedy (interval below zero): "
        f"{at(worse)}. Lower end of the interval below zero: {at(unsure)}."
    ]
    for keep in _MIDDLE:
        parts = [_difference(frame, model, own, BASE, keep) for model in models]
        found = [part for part in parts if part is not None]
        if found:
            mean = over_checkpoints(found)
            verdict = "reached" if mean.value >= _NEEDED else "not reached"
            lines.append(
                f"At keep {keep:.0%}, mean over {len(found)} checkpoint{'s' if len(found) > 1 else ''}: {mean} points; "
                f"{_NEEDED:.0f} points {verdict}."
            )
    return " ".join(lines)


def _difference(frame: pd.DataFrame, model: str, rule: str, base: str, keep: float) -> Values | None:
    one, other = (share(frame, model, name, keep) for name in (rule, base))
    return None if one is None or other is None else one - other


def _accuracies(frame: pd.DataFrame, model: str, keeps: list[float]) -> str:
    here = frame[(frame["checkpoint"] == model) & (frame["keep"] < 1.0)]
    lines = [f"{model}:", "", _row(("rule", *(f"{keep:.0%}" for keep in keeps))), "|---" * (len(keeps) + 1) + "|"]
    for rule in here.groupby("rule")["accuracy"].mean().sort_values(ascending=False).index:
        parts = [share(frame, model, str(rule), keep) for keep in keeps]
        lines.append(_row((rule, *("-" if part is None else f"{part.mean():.1f}" for part in parts))))
    return "\n".join(lines)


def _positions(frame: pd.DataFrame, models: list[str]) -> str:
    """Points that the same tokens gain when they keep their positions, or also their share of attention."""
    pairs = [(rule, positioned(rule, kind)) for kind, rules in POSITIONED.items() for rule in rules]
    note = (
        "Points against the same tokens numbered anew, which is the default for models with one axis of positions. "
        '"restore" is RESTORE (arXiv 2606.01711). This part was not registered; it had been seen on other scenes.'
    )
    return _gains_of_positions(frame, models, [(name, name, rule) for rule, name in pairs], note)


def _with_positions(frame: pd.DataFrame, models: list[str]) -> str:
    """Points of each rule against the greedy, both with original positions."""
    base = positioned(BASE, "original")
    compared = [(rule, positioned(rule, "original"), base) for rule in CONFIRMED if rule != BASE]
    note = "Points against DivPrune's greedy, the tokens of both with original positions. Not registered."
    return _gains_of_positions(frame, models, compared, note)


def _gains_of_positions(frame: pd.DataFrame, models: list[str], compared: list[tuple[str, str, str]], note: str) -> str:
    """A table with a row for each model and each (title, rule, base) that has been measured."""
    lines = [_row(("checkpoint", "rule", *(f"{keep:.0%}" for keep in POSITION_KEEPS)))]
    lines.append("|---" * (len(POSITION_KEEPS) + 2) + "|")
    for model in models:
        for title, rule, base in compared:
            gains = [gain(frame, model, rule, base, keep) for keep in POSITION_KEEPS]
            if any(gains):
                lines.append(_row((model, title, *(more or "-" for more in gains))))
    return "\n".join([note, "", *lines]) if len(lines) > 2 else "Not measured yet."


def _gaps(frame: pd.DataFrame, models: list[str], keeps: list[float]) -> str:
    lines = [_row(("checkpoint", "optimum of", "keep", "against its greedy, points", "proven")), "|---" * 5 + "|"]
    for model in models:
        for best, greedy in GREEDY_OF.items():
            for keep in keeps:
                if (more := gain(frame, model, best, greedy, keep)) is not None:
                    here = frame[(frame["checkpoint"] == model) & (frame["rule"] == best) & (frame["keep"] == keep)]
                    name = best.removeprefix("best_").replace("_", " ")
                    lines.append(_row((model, name, f"{keep:.0%}", more, f"{here['proven'].mean():.0%}")))
    return "\n".join(lines) if len(lines) > 2 else "Not measured yet."


def _correlations(frame: pd.DataFrame, models: list[str], keeps: list[float]) -> str:
    """Rank correlation of each measure with accuracy, over the subsets of one scene."""
    lines = [_row(("checkpoint", "keep", *(name.replace("_", " ") for name in MEASURES))), "|---" * 8 + "|"]
    for model in models:
        for keep in keeps:
            here = frame[
                (frame["checkpoint"] == model)
                & (frame["keep"] == keep)
                & ~frame["group"].isin(["described", "positions"])
            ]
            here = here[here["scenes"] == here["scenes"].max()]
            if len(here) > 3:
                cells = [_correlation(here, name) for name in MEASURES]
                shown = (f"{cell.value:+.2f} ({cell.low:+.2f} to {cell.high:+.2f})" for cell in cells)
                lines.append(_row((model, f"{keep:.0%}", *shown)))
    note = "The sign of the radius is turned, so that more is better in every column."
    return "\n".join([note, "", *lines])


def _correlation(rows: pd.DataFrame, name: str) -> Estimate:
    right = np.array([numbers(text) for text in rows["right"]])
    value = np.array([numbers(text) for text in rows[name]])
    each = ranks_of_scenes(-value if name in _WORSE else value, right)
    if not len(each):
        return Estimate(float("nan"), float("nan"), float("nan"))
    return over_scenes(lambda chosen: float(each[chosen].mean()), len(each))


def _transfer(frame: pd.DataFrame, models: list[str]) -> str:
    """On each checkpoint the best of the confirmed rules at keep 10 %, and those not told apart from it."""
    keep = _MIDDLE[0]
    lines = [_row(("checkpoint", f"best at keep {keep:.0%}", "not told apart from it")), "|---" * 3 + "|"]
    for model in models:
        means = {rule: share(frame, model, rule, keep) for rule in CONFIRMED}
        known = {rule: float(part.mean()) for rule, part in means.items() if part is not None}
        if not known:
            continue
        best = max(known, key=lambda rule: known[rule])
        gains = {rule: gain(frame, model, best, rule, keep) for rule in known if rule != best}
        close = [rule for rule, more in gains.items() if more is not None and more.sign == 0]
        lines.append(_row((model, f"{best} {known[best]:.1f} %", ", ".join(close) or "-")))
    return "\n".join(lines)


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
