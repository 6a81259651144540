"""Methods of a module replaced for the time of a pruning, and the pruned call that they answer from in a thread."""

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
    """Whether the model's pruned ``forward`` runs in this thread, and the pruned call that it answers, if any."""

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def call(self) -> Call | None:
        """None outside of :meth:`answering`."""
        return getattr(self._local, "call", None)

    @property
    def entered(self) -> bool:
        """False outside of :meth:`inside`."""
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
    def answering(self, call: Call) -> Iterator[None]:
        """Answer the model's getters from ``call``."""
        self._local.call = call
        try:
            yield
        finally:
            self._local.call = None


class Hooks:
    """Replaced methods of modules, which come back with :meth:`remove`."""

    def __init__(self) -> None:
        self._attached: list[tuple[nn.Module, str]] = []
        self._earlier: list[tuple[nn.Module, str, Any]] = []  # what hooks of others, accelerate's, had put there

    def attach(self, module: nn.Module, name: str, replacement: Callable[..., Any]) -> None:
        """Call ``replacement(original, *args, **kwargs)`` in place of a method."""
        if name in vars(module):
            self._earlier.append((module, name, vars(module)[name]))
        vars(module)[name] = _Hook(getattr(module, name), replacement)
        self._attached.append((module, name))

    def remove(self) -> None:
        """Give the methods back; a second call does nothing."""
        while self._attached:
            module, name = self._attached.pop()
            if isinstance(vars(module).get(name), _Hook):
                del vars(module)[name]
        while self._earlier:
            module, name, method = self._earlier.pop()
            vars(module).setdefault(name, method)


def is_hooked(module: nn.Module) -> bool:
    """Whether a method of the module is replaced."""
    return any(isinstance(value, _Hook) for value in vars(module).values())


class _Hook:
    """A replaced method; copies refuse, and the signature stays the original's."""

    def __init__(self, original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
        self._original, self._replacement = original, replacement
        functools.update_wrapper(self, original)

    @torch.compiler.disable(recursive=False)
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._replacement(self._original, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Hook:
        raise PruningStateError("a model cannot be copied while it is being pruned; remove() the pruning first")
