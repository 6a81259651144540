"""LLaVA-OneVision: one run per image, of a whole image and its tiles, and one per video."""

from vllm.model_executor.models.llava_onevision import (
    LlavaOnevisionDummyInputsBuilder,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionMultiModalProcessor,
    LlavaOnevisionProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.vllm.model import PrunedModel
from lmm_integration.vllm.processor import PrunedInfo, PrunedProcessor


class Info(PrunedInfo, LlavaOnevisionProcessingInfo):
    """Of LLaVA-OneVision."""


class Processor(PrunedProcessor, LlavaOnevisionMultiModalProcessor):
    """Of LLaVA-OneVision."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=LlavaOnevisionDummyInputsBuilder)
class PrunedLlavaOnevisionForConditionalGeneration(PrunedModel, LlavaOnevisionForConditionalGeneration):
    """LLaVA-OneVision with fewer visual tokens."""
