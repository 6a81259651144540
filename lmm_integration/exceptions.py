"""What visual-token pruning raises on purpose; every class descends from :class:`mmdp.exceptions.MMDPError`."""

from mmdp.exceptions import MMDPError


class UnsupportedModelError(MMDPError, TypeError):
    """The model cannot be pruned from its prompt; the message says which model, why, and what to use instead."""


class PruningStateError(MMDPError, RuntimeError):
    """The model or its cache is in a state that pruning must not touch: pruned twice, copied, or already cached."""
