"""Visual-token pruning inside vLLM, as a plugin: the model keeps its own code and gets fewer visual tokens.

vLLM calls :func:`register` in each of its processes, through the entry point ``vllm.general_plugins``. It only adds
architectures by name, so that installing this package changes nothing until somebody asks for one of them:
``python -m lmm_integration.vllm serve MODEL --keep 0.1``, or ``LLM(**pruned(MODEL, keep=0.1))`` in Python.
"""

from __future__ import annotations

from lmm_integration.vllm.families import FAMILIES, PREFIX
from lmm_integration.vllm.launch import pruned

__all__ = ["pruned", "register"]


def register() -> None:
    """Tell vLLM where the pruned architectures are; nothing is imported until one is asked for."""
    from vllm import ModelRegistry

    known = ModelRegistry.get_supported_archs()
    for architecture, module in FAMILIES.items():
        if PREFIX + architecture not in known:
            ModelRegistry.register_model(PREFIX + architecture, f"{__name__}.families.{module}:{PREFIX}{architecture}")
