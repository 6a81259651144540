"""From a call as the caller makes it to the one that the model answers: encode, choose, shorten."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor

from lmm_integration._pipeline.choice import Choice
from lmm_integration._pipeline.encoder_output import Encoded
from lmm_integration._pipeline.positions import place
from lmm_integration._pipeline.prompt_layout import Layout, companions
from lmm_integration._pipeline.pruned_call import Call
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Family
from lmm_integration.selection import Chooser
from lmm_integration.stats import Kept, Stats

PIXELS = {"pixel_values": "image", "pixel_values_images": "image", "pixel_values_videos": "video"}
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
        attention: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self.inner = getattr(model, "model", model)
        self.family, self.stats, self.last = family, Stats(), tuple[Kept, ...]()
        self.modalities = [m for m in modalities if family.cut(m) and hasattr(self.inner, f"get_{m}_features")]
        self.has_rope_index = hasattr(self.inner, "get_rope_index")
        self._original = positions == "original" or (positions == "auto" and self.has_rope_index)
        self._config = model.config
        self._placeholders = {modality: self._token(modality) for modality in self.modalities}
        self._choice = Choice(
            choose, keep, pooled, attention, family, model.config, model.get_input_embeddings(), self._placeholders
        )

    def __call__(self, arguments: dict[str, Any], left: bool) -> tuple[dict[str, Any], Call | None]:
        """Return the shorter call and what to answer it with; the arguments as they are if there is nothing to prune.

        ``left`` says where to pad rows of different length if the attention mask does not.
        """
        pixels = {PIXELS[n]: arguments[n] for n in PIXELS if arguments.get(n) is not None}
        pixels = {m: value for m, value in pixels.items() if m in self.modalities}
        if not pixels or not self._holds_images(arguments):
            return arguments, None
        ids, mask = self._checked(arguments)
        stays, encoded, kept = torch.ones_like(ids, dtype=torch.bool), {}, list[Kept]()
        for modality, value in pixels.items():
            started = time.perf_counter()
            features = self._encode(modality, value, arguments)
            self.stats.encode_seconds += time.perf_counter() - started
            places = ids == self._placeholders[modality]
            if int(places.sum()) != len(features.rows):
                raise UnsupportedModelError(
                    f"the prompt has {int(places.sum())} {modality} tokens and the encoder gave {len(features.rows)} "
                    "features: prompt and pixels do not belong together, or this release of transformers adds tokens "
                    "behind its encoder (LLaVA-OneVision, video, before 5.0)"
                )
            started = time.perf_counter()
            rows, images = self._choice(modality, places, features, ids, arguments)
            self.stats.solve_seconds += time.perf_counter() - started
            stays[places] = rows
            kept += images
            flat = rows.nonzero()[:, 0]
            encoded[modality] = (features, list(flat.split(_per_row(stays & places))), len(value))
        layout = Layout.of(stays, mask, self._pads_left(mask, left))
        given = arguments.get("position_ids")
        if given is not None and not self._original and layout.runs_along(given):
            arguments = {**arguments, "position_ids": given - (~stays).cumsum(1)}
        short = {**arguments, **dict(companions(layout, arguments, self._padding_token()))}
        whole_mask = torch.ones_like(ids) if mask is None else arguments["attention_mask"]
        short["attention_mask"] = layout.shorten(whole_mask)
        short.pop("cache_position", None)
        call = Call(ids, short["input_ids"], layout, encoded)
        place(self.inner, call, arguments, whole_mask, short["attention_mask"], self._original)
        self.last = tuple(kept)
        self.stats.calls += 1
        self.stats.tokens_before += sum(image.n for image in kept)
        self.stats.tokens_after += sum(len(image.indices) for image in kept)
        return short, call

    def brings_images(self, arguments: dict[str, Any], known: int) -> bool:
        """Whether a continued prompt has placeholders behind its first ``known`` columns, or in new tokens alone."""
        ids = arguments.get("input_ids")
        if ids is None:
            return False
        new = ids[:, known:] if ids.shape[1] > known else ids
        return self._has_placeholders(new)

    def _checked(self, arguments: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        mask = arguments.get("attention_mask")
        if isinstance(mask, dict) or (mask is not None and mask.ndim != 2):
            raise UnsupportedModelError(
                "pruning shortens the prompt, so it needs a mask of shape (batch, length), not 4-D"
            )
        return arguments["input_ids"], None if mask is None else mask.bool()

    def _holds_images(self, arguments: dict[str, Any]) -> bool:
        if arguments.get("input_ids") is None:
            raise UnsupportedModelError(
                "pixels came with inputs_embeds: pruning reads the placeholders of input_ids; pass those, or use "
                "lmm_integration.select_tokens on your features"
            )
        return self._has_placeholders(arguments["input_ids"])

    def _has_placeholders(self, ids: Tensor) -> bool:
        return any(bool((ids == token).any()) for token in self._placeholders.values())

    def _token(self, modality: str) -> int:
        name = "image_token_id" if modality == "image" else self.family.video_token
        older = name.replace("_id", "_index")
        token = getattr(self._config, name, None) or getattr(self._config, older, None)
        if token is None:
            raise UnsupportedModelError(
                f"the configuration of this {self._config.model_type!r} model has no {name} and no {older}, so the "
                f"{modality} tokens of a prompt are unknown; set one, or leave {modality!r} out of modalities="
            )
        return int(token)

    def _padding_token(self) -> int:
        token = getattr(self._config.get_text_config(), "pad_token_id", None)
        return 0 if token is None or token < 0 else int(token)

    @staticmethod
    def _pads_left(mask: Tensor | None, default: bool) -> bool:
        if mask is None or bool(mask[:, 0].all() & mask[:, -1].all()):
            return default
        return not bool(mask[:, 0].all())

    def _encode(self, modality: str, pixels: Tensor, arguments: dict[str, Any]) -> Encoded:
        getter = getattr(self.inner, f"get_{modality}_features")
        parameters = list(inspect.signature(getter).parameters)
        given = {n: arguments[n] for n in parameters if arguments.get(n) is not None and n not in PIXELS}
        if modality == "image" and "image_sizes" in arguments and "kwargs" in parameters:
            given["image_sizes"] = arguments["image_sizes"]
        return Encoded.of(getter(pixels, **given, **_RETURN_DICT))


def _per_row(mask: Tensor) -> list[int]:
    counts: list[int] = mask.sum(1).tolist()
    return counts
