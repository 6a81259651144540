"""Models that vLLM runs with the code of transformers, whatever their type; positions along the prompt only."""

from typing import Any

from vllm.model_executor.models.transformers import TransformersMultiModalForCausalLM
from vllm.model_executor.models.transformers.multimodal import (
    MultiModalDummyInputsBuilder,
    MultiModalProcessingInfo,
    MultiModalProcessor,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.vllm.model import PrunedModel
from lmm_integration.vllm.processor import PrunedInfo, PrunedProcessor


class Info(PrunedInfo, MultiModalProcessingInfo):
    """Of any model."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        if ctx.model_config.uses_mrope:
            raise UnsupportedModelError(
                "visual_pruning cannot be served through the code of transformers where positions have three axes"
            )


class Processor(PrunedProcessor, MultiModalProcessor):
    """Of any model."""


@MULTIMODAL_REGISTRY.register_processor(Processor, info=Info, dummy_inputs=MultiModalDummyInputsBuilder)
class PrunedTransformersMultiModalForCausalLM(PrunedModel, TransformersMultiModalForCausalLM):
    """A model in the code of transformers, with fewer visual tokens."""
