"""Rules that choose visual tokens by something other than the smallest pairwise distance, one file each.

A selector gets the feature rows of one image and a count, and any of ``prompt``, ``attention``, ``keys`` and ``grid``
that it declares in ``needs``. To add one, put a file into this folder whose name is the keyword, with one subclass of
:class:`Selector` named after it in CamelCase; :func:`lmm_integration.prune` then accepts its name.
"""

from __future__ import annotations

import math
import pkgutil
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from importlib import import_module
from math import prod
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmdp.exceptions import InvalidOptionError, InvalidProblemError, UnknownNameError

Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Context:
    """What a selector may use besides the features.

    Parameters
    ----------
    prompt : Tensor of shape (t, d), optional
        Embeddings of the prompt's text tokens, in the space of the features.
    attention : Tensor of shape (n,), optional
        How much the vision encoder attends to each token.
    grid : (frames, rows, columns), optional
        Layout of the leading ``frames * rows * columns`` features; rows beyond it are separators.
    seed : int
        Seed of all random choices.
    keys : Tensor of shape (n, c), optional
        Keys of the tokens in the layer that the attention is from, averaged over its heads.
    """

    prompt: Tensor | None = None
    attention: Tensor | None = None
    grid: Grid | None = None
    seed: int = 0
    keys: Tensor | None = None

    def __post_init__(self) -> None:
        for name in _OF_TOKENS:
            given = getattr(self, name)
            if given is not None and not isinstance(given, Tensor):
                raise InvalidOptionError(
                    f"{name} is a {type(given).__name__}; give a torch tensor, such as torch.as_tensor(x)"
                )

    def of_item(self, item: int) -> Context:
        """Context of one item of a batch: of ``prompt`` (b, t, d), ``attention`` (b, n) and ``keys`` (b, n, c)."""
        prompt, attention, keys = self.prompt, self.attention, self.keys
        return replace(
            self,
            prompt=prompt[item] if prompt is not None and prompt.ndim > 2 else prompt,
            attention=attention[item] if attention is not None and attention.ndim > 1 else attention,
            keys=keys[item] if keys is not None and keys.ndim > 2 else keys,
        )

    def fit(self, features: Tensor) -> Context:
        """Return this context on the device and in the dtype of (n, d) ``features``.

        Raises
        ------
        InvalidOptionError
            If something is of another shape than they call for.
        InvalidProblemError
            If something is NaN or infinite.
        """
        n, d = features.shape
        if self.prompt is not None and (self.prompt.ndim != 2 or self.prompt.shape[1] != d or not len(self.prompt)):
            raise InvalidOptionError(f"prompt of shape {tuple(self.prompt.shape)}; features of width {d} need (t, {d})")
        if self.attention is not None and self.attention.shape != (n,):
            raise InvalidOptionError(f"attention of shape {tuple(self.attention.shape)}; {n} features need ({n},)")
        if self.keys is not None and (self.keys.ndim != 2 or len(self.keys) != n):
            raise InvalidOptionError(f"keys of shape {tuple(self.keys.shape)}; {n} features need ({n}, c)")
        if self.grid is not None and not _lays_out(self.grid, n):
            raise InvalidOptionError(f"grid={self.grid} does not lay out {n} features as (frames, rows, columns)")
        for name in _OF_TOKENS:
            _check_finite(name, getattr(self, name))
        return replace(
            self,
            prompt=None if self.prompt is None else self.prompt.detach().to(features),
            grid=None if self.grid is None else (int(self.grid[0]), int(self.grid[1]), int(self.grid[2])),
            attention=None if self.attention is None else self.attention.detach().to(features),
            keys=None if self.keys is None else self.keys.detach().to(features),
        )


