"""Qwen2-VL: dynamic resolution, one run per image and per video."""

from vllm.model_executor.models.qwen2_vl import (
    Qwen2VLDummyInputsBuilder,
    Qwen2VLForConditionalGeneration,
    Qwen2VLMultiModalProcessor,
    Qwen2VLProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.vllm.processor import PrunedInfo, PrunedThreeAxesProcessor
from lmm_integration.vllm.three_axes import PrunedThreeAxes


class Info(PrunedInfo, Qwen2VLProcessingInfo):
    """Of Qwen2-VL."""


class Processor(PrunedThreeAxesProcessor, Qwen2VLMultiModalProcessor):
    """Of Qwen2-VL."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=Qwen2VLDummyInputsBuilder)
class PrunedQwen2VLForConditionalGeneration(PrunedThreeAxes, Qwen2VLForConditionalGeneration):
    """Qwen2-VL with fewer visual tokens."""
