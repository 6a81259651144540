"""What differs between model families, where a model does not tell by itself.

Any model with ``get_image_features`` or ``get_video_features`` and placeholders for their rows is pruned by the facts
of ``Family()``, and every call is checked against the numbers of placeholders and rows. A family that deviates has a
small file, named after the model type of its configuration, with one ``FAMILY = Family(...)``.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Literal

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.families._mergers import Merger, merger_of
from lmm_integration.families._tested import TESTED

__all__ = ["REMOTE_CODE", "WHY_NOT", "Cut", "Family", "Merger", "family_of", "merger_of", "supported_models"]

Cut = Literal["run", "item", "run+item"]


@dataclass(frozen=True)
class Family:
    """The facts about one model family that cannot be read from its code.

    Parameters
    ----------
    image, video : {"run", "item", "run+item"}, optional
        Where one image (or one video) ends in the flat list of feature rows: at the end of a run of placeholder
        tokens, at the end of an item that the encoder returns, or at either. ``None``: no such modality.
    video_token : str, optional
        Name of the configuration field that holds the placeholder of a video; by default ``video_token_id``, or that
        of images where a prompt has none of those.
    first_position : int
        The position that the language model gives to the first token.
    square : bool
        Whether an item of the encoder is a square of patches, row by row, and nothing else.
    merger : {"rows", "groups", "squares"}, optional
        Which patches of the encoder become one feature row, for the attention inside of it: "rows": one each, in
        order; "groups": as many consecutive ones; "squares": squares of them, row by row. By default what is known of
        the model type; without it the attention of the encoder is not available.

    Examples
    --------
    >>> from lmm_integration import Family
    >>> Family(image="item", video=None).cut("video") is None
    True
    """

    image: Cut | None = "run+item"
    video: Cut | None = "run"
    video_token: str | None = None
    first_position: int = 0
    square: bool = False
    merger: Merger | None = None

    def cut(self, modality: str) -> Cut | None:
        """How features of ``modality`` ("image" or "video") are divided, ``None`` if the family has no such input."""
        return self.image if modality == "image" else self.video


WHY_NOT = {
    "mllama": "it reads images through cross-attention, so there are no visual tokens in the prompt",
    "blip-2": "its Q-Former already compresses an image to 32 queries",
    "instructblip": "its Q-Former already compresses an image to 32 queries",
    "instructblipvideo": "its Q-Former already compresses a frame to 32 queries",
    "fuyu": "it has no vision encoder: the features are a linear map of the pixels",
    "florence2": "it is an encoder-decoder model: the features go into its encoder, not into the prompt of its decoder",
    "diffusion_gemma": "it writes blocks by diffusion from an encoder's states, not token by token behind a prompt",
    "granite4_vision": "its features go into several layers of the language model, and none of them into the prompt",
    "kosmos-2": "a mask instead of placeholder tokens says where its features go (image_embeds_position_mask)",
    "phi4_multimodal": "it merges features inside its embedding layer",
}

REMOTE_CODE = {
    "internvl_chat": "transformers has 'internvl' itself: take a checkpoint whose name ends in -hf",
    "llava_llama": "transformers has 'llava' and 'llava_next' themselves: take a checkpoint of llava-hf",
    "llava_mistral": "transformers has 'llava_next' itself: take a checkpoint of llava-hf",
    "llava_qwen": "transformers has 'llava_onevision' itself: take a checkpoint of llava-hf",
    "minicpmv": "transformers has later versions itself, from 'minicpmv4_6' on",
    "kimi_vl": "transformers has no twin of it; 'kimi_k25' is a later model",
    "deepseek_vl_v2": "transformers has no twin of it; 'deepseek_vl' is its predecessor",
    "phi4mm": "transformers has 'phi4_multimodal' itself, which merges features inside its embedding layer",
}
"""Model types of remote code, and what transformers has in their place."""


def supported_models() -> list[str]:
    """Model types that the tests compare with the plain statement of pruning; others are tried and checked per call."""
    return list(TESTED)


def family_of(model_type: str, encoder_type: str | None = None) -> Family:
    """Look a family up by the model types of its configuration and, if known, of its vision encoder.

    A type that has no file gets a family without deviations.

    Raises
    ------
    UnsupportedModelError
        If models of the type are known not to work; the message gives the reason and the way out.
    """
    if model_type in {module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")}:
        module = import_module(f"{__name__}.{model_type}")
        family: Family = getattr(module, "WITH_ENCODER", {}).get(encoder_type, module.FAMILY)
        return replace(family, merger=merger_of(model_type, encoder_type))
    elsewhere = "Elsewhere, select rows with lmm_integration.select_tokens(features, keep) in your own forward"
    if model_type in WHY_NOT:
        raise UnsupportedModelError(f"cannot prune a {model_type!r} model: {WHY_NOT[model_type]}. {elsewhere}")
    if model_type in REMOTE_CODE:
        raise UnsupportedModelError(
            f"cannot prune the remote code of a {model_type!r} model; {REMOTE_CODE[model_type]}. {elsewhere}"
        )
    return Family(merger=merger_of(model_type, encoder_type))
