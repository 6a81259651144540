"""One model in one process: ``python -m tests.lmm_integration.vllm.engine.job FILE`` reads a job, writes its answers.

vLLM and the reference run in processes of their own, since an engine on CPUs does not come up behind Numba.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}


def served(job: dict[str, Any]) -> dict[str, Any]:
    """Answers of vLLM: all requests at once, the same again on warm caches, and one at a time on cold ones."""
    from vllm import LLM, SamplingParams

    from lmm_integration.vllm import pruned
    from tests.lmm_integration.vllm.engine.cases import VIDEO

    kind, cases = job["kind"], [_case(case) for case in job["cases"]]
    video = {"video": 1} if any(case.videos for case in cases) else {"video": 0} if kind in VIDEO else {}
    engine = {
        "dtype": "float32",
        "enforce_eager": True,
        "max_model_len": 2048,
        "max_num_batched_tokens": 2048,
        "max_num_seqs": 4,
        "block_size": 32,
        "enable_prefix_caching": True,
        "limit_mm_per_prompt": {"image": 3, **video},
        "disable_log_stats": False,
        **job.get("engine", {}),
    }
    source = pruned(job["model"], **job["pruning"]) if job.get("pruning") else {"model": job["model"]}
    positions = _watch(job.get("fault")) if kind.startswith("qwen") and job.get("pruning") else {}
    llm = LLM(**source, **engine)
    params = SamplingParams(temperature=0, max_tokens=job["new_tokens"], ignore_eos=True)

    def answers(asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
        outputs = llm.generate(asked, params, use_tqdm=False)
        return [
            {
                "answer": list(output.outputs[0].token_ids),
                "prompt": len(output.prompt_token_ids),
                "cached": output.num_cached_tokens,
            }
            for output in outputs
        ]

    requests = [_request(kind, case, {}, uuids=job.get("uuids")) for case in cases]
    found = {"batch": answers(requests)}
    if "warm" in job["rounds"]:
        found["warm"] = answers(requests)
    if "alone" in job["rounds"]:
        found["alone"] = []
        for request in requests:
            llm.reset_prefix_cache()
            found["alone"] += answers([request])
    for name, options in job.get("again", {}).items():
        found[name] = answers([_request(kind, case, options, uuids=job.get("uuids")) for case in cases])
    if job.get("count") == "positions":
        return {**found, "positions": sorted(positions.values())}
    if job.get("count") == "preemptions":
        metrics = {metric.name: metric for metric in llm.get_metrics()}
        return {**found, "preemptions": metrics["vllm:num_preemptions"].value}
    return found


def _watch(fault: str | None) -> dict[tuple[int, ...], Any]:
    """Collect the positions of prompts with images; with a fault, kept tokens lose theirs."""
    from lmm_integration.vllm.three_axes import PrunedThreeAxes

    seen: dict[tuple[int, ...], Any] = {}
    original = PrunedThreeAxes.recompute_mrope_positions

    def watched(
        self: Any, input_ids: Any, multimodal_embeddings: Any, mrope_positions: Any, num_computed_tokens: int
    ) -> Any:
        before = mrope_positions
        features, after, delta = original(self, input_ids, multimodal_embeddings, mrope_positions, num_computed_tokens)
        if len(multimodal_embeddings):
            seen[tuple(input_ids)] = after.tolist()
        return features, before if fault == "positions" else after, delta

    PrunedThreeAxes.recompute_mrope_positions = watched
    return seen


def reference(job: dict[str, Any]) -> dict[str, Any]:
    """Answers of the Hugging Face model: as it is, and pruned in several ways."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.video_utils import VideoMetadata

    from lmm_integration import prune
    from tests.lmm_integration.vllm.engine import cases as made

    kind, cases = job["kind"], [_case(case) for case in job["cases"]]
    fixed = _fixed(kind)
    processor = AutoProcessor.from_pretrained(job["model"])
    dtype = getattr(torch, job.get("dtype", "float32"))
    model = AutoModelForImageTextToText.from_pretrained(job["model"], dtype=dtype).eval()
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = None, 2

    def answers(pruning: Any = None) -> list[dict[str, Any]]:
        found = []
        for case in cases:
            videos = {}
            if case.videos:
                about = [VideoMetadata(**made.metadata()) for _ in case.videos]
                videos = {"videos": [made.video(seed, fixed) for seed in case.videos], "do_sample_frames": False}
                videos |= {"video_metadata": about} if kind.startswith("qwen") else {}
            images = {"images": [made.image(seed, fixed) for seed in case.images]} if case.images else {}
            inputs = processor(text=case.prompt(kind), return_tensors="pt", **images, **videos)
            if kind == "gemma3":  # image tokens attend to later ones too, but in vLLM on the GPU only
                inputs["token_type_ids"].zero_()
            length = inputs["input_ids"].shape[1]
            with torch.no_grad():
                output = model.generate(**inputs, max_new_tokens=job["new_tokens"], do_sample=False)
            removed = sum(kept.n - len(kept.indices) for kept in pruning.last) if pruning else 0
            found.append({"answer": output[0, length:].tolist(), "prompt": length - removed})
        return found

    found = {"whole": answers()}
    for solver, keep in job["prunings"]:
        with prune(model, solver, keep) as pruning:
            found[f"{solver} {keep}"] = answers(pruning)
    return found


def _fixed(kind: str) -> int | None:
    return 112 if kind in ("llava",) else None


def _case(fields: dict[str, Any]) -> Any:
    from tests.lmm_integration.vllm.engine.cases import Case

    return Case(fields["text"], tuple(fields["images"]), tuple(fields["videos"]))


def _request(kind: str, case: Any, options: dict[str, Any], uuids: bool | None) -> dict[str, Any]:
    from tests.lmm_integration.vllm.engine import cases as made

    data: dict[str, Any] = {}
    if case.images:
        data["image"] = [made.image(seed, _fixed(kind)) for seed in case.images]
    if case.videos:
        about = {**made.metadata(), "do_sample_frames": False}
        videos = [made.video(seed, _fixed(kind)) for seed in case.videos]
        data["video"] = [(video, about) for video in videos] if kind in ("qwen2_5_vl", "qwen3_vl") else videos
        options = {"do_sample_frames": False, **options}
    request = {"prompt": case.prompt(kind), "multi_modal_data": data} if data else {"prompt": case.prompt(kind)}
    if uuids:
        request["multi_modal_uuids"] = {"image": [f"image-{seed}" for seed in case.images]}
    return {**request, "mm_processor_kwargs": options} if options and data else request


def main(path: Path) -> None:
    """Run a job from a file, and write what it found beside it."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    job = json.loads(path.read_text())
    found = {"served": served, "reference": reference}[job["role"]](job)
    path.with_suffix(".found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
