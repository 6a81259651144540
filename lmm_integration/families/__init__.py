"""What differs between model families: one small file each, named after the model type of its configuration.

To support another family, add ``families/<model_type>.py`` with one ``FAMILY = Family(...)``.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from lmm_integration.exceptions import UnsupportedModelError

Cut = Literal["run", "item", "run+item"]


@dataclass(frozen=True)
class Family:
    """The facts about one model family that cannot be read from its code.

    Parameters
    ----------
    image, video : {"run", "item", "run+item"}, optional
        Where one image (or one video) ends in the flat list of feature rows: at the end of a run of placeholder
        tokens, at the end of an item that the encoder returns, or at either. ``None``: no such modality.
    video_token : str
        Name of the configuration field that holds the placeholder of a video.
    first_position : int
        The position that the language model gives to the first token.
    square : bool
        Whether an item of the encoder is a square of patches, row by row, and nothing else.

    Examples
    --------
    >>> from lmm_integration import Family
    >>> Family(image="item").cut("video") is None
    True
    """

    image: Cut = "run+item"
    video: Cut | None = None
    video_token: str = "video_token_id"
    first_position: int = 0
    square: bool = False

    def cut(self, modality: str) -> Cut | None:
        """How features of ``modality`` ("image" or "video") are divided, ``None`` if the family has no such input."""
        return self.image if modality == "image" else self.video


WHY_NOT = {
    "mllama": "it reads images through cross-attention, so there are no visual tokens in the prompt",
    "blip-2": "its Q-Former already compresses an image to 32 queries",
    "instructblip": "its Q-Former already compresses an image to 32 queries",
    "fuyu": "it has no vision encoder: patches are embedded inside the language model",
    "florence2": "it is an encoder-decoder model",
    "kosmos-2": "it has no feature getter to prune behind",
    "phi4_multimodal": "it merges features inside its embedding layer",
}


def supported_models() -> list[str]:
    """Model types that :func:`lmm_integration.prune` supports, sorted.

    Examples
    --------
    >>> supported_models()[:2]
    ['aya_vision', 'gemma3']
    """
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def family_of(model_type: str) -> Family:
    """Look a family up by the model type of its configuration.

    Raises
    ------
    UnsupportedModelError
        If no file describes it; the message gives the reason where one is known, and the way out.
    """
    if model_type in supported_models():
        family: Family = import_module(f"{__name__}.{model_type}").FAMILY
        return family
    reason = WHY_NOT.get(model_type, "no file in lmm_integration/families describes it")
    known = ", ".join(supported_models())
    raise UnsupportedModelError(
        f"cannot prune a {model_type!r} model: {reason}. Supported: {known}. Elsewhere, select rows "
        "with lmm_integration.select_tokens(features, keep) in your own forward, or pass family=Family(...)"
    )
