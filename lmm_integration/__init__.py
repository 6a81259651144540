"""Pruning of visual tokens with any solver: in a Hugging Face model, or in your own forward pass."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lmm_integration.exceptions import PruningStateError, UnsupportedModelError
from mmdp import MissingDependencyError

_MISSING = "lmm_integration needs {}, which is not installed: pip install 'mmdp[lmm]'"

try:
    from lmm_integration.attention import EncoderAttention
    from lmm_integration.families import Family, supported_models
    from lmm_integration.selection import select_tokens
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingDependencyError(_MISSING.format("torch")) from error

if TYPE_CHECKING:
    from lmm_integration.drawing import overlay
    from lmm_integration.pruning import Pruning, prune

__all__ = [
    "EncoderAttention",
    "Family",
    "Pruning",
    "PruningStateError",
    "UnsupportedModelError",
    "overlay",
    "prune",
    "select_tokens",
    "supported_models",
]

_LAZY = {"Pruning": "pruning", "prune": "pruning", "overlay": "drawing"}


def __getattr__(name: str) -> Any:
    """Import what needs transformers or Pillow when it is asked for: selecting rows and serving work without."""
    if name in _LAZY:
        try:
            return getattr(import_module(f"lmm_integration.{_LAZY[name]}"), name)
        except ModuleNotFoundError as error:
            if error.name not in ("transformers", "PIL"):
                raise
            raise MissingDependencyError(_MISSING.format(error.name)) from error
    raise AttributeError(f"module 'lmm_integration' has no attribute {name!r}")
