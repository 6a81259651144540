"""Models inside of others' wrappers: PEFT's adapters, Trainer, and accelerate's offloading."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from lmm_integration import prune  # noqa: E402
from lmm_integration.demo import small_llava  # noqa: E402
from lmm_integration.exceptions import PruningStateError, UnsupportedModelError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

tokenizers = pytest.importorskip("tokenizers")

NEW = 4
TRL = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own, and datasets'
BOTH = pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])


def generated(model: Any, inputs: dict[str, Any], **options: Any) -> Any:
    return model.generate(**inputs, **({"max_new_tokens": NEW, "do_sample": False} | options))


def labels_of(inputs: dict[str, Any]) -> Any:
    first = inputs["attention_mask"].cumsum(1) <= 1
    return inputs["input_ids"].masked_fill((inputs["input_ids"] >= tiny.START) | first, -100)


@pytest.fixture
def lora() -> Any:
    peft = pytest.importorskip("peft")

    def wrap(model: Any) -> Any:
        torch.manual_seed(0)
        config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        return peft.get_peft_model(copy.deepcopy(model), config)

    return wrap


@BOTH
def test_an_adapted_model_equals_the_merged_one(name: str, lora: Any) -> None:
    inputs = tiny.batch(name)
    adapted = lora(tiny.build(name))
    with torch.no_grad():
        with prune(adapted, keep=0.3) as pruning:
            answer, logits = generated(adapted, inputs), adapted(**inputs).logits
        whole = generated(adapted, inputs)
        merged = copy.deepcopy(adapted).merge_and_unload()
        with prune(merged, keep=0.3):
            assert (merged(**inputs).logits - logits).abs().max() < 1e-9 * logits.abs().max()
            assert torch.equal(generated(merged, inputs), answer)
    assert pruning.stats.tokens_after < pruning.stats.tokens_before
    assert not torch.equal(whole, answer)


def test_adapters_of_a_pruned_model_learn(lora: Any) -> None:
    inputs = tiny.batch("llava")
    adapted = lora(tiny.build("llava"))
    with prune(adapted, keep=0.3):
        adapted(**inputs, labels=labels_of(inputs)).loss.backward()
    gradients = {name: weight.grad for name, weight in adapted.named_parameters() if weight.grad is not None}
    assert gradients
    assert all("lora" in name for name in gradients)
    assert any("vision" in name and grad.abs().sum() > 0 for name, grad in gradients.items())
    assert any("language" in name and grad.abs().sum() > 0 for name, grad in gradients.items())


def test_an_adapted_model_is_pruned_once_and_given_back(lora: Any) -> None:
    adapted, inputs = lora(tiny.build("llava")), tiny.batch("llava")
    plain = generated(adapted, inputs)
    with prune(adapted, keep=0.3), pytest.raises(PruningStateError, match="already"):
        prune(adapted.get_base_model())
    assert torch.equal(generated(adapted, inputs), plain)


def test_a_learned_prompt_is_refused() -> None:
    peft = pytest.importorskip("peft")
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2, token_dim=tiny.WIDTH, num_layers=2)
    config.num_attention_heads = 4
    tuned, inputs = peft.get_peft_model(copy.deepcopy(tiny.build("llava")), config), tiny.batch("llava")
    with prune(tuned, keep=0.3), pytest.raises(UnsupportedModelError, match="inputs_embeds"):
        tuned(**inputs)


class Examples(torch.utils.data.Dataset):
    """Four samples of one or two images, padded by the collator."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        return index


def collated(indices: list[int]) -> dict[str, Any]:
    inputs = tiny.batch("llava", tuple(1 + index % 2 for index in indices))
    return inputs | {"labels": labels_of(inputs)}


def trainer(model: Any, folder: Any, **options: Any) -> Any:
    pytest.importorskip("accelerate")

    def metrics(evaluated: Any) -> dict[str, float]:
        logits, labels = torch.as_tensor(evaluated.predictions[0]), torch.as_tensor(evaluated.label_ids)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return {"own_loss": float(loss)}

    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=2, per_device_train_batch_size=4, per_device_eval_batch_size=4,
        learning_rate=1e-2, use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no",
        remove_unused_columns=False, **options,
    )  # fmt: skip
    return transformers.Trainer(
        model, arguments, data_collator=collated, train_dataset=Examples(), eval_dataset=Examples(),
        compute_metrics=metrics,
    )  # fmt: skip


def test_trainer_evaluates_against_the_callers_labels(tmp_path: Any) -> None:
    model = copy.deepcopy(tiny.build("llava"))
    with prune(model, keep=0.3, logits="all"):
        scores = trainer(model, tmp_path).evaluate()
    assert abs(scores["eval_own_loss"] - scores["eval_loss"]) < 1e-5


