"""The worker's half: the model's own encoder, then the choice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import isqrt, prod
from typing import Any, ClassVar

import torch
from torch import Tensor
from vllm import __version__
from vllm.distributed import get_tp_group
from vllm.model_executor.models.interfaces import SupportsMultiModal

from lmm_integration.selectors import Grid
from lmm_integration.vllm import metrics, refusals
from lmm_integration.vllm.choice import Sizes, kept_rows
from lmm_integration.vllm.options import Options
from lmm_integration.vllm.processor import SIZES


class PrunedModel(SupportsMultiModal):
    """Mixin of a vLLM model whose positions are counted along the prompt."""

    square: ClassVar[bool] = False
    """Whether an image is a square of patches, row by row, and nothing else; for selectors that need a grid."""

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        self._refuse(vllm_config)
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        options = Options.of(getattr(vllm_config.model_config.hf_config, "visual_pruning", None))
        self._choose = options.choose
        self._log = metrics.ChoiceLog(options)
        self._warm_up(vllm_config)

    def _refuse(self, vllm_config: Any) -> None:
        refusals.check(vllm_config, __version__, three_axes=False, has_grid=self.square)

    def _warm_up(self, vllm_config: Any) -> None:
        """Compile now: the first request does not wait for it, and the counters leave it out."""
        if get_tp_group().rank_in_group:
            return
        config, started = vllm_config.model_config, time.perf_counter()
        device = vllm_config.device_config.device
        with torch.device("cpu"):  # vLLM builds models with another default device than it runs them
            self._choose.warm_up(torch.empty(1, config.get_hidden_size(), dtype=config.dtype, device=device))
        self._log.ready(time.perf_counter() - started)

    def embed_multimodal(self, **kwargs: object) -> tuple[Tensor, ...]:
        """Features of the tokens that stay of each item, as many as its placeholders in the prompt."""
        sizes = _sizes(kwargs.pop(SIZES, None))
        items = super().embed_multimodal(**kwargs)
        if items is None or not len(items):
            return ()
        items = list(items)
        started = time.perf_counter()
        rows = self._rows([self._seen_by_rule(item) for item in items], sizes, kwargs)
        self._log.add(sizes, time.perf_counter() - started)
        return tuple(self._kept(items, rows, sizes, kwargs))

    def _rows(self, items: Sequence[Tensor], sizes: Sequence[Sizes], kwargs: Mapping[str, Any]) -> list[Tensor]:
        group = get_tp_group()
        if group.world_size > 1 and group.rank_in_group:  # the first rank chooses for all, so that they agree
            rows = [items[0].new_empty(sum(k for _, k in of_item), dtype=torch.int64) for of_item in sizes]
        else:
            rows = kept_rows(self._choose, items, sizes, self._grids(sizes, kwargs))
        return [group.broadcast(of_item, src=0) for of_item in rows] if group.world_size > 1 else rows

    def _seen_by_rule(self, features: Tensor) -> Tensor:
        """The columns that the rule chooses by: all but those for deeper layers."""
        return features

    def _grids(self, sizes: Sequence[Sizes], kwargs: Mapping[str, Any]) -> list[list[Grid | None]]:
        """Layout of each run of each item."""
        return [[_square(n) if self.square else None for n, _ in of_item] for of_item in sizes]

    def _kept(
        self, items: Sequence[Tensor], rows: Sequence[Tensor], sizes: Sequence[Sizes], kwargs: Mapping[str, Any]
    ) -> list[Tensor]:
        """Features of the kept rows of each item."""
        return [features[of_item] for features, of_item in zip(items, rows, strict=True)]


def grid_runs(thw: Sequence[int], merge: int, of_item: Sizes) -> list[Grid | None]:
    """Layout of the runs of an item of t frames of h x w patches: all frames in one run, or each frame its own."""
    t, h, w = thw[0], thw[1] // merge, thw[2] // merge
    frames = t // len(of_item) if t % len(of_item) == 0 else 0
    return [(frames, h, w) if prod((frames, h, w)) == n else None for n, _ in of_item]


def _sizes(field: Any) -> list[list[tuple[int, int]]]:
    """Sizes of the runs of each item, from the field as vLLM batched it: one tensor, or a list."""
    if field is None:
        raise RuntimeError("items reached the encoder without the sizes of their runs: another processor made them")
    return [[(int(n), int(k)) for n, k in of_item.reshape(-1, 2)] for of_item in field]


def _square(n: int) -> Grid | None:
    side = isqrt(n)
    return (1, side, side) if side * side == n else None
