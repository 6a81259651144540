"""Errors of visual-token pruning; every class descends from :class:`mmdp.exceptions.MMDPError`."""

from mmdp.exceptions import MMDPError


class UnsupportedModelError(MMDPError, TypeError):
    """The model cannot be pruned from its prompt; the message says which model, why, and what to use instead."""


class PruningStateError(MMDPError, RuntimeError):
    """The model or its cache cannot be pruned now: it is pruned already, was copied, or holds a cached prompt."""
