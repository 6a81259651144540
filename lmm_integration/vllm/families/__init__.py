"""The model families that can be pruned in vLLM, one small file each.

A file derives a class from vLLM's own model and mixes in :class:`~lmm_integration.vllm.model.PrunedModel`, or
:class:`~lmm_integration.vllm.three_axes.PrunedThreeAxes` where positions have three axes.
"""

PREFIX = "Pruned"

FAMILIES = {
    "LlavaForConditionalGeneration": "llava",
    "LlavaNextForConditionalGeneration": "llava_next",
    "LlavaOnevisionForConditionalGeneration": "llava_onevision",
    "Gemma3ForConditionalGeneration": "gemma3",
    "InternVLForConditionalGeneration": "internvl",
    "Qwen2VLForConditionalGeneration": "qwen2_vl",
    "Qwen2_5_VLForConditionalGeneration": "qwen2_5_vl",
    "Qwen3VLForConditionalGeneration": "qwen3_vl",
    "TransformersMultiModalForCausalLM": "transformers_backend",
}
"""Of each architecture that a model's configuration may name, the file in this folder."""

THREE_AXES = frozenset(name for name in FAMILIES if name.startswith("Qwen"))
"""Those whose positions have three axes."""

WITH_GRID = THREE_AXES | {"LlavaForConditionalGeneration", "Gemma3ForConditionalGeneration"}
"""Those whose tokens lie in rows and columns."""

FRAMES_APART = frozenset({"Qwen3VLForConditionalGeneration"})
"""Those of them that have text between the frames of a video."""
