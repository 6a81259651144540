"""From a call as the caller makes it to the one that the model answers: encode, choose, shorten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lmm_integration._pipeline.caches import cached_columns
from lmm_integration._pipeline.choice import Choice
from lmm_integration._pipeline.encoder_output import Encoded
from lmm_integration._pipeline.encoding import Encoding, encoder_name, with_getters
from lmm_integration._pipeline.positions import place
from lmm_integration._pipeline.prompt_layout import Layout, companions, of_each_row
from lmm_integration._pipeline.pruned_call import Call
from lmm_integration._pipeline.restore import biased, distance_bias, frequencies
from lmm_integration._pipeline.visual_inputs import ENCODED, PIXELS, VisualInputs
from lmm_integration.attention import EncoderAttention
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Family
from lmm_integration.selection import Chooser
from lmm_integration.stats import Kept, ShortenedPrompt, Stats


class Preparation:
    """Shortens the prompts of one model; the arguments are those of :func:`lmm_integration.prune`, checked."""

    def __init__(
        self,
        model: Any,
        *,
        family: Family,
        choose: Chooser,
        keep: float | int,
        pooled: bool,
        positions: str,
        modalities: tuple[str, ...],
        attention: EncoderAttention | Callable[[Tensor], Tensor],
    ) -> None:
        self.inner = with_getters(model, modalities)
        self.family, self.stats = family, Stats()
        self.last: tuple[Kept, ...] = ()
        self.last_call: ShortenedPrompt | None = None
        self._config = config = model.config
        self._counting = threading.Lock()
        self._warm: set[tuple[int, torch.dtype, torch.device]] = set()
        if getattr(config, "is_encoder_decoder", False):
            raise UnsupportedModelError(
                f"cannot prune a {config.model_type!r} model: it is an encoder-decoder model, and the prompt of its "
                "decoder has no visual tokens; select rows with lmm_integration.select_tokens in your own forward"
            )
        self.visual = VisualInputs(self.inner, config, family, modalities)
        modules = (self.inner, model) if model is not self.inner else (model,)
        self.rope_indexers = [module for module in modules if hasattr(module, "get_rope_index")]  # Qwen-Omni has two
        self.has_rope_index = bool(self.rope_indexers)
        self._original = positions in ("original", "restore") or (positions == "auto" and self.has_rope_index)
        self._frequencies = frequencies(model, self.inner) if positions == "restore" else None
        self._choice = Choice(
            choose,
            keep,
            pooled,
            None if isinstance(attention, EncoderAttention) else attention,
            family,
            model.config,
            model.get_input_embeddings(),
            self.visual.every_placeholder,
            encoder_name(self.inner),
        )
        self._encode = Encoding(self.inner, config, family, choose, attention)

    def __call__(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], Call | None]:
        """Return the shorter call and what to answer it with; the arguments as they are if there is nothing to prune.

        Rows of different length are padded where the attention mask has its padding. If it has none, every row ends in
        the last column, and still does with padding on the left.
        """
        self.last, self.last_call = (), None
        visual = self.visual.tokens(arguments)
        if not self.visual.brings_pixels(arguments) or visual is None or not bool(visual.any()):
            return arguments, None
        arguments, ids, mask = self._checked(arguments)
        positions = arguments.get("position_ids")
        if positions is not None and positions.ndim > 1:  # one row of them may stand for all
            positions = positions.expand(*positions.shape[:-2], len(ids), -1)
            arguments = {**arguments, "position_ids": positions}
        given = dict(arguments.get(ENCODED) or {})
        keeps, encoded, kept = torch.ones_like(ids, dtype=torch.bool), {}, list[Kept]()
        encode_seconds = solve_seconds = 0.0
        for modality in self.visual.modalities:
            started = time.perf_counter()
            features, items = self._encode(modality, arguments)
            if features is None:
                continue
            encode_seconds += time.perf_counter() - started
            places = self.visual.places(modality, ids, len(features.rows))
            self._warm_up(features.rows)
            started = time.perf_counter()
            rows, images, merges = self._choice(modality, places, features, ids, arguments)
            solve_seconds += time.perf_counter() - started
            keeps[places] = rows.to(keeps.device)
            kept += images
            samples = list(rows.nonzero()[:, 0].split(_per_row(keeps & places)))
            features = replace(features, merges=tuple(merges))
            encoded[modality] = (features, samples, items)
            if given.get(modality) is not None:
                given[modality] = features.taking(samples)
        layout = Layout.of(keeps, mask, _pads_left(mask))
        short = {**arguments, **dict(companions(layout, arguments, _padding_token(self._config)))}
        if positions is not None and not self._original and not self.has_rope_index and layout.runs_along(positions):
            short["position_ids"] = layout.shorten(positions - (~keeps).cumsum(1))
        whole_mask = torch.ones_like(ids) if mask is None else arguments["attention_mask"]
        short["attention_mask"] = layout.shorten(whole_mask)
        short.pop("cache_position", None)
        if given:
            short[ENCODED] = given
        pixels = {name: arguments[name] for name in PIXELS if arguments.get(name) is not None}
        call = Call(ids, short["input_ids"], layout, encoded, pixels)
        place(self.inner, call, arguments, whole_mask, short["attention_mask"], self._original)
        if self.has_rope_index and positions is not None and not self._original and call.rope is not None:
            short["position_ids"] = call.rope[0][-1:].expand(len(positions), -1, -1)
        if self._frequencies is not None:
            call.bias = self._bias(call, encoded, keeps, short["attention_mask"])
        self.last, self.last_call = tuple(kept), layout.prompt
        self._count(kept, encode_seconds, solve_seconds)
        return short, call

    def restored(self, call: Call, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a step with the attention bias of its call, if there is one that it needs."""
        ids, cache = arguments.get("input_ids"), arguments.get("past_key_values")
        if call.bias is None or ids is None:
            return arguments
        cached = 0 if cache is None else cached_columns(cache)
        if cached >= call.short.shape[1] and not bool(call.bias[1].any()):
            return arguments
        dtype = self._choice.embed(ids[:1, :1]).dtype
        return {**arguments, "attention_mask": biased(call, arguments["attention_mask"], ids.shape[1], cached, dtype)}

    def _bias(
        self, call: Call, encoded: dict[str, tuple[Encoded, list[Tensor], int]], keeps: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Bias between the tokens of the shorter prompt by their distances, and for each by what is merged into it."""
        assert self._frequencies is not None
        positions = call.original_positions((mask.long().cumsum(-1) - 1).clamp(min=0))
        sizes = torch.ones(keeps.shape, device=keeps.device)
        for modality, (features, _, _) in encoded.items():
            counts = sizes.new_ones(len(features.rows))
            for merge in features.merges:
                counts[merge.image[merge.places].to(counts.device)] = (merge.weights != 0).sum(1).to(counts)
            sizes[self.visual.places(modality, call.ids, len(counts))] = counts
        return distance_bias(positions, self._frequencies), call.layout.shorten(sizes, 1).log()

    def restore_offset(self, call: Call) -> None:
        """Give the model the offset of the positions behind a cached prompt: it keeps that of the last prompt only."""
        for module in self.rope_indexers:
            if call.rope is not None and hasattr(module, "rope_deltas"):
                module.rope_deltas = call.rope[2]

    def _warm_up(self, rows: Tensor) -> None:
        """Compile ahead of the clock, once for each kind of features."""
        kind = (rows.shape[-1], rows.dtype, rows.device)
        if kind not in self._warm:
            self._choice.choose.warm_up(rows)
            self._warm.add(kind)

    def _count(self, kept: list[Kept], encode_seconds: float, solve_seconds: float) -> None:
        """Count a call that was pruned, of any thread; one that failed counts for nothing."""
        with self._counting:
            self.stats.calls += 1
            self.stats.images += len(kept)
            self.stats.images_within_budget += self._choice.within_budget(kept)
            self.stats.tokens_before += sum(image.n for image in kept)
            self.stats.tokens_after += sum(len(image.indices) for image in kept)
            self.stats.encode_seconds += encode_seconds
            self.stats.solve_seconds += solve_seconds

    def _checked(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], Tensor, Tensor | None]:
        mask = arguments.get("attention_mask")
        if isinstance(mask, dict) or (mask is not None and mask.ndim != 2):
            raise UnsupportedModelError(
                "pruning shortens the prompt, so it needs a mask of shape (batch, length), not 4-D"
            )
        if arguments.get("shift_labels") is not None:
            raise UnsupportedModelError(
                "shift_labels name the token behind each column, which may be dropped: pass labels, which the model "
                "shifts behind the shorter prompt"
            )
        ids: Tensor = arguments["input_ids"]
        if mask is None:
            if arguments.get("cu_seq_lens_q") is not None or _starts_over(arguments.get("position_ids")):
                raise UnsupportedModelError(
                    "several samples packed into one row cannot be pruned: give each its own row, with padding and an "
                    "attention mask"
                )
            return arguments, ids, None
        mask = of_each_row(mask, ids)
        return {**arguments, "attention_mask": mask}, ids, mask.bool()


def _starts_over(positions: Tensor | None) -> bool:
    """Whether positions on one axis begin anew within a row, as those of packed samples do."""
    return positions is not None and positions.ndim == 2 and bool((positions.diff(dim=-1) < 0).any())


def _pads_left(mask: Tensor | None) -> bool:
    return mask is None or bool(mask[:, -1].all() | ~mask[:, 0].all())


def _per_row(mask: Tensor) -> list[int]:
    counts: list[int] = mask.sum(1).tolist()
    return counts


def _padding_token(config: Any) -> int:
    token = getattr(config, "pad_token_id", None)
    token = getattr(config.get_text_config(), "pad_token_id", None) if token is None else token
    return 0 if token is None or token < 0 else int(token)
