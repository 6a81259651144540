"""lmms-eval from end to end, offline: a LLaVA of random weights saved to disk, and a task of four drawn images."""

import copy
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("lmms_eval")
pytest.importorskip("decord")
transformers = pytest.importorskip("transformers")

from PIL import Image  # noqa: E402

from experiments import lmms_eval  # noqa: E402
from mmdp import UnknownNameError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

TOKENS = 36
QUESTIONS = ["w4 w5", "w6", "w7 w8 w9", "w10"]
TASK = """
    task: drawn
    dataset_path: {folder}/drawn
    dataset_kwargs: {{load_from_disk: true}}
    test_split: test
    output_type: generate_until
    doc_to_visual: !function drawn_utils.visual
    doc_to_text: question
    doc_to_target: answer
    generation_kwargs: {{max_new_tokens: 3, temperature: 0, do_sample: false}}
    metric_list:
      - metric: exact_match
        aggregation: mean
        higher_is_better: true
"""

pytestmark = pytest.mark.slow


def processor():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {f"w{i}": i for i in range(1, tiny.IMAGE)} | {"[PAD]": tiny.PAD, "<image>": tiny.IMAGE, "[UNK]": 99}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pil = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
    return transformers.LlavaProcessor(
        image_processor=pil(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}),
        tokenizer=transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="[PAD]",
            eos_token="w1",
            unk_token="[UNK]",
            additional_special_tokens=["<image>"],
            model_input_names=["input_ids", "attention_mask"],
        ),
        patch_size=4,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=(
            "{% for message in messages %}{% for part in message['content'] %}"
            "{{ '<image>' if part['type'] == 'image' else part['text'] }} {% endfor %}{% endfor %}"
        ),
    )


def answer(model, reader, image: Image.Image, question: str) -> str:
    inputs = reader(images=image, text=f"<image> {question}", return_tensors="pt")
    told = model.generate(**inputs, max_new_tokens=3, do_sample=False, pad_token_id=1, eos_token_id=1)
    return reader.tokenizer.decode(told[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    import datasets

    folder = tmp_path_factory.mktemp("evaluation")
    model, reader = copy.deepcopy(tiny.build("llava")).float(), processor()
    model.save_pretrained(folder / "model")
    reader.save_pretrained(folder / "model")
    draw = np.random.default_rng(0).integers(0, 256, (len(QUESTIONS), 30, 40, 3), dtype=np.uint8)
    images = [Image.fromarray(of) for of in draw]
    answers = [answer(model, reader, *asked) for asked in zip(images, QUESTIONS, strict=True)]
    columns = {"image": images, "question": QUESTIONS, "answer": answers}
    datasets.DatasetDict(test=datasets.Dataset.from_dict(columns)).save_to_disk(folder / "drawn")
    (folder / "drawn.yaml").write_text(dedent(TASK.format(folder=folder)))
    (folder / "drawn_utils.py").write_text("def visual(doc):\n    return [doc['image'].convert('RGB')]\n")
    return {"model": str(folder / "model"), "tasks": "drawn", "include": folder, "solver": None}


def test_unknown_names_are_refused_before_a_model_is_loaded(options, tmp_path: Path) -> None:
    for wrong in ({"tasks": "flickr30k"}, {"wrapper": "llava_h"}, {"solver": ["greed"]}):
        with pytest.raises(UnknownNameError, match=r"flickr30k_test|llava_hf|greedy"):
            lmms_eval.main(**options | wrong, results=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_question_without_an_answer_is_no_score(options, tmp_path: Path, monkeypatch) -> None:
    """The wrapper logs the failure and answers with nothing, which the harness would count as a wrong answer."""
    monkeypatch.setattr(transformers.LlavaForConditionalGeneration, "generate", lambda *_, **__: 1 / 0)
    with pytest.raises(lmms_eval.UnansweredError, match=r"4 questions of drawn.*division by zero"):
        lmms_eval.main(**options, keep=[0.25], results=tmp_path)
    assert not (tmp_path / "lmms_eval.csv").exists()


def test_full_and_pruned(options, tmp_path: Path, capsys) -> None:
    lmms_eval.main(**options, keep=[1.0, 0.25], results=tmp_path)
    rows = pd.read_csv(tmp_path / "lmms_eval.csv")
    assert rows["keep"].tolist() == [1.0, 0.25]
    assert rows["questions"].tolist() == [4, 4]
    assert rows["score_exact_match"][0] == 1, "the answers asked for are those of the whole model"
    assert rows.loc[1, ["visual", "kept"]].tolist() == [TOKENS, TOKENS / 4]
    assert rows["packages"].str.contains("lmms-eval").all()
    assert "9 of 36" in capsys.readouterr().out
    lmms_eval.main(**options, keep=[1.0, 0.25], results=tmp_path)
    assert len(pd.read_csv(tmp_path / "lmms_eval.csv")) == 2, "a second run measures nothing again"
