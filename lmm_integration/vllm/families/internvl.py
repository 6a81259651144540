"""InternVL in transformers' format: one run per image, of all its tiles, and one for each frame of a video."""

from vllm.model_executor.models.interns1 import (
    InternS1DummyInputsBuilder,
    InternS1ForConditionalGeneration,
    InternS1MultiModalProcessor,
    InternS1ProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.vllm.model import PrunedModel
from lmm_integration.vllm.processor import PrunedInfo, PrunedProcessor


class Info(PrunedInfo, InternS1ProcessingInfo):
    """Of InternVL."""


class Processor(PrunedProcessor, InternS1MultiModalProcessor):
    """Of InternVL."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=InternS1DummyInputsBuilder)
class PrunedInternVLForConditionalGeneration(PrunedModel, InternS1ForConditionalGeneration):
    """InternVL with fewer visual tokens."""