@dataclass(frozen=True)
class Selector(ABC):
    """A rule that chooses k of n feature rows; subclasses are frozen dataclasses whose fields are its parameters.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import torch
    >>> from lmm_integration import select_tokens
    >>> @dataclass(frozen=True)
    ... class First(Selector):
    ...     def choose(self, features, k, context):
    ...         return torch.arange(k)
    >>> select_tokens(torch.eye(4), 0.5, First())
    tensor([0, 1])
    """

    needs: ClassVar[tuple[str, ...]] = ()
    """Fields of the :class:`Context` without which the rule is not defined."""
    least_frames: ClassVar[int] = 1
    """How many frames the rule compares; one of two or more is for videos, and ``prune`` refuses images."""
    source: ClassVar[str] = ""
    """The publication, for the table of selectors."""
    batched: ClassVar[bool] = False
    """Whether ``choose`` takes (..., n, d) features to (..., k) indices; only for rules that need nothing else."""

    @abstractmethod
    def choose(self, features: Tensor, k: int, context: Context) -> Tensor:
        """Return k distinct row indices of (n, d) ``features`` in float32 or float64, where 1 <= k < n.

        A rule that merges returns weights (k, n) instead, of the features' dtype: the tokens that stay become
        ``weights @ features``, each in the place of its largest weight, and no two in the same place.
        Everything stays on the device of the features; what ``needs`` names is in the context, in the same dtype.
        """

    def __call__(self, features: Tensor, k: int, context: Context | None = None) -> Tensor:
        """Check what the rule needs, then :meth:`choose`; all rows if k == n. Half precisions are widened first.

        Raises
        ------
        InvalidOptionError
            If something of ``needs`` is missing or of the wrong shape, or k is out of range.
        """
        context = context or Context()
        if features.ndim > 2 and not self.batched:
            raise InvalidOptionError(f"{type(self).__name__} takes one item at a time; select_tokens takes batches")
        for name in self.needs:
            if getattr(context, name) is None:
                raise InvalidOptionError(f"{type(self).__name__} needs {HOW_TO_GIVE[name]}")
        n = features.shape[-2]
        if not 1 <= k <= n:
            raise InvalidOptionError(f"k = {k} is out of range: choose at least 1 and at most all {n} rows")
        rows = features.detach().to(torch.promote_types(features.dtype, torch.float32)).contiguous()
        if k == n:
            return torch.arange(k, device=rows.device).expand(*rows.shape[:-2], k)
        with full_precision(rows.device):
            return self.choose(rows, k, context if self.batched else context.fit(rows))


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Within it, autocast narrows no product."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def _lays_out(grid: Grid, n: int) -> bool:
    return len(grid) == 3 and all(int(side) == side >= 1 for side in grid) and prod(grid) <= n


def _check_finite(name: str, values: Tensor | None) -> None:
    if values is None or bool(values.isfinite().all()):
        return
    place = ", ".join(str(i) for i in (~values.isfinite()).nonzero()[0].tolist())
    raise InvalidProblemError(f"{name}[{place}] is NaN or infinite; check the encoder, or the function that gave it")


_OF_TOKENS = ("prompt", "attention", "keys")
"""What a context has of tensors."""

HOW_TO_GIVE = {
    "prompt": "the prompt's embeddings: pass prompt=(tokens, d) to select_tokens; prune() gives them by itself",
    "attention": "the encoder's attention: pass attention=(n,) to select_tokens; prune() records it by itself",
    "keys": "the encoder's keys: pass keys=(n, c) to select_tokens; prune() records them by itself",
    "grid": "the layout of the tokens: pass grid=(frames, rows, columns); this input has no rectangular one",
}


def names() -> list[str]:
    """Keywords of all selectors, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> type[Selector]:
    """Return the selector class with this keyword.

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


def make(name: str, **options: Any) -> Selector:
    """Return a selector from its keyword and options.

    Raises
    ------
    UnknownNameError
        If there is no such selector.
    InvalidOptionError
        If it has no such option, or rejects a value.

    Examples
    --------
    >>> make("dart", pivots=4).pivots
    4
    """
    kind = load(name)
    known = [field.name for field in fields(kind)]
    if unknown := sorted(set(options) - set(known)):
        takes = f"takes {', '.join(known)}" if known else "takes no options"
        raise InvalidOptionError(f"selector {name!r} has no option {', '.join(unknown)}; it {takes}")
    for field in fields(kind):
        if field.name in options:
            _check_type(field.name, options[field.name], str(field.type))
    return kind(**options)


def _check_type(name: str, value: Any, kind: str) -> None:
    """Refuse an option of another type than its field is annotated with, and a number that is not finite."""
    if kind not in _KINDS:
        return
    wanted, what = _KINDS[kind]
    if not isinstance(value, wanted) or (kind != "bool" and isinstance(value, bool)):
        raise InvalidOptionError(f"{name} = {value!r}: give {what}")
    if kind == "float" and not math.isfinite(float(value)):
        raise InvalidOptionError(f"{name} = {value}: give a finite number")


_KINDS: dict[str, tuple[Any, str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "bool": (bool, "True or False"),
}
