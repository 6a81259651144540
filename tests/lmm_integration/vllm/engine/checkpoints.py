"""Tiny models with random weights, saved with tokenizer and processor as published checkpoints are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<|im_start|>", "<|im_end|>")
VOCABULARY = 512
TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}PLACEHOLDER{% endif %}"
    "{% endfor %}{% endfor %}"
)


def tokenizer(*special: str, **more: Any) -> PreTrainedTokenizerFast:
    """One token a byte, and some of more bytes."""
    names = ["<s>", "</s>", "<pad>", *special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    inner = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        **(more or {"additional_special_tokens": list(special)}),
    )


def text_config(width: int = 128, layers: int = 2, heads: int = 4, inner: int = 2, **more: Any) -> dict[str, Any]:
    """Language model."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": width,
        "intermediate_size": inner * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 8192,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        "tie_word_embeddings": False,
        **more,
    }


def spread(model: torch.nn.Module, embeddings: float = 1.0) -> None:
    """Weights so large that an answer depends on every image and every word of its prompt."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2 and "norm" not in name:
                scale = embeddings if "embed" in name else 1.6 / weight[0].numel() ** 0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)


def save(model: Any, processor: Any, folder: Path, embeddings: float = 1.0) -> None:
    """Write a checkpoint; ``embeddings``: their scale."""
    spread(model, embeddings)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def rename(folder: Path, new_name: Callable[[str], str]) -> None:
    """Give weights the names of published checkpoints, where vLLM does not know those of transformers 5."""
    path = folder / "model.safetensors"
    save_file({new_name(name): weight for name, weight in load_file(path).items()}, path, metadata={"format": "pt"})


def _published_llava(name: str) -> str:
    if name.startswith("vision_tower.") and ".vision_model." not in name:
        return name.replace("vision_tower.", "vision_tower.vision_model.", 1)
    return name


def clip_vision(side: int, patch: int = 14, width: int = 128, layers: int = 2) -> Any:
    """CLIP's encoder."""
    return transformers.CLIPVisionConfig(
        image_size=side,
        patch_size=patch,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        projection_dim=width,
    )


def llava(folder: Path, side: int = 112, vision_layers: int = 2, vision_width: int = 128, **text: Any) -> None:
    """LLaVA-1.5."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokens = tokenizer("<image>")
    image = tokens.convert_tokens_to_ids("<image>")
    config = transformers.LlavaConfig(
        vision_config=clip_vision(side, width=vision_width, layers=vision_layers),
        text_config=transformers.LlamaConfig(**text_config(**text), architectures=["LlamaForCausalLM"]),
        image_token_index=image,
        image_token_id=image,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    torch.manual_seed(0)
    processor = transformers.LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
        tokenizer=tokens,
        patch_size=14,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<image>"),
    )
    save(transformers.LlavaForConditionalGeneration(config).eval(), processor, folder)
    rename(folder, _published_llava)


def _qwen(folder: Path, name: str, vision: dict[str, Any], sections: list[int], **text: Any) -> None:
    tokens = tokenizer(*QWEN_TOKENS)
    of = tokens.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections, **text.pop("rope", {})}
    config = getattr(transformers, f"{name}Config")(
        text_config=text_config(**text, rope_parameters=rope),
        vision_config=vision,
        image_token_id=of("<|image_pad|>"),
        video_token_id=of("<|video_pad|>"),
        vision_start_token_id=of("<|vision_start|>"),
        vision_end_token_id=of("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    video = getattr(transformers, "Qwen3VLVideoProcessor" if name == "Qwen3VL" else "Qwen2VLVideoProcessor")
    patch = {"patch_size": vision["patch_size"]}
    look = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3} if name == "Qwen3VL" else {}  # vLLM has one for both
    unit = (2 * vision["patch_size"]) ** 2
    processor = getattr(transformers, f"{name}Processor")(
        image_processor=transformers.Qwen2VLImageProcessor(
            min_pixels=4 * unit, max_pixels=1024 * unit, **patch, **look
        ),
        video_processor=video(**patch),
        tokenizer=tokens,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    save(getattr(transformers, f"{name}ForConditionalGeneration")(config).eval(), processor, folder)


def qwen2_vl(folder: Path) -> None:
    """Qwen2-VL."""
    vision = {"depth": 2, "embed_dim": 64, "hidden_size": 128, "mlp_ratio": 2, "num_heads": 2, "patch_size": 14}
    _qwen(folder, "Qwen2VL", {**vision, "spatial_merge_size": 2, "temporal_patch_size": 2}, [4, 6, 6])


def qwen2_5_vl(folder: Path, vision_layers: int = 2, vision_width: int = 64, **text: Any) -> None:
    """Qwen2.5-VL."""
    vision = {
        "depth": vision_layers,
        "hidden_size": vision_width,
        "out_hidden_size": text.get("width", 128),
        "intermediate_size": 2 * vision_width,
        "num_heads": vision_width // 32,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [vision_layers - 1],
        "tokens_per_second": 2,
    }
    half = text.get("width", 128) // text.get("heads", 4) // 2
    third = (half - half // 4) // 2
    _qwen(folder, "Qwen2_5_VL", vision, [half - 2 * third, third, third], **text)


def qwen3_vl(folder: Path) -> None:
    """Qwen3-VL, with features for two deeper layers of the language model."""
    vision = {
        "depth": 3,
        "hidden_size": 64,
        "out_hidden_size": 128,
        "intermediate_size": 128,
        "num_heads": 2,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 256,
        "deepstack_visual_indexes": [0, 1],
    }
    _qwen(folder, "Qwen3VL", vision, [6, 5, 5], head_dim=32, layers=3, rope={"mrope_interleaved": True})


def _tiled(folder: Path, name: str, vision: Any, side: int, tokens: PreTrainedTokenizerFast, **more: Any) -> None:
    """LLaVA-NeXT and its like: an image, and tiles of it."""
    of = tokens.convert_tokens_to_ids
    onevision = name == "LlavaOnevision"
    text = {"Qwen2Config": "Qwen2ForCausalLM", "LlamaConfig": "LlamaForCausalLM"}
    text_name = "Qwen2Config" if onevision else "LlamaConfig"
    pinpoints = [[side, 2 * side], [2 * side, side], [2 * side, 2 * side]]
    video = {"video_token_index": of("<video>"), "video_token_id": of("<video>")} if onevision else {}
    config = getattr(transformers, f"{name}Config")(
        vision_config=vision,
        text_config=getattr(transformers, text_name)(**text_config(), architectures=[text[text_name]]),
        image_token_index=of("<image>"),
        image_token_id=of("<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1 if onevision else -2,
        vision_feature_select_strategy="full" if onevision else "default",
        **video,
    )
    torch.manual_seed(0)
    sizes = (
        {"size": {"height": side, "width": side}}
        if onevision
        else {
            "size": {"shortest_edge": side},
            "crop_size": {"height": side, "width": side},
        }
    )
    image = getattr(transformers, f"{name}ImageProcessor")(image_grid_pinpoints=pinpoints, **sizes)
    of_video = (
        {"video_processor": transformers.LlavaOnevisionVideoProcessor(**sizes)} if onevision else {"patch_size": 14}
    )
    processor = getattr(transformers, f"{name}Processor")(
        image_processor=image,
        tokenizer=tokens,
        vision_feature_select_strategy="full" if onevision else "default",
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<image>"),
        **of_video,
        **more,
    )
    save(getattr(transformers, f"{name}ForConditionalGeneration")(config).eval(), processor, folder)


def siglip_vision(side: int, patch: int = 14) -> Any:
    """SigLIP's encoder."""
    return transformers.SiglipVisionConfig(
        image_size=side,
        patch_size=patch,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        vision_use_head=False,
    )


