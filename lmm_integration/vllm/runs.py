"""Runs of placeholders in a prompt: how long they are, and what a prompt is with shorter or with whole ones.

A run is a stretch of placeholders without text between; it has a budget of its own, as with ``prune``. An image or a
video is one run, or several: the crops of an image, the frames of a video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from mmdp.exceptions import InvalidOptionError


@dataclass(frozen=True)
class Run:
    """A run in a prompt: where it starts there, its n tokens before pruning, and the k that stay."""

    start: int
    n: int
    k: int


def shortened(
    tokens: Sequence[int], visual: Sequence[bool], count: Callable[[int], int]
) -> tuple[list[int], list[tuple[int, int]]]:
    """Leave the first ``count(n)`` tokens of each run of n; also return (n, k) of each run.

    Examples
    --------
    >>> shortened([1, 9, 9, 9, 2], [False, True, True, True, False], lambda n: n - 1)
    ([1, 9, 9, 2], [(3, 2)])
    """
    short: list[int] = []
    sizes: list[tuple[int, int]] = []
    for is_visual, run in groupby(zip(tokens, visual, strict=True), key=lambda pair: pair[1]):
        of_run = [token for token, _ in run]
        if is_visual:
            sizes.append((len(of_run), count(len(of_run))))
            of_run = of_run[: sizes[-1][1]]
        short += of_run
    return short, sizes


def whole(tokens: Sequence[int], runs: Sequence[Run]) -> tuple[list[int], list[int]]:
    """Return the prompt with whole runs, and for each given token its column there.

    Parameters
    ----------
    tokens : sequence of int
        With runs of k tokens.
    runs : sequence of Run
        In the order of the prompt.

    Returns
    -------
    tokens : list of int
        With runs of n tokens.
    columns : list of int
        Those of text are the token's own; which of the n tokens the k stand for is not known here, so they count on
        from the first.

    Examples
    --------
    >>> whole([1, 9, 2], [Run(start=1, n=3, k=1)])
    ([1, 9, 9, 9, 2], [0, 1, 4])
    """
    longer: list[int] = []
    columns: list[int] = []
    following = 0
    for run in [*runs, Run(len(tokens), 0, 0)]:
        shift = len(longer) - following
        columns += range(following + shift, run.start + run.k + shift)
        longer += [*tokens[following : run.start], *list(tokens[run.start : run.start + 1]) * run.n]
        following = run.start + run.k
    return longer, columns


def check_separated(tokens: Sequence[int], placeholders: frozenset[int], runs: Sequence[range]) -> None:
    """Check that runs have text before and behind them, and that there are no other placeholders.

    Positions of kept tokens are counted from the text in front of them, and those of an answer from the last text.

    Raises
    ------
    InvalidOptionError
        If not: the prompt was written without the model's chat template, or holds a placeholder as text.
    """
    within = {place for run in runs for place in run}
    stray = next((i for i, token in enumerate(tokens) if token in placeholders and i not in within), None)
    if stray is not None:
        raise InvalidOptionError(f"token {stray} of the prompt is a placeholder, but no image or video belongs to it")
    for run in runs:
        for place in (run.start - 1, run.stop):
            if not 0 <= place < len(tokens) or place in within:
                raise InvalidOptionError(
                    f"the placeholders {run.start} to {run.stop - 1} of the prompt have no text "
                    f"{'before' if place < run.start else 'after'} them; use the model's chat template"
                )
