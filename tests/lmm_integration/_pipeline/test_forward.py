"""Logits in the caller's columns: labels, losses of one's own, and the columns that the caller asks for."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch.nn.functional import cross_entropy  # noqa: E402

from lmm_integration import prune  # noqa: E402
from tests.lmm_integration.families import tiny  # noqa: E402

BOTH = pytest.mark.parametrize("name", ["llava", "qwen2_5_vl"])


def labelled(name: str) -> tuple[Any, dict[str, Any], Any]:
    model, inputs = tiny.build(name), tiny.batch(name)
    first = inputs["attention_mask"].cumsum(1) <= 1  # nothing predicts it
    hidden = (inputs["input_ids"] >= tiny.START) | first
    return model, inputs, inputs["input_ids"].masked_fill(hidden, -100)


def shifted_loss(logits: Any, labels: Any) -> Any:
    return cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


@BOTH
def test_a_loss_of_ones_own_equals_the_models(name: str) -> None:
    model, inputs, labels = labelled(name)
    with torch.no_grad(), prune(model, keep=0.3, logits="all"):
        output = model(**inputs, labels=labels, use_cache=True)
        as_tuple = model(**inputs, labels=labels, use_cache=True, return_dict=False)
    assert output.logits.shape[:2] == labels.shape
    assert torch.equal(as_tuple[1], output.logits)
    assert [type(part) for part in as_tuple[:3]] == [type(part) for part in list(output.values())[:3]]
    assert (shifted_loss(output.logits, labels) - output.loss).abs() < 1e-6  # the model's own is in float32
    assert (shifted_loss(output.logits.roll(1, 1), labels) - output.loss).abs() > 1e-3


@BOTH
def test_the_map_between_the_prompts_carries_labels_and_logits(name: str) -> None:
    model, inputs, labels = labelled(name)
    with torch.no_grad(), prune(model, keep=0.3) as pruning:
        output = model(**inputs, labels=labels)
    call, ids = pruning.last_call, inputs["input_ids"]
    short = call.shorten(labels, padding=-100)
    assert short.shape == output.logits.shape[:2]
    assert (shifted_loss(output.logits, short) - output.loss).abs() < 1e-6
    for row, columns in enumerate(call.columns.tolist()):
        seen = [column for column in columns if column >= 0]
        dropped = set(range(call.length)) - set(seen)
        padding = set((inputs["attention_mask"][row] == 0).nonzero()[:, 0].tolist())
        assert seen == sorted(seen)
        assert {int(ids[row, column]) for column in dropped - padding} == {tiny.IMAGE}
        whole = call.lengthen(output.logits)[row]
        for column in range(call.length):
            before = [place for place, one in enumerate(columns) if 0 <= one <= column]
            expected = output.logits[row, before[-1]] if before else torch.zeros_like(whole[0])
            assert torch.equal(whole[column], expected)


def test_a_call_that_prunes_nothing_has_no_map() -> None:
    model, inputs, _ = labelled("llava")
    with torch.no_grad(), prune(model, keep=0.3) as pruning:
        model(**inputs)
        assert pruning.last_call is not None
        model(input_ids=torch.tensor([[4, 5, 6]]))
        assert pruning.last_call is None


@BOTH
@pytest.mark.parametrize("logits", ["kept", "all"])
@pytest.mark.parametrize("wanted", [torch.tensor([3, 50, 12, 45]), torch.tensor([-1]), torch.tensor([1]), 2, 40])
def test_logits_to_keep_are_those_of_the_callers_columns(name: str, logits: str, wanted: Any) -> None:
    model, inputs, _ = labelled(name)
    with torch.no_grad(), prune(model, keep=0.3, logits="all"):
        every = model(**inputs).logits
    with torch.no_grad(), prune(model, keep=0.3, logits=logits):
        some = model(**inputs, logits_to_keep=wanted).logits
    expected = every[:, -wanted:] if isinstance(wanted, int) else every[:, wanted]
    real = expected.abs().sum(-1) > 0  # not the padding in front
    assert some.shape == expected.shape
    assert (some - expected)[real].abs().max() < 1e-9 * expected.abs().max()
