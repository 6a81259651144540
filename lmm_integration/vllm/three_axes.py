"""Models with positions on three axes: kept tokens keep their own, and text goes on behind the whole image.

Positions of text depend on the sizes of the images alone. So they are right before the encoder runs, and also where a
prefix cache makes it unnecessary. Those of kept tokens depend on the choice; they travel behind the features, counted
from the text in front of the run, and vLLM's runner has the model write them into the prompt's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from vllm import __version__
from vllm.model_executor.models.interfaces import SupportsMRoPE
from vllm.multimodal.inputs import (
    MultiModalBatchedField,
    MultiModalFeatureSpec,
    MultiModalFieldElem,
    MultiModalKwargsItem,
    PlaceholderRange,
)

from lmm_integration.selectors import Grid
from lmm_integration.vllm import refusals, runner
from lmm_integration.vllm.choice import Sizes
from lmm_integration.vllm.digits import split_digits, to_digits
from lmm_integration.vllm.model import PrunedModel, grid_runs
from lmm_integration.vllm.processor import SIZES
from lmm_integration.vllm.runs import Run, whole

AXES = 3


class PrunedThreeAxes(PrunedModel, SupportsMRoPE):
    """Mixin of a vLLM model with ``SupportsMRoPE``."""

    supports_multimodal_pruning: ClassVar[bool] = True
    supported_video_pruning_methods: ClassVar[tuple[str, ...]] = ()
    with_text: ClassVar[tuple[str, ...]] = ()
    """Modalities whose items bring text of their own around their runs, such as the times of frames."""

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        runner.switch_on(vllm_config)
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self.is_multimodal_pruning_enabled = False  # that of vLLM's own video pruning

    def _refuse(self, vllm_config: Any) -> None:
        apart = "video" in self.with_text
        refusals.check(vllm_config, __version__, three_axes=True, has_grid=True, frames_apart=apart)

    def get_mrope_input_positions(self, input_tokens: list[int], mm_features: list[Any]) -> tuple[Tensor, int]:
        """Positions of the whole prompt, without those of the tokens that go."""
        features = sorted(mm_features, key=lambda feature: feature.mm_position.offset)
        runs = [run for feature in features for run in _runs(feature)]
        tokens, columns = whole(input_tokens, runs)
        longer = [_lengthened(feature, runs) for feature in features]
        positions, delta = super().get_mrope_input_positions(tokens, longer)
        return positions[:, columns], delta + len(tokens) - len(input_tokens)

    def recompute_mrope_positions(
        self,
        input_ids: list[int] | Tensor,
        multimodal_embeddings: Sequence[Tensor],
        mrope_positions: Tensor,
        num_computed_tokens: int,
    ) -> tuple[Sequence[Tensor], Tensor, int]:
        """Take the positions off the features of a chunk, and write them; a second time changes nothing."""
        delta = (
            int(mrope_positions[0, -1]) + 1 - mrope_positions.shape[1]
        )  # of the text at the end, right from the start
        if not len(multimodal_embeddings):
            return multimodal_embeddings, mrope_positions, delta
        features, own = zip(*(split_digits(item, AXES) for item in multimodal_embeddings), strict=True)
        positions = mrope_positions.clone()
        ids = torch.as_tensor(input_ids, device=positions.device)
        visual = (ids == self.config.image_token_id) | (ids == self.config.video_token_id)
        before = torch.where(visual, 0, torch.arange(len(ids), device=ids.device)).cummax(0).values
        of_chunk = torch.cat(own).to(positions.device).T
        here = visual[num_computed_tokens:].nonzero()[: of_chunk.shape[1], 0] + num_computed_tokens
        positions[:, here] = (of_chunk + positions[:, before[here]]).to(positions.dtype)
        return list(features), positions, delta

    def _grids(self, sizes: Sequence[Sizes], kwargs: Mapping[str, Any]) -> list[list[Grid | None]]:
        thw = kwargs[f"{_modality(kwargs)}_grid_thw"].tolist()
        merge = self.config.vision_config.spatial_merge_size
        return [grid_runs(of_item, merge, runs) for of_item, runs in zip(thw, sizes, strict=True)]

    def _kept(
        self, items: Sequence[Tensor], rows: Sequence[Tensor], sizes: Sequence[Sizes], kwargs: Mapping[str, Any]
    ) -> list[Tensor]:
        kept = super()._kept(items, rows, sizes, kwargs)
        own = [self._own_positions(item, of_item, kwargs) for item, of_item in enumerate(sizes)]
        return [
            torch.cat((features, to_digits(positions[chosen.cpu()], features.dtype).to(features.device)), 1)
            for features, positions, chosen in zip(kept, own, rows, strict=True)
        ]

    def _own_positions(self, item: int, sizes: Sizes, kwargs: Mapping[str, Any]) -> Tensor:
        """Positions (n, axes) of all tokens of an item, each counted from the text in front of its run.

        They are the model's own for a prompt of nothing else.
        """
        modality, config = _modality(kwargs), self.config
        placeholder = getattr(config, f"{modality}_token_id")
        tokens: list[int] = []
        runs: list[range] = []
        for n, _ in sizes:
            tokens += [config.vision_start_token_id, *[placeholder] * n, config.vision_end_token_id]
            runs.append(range(len(tokens) - 1 - n, len(tokens) - 1))
        field = MultiModalBatchedField()
        data = {
            name: MultiModalFieldElem(data=value[item].cpu(), field=field)
            for name, value in kwargs.items()
            if isinstance(value, Tensor) and len(value) > item and name in _OF_POSITIONS
        }
        span = PlaceholderRange(offset=0 if modality in self.with_text else 1, length=len(tokens) - 1)
        feature = MultiModalFeatureSpec(MultiModalKwargsItem(data), modality, "", span)
        positions, _ = super().get_mrope_input_positions(tokens, [feature])
        return torch.cat([positions[:, run] - positions[:, run.start - 1, None] for run in runs], 1).T


_OF_POSITIONS = ("image_grid_thw", "video_grid_thw", "second_per_grid_ts")
"""Fields of an item that its positions depend on."""


def _modality(kwargs: Mapping[str, Any]) -> str:
    """Of the items of one call; vLLM encodes each modality by itself."""
    (modality,) = (name for name in ("image", "video") if kwargs.get(f"{name}_grid_thw") is not None)
    return modality


def _runs(feature: Any) -> list[Run]:
    """The runs of an item where they stand in the prompt."""
    starts = [start for start, _ in feature.mm_position.extract_embeds_range()]
    sizes = feature.data[SIZES].data.reshape(-1, 2).tolist()
    return [Run(start, n, k) for start, (n, k) in zip(starts, sizes, strict=True)]


def _lengthened(feature: Any, runs: Sequence[Run]) -> Any:
    """Return the item where it stands in the whole prompt."""
    at = feature.mm_position
    shift = sum(run.n - run.k for run in runs if run.start < at.offset)
    growth = sum(run.n - run.k for run in runs if at.offset <= run.start < at.offset + at.length)
    return replace(feature, mm_position=PlaceholderRange(offset=at.offset + shift, length=at.length + growth))
