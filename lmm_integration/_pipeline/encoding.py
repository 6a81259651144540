"""From the pixels of a call to the feature rows among which is chosen."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import transformers
from packaging.version import Version
from torch import Tensor

from lmm_integration._pipeline.encoder_attention import Tower
from lmm_integration._pipeline.encoder_output import Encoded
from lmm_integration._pipeline.visual_inputs import ENCODED, PIXELS
from lmm_integration.attention import EncoderAttention
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Family
from lmm_integration.selection import Chooser
from mmdp.exceptions import InvalidOptionError

_RETURN_DICT = {"return_dict": True} if Version(transformers.__version__).major >= 5 else {}


class Encoding:
    """The encoders of one model, and their attention where the rule needs it.

    Parameters
    ----------
    inner : module
        With the ``get_image_features`` or ``get_video_features`` of the model.
    config : transformers configuration
        Of the whole model.
    family : Family
    choose : Chooser
        Its rule says whether attention is needed.
    attention : EncoderAttention or callable
        As for :func:`lmm_integration.prune`.
    """

    def __init__(
        self,
        inner: Any,
        config: Any,
        family: Family,
        choose: Chooser,
        attention: EncoderAttention | Callable[[Tensor], Tensor],
    ) -> None:
        self._inner, self._config, self._merger = inner, config, family.merger
        self._tower = self._recorded(choose, attention)

    def __call__(self, modality: str, arguments: dict[str, Any]) -> tuple[Encoded | None, int]:
        """What the encoder gives for a modality, and for how many items; None if the call brings nothing of it."""
        for name, of in PIXELS.items():
            pixels = arguments.get(name)
            if of == modality and pixels is not None:
                return self._encode(modality, pixels, arguments), len(pixels)
        output = (arguments.get(ENCODED) or {}).get(modality)
        if output is None:
            return None, 0
        if self._tower is not None:
            raise UnsupportedModelError(
                f"{ENCODED} come without the attention inside the encoder: give pixels, or prune(..., "
                "attention=f), f: the features (n, d) of an image to (n,) scores"
            )
        features = Encoded.of(output)
        return features, len(features.items)

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
        if self._merger is None:
            raise UnsupportedModelError(
                f"{type(choose.rule).__name__} ranks by the attention inside the encoder, and how a "
                f"{self._config.model_type!r} model merges patches is not known: give family=Family(merger=...), "
                "or attention=f, f: the features (n, d) of an image to (n,) scores"
            )
        return Tower(self._inner, self._config, attention)

    def _encode(self, modality: str, pixels: Tensor, arguments: dict[str, Any]) -> Encoded:
        getter = getattr(self._inner, f"get_{modality}_features")
        parameters = list(inspect.signature(getter).parameters)
        given = {n: arguments[n] for n in parameters if arguments.get(n) is not None and n not in PIXELS}
        if modality == "image" and "image_sizes" in arguments and "kwargs" in parameters:
            given["image_sizes"] = arguments["image_sizes"]
        if self._tower is None or self._merger is None:
            return Encoded.of(getter(pixels, **given, **_RETURN_DICT))
        with self._tower.recording(arguments) as recorded:
            encoded = Encoded.of(getter(pixels, **given, **_RETURN_DICT))
        grids = arguments.get(f"{modality}_grid_thw")
        return self._tower.of_rows(recorded, encoded, self._merger, grids)


def with_getters(model: Any, modalities: tuple[str, ...]) -> Any:
    """The module whose ``get_image_features`` or ``get_video_features`` the forward pass calls.

    In most models that is the one inside, ``model.model``; the getters of the outer class only pass on to it. A model
    without getters is returned itself.
    """
    candidates = [*(getattr(model, name, None) for name in ("model", "base_model")), model]
    names = [f"get_{modality}_features" for modality in modalities]
    return next((part for part in candidates if any(hasattr(part, name) for name in names)), model)


def encoder_name(inner: Any) -> str:
    names = ("vision_tower", "visual", "vision_model", "vision_encoder", "image_tower")
    encoder = next((getattr(inner, name) for name in names if hasattr(inner, name)), None)
    of = type(inner).__name__
    return f"the vision encoder of {of}" if encoder is None else f"{type(encoder).__name__}, the encoder of {of},"
