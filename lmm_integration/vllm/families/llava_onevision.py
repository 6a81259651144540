"""LLaVA-OneVision: one run per image, of a whole image and its tiles, and one per video."""

from vllm.model_executor.models.llava_onevision import (
    LlavaOnevisionDummyInputsBuilder,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionMultiModalProcessor,
    LlavaOnevisionProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.parse import ImageSize

from lmm_integration.vllm.model import PrunedModel
from lmm_integration.vllm.processor import PrunedInfo, PrunedProcessor


class Info(PrunedInfo, LlavaOnevisionProcessingInfo):
    """Of LLaVA-OneVision."""

    def get_image_size_with_most_features(self) -> ImageSize:
        """See vLLM, whose answer is a size found for the published tiles; other tiles may have a larger one."""
        tiled = [ImageSize(width=width, height=height) for height, width in self.get_hf_config().image_grid_pinpoints]
        sizes = [super().get_image_size_with_most_features(), *tiled]
        return max(sizes, key=lambda s: self.get_num_image_tokens(image_width=s.width, image_height=s.height))


class Processor(PrunedProcessor, LlavaOnevisionMultiModalProcessor):
    """Of LLaVA-OneVision."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=LlavaOnevisionDummyInputsBuilder)
class PrunedLlavaOnevisionForConditionalGeneration(PrunedModel, LlavaOnevisionForConditionalGeneration):
    """LLaVA-OneVision with fewer visual tokens."""