def test_trainer_trains_a_pruned_model(tmp_path: Any) -> None:
    model = copy.deepcopy(tiny.build("llava"))
    weight = model.lm_head.weight.detach().clone()
    with prune(model, keep=0.3) as pruning:
        done = trainer(model, tmp_path).train()
    assert done.global_step == 2
    assert pruning.stats.calls == 2
    assert not torch.equal(weight, model.lm_head.weight)


def test_label_smoothing_meets_logits_of_the_same_length(tmp_path: Any) -> None:
    model = copy.deepcopy(tiny.build("llava"))
    with prune(model, keep=0.3, logits="all"):
        assert trainer(model, tmp_path, label_smoothing_factor=0.1).train().training_loss > 0


def fine_tuning(model: Any, folder: Any) -> Any:
    """TRL's trainer, which wants a tokenizer although nothing is tokenized."""
    trl, datasets = pytest.importorskip("trl"), pytest.importorskip("datasets")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<pad>": 0, "</s>": 2}, unk_token="<pad>"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>")
    arguments = trl.SFTConfig(
        output_dir=str(folder), max_steps=2, per_device_train_batch_size=4, per_device_eval_batch_size=4,
        learning_rate=1e-2, use_cpu=True, bf16=False, report_to=[], disable_tqdm=True, save_strategy="no",
        remove_unused_columns=False, gradient_checkpointing=False, dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    rows = datasets.Dataset.from_dict({"index": list(range(4))})
    return trl.SFTTrainer(
        model, arguments, processing_class=tokenizer, train_dataset=rows, eval_dataset=rows,
        data_collator=lambda batch: collated([row["index"] for row in batch]),
    )  # fmt: skip


@TRL
def test_trls_trainer_trains_and_evaluates_a_pruned_model(tmp_path: Any) -> None:
    model = copy.deepcopy(tiny.build("llava"))
    tuning, weight = fine_tuning(model, tmp_path), model.lm_head.weight.detach().clone()
    with prune(model, keep=0.3) as pruning:
        scores = tuning.evaluate()
        with torch.no_grad():
            expected = model(**collated(list(range(4)))).loss
        assert abs(scores["eval_loss"] - float(expected)) < 1e-4
        assert tuning.train().global_step == 2
    assert pruning.stats.calls == 4
    assert not torch.equal(weight, model.lm_head.weight)


@TRL
def test_a_trainer_that_replaces_a_pruned_forward_is_refused(tmp_path: Any) -> None:
    model = copy.deepcopy(tiny.build("llava"))
    with prune(model, keep=0.3):
        tuning = fine_tuning(model, tmp_path)
        with pytest.raises(PruningStateError, match=r"TRL's do, must come before prune\(\)"):
            tuning.train()


@BOTH
def test_the_model_inside_is_not_called_around_the_pruning(name: str) -> None:
    model, inputs = tiny.build(name), tiny.batch(name)
    text = {n: v[:, -3:] for n, v in inputs.items() if n in ("input_ids", "attention_mask")}
    with torch.no_grad():
        plain = model.model(**text).last_hidden_state
        with prune(model, keep=0.3):
            with pytest.raises(PruningStateError, match="around the pruned forward"):
                model.model(**inputs)
            assert torch.equal(model.model(**text).last_hidden_state, plain)
        assert model.model(**inputs).last_hidden_state.shape[1] == inputs["input_ids"].shape[1]


@pytest.mark.filterwarnings("ignore")  # of bitsandbytes, about what it casts
@pytest.mark.parametrize("bits", [4, 8])
def test_quantized_weights(bits: int, tmp_path: Any) -> None:
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("accelerate")
    model, inputs = small_llava()
    model.save_pretrained(tmp_path)
    config = transformers.BitsAndBytesConfig(
        **{f"load_in_{bits}bit": True}, **({"bnb_4bit_compute_dtype": torch.float32} if bits == 4 else {})
    )
    model = transformers.LlavaForConditionalGeneration.from_pretrained(
        tmp_path, quantization_config=config, device_map="cpu", dtype=torch.float32
    )
    linear = {type(module).__name__ for module in model.modules()}
    assert linear & {"Linear4bit", "Linear8bitLt"}
    with torch.no_grad():
        plain = model(**inputs).logits
        with prune(model, keep=1.0):
            assert torch.equal(model(**inputs).logits, plain)
        with prune(model, "vispruner", keep=0.3) as pruning:
            answer = generated(model, inputs)
    assert answer.shape[1] == inputs["input_ids"].shape[1] + NEW
    assert [len(kept.indices) for kept in pruning.last] == [173]


def test_an_offloaded_model() -> None:
    accelerate = pytest.importorskip("accelerate")
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava")
    with prune(model, keep=0.3):
        expected = generated(model, inputs)
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    with prune(model, keep=0.3) as pruning:
        assert torch.equal(generated(model, inputs), expected)
    assert pruning.stats.calls == 1
