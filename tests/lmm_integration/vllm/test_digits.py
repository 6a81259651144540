"""Digits: positions survive the precision of the features."""

import pytest

torch = pytest.importorskip("torch")

from lmm_integration.vllm.digits import split_digits, to_digits  # noqa: E402


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_every_position_comes_back(dtype):
    positions = torch.arange(65536)[:, None] + torch.tensor([0, 0, 0])
    features = torch.randn(len(positions), 5).to(dtype)
    own, back = split_digits(torch.cat((features, to_digits(positions, dtype)), 1), 3)
    assert torch.equal(own, features)
    assert torch.equal(back, positions)


def test_without_digits_bfloat16_would_lose_them():
    assert torch.tensor(257).to(torch.bfloat16).long() == 256


def test_what_two_digits_cannot_hold_is_an_error():
    with pytest.raises(AssertionError, match="two digits"):
        to_digits(torch.tensor([[65536]]), torch.float32)
