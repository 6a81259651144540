"""A small LLaVA of random weights with a prompt that holds an image: to try :func:`prune` without a download."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

SIDE, PATCH, WIDTH = 336, 14, 256
TOKENS = (SIDE // PATCH) ** 2
IMAGE_TOKEN = 1000


def small_llava(image: Image.Image | NDArray[np.uint8] | None = None, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """LLaVA-1.5 with its own 24 x 24 patches but two narrow layers in each half, and the inputs of one prompt.

    Parameters
    ----------
    image : PIL image or (h, w, 3) uint8 array, optional
        Its middle square is taken; noise if none is given.
    seed : int
        Of the weights and the noise.

    Returns
    -------
    (model, inputs)
        A ``LlavaForConditionalGeneration``, and the keywords of its ``forward`` and ``generate``.
    """
    torch.manual_seed(seed)
    layers: Any = {"num_hidden_layers": 2, "num_attention_heads": 4}
    sizes: Any = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, **layers}
    vision = CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, **sizes)
    text = LlamaConfig(vocab_size=IMAGE_TOKEN + 1, pad_token_id=0, **sizes)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=IMAGE_TOKEN)
    model = LlavaForConditionalGeneration(config).eval()
    model.generation_config.eos_token_id = None
    if image is None:
        image = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    return model, _prompt(image)


def middle_square(image: Image.Image | NDArray[np.uint8]) -> Image.Image:
    """What the encoder sees of an image: its middle square, at the encoder's size, in RGB."""
    whole = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return ImageOps.fit(whole.convert("RGB"), (SIDE, SIDE))


def _prompt(image: Image.Image | NDArray[np.uint8]) -> dict[str, Any]:
    """What a processor would make of the image: standardised pixels, and a placeholder for each patch."""
    values = np.asarray(middle_square(image), dtype=np.float32) / 255
    values = (values - values.mean((0, 1))) / values.std((0, 1)).clip(1e-6)
    ids = torch.tensor([[1, 5, *[IMAGE_TOKEN] * TOKENS, 6, 7]])
    pixels = torch.tensor(values.transpose(2, 0, 1)[None])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
