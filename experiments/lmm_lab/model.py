"""The lab's model: LLaVA as transformers builds it, with 144 visual tokens and under two million weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from experiments.lmm_lab.pixels import PATCH, SIDE
from experiments.lmm_lab.scenes import GRID
from experiments.lmm_lab.task import IMAGE, PAD, START
from mmdp import DataFileError

CHECKPOINT = Path(__file__).parent / "checkpoint"
TOKENS = GRID * GRID
WIDTH = 128


def new(words: int, seed: int = 0, width: int = WIDTH, layers: int = 4) -> Any:
    """The untrained model of a language: a CLIP tower and a Llama of ``layers`` layers, and a projector of two."""
    torch.manual_seed(seed)
    sizes: Any = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 4}
    vision = CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, intermediate_size=4 * width, **sizes)
    text = LlamaConfig(
        vocab_size=words,
        intermediate_size=3 * width,
        pad_token_id=PAD,
        bos_token_id=START,
        eos_token_id=PAD,
        max_position_embeddings=512,
        initializer_range=width**-0.5,  # the usual 0.02 is for widths of thousands: queries and keys would start near 0
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},  # most of a head matches words at any distance
        **sizes,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE,
        vision_feature_layer=-1,
        projector_hidden_act="gelu",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration._from_config(config, attn_implementation=_ATTENTION)
    for layer in model.model.language_model.layers:  # like attends to like from the first step
        layer.self_attn.q_proj.weight.data.copy_(layer.self_attn.k_proj.weight)
    return model


_ATTENTION = {"vision_config": "eager", "text_config": "sdpa"}  # only eager towers give their attention away


def load(folder: Path = CHECKPOINT) -> Any:
    """The trained model, in float32 and ready for use.

    Raises
    ------
    DataFileError
        If the folder holds none, or this release of transformers does not know its weights by their names.
    """
    if not (folder / "model.safetensors").exists():
        raise DataFileError(f"{folder} holds no model.safetensors: run python -m experiments lmm_lab train")
    read: Any = LlavaForConditionalGeneration.from_pretrained
    model, loading = read(folder, dtype=torch.float32, attn_implementation=_ATTENTION, output_loading_info=True)
    if loading["missing_keys"]:
        raise DataFileError(f"{folder} was saved by transformers 5, and {transformers.__version__} cannot read it")
    return model.eval()


def vision(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """What the tower sees: patches (b, 144, d) as the projector takes them, and the class token (b, d)."""
    hidden = model.model.vision_tower(pixels).last_hidden_state
    return hidden[:, 1:], hidden[:, 0]
