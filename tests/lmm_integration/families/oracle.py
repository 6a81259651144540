"""The plain statement of pruning: what the language model would see if the other rows had never been there.

One sample at a time and without padding, the unpruned model runs once and what reaches its language model is recorded:
merged embeddings, positions, deeper features. The rows that stay are gathered by hand, the mask is written out, and
the bare language model runs on them without a cache. Nothing here uses the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tests.lmm_integration.families.tiny import VERSION


@dataclass(frozen=True)
class Seen:
    """What the language model is given for one sample of m tokens.

    ``embeddings`` (1, m, d); ``positions`` (..., 1, m); ``image`` (m,) numbers the runs of visual tokens from 0 and
    is -1 elsewhere; ``deep`` are the deeper features, each (visual tokens, d).
    """

    embeddings: Tensor
    positions: Tensor
    image: Tensor
    deep: tuple[Tensor, ...] = ()

    def keeping(self, columns: Tensor, compact: bool, first: int) -> Seen:
        visual = self.image >= 0
        rank = visual.cumsum(0) - 1
        positions = self.positions[..., columns]
        if compact:
            positions = torch.arange(first, first + len(columns)).expand_as(positions)
        deep = tuple(layer[rank[columns[visual[columns]]]] for layer in self.deep)
        return Seen(self.embeddings[:, columns], positions, self.image[columns], deep)

    def with_token(self, embedding: Tensor) -> Seen:
        """One more token behind the last: its position follows the largest so far."""
        position = (self.positions.amax() + 1).expand(*self.positions.shape[:-1], 1)
        return replace(
            self,
            embeddings=torch.cat((self.embeddings, embedding), 1),
            positions=torch.cat((self.positions, position), -1),
            image=torch.cat((self.image, self.image.new_tensor([-1]))),
        )


def language_model(model: Any) -> Any:
    inner = model.model
    return inner.text_model if hasattr(inner, "text_model") else inner.language_model


@torch.no_grad()
def observe(model: Any, inputs: dict[str, Tensor], tokens: tuple[int, ...], first: int) -> Seen:
    """Run the unpruned model on one sample, and record what reaches its language model."""
    seen: dict[str, Any] = {}
    hook = language_model(model).register_forward_pre_hook(lambda _, __, kwargs: seen.update(kwargs), with_kwargs=True)
    try:
        model(**inputs, use_cache=False)
    finally:
        hook.remove()
    ids = inputs["input_ids"][0]
    visual = torch.isin(ids, torch.tensor(tokens))
    starts = visual & ~torch.cat((visual.new_zeros(1), visual[:-1]))
    positions = seen.get("position_ids")
    if positions is None:
        positions = torch.arange(first, first + len(ids))[None]
    if positions.ndim == 3 and len(positions) == 4:  # the first of four is the text's, for the masks
        positions = positions[1:]
    return Seen(
        seen["inputs_embeds"],
        positions,
        torch.where(visual, starts.cumsum(0) - 1, -1),
        tuple(seen.get("deepstack_visual_embeds") or ()),
    )


def masks(model: Any, seen: Seen, prompt: int) -> Any:
    """The attention masks (1, 1, m, m) written out: causal, and what a family adds to it."""
    m = seen.embeddings.shape[1]
    row, column = torch.arange(m)[:, None], torch.arange(m)[None]
    causal = column <= row

    def additive(allowed: Tensor) -> Tensor:
        return torch.zeros(1, 1, m, m, dtype=torch.float64).masked_fill(~allowed, torch.finfo(torch.float64).min)

    if model.config.model_type == "paligemma":
        return additive(causal | ((row < prompt) & (column < prompt)))
    if model.config.model_type == "gemma3":
        window = model.config.text_config.sliding_window
        together = (seen.image[:, None] == seen.image[None]) & (seen.image[:, None] >= 0)
        near = row - column < window
        sliding = (causal | together) & near if VERSION >= 5 else (causal & near) | together
        return {"full_attention": additive(causal | together), "sliding_attention": additive(sliding)}
    if model.config.model_type == "aya_vision":  # the window is longer than any prompt of the tests
        return {"full_attention": additive(causal), "sliding_attention": additive(causal)}
    return additive(causal)


@torch.no_grad()
def logits(model: Any, seen: Seen, prompt: int) -> Tensor:
    """Logits (m, vocabulary) of the bare language model."""
    deep = {}
    if seen.deep:
        deep = {"visual_pos_masks": (seen.image >= 0)[None], "deepstack_visual_embeds": list(seen.deep)}
    hidden = language_model(model)(
        inputs_embeds=seen.embeddings,
        position_ids=seen.positions,
        attention_mask=masks(model, seen, prompt),
        use_cache=False,
        **deep,
    ).last_hidden_state
    return model.lm_head(hidden)[0]


def answer(model: Any, seen: Seen, new_tokens: int) -> list[int]:
    """Greedy decoding, token by token, each time from the beginning."""
    prompt, tokens = seen.embeddings.shape[1], []
    for _ in range(new_tokens):
        tokens.append(int(logits(model, seen, prompt)[-1].argmax()))
        seen = seen.with_token(model.get_input_embeddings()(torch.tensor([[tokens[-1]]])))
    return tokens
