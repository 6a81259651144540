"""Which rows of an encoder's output are kept: each run by itself, runs of one shape together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from lmm_integration.selection import Chooser, choose_of_each
from lmm_integration.selectors import Context, Grid

logger = logging.getLogger("vllm.visual_pruning")  # vLLM's handlers are those of its own name

Sizes = Sequence[tuple[int, int]]
"""Of each run of an item: its n rows, and the k that stay."""


def kept_rows(
    choose: Chooser, items: Sequence[Tensor], sizes: Sequence[Sizes], grids: Sequence[Sequence[Grid | None]]
) -> list[Tensor]:
    """Choose from the runs of each item.

    Parameters
    ----------
    choose : Chooser
    items : sequence of (n, d) tensors
        The encoder's output for each image or video; its rows are those of its runs, one after the other.
    sizes : sequence of sequence of (n, k)
        Of each run of each item.
    grids : sequence of sequence of (frames, rows, columns) or None
        Layout of each run.

    Returns
    -------
    list of (m,) int64 tensors
        For each item its kept rows, ascending.

    Raises
    ------
    RuntimeError
        If the rows of an item are not those of its runs: vLLM itself would merge them without a word.
    """
    if not bool(torch.stack([features.isfinite().all() for features in items]).all()):
        logger.error("the vision encoder returned NaN or infinite features; answers about these images mean nothing")
        items = [features.nan_to_num(0, 0, 0) for features in items]  # an error here would end the server
    runs, ks, contexts, starts = list[Tensor](), list[int](), list[Context](), list[list[int]]()
    for features, of_item, of_grid in zip(items, sizes, grids, strict=True):
        lengths = [n for n, _ in of_item]
        if sum(lengths) != len(features):
            raise RuntimeError(
                f"the encoder returned {len(features)} features for an item whose placeholders stand for {sum(lengths)}"
            )
        runs += features.split(lengths)
        ks += [k for _, k in of_item]
        contexts += [Context(grid=grid, seed=choose.seed) for grid in of_grid]
        starts.append(list(accumulate(lengths, initial=0))[:-1])
    chosen = iter(choose_of_each(choose, runs, ks, contexts))
    return [torch.cat([next(chosen) + start for start in of_item]) for of_item in starts]
