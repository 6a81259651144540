"""Published rules that choose visual tokens by something else than diversity alone, one file each.

A selector sees the feature rows of one image and a count, and those of ``prompt``, ``attention`` and ``grid`` that it
declares to need. To add one, put a file into this folder whose name is the keyword, with one subclass of
:class:`Selector` named after it in CamelCase; it can then be given by name to :func:`lmm_integration.prune`.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar

import torch
from torch import Tensor

from mmdp.exceptions import InvalidOptionError, UnknownNameError

Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Context:
    """What a selector may know beside the features.

    Parameters
    ----------
    prompt : Tensor of shape (t, d), optional
        Embeddings of the prompt's text tokens, in the space of the features.
    attention : Tensor of shape (n,), optional
        How much the vision encoder attends to each token.
    grid : (frames, rows, columns), optional
        Layout of the leading ``frames * rows * columns`` features; rows beyond it are separators.
    seed : int
        Of every random choice.
    """

    prompt: Tensor | None = None
    attention: Tensor | None = None
    grid: Grid | None = None
    seed: int = 0


@dataclass(frozen=True)
class Selector(ABC):
    """A rule that chooses k of n feature rows; subclasses are frozen dataclasses whose fields are its parameters."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Fields of the :class:`Context` without which the rule is not defined."""
    source: ClassVar[str] = ""
    """The publication, for the table of selectors."""

    @abstractmethod
    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """Return k distinct row indices of (n, d) float32 ``features``, where 1 <= k < n."""

    def __call__(self, features: Tensor, k: int, context: Context | None = None) -> Tensor:
        """Check what the rule needs, then :meth:`choose`; all rows if k == n.

        Raises
        ------
        InvalidOptionError
            If something of ``needs`` is missing.
        """
        context = context or Context()
        for name in self.needs:
            if getattr(context, name) is None:
                raise InvalidOptionError(f"{type(self).__name__} needs {HOW_TO_GIVE[name]}")
        if k == len(features):
            return torch.arange(k, device=features.device)
        return self.choose(features.detach().float(), k, context)


HOW_TO_GIVE = {
    "prompt": "the prompt's embeddings: pass prompt=(tokens, d) to select_tokens; prune() gives them by itself",
    "attention": "the encoder's attention: pass attention=(n,) to select_tokens; prune() reads it from a CLIP or SigLIP "
    'tower that was loaded with attn_implementation="eager", on transformers 5 and for one encoder token per feature',
    "grid": "the layout of the tokens: pass grid=(frames, rows, columns); this input has no rectangular one",
}


def names() -> list[str]:
    """Keywords of all selectors."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> type[Selector]:
    """Return the selector class of that keyword.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists those that exist.
    """
    if name not in names():
        raise UnknownNameError(f"no selector named {name!r}; choose one of {', '.join(names())}")
    module = import_module(f"{__name__}.{name}")
    wanted = name.replace("_", "")
    for member in vars(module).values():
        if isinstance(member, type) and issubclass(member, Selector) and member.__name__.lower() == wanted:
            return member
    raise UnknownNameError(f"lmm_integration/selectors/{name}.py defines no Selector named {name!r} in CamelCase")
