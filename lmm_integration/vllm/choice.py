"""Which rows of an encoder's output are kept: each run by itself, runs of one shape together."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from lmm_integration.selection import Chooser
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
    alike: dict[tuple[int, int, Grid | None], list[tuple[int, int]]] = defaultdict(list)
    for item, (features, of_item, of_grid) in enumerate(zip(items, sizes, grids, strict=True)):
        start = 0
        for (n, k), grid in zip(of_item, of_grid, strict=True):
            alike[n, k, grid].append((item, start))
            start += n
        if start != len(features):
            raise RuntimeError(
                f"the encoder returned {len(features)} features for an item whose placeholders stand for {start}"
            )
    rows: list[list[Tensor]] = [[] for _ in items]
    for (n, k, grid), places in alike.items():
        chosen = _chosen(choose, torch.stack([items[item][start : start + n] for item, start in places]), k, grid)
        for (item, start), of_run in zip(places, chosen, strict=True):
            rows[item].append(of_run + start)
    return [torch.cat(of_item).sort().values for of_item in rows]


def _chosen(choose: Chooser, features: Tensor, k: int, grid: Grid | None) -> Tensor:
    """Rows (b, k) of (b, n, d) features; a NaN counts as zero, since an error here would end the server."""
    if not bool(features.isfinite().all()):
        logger.error("the vision encoder returned NaN or infinite features; answers about these images mean nothing")
        features = features.nan_to_num(0, 0, 0)
    if len(features) == 1:
        return choose(features[0], k, Context(grid=grid, seed=choose.seed))[None]
    return choose(features, k, Context(grid=grid, seed=choose.seed))
