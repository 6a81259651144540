"""LLaVA-1.5: one square of patches per image."""

from typing import Any

from transformers import PixtralVisionConfig
from vllm.model_executor.models.llava import (
    LlavaDummyInputsBuilder,
    LlavaForConditionalGeneration,
    LlavaMultiModalProcessor,
    LlavaProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.vllm.model import PrunedModel
from lmm_integration.vllm.processor import PrunedInfo, PrunedProcessor


class Info(PrunedInfo, LlavaProcessingInfo):
    """Of LLaVA."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        if isinstance(self.get_hf_config().vision_config, PixtralVisionConfig):
            raise UnsupportedModelError(
                "visual_pruning cannot be served for Pixtral, which breaks images into rows of placeholders with text "
                "between them"
            )


class Processor(PrunedProcessor, LlavaMultiModalProcessor):
    """Of LLaVA."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=LlavaDummyInputsBuilder)
class PrunedLlavaForConditionalGeneration(PrunedModel, LlavaForConditionalGeneration):
    """LLaVA-1.5 with fewer visual tokens."""

    square = True
