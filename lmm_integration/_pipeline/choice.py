"""Which feature rows of each image are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

import torch
from torch import Tensor

from lmm_integration._pipeline.encoder_output import Encoded, Merge
from lmm_integration._pipeline.prompt_layout import groups
from lmm_integration.budget import capped_count
from lmm_integration.families import Family
from lmm_integration.selection import Chooser, choose_of_each
from lmm_integration.selectors import Context, Grid
from lmm_integration.stats import Kept
from mmdp.exceptions import InvalidOptionError, InvalidProblemError


@dataclass(frozen=True)
class Choice:
    """A rule and its budget, for the images of one model.

    Attributes
    ----------
    choose, keep, pooled, attention
        As for :func:`lmm_integration.prune`; ``pooled``: one budget for all images of a sample; ``attention``: only a
        function of the caller's.
    family : Family
    config : transformers configuration
        Of the whole model.
    embed : module
        Token ids to embeddings, for rules that read the prompt.
    placeholders : list of int
        Token ids that are not text.
    encoder : str
        Name of the vision encoder, for messages.
    """

    choose: Chooser
    keep: float | int
    pooled: bool
    attention: Callable[[Tensor], Tensor] | None
    family: Family
    config: Any
    embed: Callable[[Tensor], Tensor]
    placeholders: list[int]
    encoder: str

    def __call__(
        self, modality: str, places: Tensor, features: Encoded, ids: Tensor, arguments: dict[str, Any]
    ) -> tuple[Tensor, list[Kept], list[Merge]]:
        """Return which rows are kept, (n,) bool, the same by image, and what is merged into them.

        ``places`` (b, l) bool says where the rows go.
        """
        places = places.to(features.rows.device)  # the encoder may be on another device than the prompt
        images = groups(places, features.items, "sample" if self.pooled else str(self.family.cut(modality)))
        samples = places.nonzero()[torch.stack([image[0] for image in images]), 0].tolist()
        grids = self._grids(modality, [len(image) for image in images], features.items, arguments)
        ks = [capped_count(len(image), self.keep) for image in images]
        self._check(features.rows, images, samples, modality)
        self._check_frames(modality, images, ks, grids)
        mask = arguments.get("attention_mask")
        contexts = [
            self._context(features, image, ids[sample], None if mask is None else mask[sample], grid)
            for image, sample, grid in zip(images, samples, grids, strict=True)
        ]
        found = choose_of_each(self.choose, [features.rows[image] for image in images], ks, contexts)
        rows = torch.zeros(len(features.rows), dtype=torch.bool, device=features.rows.device)
        kept, merges = list[Kept](), list[Merge]()
        for image, sample, grid, chosen in zip(images, samples, grids, found, strict=True):
            weights = None
            if chosen.is_floating_point():
                chosen, weights = chosen.argmax(-1), chosen
                merges.append(Merge(image, chosen, weights))
            rows[image[chosen]] = True
            kept.append(Kept(sample, modality, chosen, len(image), grid, weights))
        return rows, kept, merges

    def within_budget(self, kept: list[Kept]) -> int:
        """How many images had no more tokens than a count given as ``keep``."""
        return sum(image.n <= self.keep for image in kept) if isinstance(self.keep, int) else 0

    def _check(self, rows: Tensor, images: list[Tensor], samples: list[int], modality: str) -> None:
        if bool(rows.isfinite().all()):
            return
        sample = next(s for image, s in zip(images, samples, strict=True) if not bool(rows[image].isfinite().all()))
        raise InvalidProblemError(
            f"{self.encoder} returned NaN or infinite features in {rows.dtype} for the {modality} of sample "
            f"{sample}; check the pixels, or load the model in bfloat16 or float32: encoders overflow in float16"
        )

    def _check_frames(self, modality: str, images: list[Tensor], ks: list[int], grids: list[Grid | None]) -> None:
        for image, k, grid in zip(images, ks, grids, strict=True):
            if grid is not None and grid[0] < self.choose.least_frames and k < len(image):
                raise InvalidOptionError(
                    f"{type(self.choose.rule).__name__} compares the frames of a video, and this {modality} has one: "
                    "give modalities=('video',) to leave images whole, and scope='sample' where text separates the "
                    "frames of a video"
                )

    def _context(
        self, features: Encoded, image: Tensor, ids: Tensor, mask: Tensor | None, grid: Grid | None
    ) -> Context:
        """What the rule may need for the rows of one image."""
        prompt = None
        if "prompt" in self.choose.needs:
            text = ids if mask is None else ids[mask.bool()]
            prompt = self.embed(text[~torch.isin(text, text.new_tensor(self.placeholders))])
        scores, keys = (None if values is None else values[image] for values in (features.scores, features.keys))
        if self.attention is not None and "attention" in self.choose.needs:
            scores = self.attention(features.rows[image])
        return Context(prompt=prompt, attention=scores, keys=keys, grid=grid, seed=self.choose.seed)

    def _grids(self, modality: str, sizes: list[int], items: list[int], arguments: dict[str, Any]) -> list[Grid | None]:
        """Layout of each image, from what the processor says about it or from the encoder's squares."""
        thw = arguments.get(f"{modality}_grid_thw")
        if thw is None:
            square = self.family.square and not self.pooled
            return [_square(n, max(items), modality) if square else None for n in sizes]
        merge = getattr(getattr(self.config, "vision_config", None), "spatial_merge_size", 1)
        whole = [(int(t), int(h) // merge, int(w) // merge) for t, h, w in thw.tolist()]
        frames = [(1, h, w) for t, h, w in whole for _ in range(t)]
        fits = (grids for grids in (whole, frames) if [prod(grid) for grid in grids] == sizes)
        return list(next(fits, [None] * len(sizes)))


def _square(n: int, item: int, modality: str) -> Grid | None:
    """Layout of an image of n rows, a square (or for a video several) of the encoder's, or one of those in an item."""
    size = n if item % n == 0 else item
    frames, rest, side = n // size, n % size, isqrt(size)
    return (frames, side, side) if side**2 == size and not rest and (frames == 1 or modality == "video") else None
