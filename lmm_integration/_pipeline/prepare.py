"""From a call as the caller makes it to the one that the model answers: encode, choose, shorten."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor

from lmm_integration._pipeline.caches import cached_columns
from lmm_integration._pipeline.choice import Choice
from lmm_integration._pipeline.encoder_attention import Tower
from lmm_integration._pipeline.encoder_output import Encoded
from lmm_integration._pipeline.positions import place
from lmm_integration._pipeline.prompt_layout import Layout, companions
from lmm_integration._pipeline.pruned_call import Call
from lmm_integration._pipeline.restore import biased, distance_bias, frequencies
from lmm_integration.attention import EncoderAttention
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Family
from lmm_integration.selection import Chooser
from lmm_integration.stats import Kept, ShortenedPrompt, Stats
from mmdp.exceptions import InvalidOptionError

PIXELS = {"pixel_values": "image", "pixel_values_images": "image", "pixel_values_videos": "video"}
ENCODED = "mm_encoder_outputs"
_RETURN_DICT = {"return_dict": True} if Version(transformers.__version__).major >= 5 else {}


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
        self.inner = _with_getters(model, modalities)
        self.family, self.stats = family, Stats()
        self.last: tuple[Kept, ...] = ()
        self.last_call: ShortenedPrompt | None = None
        self._config, self._asked_for = model.config, modalities
        self._warm: set[tuple[int, torch.dtype, torch.device]] = set()
        config = model.config
        if getattr(config, "is_encoder_decoder", False):
            raise UnsupportedModelError(
                f"cannot prune a {config.model_type!r} model: it is an encoder-decoder model, and the prompt of its "
                "decoder has no visual tokens; select rows with lmm_integration.select_tokens in your own forward"
            )
        self.modalities = [m for m in modalities if family.cut(m) and hasattr(self.inner, f"get_{m}_features")]
        if not self.modalities:
            getters = " and no ".join(f"get_{m}_features" for m in modalities)
            raise UnsupportedModelError(
                f"this {config.model_type!r} model has no {' and no '.join(modalities)} features to prune: "
                f"{type(self.inner).__name__} has no {getters}, or its family says that there are none; "
                "select rows with lmm_integration.select_tokens in your own forward"
            )
        modules = (self.inner, model) if model is not self.inner else (model,)
        self.rope_indexers = [module for module in modules if hasattr(module, "get_rope_index")]  # Qwen-Omni has two
        self.has_rope_index = bool(self.rope_indexers)
        self._original = positions in ("original", "restore") or (positions == "auto" and self.has_rope_index)
        self._frequencies = frequencies(model, self.inner) if positions == "restore" else None
        self._placeholders = {modality: self._tokens(modality) for modality in self.modalities}
        self._choice = Choice(
            choose,
            keep,
            pooled,
            None if isinstance(attention, EncoderAttention) else attention,
            family,
            model.config,
            model.get_input_embeddings(),
            self._placeholders,
            _encoder_name(self.inner),
        )
        self._tower = self._recorded(choose, attention)

    def _recorded(self, choose: Chooser, attention: EncoderAttention | Callable[[Tensor], Tensor]) -> Tower | None:
        """The encoder, if its attention is to be recorded."""
        if not {"attention", "keys"} & set(choose.needs):
            return None
        if not isinstance(attention, EncoderAttention):
            if "keys" in choose.needs:
                raise InvalidOptionError(
                    f"{type(choose.rule).__name__} compares the encoder's keys, which prune() records by itself: "
                    "give attention='auto', 'cls', 'received' or a layer instead of a function"
                )
            return None
        if self.family.merger is None:
            raise UnsupportedModelError(
                f"{type(choose.rule).__name__} ranks by the attention inside of the encoder, and how a "
                f"{self._config.model_type!r} model merges patches is not known: give family=Family(merger=...), "
                "or attention=f, f: the features (n, d) of an image to (n,) scores"
            )
        return Tower(self.inner, self._config, attention)

    def __call__(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], Call | None]:
        """Return the shorter call and what to answer it with; the arguments as they are if there is nothing to prune.

        Rows of different length are padded where the attention mask has its padding. If it has none, every row ends in
        the last column, and still does with padding on the left.
        """
        self.last, self.last_call = (), None
        visual = self.visual(arguments)
        if not self.brings_pixels(arguments) or visual is None or not bool(visual.any()):
            return arguments, None
        ids, mask = self._checked(arguments)
        given = dict(arguments.get(ENCODED) or {})
        keeps, encoded, kept = torch.ones_like(ids, dtype=torch.bool), {}, list[Kept]()
        for modality in self.modalities:
            features, items = self._features(modality, arguments)
            if features is None:
                continue
            places = self._places(modality, ids, len(features.rows))
            self._warm_up(features.rows)
            started = time.perf_counter()
            rows, images, merges = self._choice(modality, places, features, ids, arguments)
            self.stats.solve_seconds += time.perf_counter() - started
            keeps[places] = rows
            kept += images
            samples = list(rows.nonzero()[:, 0].split(_per_row(keeps & places)))
            features = replace(features, merges=tuple(merges))
            encoded[modality] = (features, samples, items)
            if given.get(modality) is not None:
                given[modality] = features.taking(samples)
        layout = Layout.of(keeps, mask, _pads_left(mask))
        positions = arguments.get("position_ids")
        short = {**arguments, **dict(companions(layout, arguments, self._padding_token()))}
        if positions is not None and not self._original and not self.has_rope_index and layout.runs_along(positions):
            short["position_ids"] = layout.shorten(positions - (~keeps).cumsum(1))
        whole_mask = torch.ones_like(ids) if mask is None else arguments["attention_mask"]
        short["attention_mask"] = layout.shorten(whole_mask)
        short.pop("cache_position", None)
        if given:
            short[ENCODED] = given
        call = Call(ids, short["input_ids"], layout, encoded)
        place(self.inner, call, arguments, whole_mask, short["attention_mask"], self._original)
        if self.has_rope_index and positions is not None and not self._original and call.rope is not None:
            short["position_ids"] = call.rope[0][-1:].expand(len(positions), -1, -1)
        if self._frequencies is not None:
            call.bias = self._bias(call, encoded, keeps, short["attention_mask"])
        self.last, self.last_call = tuple(kept), layout.prompt
        self._count(kept)
        return short, call

    def check(self, arguments: dict[str, Any]) -> None:
        """Refuse what would be answered without being pruned."""
        if arguments.get("inputs_embeds") is not None:
            raise UnsupportedModelError(
                "inputs_embeds do not tell which columns are visual: pass input_ids with pixels or mm_encoder_outputs, "
                "or select rows with lmm_integration.select_tokens before you merge them"
            )
        brought = {PIXELS[n] for n in PIXELS if arguments.get(n) is not None}
        brought |= {m for m, value in (arguments.get(ENCODED) or {}).items() if value is not None}
        for modality in brought & set(self._asked_for) - set(self.modalities):
            raise UnsupportedModelError(
                f"cannot prune the {modality}s of this {self._config.model_type!r} model; to keep them whole and prune "
                f"the rest, give modalities={tuple(self.modalities)}"
            )

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
                counts[merge.image[merge.places]] = (merge.weights != 0).sum(1).to(counts)
            sizes[self._places(modality, call.ids, len(counts))] = counts
        return distance_bias(positions, self._frequencies), call.layout.shorten(sizes, 1).log()

    def restore_offset(self, call: Call) -> None:
        """Give the model the offset of the positions behind a cached prompt: it keeps that of the last prompt only."""
        for module in self.rope_indexers:
            if call.rope is not None and hasattr(module, "rope_deltas"):
                module.rope_deltas = call.rope[2]

    def brings_pixels(self, arguments: dict[str, Any]) -> bool:
        """Whether a call comes with images or videos that are pruned, as pixels or encoded."""
        encoded = arguments.get(ENCODED) or {}
        return any(
            arguments.get(name) is not None and modality in self.modalities for name, modality in PIXELS.items()
        ) or any(encoded.get(modality) is not None for modality in self.modalities)

    def visual(self, arguments: dict[str, Any]) -> Tensor | None:
        """Which ids (b, l) are placeholders of what is pruned; None without ids."""
        ids = arguments.get("input_ids")
        if ids is None:
            return None
        return torch.stack([ids == token for tokens in self._placeholders.values() for token in tokens]).any(0)

    def _places(self, modality: str, ids: Tensor, rows: int) -> Tensor:
        """Where in the prompt (b, l) the feature rows of a modality go."""
        candidates = [ids == token for token in self._placeholders[modality]]
        for places in candidates:
            if int(places.sum()) == rows:
                return places
        raise UnsupportedModelError(
            f"the prompt has {' or '.join(str(int(places.sum())) for places in candidates)} {modality} tokens and the "
            f"encoder gave {rows} features: prompt and pixels do not belong together, or this model adds tokens behind "
            "its encoder (LLaVA-OneVision, video, before transformers 5.0)"
        )

    def _features(self, modality: str, arguments: dict[str, Any]) -> tuple[Encoded | None, int]:
        """What the encoder gives for a modality, and for how many items; None if the call brings nothing of it."""
        for name, of in PIXELS.items():
            pixels = arguments.get(name)
            if of == modality and pixels is not None:
                started = time.perf_counter()
                features = self._encode(modality, pixels, arguments)
                self.stats.encode_seconds += time.perf_counter() - started
                return features, len(pixels)
        output = (arguments.get(ENCODED) or {}).get(modality)
        if output is None:
            return None, 0
        if self._tower is not None:
            raise UnsupportedModelError(
                f"{ENCODED} bring features without the attention inside of the encoder: give pixels, or prune(..., "
                "attention=f), f: the features (n, d) of an image to (n,) scores"
            )
        features = Encoded.of(output)
        return features, len(features.items)

    def _warm_up(self, rows: Tensor) -> None:
        """Compile ahead of the clock, once for each kind of features."""
        kind = (rows.shape[-1], rows.dtype, rows.device)
        if kind not in self._warm:
            self._choice.choose.warm_up(rows)
            self._warm.add(kind)

    def _count(self, kept: list[Kept]) -> None:
        self.stats.calls += 1
        self.stats.images += len(kept)
        self.stats.images_within_budget += self._choice.within_budget(kept)
        self.stats.tokens_before += sum(image.n for image in kept)
        self.stats.tokens_after += sum(len(image.indices) for image in kept)

    def _checked(self, arguments: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        mask = arguments.get("attention_mask")
        if isinstance(mask, dict) or (mask is not None and mask.ndim != 2):
            raise UnsupportedModelError(
                "pruning shortens the prompt, so it needs a mask of shape (batch, length), not 4-D"
            )
        return arguments["input_ids"], None if mask is None else mask.bool()

    def _tokens(self, modality: str) -> list[int]:
        """Placeholders that may stand for a modality, the likeliest first."""
        own = self.family.video_token if modality == "video" else None
        names = [own] if own else [f"{modality}_token_id", "image_token_id"]
        fields = [field for name in names for field in (name, name.replace("_id", "_index"))]
        found = [int(token) for field in fields if (token := getattr(self._config, field, None)) is not None]
        if not found:
            raise UnsupportedModelError(
                f"the configuration of this {self._config.model_type!r} model has no {' and no '.join(fields)}, so the "
                f"{modality} tokens of a prompt are unknown; set one, or drop {modality!r} from modalities="
            )
        return list(dict.fromkeys(found))

    def _padding_token(self) -> int:
        token = getattr(self._config, "pad_token_id", None)
        token = getattr(self._config.get_text_config(), "pad_token_id", None) if token is None else token
        return 0 if token is None or token < 0 else int(token)

    def _encode(self, modality: str, pixels: Tensor, arguments: dict[str, Any]) -> Encoded:
        getter = getattr(self.inner, f"get_{modality}_features")
        parameters = list(inspect.signature(getter).parameters)
        given = {n: arguments[n] for n in parameters if arguments.get(n) is not None and n not in PIXELS}
        if modality == "image" and "image_sizes" in arguments and "kwargs" in parameters:
            given["image_sizes"] = arguments["image_sizes"]
        if self._tower is None or self.family.merger is None:
            return Encoded.of(getter(pixels, **given, **_RETURN_DICT))
        with self._tower.recording(arguments) as recorded:
            encoded = Encoded.of(getter(pixels, **given, **_RETURN_DICT))
        grids = arguments.get(f"{modality}_grid_thw")
        return self._tower.of_rows(recorded, encoded, self.family.merger, grids)


def _pads_left(mask: Tensor | None) -> bool:
    return mask is None or bool(mask[:, -1].all() | ~mask[:, 0].all())


def _per_row(mask: Tensor) -> list[int]:
    counts: list[int] = mask.sum(1).tolist()
    return counts


def _with_getters(model: Any, modalities: tuple[str, ...]) -> Any:
    """The innermost module that encodes images or videos: what is outside calls it, if it has a getter at all."""
    candidates = [*(getattr(model, name, None) for name in ("model", "base_model")), model]
    names = [f"get_{modality}_features" for modality in modalities]
    return next((part for part in candidates if any(hasattr(part, name) for name in names)), model)


def _encoder_name(inner: Any) -> str:
    names = ("vision_tower", "visual", "vision_model", "vision_encoder", "image_tower")
    encoder = next((getattr(inner, name) for name in names if hasattr(inner, name)), None)
    of = type(inner).__name__
    return f"the vision encoder of {of}" if encoder is None else f"{type(encoder).__name__}, the encoder of {of},"
