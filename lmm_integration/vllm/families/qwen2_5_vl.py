"""Qwen2.5-VL: dynamic resolution, one run per image and per video, seconds on the time axis of videos."""

from vllm.model_executor.models.qwen2_5_vl import (
    Qwen2_5_VLDummyInputsBuilder,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLMultiModalProcessor,
    Qwen2_5_VLProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.vllm.processor import PrunedInfo, PrunedThreeAxesProcessor
from lmm_integration.vllm.three_axes import PrunedThreeAxes


class Info(PrunedInfo, Qwen2_5_VLProcessingInfo):
    """Of Qwen2.5-VL."""


class Processor(PrunedThreeAxesProcessor, Qwen2_5_VLMultiModalProcessor):
    """Of Qwen2.5-VL."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=Qwen2_5_VLDummyInputsBuilder)
class PrunedQwen2_5_VLForConditionalGeneration(PrunedThreeAxes, Qwen2_5_VLForConditionalGeneration):
    """Qwen2.5-VL with fewer visual tokens."""
