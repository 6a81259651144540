"""What of a call is visual: the arguments that bring it, and the placeholders in the prompt that it goes to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families import Family

PIXELS = {"pixel_values": "image", "pixel_values_images": "image", "pixel_values_videos": "video"}
ENCODED = "mm_encoder_outputs"


class VisualInputs:
    """The visual inputs of one model.

    Parameters
    ----------
    inner : module
        With the ``get_image_features`` or ``get_video_features`` of the model.
    config : transformers configuration
        Of the whole model.
    family : Family
    modalities : tuple of str
        To be pruned, as asked for: refused if the model has none of them, and with a call that brings one it has not.

    Attributes
    ----------
    modalities : list of str
        Those of them that the model has.
    placeholders : dict
        Token ids that may stand for each, the likeliest first.
    every_placeholder : list of int
        Token ids that may stand for anything but text, pruned or not.
    """

    def __init__(self, inner: Any, config: Any, family: Family, modalities: tuple[str, ...]) -> None:
        self._config, self._family, self._asked_for = config, family, modalities
        self.modalities = [m for m in modalities if family.cut(m) and hasattr(inner, f"get_{m}_features")]
        if not self.modalities:
            getters = " and no ".join(f"get_{m}_features" for m in modalities)
            raise UnsupportedModelError(
                f"this {config.model_type!r} model has no {' and no '.join(modalities)} features to prune: "
                f"{type(inner).__name__} has no {getters}, or its family says that there are none; "
                "select rows with lmm_integration.select_tokens in your own forward"
            )
        self.placeholders = {modality: self._token_ids(modality) for modality in self.modalities}
        fields = [f"{name}_token_{end}" for name in ("image", "video", "audio") for end in ("id", "index")]
        fields += [family.video_token] if family.video_token else []
        ids = (getattr(config, name, None) for name in fields)
        known = {token for tokens in self.placeholders.values() for token in tokens}
        self.every_placeholder = sorted(known | {int(token) for token in ids if token is not None})

    def check(self, arguments: dict[str, Any]) -> None:
        """Refuse what would be answered without being pruned."""
        if arguments.get("inputs_embeds") is not None:
            raise UnsupportedModelError(
                "inputs_embeds do not show which columns are visual: pass input_ids with pixels or mm_encoder_outputs, "
                "or select rows with lmm_integration.select_tokens before you merge them"
            )
        brought = {PIXELS[n] for n in PIXELS if arguments.get(n) is not None}
        brought |= {m for m, value in (arguments.get(ENCODED) or {}).items() if value is not None}
        for modality in brought & set(self._asked_for) - set(self.modalities):
            raise UnsupportedModelError(
                f"cannot prune the {modality}s of this {self._config.model_type!r} model; to keep them whole and prune "
                f"the rest, give modalities={tuple(self.modalities)}"
            )

    def brings_pixels(self, arguments: dict[str, Any]) -> bool:
        """Whether a call comes with images or videos that are pruned, as pixels or encoded."""
        encoded = arguments.get(ENCODED) or {}
        return any(
            arguments.get(name) is not None and modality in self.modalities for name, modality in PIXELS.items()
        ) or any(encoded.get(modality) is not None for modality in self.modalities)

    def tokens(self, arguments: dict[str, Any]) -> Tensor | None:
        """Which ids (b, l) are placeholders of what is pruned; None without ids."""
        ids = arguments.get("input_ids")
        if ids is None:
            return None
        return torch.stack([ids == token for tokens in self.placeholders.values() for token in tokens]).any(0)

    def places(self, modality: str, ids: Tensor, rows: int) -> Tensor:
        """Where in the prompt (b, l) the feature rows of a modality go."""
        candidates = [ids == token for token in self.placeholders[modality]]
        for places in candidates:
            if int(places.sum()) == rows:
                return places
        raise UnsupportedModelError(
            f"the prompt has {' or '.join(str(int(places.sum())) for places in candidates)} {modality} tokens and the "
            f"encoder gave {rows} features: prompt and pixels do not belong together, or this model adds tokens behind "
            "its encoder (LLaVA-OneVision, video, before transformers 5.0)"
        )

    def _token_ids(self, modality: str) -> list[int]:
        """Placeholders that may stand for a modality, the likeliest first."""
        own = self._family.video_token if modality == "video" else None
        names = [own] if own else [f"{modality}_token_id", "image_token_id"]
        fields = [field for name in names for field in (name, name.replace("_id", "_index"))]
        found = [int(token) for field in fields if (token := getattr(self._config, field, None)) is not None]
        if not found:
            raise UnsupportedModelError(
                f"the configuration of this {self._config.model_type!r} model has no {' and no '.join(fields)}, so the "
                f"{modality} tokens of a prompt are unknown; set one, or drop {modality!r} from modalities="
            )
        return list(dict.fromkeys(found))
