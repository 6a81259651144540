"""The two functions that serving engines need from a pruner: how many tokens stay, and a mask with exactly that count.

An engine reserves space for visual tokens when it reads the prompt, long before there are features. So the count must
not depend on the features. vLLM defines two such functions for Efficient Video Sampling, in
``vllm/multimodal/video_prune/evs.py`` (``vllm/multimodal/evs.py`` in older versions), and its RFC 45098 asks for the
same for images and for other methods that see only the encoder's embeddings. The functions here have the same names,
arguments and results, and work with any rule. They are for a fork or an engine of your own: to serve with vLLM as it
is, use the plugin, :mod:`lmm_integration.vllm`.

Note that ``q`` is the fraction that is pruned, and counts are rounded down, as in vLLM. Everywhere else in this
package, the plugin included, ``keep`` is what stays, and counts are those of
:func:`lmm_integration.budget.retained_count`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lmm_integration.selection import Rule, chooser, select_tokens
from lmm_integration.selectors.evs import EVS
from mmdp.exceptions import InvalidOptionError


def compute_retained_tokens_count(
    tokens_per_frame: int, num_frames: int, q: float, solver: Rule = "evs", **options: Any
) -> int:
    """Return how many tokens :func:`compute_retention_mask` keeps, from the shape alone.

    Parameters
    ----------
    tokens_per_frame : int
        After spatial merging.
    num_frames : int
        How many frames the encoder returns; 1 for an image.
    q : float
        Fraction of tokens to prune, in [0, 1).
    solver : str, Solver, Selector or callable
        As for :func:`lmm_integration.select_tokens`. "evs" keeps at least one whole frame, as in vLLM, so it does not
        prune images; all others keep at least one token.
    **options
        Options of the solver or selector.

    Returns
    -------
    int
        ``int(tokens_per_frame * num_frames * (1 - q))``, rounded down as in vLLM, or the minimum if that is larger.

    Raises
    ------
    InvalidOptionError, UnknownNameError
        If a size, q or an option is invalid, or no solver or selector has the name.

    Examples
    --------
    >>> compute_retained_tokens_count(144, 8, q=0.75)
    288
    >>> compute_retained_tokens_count(576, 1, q=0.9, solver="greedy")
    57
    """
    if tokens_per_frame < 1 or num_frames < 1:
        raise InvalidOptionError(f"{num_frames} frames of {tokens_per_frame} tokens: at least one of each is needed")
    if not 0 <= q < 1:
        raise InvalidOptionError(f"q={q!r} is the share pruned and lies in [0, 1); to keep a tenth, give q=0.9")
    choose = chooser(solver, **options)
    keeps_a_frame = isinstance(choose.rule, EVS)
    if num_frames < choose.least_frames and not keeps_a_frame:
        raise InvalidOptionError(f"solver={solver!r} compares the frames of a video, and there is one; choose another")
    return max(tokens_per_frame if keeps_a_frame else 1, int(tokens_per_frame * num_frames * (1 - q)))


def compute_retention_mask(
    video_embeds: Tensor,
    video_size_thw: Tensor | tuple[int, int, int],
    spatial_merge_size: int,
    q: float,
    solver: Rule = "evs",
    *,
    metric: str = "cosine",
    seed: int = 0,
    **options: Any,
) -> Tensor:
    """Return a mask of the tokens of one video or image that stay.

    Parameters
    ----------
    video_embeds : Tensor of shape (T * H * W / spatial_merge_size**2, d)
        The encoder's output, of any floating dtype and on any device.
    video_size_thw : (T, H, W)
        Frames, rows and columns of patches before spatial merging; T = 1 for an image.
    spatial_merge_size : int
        Patches per token along each side.
    q : float
        Fraction of tokens to prune, in [0, 1).
    solver, metric, seed, **options
        As for :func:`lmm_integration.select_tokens`.

    Returns
    -------
    bool Tensor of shape (T * H * W / spatial_merge_size**2,)
        With exactly :func:`compute_retained_tokens_count` true entries, on the device of the embeddings.

    Raises
    ------
    InvalidOptionError
        If the embeddings are not of that size, q is out of range, or the solver merges or needs a prompt or attention.
    InvalidProblemError
        If an embedding is NaN or infinite.

    Examples
    --------
    >>> mask = compute_retention_mask(torch.eye(16), (1, 4, 4), 1, q=0.75, solver="greedy")
    >>> mask.shape, int(mask.sum())
    (torch.Size([16]), 4)
    """
    frames, height, width = (int(side) for side in video_size_thw)
    rows, columns = height // spatial_merge_size, width // spatial_merge_size
    if video_embeds.ndim != 2 or len(video_embeds) != frames * rows * columns:
        raise InvalidOptionError(
            f"embeddings of shape {tuple(video_embeds.shape)} do not match {frames} frames of {rows} x {columns} tokens"
        )
    k = compute_retained_tokens_count(rows * columns, frames, q, solver, **options)
    grid = (frames, rows, columns)
    kept = select_tokens(video_embeds, k, solver, metric=metric, seed=seed, grid=grid, **options)
    if kept.is_floating_point():
        raise InvalidOptionError(f"solver={solver!r} merges tokens, which a mask cannot tell; choose one that selects")
    mask = torch.zeros(len(video_embeds), dtype=torch.bool, device=video_embeds.device)
    return mask.index_fill(0, kept, True)
