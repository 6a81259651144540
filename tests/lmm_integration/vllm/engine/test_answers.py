"""vLLM's answers are those of ``prune`` on the Hugging Face model, token by token."""

import os
import shutil

import pytest

pytest.importorskip("vllm")

from tests.lmm_integration.vllm.engine import cases
from tests.lmm_integration.vllm.engine.processes import KEEP, NEW_TOKENS, found, reference

KINDS = ["llava", "llava_next", "llava_onevision", "gemma3", "internvl", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"]
WITH_VIDEO = [kind for kind in KINDS if kind in cases.VIDEO]


def of_kinds(kinds):
    """One kind stays in one worker, which computes its reference once."""
    return pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.xdist_group(k)) for k in kinds])


def answers(outputs):
    return [output["answer"] for output in outputs]


def check(served, expected):
    for outputs in served.values():
        assert [output["prompt"] for output in outputs] == [output["prompt"] for output in expected]
        assert answers(outputs) == answers(expected)


def differing(some, others):
    return sum(a != b for a, b in zip(answers(some), answers(others), strict=True))


@of_kinds(KINDS)
def test_images(kind):
    """All requests at once, again on warm caches, and one at a time on cold ones."""
    expected = reference(kind, "IMAGES")
    served = found("served", kind, cases.IMAGES, pruning={"keep": KEEP}, rounds=["warm", "alone"])
    check(served, expected)
    assert differing(reference(kind, "IMAGES", keep=None), expected) >= len(cases.IMAGES) - 2
    assert not any(output["cached"] for output in served["alone"])
    assert sum(output["cached"] > 0 for output in served["warm"]) >= len(cases.IMAGES) - 1


@of_kinds(KINDS)
def test_an_image_over_several_steps(kind):
    step = 16
    expected = reference(kind, "IMAGES")
    engine = {"max_num_batched_tokens": step, "max_num_seqs": 2}
    check(found("served", kind, cases.IMAGES, pruning={"keep": KEEP}, engine=engine, rounds=["warm"]), expected)
    assert max(output["prompt"] for output in expected) > 3 * step


@of_kinds(WITH_VIDEO)
def test_videos(kind):
    expected = reference(kind, "VIDEOS")
    served = found("served", kind, cases.VIDEOS, pruning={"keep": KEEP}, engine={"max_num_batched_tokens": 64})
    check(served, expected)
    assert differing(reference(kind, "VIDEOS", keep=None), expected) == len(cases.VIDEOS)


@of_kinds(["llava", "qwen2_5_vl", "qwen3_vl"])
def test_with_everything_kept_the_engine_is_the_unpruned_one(kind):
    whole = found("served", kind, cases.IMAGES)
    kept = found("served", kind, cases.IMAGES, pruning={"keep": 1.0})
    check(kept, whole["batch"])
    check(kept, reference(kind, "IMAGES", keep=None))


@of_kinds(["llava", "qwen2_5_vl", "qwen3_vl"])
def test_preempted_requests(kind):
    """Too few blocks for all requests: vLLM takes some back, and computes their prompts again."""
    expected = reference(kind, "IMAGES")
    blocks = 7 if kind == "llava" else 8  # of 32 tokens: the first prompts fit, and their answers do not
    engine = {"num_gpu_blocks_override": blocks, "max_model_len": 192, "enable_prefix_caching": False}
    served = found("served", kind, cases.IMAGES, pruning={"keep": KEEP}, engine=engine, count="preemptions")
    assert served.pop("preemptions") > 0
    check(served, expected)


@of_kinds(["qwen2_5_vl"])
def test_positions_of_their_own_matter(kind):
    """Negative control: kept tokens at the position of the text before them give other answers."""
    expected = reference(kind, "IMAGES")
    served = found("served", kind, cases.IMAGES, pruning={"keep": KEEP}, fault="positions")
    assert differing(served["batch"], expected) >= len(cases.IMAGES) - 2


@of_kinds(["llava", "qwen2_5_vl"])
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a compiler")
def test_compiled(kind):
    expected = reference(kind, "IMAGES")
    engine = {"enforce_eager": False, "max_num_batched_tokens": 64}
    check(found("served", kind, cases.IMAGES, pruning={"keep": KEEP}, engine=engine), expected)


@of_kinds(["qwen2_5_vl", "qwen3_vl"])
def test_positions_in_bfloat16(kind):
    """Stride does not look at features, so that both precisions keep the same tokens."""
    pruning = {"keep": KEEP, "solver": "stride"}
    wide = found("served", kind, cases.IMAGES, pruning=pruning, count="positions")
    half = found("served", kind, cases.IMAGES, pruning=pruning, count="positions", engine={"dtype": "bfloat16"})
    assert half["positions"] == wide["positions"]
    assert len(half["positions"]) == sum(bool(case.images) for case in cases.IMAGES)
    check({"batch": wide["batch"]}, reference(kind, "IMAGES", solver="stride"))


@of_kinds(["llava"])
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="each rank is bound to a core")
def test_two_ranks(kind):
    """Tensor parallelism: the first rank chooses for both."""
    engine = {"tensor_parallel_size": 2, "distributed_executor_backend": "mp"}
    cores = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
    served = found("served", kind, cases.IMAGES, cores, pruning={"keep": KEEP}, engine=engine)
    check(served, reference(kind, "IMAGES"))


@of_kinds(["llava"])
def test_in_the_code_of_transformers(kind):
    """One class of vLLM runs models of many types with transformers' own modules."""
    pruning = {"keep": KEEP, "hf_overrides": {"architectures": ["TransformersMultiModalForCausalLM"]}}
    check(found("served", kind, cases.IMAGES, pruning=pruning), reference(kind, "IMAGES"))


@of_kinds(["llava", "qwen2_5_vl"])
def test_requests_with_a_keep_of_their_own(kind):
    """On one server, with the same images: features chosen with another ``keep`` are never shared."""
    again = {"less": {"keep": 0.1}, "half": {"keep": 0.5}, "count": {"keep": 9}, "default": {}}
    served = found("served", kind, cases.IMAGES, pruning={"keep": KEEP, "max_keep": 0.5}, again=again)
    for name, keep in {"batch": KEEP, "less": 0.1, "half": 0.5, "count": 9, "default": KEEP}.items():
        check({name: served[name]}, reference(kind, "IMAGES", keep))


@of_kinds(["llava"])
def test_images_that_a_client_named_itself(kind):
    again = {"less": {"keep": 0.1}, "default": {}}
    served = found("served", kind, cases.IMAGES[:2], pruning={"keep": KEEP}, again=again, uuids=True)
    for name, keep in {"batch": KEEP, "less": 0.1, "default": KEEP}.items():
        check({name: served[name]}, reference(kind, "IMAGES", keep)[:2])


def test_answers_are_as_long_as_asked():
    assert {len(answer) for answer in answers(reference("llava", "IMAGES"))} == {NEW_TOKENS}
