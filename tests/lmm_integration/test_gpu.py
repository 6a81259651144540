"""What only a CUDA device can show: a pruned model keeps and answers there what it does on the CPU."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from experiments._common.shapes import SCALES, SHAPES  # noqa: E402
from lmm_integration import prune, select_tokens, selectors  # noqa: E402

if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

CHAOTIC = {"duplicate_removal"}  # a rounding decides which half of the tokens is compared with which
OF_FEATURES = {"greedy", *(name for name in selectors.names() if not selectors.make(name).needs)} - CHAOTIC


@pytest.mark.parametrize("rule", sorted(OF_FEATURES))
def test_a_rule_keeps_on_the_device_what_it_keeps_on_the_cpu(rule):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 60, 256, generator=generator)
    rows = centres[:, torch.randint(60, (576,), generator=generator)]
    features = rows + 0.5 * torch.randn(rows.shape, generator=generator)
    kept = select_tokens(features.cuda(), 0.1, rule)
    assert kept.is_cuda
    assert torch.equal(kept.cpu(), select_tokens(features, 0.1, rule))


@pytest.mark.parametrize("rule", ["greedy", "weighted_coverage"])
@pytest.mark.parametrize("positions", ["compact", "original"])
@pytest.mark.parametrize("name", ["LLaVA-1.5-7B", "LLaVA-NeXT-7B"])
def test_a_pruned_model_answers_on_the_device_as_on_the_cpu(name, rule, positions):
    model = SHAPES[name].build(SCALES["tiny"], "cpu", torch.float32)
    inputs = SHAPES[name].prompt(model, text=25, batch=2)
    logits = []
    for device in ("cpu", "cuda"):
        with torch.no_grad(), prune(model.to(device), rule, 0.1, positions=positions):
            logits.append(model(**{field: values.to(device) for field, values in inputs.items()}).logits.cpu())
    torch.testing.assert_close(*logits, rtol=1e-3, atol=1e-4)
