"""From the patches that a vision encoder attends to, to the feature rows that its model makes of them."""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Merger


def pooled(values: Tensor, rows: int, merger: Merger, windows: Tensor | None = None) -> Tensor:
    """Mean of the values of the patches that become one feature row.

    Parameters
    ----------
    values : (b, l) or (b, l, c) tensor
        Of all tokens of b sequences of the encoder, a class token in front included.
    rows : int
        How many feature rows the model made of all of them.
    merger : {"rows", "groups", "squares"}
        As in :class:`~lmm_integration.families.Family`.
    windows : (rows,) int64 tensor, optional
        The row of each group, where the encoder orders them by windows.

    Returns
    -------
    (rows,) or (rows, c) tensor

    Raises
    ------
    UnsupportedModelError
        If the numbers do not fit: this model merges patches in another way than its family says.
    """
    b, length = values.shape[:2]
    deep = values if values.ndim == 3 else values[..., None]
    if merger == "groups":
        means = _groups(deep.flatten(0, 1), rows)
    else:
        each = rows // b
        means = _squares(deep, each) if merger == "squares" else deep[:, length - each :].flatten(0, 1)
    if means is None or len(means) != rows or (merger == "rows" and length - rows // b not in (0, 1)):
        raise UnsupportedModelError(
            f"{b} x {length} tokens of the encoder became {rows} features, not as this model's family says "
            f"(merger={merger!r}): give prune(..., attention=f), f: features (n, d) to scores (n,)"
        )
    if windows is not None:
        means = torch.empty_like(means).index_copy_(0, windows, means)
    return means if values.ndim == 3 else means[:, 0]


def _groups(flat: Tensor, rows: int) -> Tensor | None:
    """Consecutive patches."""
    return None if len(flat) % rows else flat.reshape(rows, -1, flat.shape[-1]).mean(1)


def _squares(values: Tensor, rows: int) -> Tensor | None:
    """Squares of patches of a square image, row by row, a class token in front dropped."""
    b, length, c = values.shape
    side, merged = isqrt(length), isqrt(rows)
    if side**2 + 1 < length or merged**2 != rows or not merged or side % merged:
        return None
    patches = values[:, length - side**2 :].reshape(b, merged, side // merged, merged, side // merged, c)
    return patches.mean((2, 4)).reshape(-1, c)


def window_order(grids: Tensor, merge: int, window: int) -> Tensor:
    """Rows in the order of an encoder that attends within windows: of frame, window, and place in the window.

    Parameters
    ----------
    grids : (m, 3) int64 tensor
        Frames, rows and columns of patches of each image.
    merge : int
        Patches a row along each side.
    window : int
        Rows a window along each side.
    """
    order, start = [], 0
    for frames, height, width in grids.tolist():
        down, right = torch.arange(height // merge), torch.arange(width // merge)
        place = torch.arange(frames * len(down) * len(right)).reshape(frames, len(down), len(right))
        order += [
            place[frame, rows][:, columns].flatten() + start
            for frame in range(frames)
            for rows in down.split(window)
            for columns in right.split(window)
        ]
        start += place.numel()
    return torch.cat(order)
