"""Hooks on a model's methods, and which pruned call each thread is answering.

A hook stands in for a method such as ``forward`` until it is removed. What it answers depends on the call that runs in
the same thread, so that threads can share one model.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from lmm_integration._pipeline.pruned_call import Call
from lmm_integration.exceptions import PruningStateError


class Running:
    """Per thread: whether the pruned ``forward`` runs, and the pruned ``generate`` or ``forward`` that is answered.

    Attributes
    ----------
    call : Call or None
        What the model's getters answer from; None outside of :meth:`answering`.
    cache : transformers cache or None
        The one that the steps of ``call`` fill, once it is known.
    back : callable or None
        From the token ids that ``generate`` sees to those that begin with the caller's prompt.
    entered : bool
        False outside of :meth:`inside`.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def call(self) -> Call | None:
        """See the class."""
        return getattr(self._local, "call", None)

    @property
    def cache(self) -> Any:
        """See the class."""
        return getattr(self._local, "cache", None)

    @cache.setter
    def cache(self, cache: Any) -> None:
        self._local.cache = cache

    @property
    def back(self) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """See the class."""
        return getattr(self._local, "back", None)

    @property
    def entered(self) -> bool:
        """See the class."""
        return getattr(self._local, "entered", False)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Note that what runs was called through the pruned ``forward``."""
        before, self._local.entered = self.entered, True
        try:
            yield
        finally:
            self._local.entered = before

    @contextmanager
    def answering(
        self, call: Call | None, cache: Any = None, back: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> Iterator[None]:
        """Answer the model's getters from ``call``, or with None as they are; then go on with what ran before."""
        before = self.call, self.cache, self.back
        self._local.call, self._local.cache, self._local.back = call, cache, back
        try:
            yield
        finally:
            self._local.call, self._local.cache, self._local.back = before


class Hooks:
    """Replaced methods of modules, which come back with :meth:`remove`."""

    def __init__(self) -> None:
        self._attached: list[tuple[nn.Module, str, _Hook]] = []
        self._earlier: list[tuple[nn.Module, str, Any]] = []  # what hooks of others, accelerate's, had put there

    def attach(self, module: nn.Module, name: str, replacement: Callable[..., Any]) -> None:
        """Call ``replacement(original, *args, **kwargs)`` in place of a method."""
        if name in vars(module):
            self._earlier.append((module, name, vars(module)[name]))
        hook = vars(module)[name] = _Hook(module, getattr(module, name), replacement)
        self._attached.append((module, name, hook))

    def remove(self) -> None:
        """Give the methods back; a second call does nothing.

        Where something else has wrapped a hook in the meantime, the wrapper stays and reaches the original method.
        """
        while self._attached:
            module, name, hook = self._attached.pop()
            hook.replacement = None
            if vars(module).get(name) is hook:
                del vars(module)[name]
        while self._earlier:
            module, name, method = self._earlier.pop()
            vars(module).setdefault(name, method)


def is_hooked(module: nn.Module) -> bool:
    """Whether a method of the module is replaced."""
    return any(isinstance(value, _Hook) and value.replacement is not None for value in vars(module).values())


class _Hook:
    """A replaced method; copies refuse, and the signature stays the original's. Without a replacement it is off."""

    def __init__(self, module: nn.Module, original: Callable[..., Any], replacement: Callable[..., Any] | None) -> None:
        self._module, self._original, self.replacement = module, original, replacement
        functools.update_wrapper(self, original)

    @torch.compiler.disable(recursive=False)
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and args[0] is self._module:  # accelerate binds what it finds as ``forward`` to the module once more
            args = args[1:]
        if self.replacement is None:
            return self._original(*args, **kwargs)
        return self.replacement(self._original, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Hook:
        raise PruningStateError(_NO_COPY)

    def __reduce__(self) -> str:
        raise PruningStateError(_NO_COPY)


_NO_COPY = "a model cannot be copied or pickled while it is being pruned; remove() the pruning first"
