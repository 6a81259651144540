"""LLaVA-NeXT: one run per image, of a whole image and its tiles, with a separator behind each row."""

from vllm.model_executor.models.llava_next import (
    LlavaDummyInputsBuilder,
    LlavaNextForConditionalGeneration,
    LlavaNextMultiModalProcessor,
    LlavaNextProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.vllm.model import PrunedModel
from lmm_integration.vllm.processor import PrunedInfo, PrunedProcessor


class Info(PrunedInfo, LlavaNextProcessingInfo):
    """Of LLaVA-NeXT."""


class Processor(PrunedProcessor, LlavaNextMultiModalProcessor):
    """Of LLaVA-NeXT."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=LlavaDummyInputsBuilder)
class PrunedLlavaNextForConditionalGeneration(PrunedModel, LlavaNextForConditionalGeneration):
    """LLaVA-NeXT with fewer visual tokens."""
