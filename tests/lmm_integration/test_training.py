"""Models inside of others' wrappers: PEFT's adapters, Trainer, and accelerate's offloading."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from lmm_integration import prune  # noqa: E402
from lmm_integration.exceptions import PruningStateError, UnsupportedModelError  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

NEW = 4
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


def test_an_offloaded_model() -> None:
    accelerate = pytest.importorskip("accelerate")
    model, inputs = copy.deepcopy(tiny.build("llava")), tiny.batch("llava")
    with prune(model, keep=0.3):
        expected = generated(model, inputs)
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    with prune(model, keep=0.3) as pruning:
        assert torch.equal(generated(model, inputs), expected)
    assert pruning.stats.calls == 1