def llava_next(folder: Path) -> None:
    """LLaVA-NeXT."""
    _tiled(folder, "LlavaNext", clip_vision(56), 56, tokenizer("<image>"), num_additional_image_tokens=1)
    rename(folder, _published_llava)


def llava_onevision(folder: Path) -> None:
    """LLaVA-OneVision."""
    tokens = tokenizer("<image>", "<video>")
    _tiled(folder, "LlavaOnevision", siglip_vision(56), 56, tokens, num_image_tokens=16)
    rename(folder, _published_llava)


def gemma3(folder: Path) -> None:
    """Gemma 3."""
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokens = tokenizer(*named.values(), extra_special_tokens=named)
    tokens.add_tokens(["\n" * i for i in range(1, 5)])
    of = tokens.convert_tokens_to_ids
    config = transformers.Gemma3Config(
        text_config=transformers.Gemma3TextConfig(**text_config(layers=3, head_dim=32, sliding_window=64)),
        vision_config=siglip_vision(112),
        mm_tokens_per_image=16,
        image_token_index=of("<image_soft_token>"),
        image_token_id=of("<image_soft_token>"),
        boi_token_index=of("<start_of_image>"),
        eoi_token_index=of("<end_of_image>"),
    )
    torch.manual_seed(0)
    processor = transformers.Gemma3Processor(
        image_processor=transformers.Gemma3ImageProcessor(size={"height": 112, "width": 112}),
        tokenizer=tokens,
        image_seq_length=16,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<start_of_image>"),
    )
    small = 0.1 * config.text_config.hidden_size**-0.5  # else tied embeddings, scaled up, answer the last token again
    save(transformers.Gemma3ForConditionalGeneration(config).eval(), processor, folder, small)
    rename(folder, _published_llava)


def internvl(folder: Path) -> None:
    """InternVL, in transformers' own format."""
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokens = tokenizer(*named.values(), extra_special_tokens=named)
    config = transformers.InternVLConfig(
        vision_config=transformers.InternVLVisionConfig(
            image_size=[112, 112],
            patch_size=[14, 14],
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
        ),
        text_config=transformers.Qwen2Config(**text_config(), architectures=["Qwen2ForCausalLM"]),
        image_token_id=tokens.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
    )
    torch.manual_seed(0)
    size = {"height": 112, "width": 112}
    processor = transformers.InternVLProcessor(
        image_processor=transformers.GotOcr2ImageProcessor(size=size, crop_to_patches=True, max_patches=4),
        video_processor=transformers.InternVLVideoProcessor(size=size),
        tokenizer=tokens,
        image_seq_length=16,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<IMG_CONTEXT>"),
    )
    save(transformers.InternVLForConditionalGeneration(config).eval(), processor, folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "llava": llava,
    "llava_next": llava_next,
    "llava_onevision": llava_onevision,
    "gemma3": gemma3,
    "internvl": internvl,
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
}


def make(kind: str, folder: Path) -> Path:
    """Return the checkpoint of a kind, made if it is not there."""
    path = folder / kind
    if not (path / "model.safetensors").exists():
        MAKERS[kind](path)
    return path
