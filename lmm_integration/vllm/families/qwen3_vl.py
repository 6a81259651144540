"""Qwen3-VL: one run per image and per frame of a video, and features for deeper layers behind the first ones."""

from torch import Tensor
from vllm.model_executor.models.qwen3_vl import (
    Qwen3VLDummyInputsBuilder,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMultiModalProcessor,
    Qwen3VLProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.vllm.processor import PrunedInfo, PrunedThreeAxesProcessor
from lmm_integration.vllm.three_axes import PrunedThreeAxes


class Info(PrunedInfo, Qwen3VLProcessingInfo):
    """Of Qwen3-VL."""

    def most_runs(self, modality: str) -> int:
        """See :class:`PrunedInfo`."""
        video = self.get_video_processor()
        return int(video.max_frames // video.temporal_patch_size) if modality == "video" else 1


class Processor(PrunedThreeAxesProcessor, Qwen3VLMultiModalProcessor):
    """Of Qwen3-VL."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=Qwen3VLDummyInputsBuilder)
class PrunedQwen3VLForConditionalGeneration(PrunedThreeAxes, Qwen3VLForConditionalGeneration):
    """Qwen3-VL with fewer visual tokens."""

    with_text = ("video",)

    def _seen_by_rule(self, features: Tensor) -> Tensor:
        return features[:, : self.visual_dim]
