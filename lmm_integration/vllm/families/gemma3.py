"""Gemma 3: one square run per image, and one for each crop of it."""

from vllm.model_executor.models.gemma3_mm import (
    Gemma3DummyInputsBuilder,
    Gemma3ForConditionalGeneration,
    Gemma3MultiModalProcessor,
    Gemma3ProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.vllm.model import PrunedModel
from lmm_integration.vllm.processor import PrunedInfo, PrunedProcessor


class Info(PrunedInfo, Gemma3ProcessingInfo):
    """Of Gemma 3."""


class Processor(PrunedProcessor, Gemma3MultiModalProcessor):
    """Of Gemma 3."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=Gemma3DummyInputsBuilder)
class PrunedGemma3ForConditionalGeneration(PrunedModel, Gemma3ForConditionalGeneration):
    """Gemma 3 with fewer visual tokens."""

    square = True
