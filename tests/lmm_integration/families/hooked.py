"""The plain statement of pruning for any model: its own unpruned forward, with rows taken out in front of its layers.

One sample at a time, without padding and cache, the whole prompt runs through the model as it is. A hook in front of
the language model keeps the chosen columns in everything that runs along the prompt: embeddings, positions, masks,
deeper features. So the merging, the masks and the head are the model's own on the whole prompt; nothing here uses the
code under test.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def language_model(model: Any) -> Any:
    """The module that gets merged embeddings."""
    for inner in (getattr(model, "model", model), model):
        for name in ("language_model", "text_model", "decoder", "layers"):
            part = getattr(inner, name, None)
            if part is not None and not isinstance(part, torch.nn.ModuleList):
                return part
    raise ValueError("its layers are not a module of their own, so nothing can be hooked in front of them")


def keeping(value: Any, columns: Tensor, length: int, rank: Tensor, visual: int) -> Any:
    """The same with the kept columns, wherever a dimension is that of the prompt or of its visual tokens."""
    if isinstance(value, dict):
        return type(value)({name: keeping(part, columns, length, rank, visual) for name, part in value.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(keeping(part, columns, length, rank, visual) for part in value)
    if not isinstance(value, Tensor):
        return value
    for dimension in range(value.ndim):
        if value.shape[dimension] == length:
            value = value.index_select(dimension, columns)
        elif visual and value.shape[dimension] == visual and dimension < max(1, value.ndim - 1):
            value = value.index_select(dimension, rank)
    return value


@torch.no_grad()
def logits(model: Any, inputs: dict[str, Tensor], token: int, columns: Tensor, compact: bool, first: int) -> Tensor:
    """Logits (m, vocabulary) behind the kept columns of one sample."""
    ids = inputs["input_ids"][0]
    visual = ids == token
    rank = (visual.cumsum(0) - 1)[columns[visual[columns]]]

    def keep(_: Any, args: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        short = {
            name: keeping(value, columns, len(ids), rank, int(visual.sum()) if "deepstack" in name else 0)
            for name, value in given.items()
        }
        mask, positions = short.get("attention_mask"), given.get("position_ids")
        if mask is None or (isinstance(mask, Tensor) and mask.ndim == 2):
            short["attention_mask"] = torch.ones(1, len(columns), dtype=torch.long)
        kept = columns[None] + first if positions is None else positions[..., columns]
        if compact:
            kept = torch.arange(first, first + len(columns)).expand_as(kept)
        short["position_ids"] = kept
        return args, short

    hook = language_model(model).register_forward_pre_hook(keep, with_kwargs=True)
    try:
        return model(**inputs, use_cache=False).logits[0]
    finally:
        hook.remove()


def answer(
    model: Any, inputs: dict[str, Tensor], token: int, columns: Tensor, compact: bool, first: int, new: int, below: int
) -> list[int]:
    """Greedy decoding of ids under ``below``, token by token, each time from the beginning."""
    length = inputs["input_ids"].shape[1]
    along = {name for name, value in inputs.items() if value.shape == inputs["input_ids"].shape}
    tokens: list[int] = []
    for step in range(new):
        added = {
            "input_ids": torch.tensor([tokens], dtype=torch.long),
            "attention_mask": torch.ones(1, step, dtype=torch.long),
        }
        longer = inputs | {
            name: torch.cat((inputs[name], added.get(name, torch.zeros(1, step, dtype=torch.long))), 1)
            for name in along
        }
        kept = torch.cat((columns, torch.arange(length, length + step)))
        tokens.append(int(logits(model, longer, token, kept, compact, first)[-1, :below].argmax()))
    return tokens
