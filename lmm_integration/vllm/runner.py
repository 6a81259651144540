"""How vLLM's runners are told that a model brings positions along with its features.

They ask the configuration whether videos are pruned by vLLM's own rules. Setting a rate would answer them, but would
also have vLLM's processors and models prune videos themselves. So this configuration answers yes, without a rate.
"""

from __future__ import annotations

from typing import Any

from vllm.platforms import current_platform


def switch_on(vllm_config: Any) -> None:
    """Have the runner call ``recompute_mrope_positions``; called while the model is built, before it asks."""
    vllm_config.model_config.multimodal_config.is_multimodal_pruning_enabled = _yes
    if current_platform.is_cpu():
        _let_cpu_runner_ask()


def _yes() -> bool:
    return True


def _let_cpu_runner_ask() -> None:
    """In vLLM 0.32 ``CPUModelRunner.load_model`` does not set the flag that ``GPUModelRunner.load_model`` sets."""
    from vllm.model_executor.models.interfaces import supports_multimodal_pruning
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner

    def is_enabled(self: Any) -> bool:
        config = self.model_config.multimodal_config
        return (
            supports_multimodal_pruning(getattr(self, "model", None))
            and config is not None
            and config.is_multimodal_pruning_enabled()
        )

    CPUModelRunner.is_multimodal_pruning_enabled = property(is_enabled, lambda self, value: None)
