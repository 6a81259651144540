"""A selection drawn over its image."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lmm_integration.stats import Kept
from mmdp.exceptions import InvalidOptionError

_GHOST = 0.22  # contrast that is left where patches were dropped


def overlay(image: Image.Image | NDArray[np.uint8], kept: Kept, frame: int = 0) -> Image.Image:
    """Draw an image with the kept patches in colour and the dropped ones faded.

    Parameters
    ----------
    image : PIL image or (h, w, 3) uint8 array
        What the encoder saw: after the crop and the resizing of the model's processor, at any scale.
    kept : Kept
        One entry of ``pruning.last``.
    frame : int
        Which frame of a video the image is. Encoders may merge frames: ``kept.grid`` has the number that is left.

    Returns
    -------
    PIL image
        RGB, of the image's size.

    Raises
    ------
    InvalidOptionError
        If the tokens have no rectangular layout, or the video has no such frame.

    Examples
    --------
    >>> import torch
    >>> kept = Kept(sample=0, modality="image", indices=torch.tensor([0, 3]), n=4, grid=(1, 2, 2))
    >>> overlay(np.zeros((64, 64, 3), dtype=np.uint8), kept).size
    (64, 64)
    """
    if kept.grid is None:
        raise InvalidOptionError(
            f"the {kept.n} tokens of this {kept.modality} have no rectangular layout (tiles, newline tokens, a budget "
            "over several images), so their places in it are unknown; kept.indices are rows of its features"
        )
    frames, rows, columns = kept.grid
    if not 0 <= frame < frames:
        raise InvalidOptionError(f"frame={frame}: the tokens of this {kept.modality} have {frames} frames, from 0")
    stays = np.zeros(prod(kept.grid), dtype=np.uint8)
    chosen = kept.indices.numpy(force=True)
    stays[chosen[chosen < len(stays)]] = 255
    seen = (image if isinstance(image, Image.Image) else Image.fromarray(image)).convert("RGB")
    patches = Image.fromarray(stays.reshape(frames, rows, columns)[frame])
    mask = patches.resize(seen.size, Image.Resampling.NEAREST)
    ghost = Image.blend(Image.new("RGB", seen.size, "white"), seen.convert("L").convert("RGB"), _GHOST)
    return Image.composite(seen, ghost, mask)
