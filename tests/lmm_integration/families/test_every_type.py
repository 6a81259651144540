"""Every model type of transformers' image-text-to-text mapping, as the page of models says."""

from __future__ import annotations

import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", minversion="5.23")

from lmm_integration import prune  # noqa: E402
from lmm_integration.exceptions import UnsupportedModelError  # noqa: E402
from lmm_integration.families import REMOTE_CODE, WHY_NOT, supported_models  # noqa: E402
from tests.lmm_integration.families import shrunk, table, tiny  # noqa: E402

PAGE = table.PAGE.read_text(encoding="utf-8")
LISTED = {line.split(" | ")[0].strip("| "): line for line in PAGE.splitlines() if line.startswith("| ")}


@pytest.mark.parametrize("model_type", sorted(shrunk.MAPPING))
def test_a_type_is_as_the_page_says(model_type: str) -> None:
    outcomes = {modality: table.outcome(model_type, modality) for modality in shrunk.MODALITIES}
    shrunk.build.cache_clear()
    row = table.row(model_type, {modality: one for modality, one in outcomes.items() if one is not None})
    if f"transformers {transformers.__version__} " in PAGE:
        assert row == LISTED[model_type]


def test_the_package_lists_what_the_page_says_is_equal() -> None:
    equal = [name for name, row in LISTED.items() if f"| {table.SUPPORTED} |" in row]
    assert supported_models() == equal
    assert len(equal) >= 60


def test_what_is_missing_is_said_in_sentences() -> None:
    for name, modality in table.MISSING:
        assert f"{modality}: {table.MISSING[name, modality]}" in LISTED[name]
    assert not re.search(r"\w+Error", "".join(LISTED.values()))


@pytest.mark.parametrize("model_type", [*WHY_NOT, *REMOTE_CODE])
def test_a_reason_is_given(model_type: str) -> None:
    class Model:
        generate = None

        class config:  # noqa: N801
            pass

    Model.config.model_type = model_type  # type: ignore[attr-defined]
    with pytest.raises(UnsupportedModelError, match=f"{model_type}.*select_tokens") as caught:
        prune(Model())  # type: ignore[arg-type]
    assert (WHY_NOT | REMOTE_CODE)[model_type] in str(caught.value)


def test_a_type_that_nobody_knows_is_pruned_by_what_its_model_tells() -> None:
    """As next month's model would be: another name, its own modules, no file."""

    class NewConfig(transformers.LlavaConfig):  # type: ignore[misc]
        model_type = "a_new_type"

    class NewModel(transformers.LlavaModel):  # type: ignore[misc]
        def get_image_features(self, pixel_values: Any, **kwargs: Any) -> Any:
            output = super().get_image_features(pixel_values, **kwargs)
            output.pooler_output = [2 * features[::2] for features in output.pooler_output]
            return output

    class NewForConditionalGeneration(transformers.LlavaForConditionalGeneration):  # type: ignore[misc]
        config_class = NewConfig

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.model = NewModel(config)
            self.post_init()

    torch.manual_seed(0)
    model = NewForConditionalGeneration(NewConfig(**tiny.MODELS["llava"].config)).double().eval()
    assert model.config.model_type == "a_new_type"
    pixels = tiny.noise(2, 3, 24, 24).double()
    ids = torch.tensor([[4, *[tiny.IMAGE] * 18, 5, *[tiny.IMAGE] * 18, 6, 7]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
    visual = ids[0] == tiny.IMAGE
    with torch.no_grad(), prune(model, keep=5) as pruning:
        pruned = model(**inputs).logits[0]
    assert [(image.n, len(image.indices)) for image in pruning.last] == [(18, 5), (18, 5)]
    columns = table.columns_of(pruning.last, visual)
    expected = table.hooked.logits(model, inputs, tiny.IMAGE, columns, True, 0)
    assert (pruned - expected).abs().max() < 1e-9 * expected.abs().max()
