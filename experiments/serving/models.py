"""Folders that vLLM starts from without weights: published shapes, as they are or scaled, with a tokenizer of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments._common.shapes import SCALES, SHAPES


@dataclass(frozen=True)
class Served:
    """A model to serve: its shape, the architecture in its configuration, and the side of the images asked about."""

    shape: str
    architecture: str
    side: int
    placeholder: str

    @property
    def prompt(self) -> str:
        """A question about an image."""
        return f"USER: {self.placeholder} What is in this image? ASSISTANT:"


MODELS = {
    "llava": Served("LLaVA-1.5-7B", "LlavaForConditionalGeneration", 336, "<image>"),
    "qwen2_5_vl": Served(
        "Qwen2.5-VL-7B",
        "Qwen2_5_VLForConditionalGeneration",
        672,
        "<|vision_start|><|image_pad|><|vision_end|>",
    ),
}
_SPECIAL = ("<image>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def write(name: str, scale: str, folder: Path) -> None:
    """Write configuration, tokenizer and processor of a model; vLLM fills in weights with ``load_format="dummy"``."""
    import transformers

    served = MODELS[name]
    shape = SHAPES[served.shape]
    tokens = _tokenizer()
    of = tokens.convert_tokens_to_ids
    halves = (half.scaled(SCALES[scale].depth, SCALES[scale].width) for half in (shape.vision, shape.text))
    config = transformers.AutoConfig.for_model(**shape.config(*halves))
    config.architectures = [served.architecture]
    if name == "llava":
        config.image_token_index = config.image_token_id = of("<image>")
        size = {"height": served.side, "width": served.side}
        images = transformers.CLIPImageProcessor(size={"shortest_edge": served.side}, crop_size=size)
        processor: Any = transformers.LlavaProcessor(
            image_processor=images,
            tokenizer=tokens,
            patch_size=config.vision_config.patch_size,
            vision_feature_select_strategy="default",
            image_token="<image>",
            num_additional_image_tokens=1,
        )
    else:
        config.image_token_id, config.video_token_id = of("<|image_pad|>"), of("<|video_pad|>")
        config.vision_start_token_id, config.vision_end_token_id = of("<|vision_start|>"), of("<|vision_end|>")
        pixels: Any = {"min_pixels": served.side**2, "max_pixels": served.side**2}
        processor = transformers.Qwen2_5_VLProcessor(
            image_processor=transformers.Qwen2VLImageProcessor(**pixels),
            video_processor=transformers.Qwen2VLVideoProcessor(),
            tokenizer=tokens,
        )
    config.save_pretrained(folder)
    processor.save_pretrained(folder)


def request(name: str, seed: int) -> dict[str, Any]:
    """One request with an image that no cache knows."""
    side = MODELS[name].side
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return {"prompt": MODELS[name].prompt, "multi_modal_data": {"image": Image.fromarray(pixels)}}


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = ["<s>", "</s>", "<pad>", *_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    inner = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    ends = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, additional_special_tokens=list(_SPECIAL), **ends)
