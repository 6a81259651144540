"""The encoder side of pruning: feature rows out of whatever a family's getter returns, and back into it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.selectors import full_precision


@dataclass(frozen=True)
class Merge:
    """Feature rows of one image that become weighted sums of all its rows.

    Attributes
    ----------
    image : (n,) int64 tensor
        Its rows in the flat list.
    places : (k,) int64 tensor
        Which of those the sums replace.
    weights : (k, n) tensor
    """

    image: Tensor
    places: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Encoded:
    """What a feature getter returned, as a flat list of rows.

    Attributes
    ----------
    output : Any
        As returned: a tensor, a sequence of tensors, a tuple of features and deeper features, or a model output.
    rows : (n, d) tensor
        The features that replace placeholders, in their order.
    items : list of int
        Rows of each item that the encoder returned.
    scores, keys : (n,) and (n, c) tensors, optional
        The attention that rows get inside the encoder, and their keys, if they were recorded.
    merges : tuple of Merge
        Rows that become weighted sums of others.
    """

    output: Any
    rows: Tensor
    items: list[int]
    scores: Tensor | None = None
    keys: Tensor | None = None
    merges: tuple[Merge, ...] = ()

    @classmethod
    def of(cls, output: Any) -> Encoded:
        """Read the features of a getter's output.

        Raises
        ------
        UnsupportedModelError
            If they are not where the getters of other models have them.
        """
        features = _features(output)
        if not isinstance(features, Tensor) and not (
            isinstance(features, (list, tuple)) and features and all(isinstance(part, Tensor) for part in features)
        ):
            raise UnsupportedModelError(
                f"the encoder returned a {type(output).__name__} without rows of features in pooler_output or "
                "last_hidden_state; select rows with lmm_integration.select_tokens in your own forward"
            )
        parts = (
            [part.reshape(-1, part.shape[-1]) for part in (features if features.ndim > 2 else [features])]
            if isinstance(features, Tensor)
            else [part.reshape(-1, part.shape[-1]) for part in features]
        )
        return cls(output, torch.cat(list(parts)), [len(part) for part in parts])

    def taking(self, samples: list[Tensor]) -> Any:
        """Return the output as the model's code wants it, with those rows of the flat list only, in that order.

        Merged rows are their sums, in deeper features alike. No item crosses from one sample to the next, since beam
        search repeats the items of each sample.
        """
        rows, sizes = torch.cat(samples), [len(sample) for sample in samples if len(sample)]

        def of(features: Any) -> Any:
            flat = (
                features if isinstance(features, Tensor) else torch.cat([p.reshape(-1, p.shape[-1]) for p in features])
            )
            taken = _merged(flat.reshape(-1, flat.shape[-1]), self.merges)[rows]
            if isinstance(features, Tensor):
                return taken if features.ndim == 2 else taken[:, None]  # items of one row each
            return type(features)(taken.split(sizes))

        return _replaced(self.output, of)


def _merged(flat: Tensor, merges: tuple[Merge, ...]) -> Tensor:
    """Rows (n, d) with the sums in their places."""
    with full_precision(flat.device):
        sums = [(merge.weights.to(flat) @ flat[merge.image]) for merge in merges]
    for merge, rows in zip(merges, sums, strict=True):
        flat = flat.index_copy(0, merge.image[merge.places], rows)
    return flat


def _is_deep(output: Any) -> bool:
    """Whether a tuple holds features and then the features of deeper layers or counts, as before transformers 5."""
    return (
        isinstance(output, tuple)
        and len(output) == 2
        and not (isinstance(output[0], Tensor) and isinstance(output[1], Tensor))
    )


def _features(output: Any) -> Any:
    field = _field(output)
    if field is not None:
        return getattr(output, field)
    return output[0] if _is_deep(output) else output


def _field(output: Any) -> str | None:
    """Where a model output has the features; None if it is no model output."""
    fields = ("pooler_output", "last_hidden_state")  # Llama 4 has them in the second
    return next((field for field in fields if getattr(output, field, None) is not None), None)


def _replaced(output: Any, of: Callable[[Any], Any]) -> Any:
    field = _field(output)
    if field is not None:
        output = copy.copy(output)
        setattr(output, field, of(getattr(output, field)))
        if getattr(output, "deepstack_features", None) is not None:
            output.deepstack_features = [of(layer) for layer in output.deepstack_features]
        return output
    if _is_deep(output):
        deeper = [of(layer) for layer in output[1]] if isinstance(output[1], list) else output[1]
        return of(output[0]), deeper
    return of(output)
