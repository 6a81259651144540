"""From a call as the caller makes it to the one that the model answers: encode, choose, shorten."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from math import isqrt, prod
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor

from lmm_integration._call import Call
from lmm_integration._features import Encoded
from lmm_integration._prompt import Layout, companions, groups
from lmm_integration.budget import retained_count
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Family
from lmm_integration.selection import Chooser
from lmm_integration.selectors import Context, Grid
from lmm_integration.stats import Kept, Stats
from mmdp.exceptions import InvalidOptionError

PIXELS = {"pixel_values": "image", "pixel_values_images": "image", "pixel_values_videos": "video"}
_VERSION = Version(transformers.__version__)
_RETURN_DICT = {"return_dict": True} if _VERSION.major >= 5 else {}
_DELTA_COUNTS_PADDING = _VERSION.release < (5, 4)


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
        self._config, self._embed = model.config, model.get_input_embeddings()
        self._choose, self._keep, self._pooled, self._attention = choose, keep, pooled, attention

    def __call__(self, arguments: dict[str, Any], left: bool) -> tuple[dict[str, Any], Call | None]:
        """Return the shorter call and what to answer it with; the arguments as they are if there is nothing to prune.

        ``left`` says where to pad rows of different length if the attention mask does not.
        """
        pixels = {PIXELS[n]: arguments[n] for n in PIXELS if arguments.get(n) is not None}
        pixels = {m: value for m, value in pixels.items() if m in self.modalities}
        if not pixels or not self._holds_pictures(arguments):
            return arguments, None
        ids, mask = self._checked(arguments)
        stays, encoded, kept = torch.ones_like(ids, dtype=torch.bool), {}, list[Kept]()
        for modality, value in pixels.items():
            started = time.perf_counter()
            features = self._encode(modality, value, arguments)
            self.stats.encode_seconds += time.perf_counter() - started
            places = ids == self._token(modality)
            if int(places.sum()) != len(features.rows):
                raise UnsupportedModelError(
                    f"the prompt has {int(places.sum())} {modality} tokens and the encoder gave {len(features.rows)} "
                    "features: prompt and pixels do not belong together, or this release of transformers adds tokens "
                    "behind its encoder (LLaVA-OneVision, video, before 5.0)"
                )
            rows, pictures = self._choose_rows(modality, places, features, ids, arguments)
            stays[places] = rows
            kept += pictures
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
        self._place(call, arguments, whole_mask, short["attention_mask"])
        self.last = tuple(kept)
        self.stats.calls += 1
        self.stats.tokens_before += sum(picture.n for picture in kept)
        self.stats.tokens_after += sum(len(picture.indices) for picture in kept)
        return short, call

    def brings_pictures(self, arguments: dict[str, Any], known: int) -> bool:
        """Whether a continued prompt has placeholders behind its first ``known`` columns, or in new tokens alone."""
        ids = arguments.get("input_ids")
        if ids is None:
            return False
        new = ids[:, known:] if ids.shape[1] > known else ids
        return any(bool((new == self._token(modality)).any()) for modality in self.modalities)

    def _checked(self, arguments: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        mask = arguments.get("attention_mask")
        if isinstance(mask, dict) or (mask is not None and mask.ndim != 2):
            raise UnsupportedModelError(
                "pruning shortens the prompt, so it needs a mask of shape (batch, length), not 4-D"
            )
        return arguments["input_ids"], None if mask is None else mask.bool()

    def _holds_pictures(self, arguments: dict[str, Any]) -> bool:
        if arguments.get("input_ids") is None:
            raise UnsupportedModelError(
                "pixels came with inputs_embeds: pruning reads the placeholders of input_ids; pass those, or use "
                "lmm_integration.select_tokens on your features"
            )
        return any(bool((arguments["input_ids"] == self._token(modality)).any()) for modality in self.modalities)

    def _token(self, modality: str) -> int:
        name = "image_token_id" if modality == "image" else self.family.video_token
        return int(getattr(self._config, name, None) or getattr(self._config, name.replace("_id", "_index")))

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

    def _choose_rows(
        self, modality: str, places: Tensor, features: Encoded, ids: Tensor, arguments: dict[str, Any]
    ) -> tuple[Tensor, list[Kept]]:
        cut = "sample" if self._pooled else str(self.family.cut(modality))
        sample_of = places.nonzero()[:, 0]
        pictures = groups(places, features.items, cut)
        grids = self._grids(modality, [len(picture) for picture in pictures], features.items, arguments)
        rows = torch.zeros(len(features.rows), dtype=torch.bool, device=features.rows.device)
        started, kept = time.perf_counter(), []
        for indices, grid in zip(pictures, grids, strict=True):
            sample = int(sample_of[indices[0]])
            of_picture = features.rows[indices]
            k = retained_count(len(indices), self._keep)
            chosen = self._choose(of_picture, k, self._context(of_picture, ids[sample], grid))
            rows[indices[chosen]] = True
            kept.append(Kept(sample, modality, chosen, len(indices), grid))
        self.stats.solve_seconds += time.perf_counter() - started
        return rows, kept

    def _context(self, features: Tensor, ids: Tensor, grid: Grid | None) -> Context:
        needs = self._choose.needs
        prompt = attention = None
        if "prompt" in needs:
            text = torch.ones_like(ids, dtype=torch.bool)
            for modality in self.modalities:
                text &= ids != self._token(modality)
            prompt = self._embed(ids[text])
        if "attention" in needs:
            if self._attention is None:
                raise InvalidOptionError(
                    "this selector ranks by attention: give prune(..., attention=f), f: (n, d) features to (n,) scores"
                )
            attention = self._attention(features)
        return Context(prompt=prompt, attention=attention, grid=grid, seed=self._choose.seed)

    def _grids(self, modality: str, sizes: list[int], items: list[int], arguments: dict[str, Any]) -> list[Grid | None]:
        thw = arguments.get(f"{modality}_grid_thw")
        if thw is None:
            square = self.family.square and not self._pooled
            return [_square(n, max(items), modality) if square else None for n in sizes]
        merge = getattr(self._config.vision_config, "spatial_merge_size", 1)
        whole = [(int(t), int(h) // merge, int(w) // merge) for t, h, w in thw.tolist()]
        frames = [(1, h, w) for t, h, w in whole for _ in range(t)]
        fits = (grids for grids in (whole, frames) if [prod(grid) for grid in grids] == sizes)
        return list(next(fits, [None] * len(sizes)))

    def _place(self, call: Call, arguments: dict[str, Any], mask: Tensor, short_mask: Tensor) -> None:
        layout = call.layout
        if self.has_rope_index:
            names = inspect.signature(self.inner.get_rope_index).parameters
            given = {n: v for n, v in arguments.items() if n in names and n not in ("input_ids", "attention_mask")}
            counted = short_mask.long().sum(1, keepdim=True)
            if not self._original:
                positions = (short_mask.long().cumsum(-1) - 1).clamp(min=0).expand(3, -1, -1)
                following = counted
            elif _needs_token_types(names) and given.get("mm_token_type_ids") is None:
                return
            else:
                whole, _ = self.inner.get_rope_index(call.ids, attention_mask=mask, **given)
                following = whole.masked_fill(mask == 0, -1).amax((0, 2))[:, None] + 1
                positions = layout.shorten(whole)
            deltas = following - (call.short.shape[1] if _DELTA_COUNTS_PADDING else counted)
            call.rope = positions, following, deltas
        elif self._original:
            whole = (mask.long().cumsum(-1) - 1).clamp(min=0)
            real = layout.real & short_mask.bool()
            order = torch.argsort((~real).to(torch.int8), dim=1, stable=True)
            call.kept_positions = layout.shorten(whole).masked_fill(~real, -1).gather(1, order)


def _square(n: int, item: int, modality: str) -> Grid | None:
    """Layout of a picture of n rows, a square (or for a video several) of the encoder's, or one of those in an item."""
    size = n if item % n == 0 else item
    frames, rest, side = n // size, n % size, isqrt(size)
    return (frames, side, side) if side**2 == size and not rest and (frames == 1 or modality == "video") else None


def _needs_token_types(names: Any) -> bool:
    return "mm_token_type_ids" in names


def _per_row(mask: Tensor) -> list[int]:
    counts: list[int] = mask.sum(1).tolist()
    return counts
