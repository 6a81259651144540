"""Any solver as a pruner of visual tokens: of a Hugging Face model, or in a forward pass of one's own."""

from lmm_integration.exceptions import PruningStateError, UnsupportedModelError
from lmm_integration.families import Family
from lmm_integration.families import available as families
from lmm_integration.pruning import Pruning, prune
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
