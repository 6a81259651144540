"""Any solver as a pruner of visual tokens: of a Hugging Face model, or in a forward pass of one's own."""

from importlib import import_module
from typing import Any

from lmm_integration.exceptions import PruningStateError, UnsupportedModelError
from lmm_integration.families import Family
from lmm_integration.families import available as families
from lmm_integration.selection import select_tokens

__all__ = [
    "Family",
    "Pruning",
    "PruningStateError",
    "UnsupportedModelError",
    "families",
    "prune",
    "select_tokens",
]


def __getattr__(name: str) -> Any:
    """Import what needs transformers when it is asked for: selecting rows and serving work without."""
    if name in ("Pruning", "prune"):
        return getattr(import_module("lmm_integration.pruning"), name)
    raise AttributeError(f"module 'lmm_integration' has no attribute {name!r}")
