"""``pipeline("image-text-to-text")`` of a pruned model, with a processor and a tokenizer made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

from lmm_integration import overlay, prune  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def pipe() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {f"w{i}": i for i in range(1, tiny.IMAGE)} | {"[PAD]": tiny.PAD, "<image>": tiny.IMAGE, "[UNK]": 99}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pil = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor  # no torchvision
    processor = transformers.LlavaProcessor(
        image_processor=pil(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}),
        tokenizer=transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="[PAD]",
            unk_token="[UNK]",
            additional_special_tokens=["<image>"],
            padding_side="left",
            model_input_names=["input_ids", "attention_mask"],
        ),
        patch_size=4,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
    )
    return transformers.pipeline(
        "image-text-to-text", model=tiny.build("llava"), processor=processor, dtype=torch.float64
    )


def ask(pipe: Any) -> str:
    options = {"max_new_tokens": 4, "do_sample": False}
    answers = pipe(images=PHOTO, text="w4 <image> w5 w6", generate_kwargs=options, return_full_text=False)
    return str(answers[0]["generated_text"])


def test_a_pipeline_answers_from_what_was_kept(pipe: Any) -> None:
    plain = ask(pipe)
    with prune(pipe.model, keep=1.0):
        assert ask(pipe) == plain
    with prune(pipe.model, keep=9) as pruning:
        assert len(ask(pipe).split()) == 4
    assert (pruning.stats.tokens_before, pruning.stats.tokens_after) == (36, 9)
    assert pruning.last[0].grid == (1, 6, 6)
    assert overlay(PHOTO, pruning.last[0]).size == PHOTO.size
    assert ask(pipe) == plain
