"""Where getters have their features, and outputs that have none."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
outputs = pytest.importorskip("transformers.modeling_outputs")

from lmm_integration._pipeline.encoder_output import Encoded  # noqa: E402
from lmm_integration.exceptions import UnsupportedModelError  # noqa: E402

ROWS = torch.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    "output",
    [
        ROWS.reshape(2, 3, 2),
        ROWS.split(3),
        list(ROWS.split(3)),
        outputs.BaseModelOutputWithPooling(last_hidden_state=torch.zeros(1, 9, 4), pooler_output=ROWS.split(3)),
        outputs.BaseModelOutputWithPooling(last_hidden_state=ROWS.reshape(2, 3, 2)),
    ],
    ids=["tensor", "tuple", "list", "pooled", "last hidden state"],
)
def test_features_are_found_and_cut(output):
    encoded = Encoded.of(output)
    assert torch.equal(encoded.rows, ROWS)
    assert encoded.items == [3, 3]
    kept = Encoded.of(encoded.taking([torch.tensor([0, 2]), torch.tensor([5])]))
    assert torch.equal(kept.rows, ROWS[[0, 2, 5]])
    assert torch.equal(Encoded.of(output).rows, ROWS)  # the output itself is as it was


def test_an_output_without_features_is_named():
    with pytest.raises(UnsupportedModelError, match="BaseModelOutputWithPooling without rows of features"):
        Encoded.of(outputs.BaseModelOutputWithPooling(hidden_states=(ROWS,)))
