"""What is not tested, or cannot work: refused by a sentence while the server starts."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from packaging.version import Version

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.vllm.families import THREE_AXES
from lmm_integration.vllm.options import Options
from mmdp.exceptions import InvalidOptionError

TESTED = (Version("0.32"), Version("0.33"))
"""Versions of vLLM that the tests run with: from the first, and below the second."""


def check_version(version: str, options: Options) -> None:
    """Refuse a version of vLLM that the tests have not run with.

    Raises
    ------
    UnsupportedModelError
        If ``options`` do not allow it.
    """
    if not TESTED[0] <= Version(version) < TESTED[1] and not options.allow_untested:
        raise UnsupportedModelError(
            f"visual_pruning is tested with vLLM {TESTED[0]} up to, but not including, {TESTED[1]}, and this is "
            f'{version}; install a tested one, or say "allow_untested": true in visual_pruning'
        )


def check_rule(options: Options, *, has_grid: bool, frames_apart: bool) -> None:
    """Refuse a rule that sees too little of what a model encodes.

    Raises
    ------
    InvalidOptionError
        With what it misses.
    """
    if "grid" in options.choose.needs and not has_grid:
        raise InvalidOptionError(
            f"solver={options.solver!r} needs the layout of the tokens in rows and columns, and images of this model "
            "have none; choose another one"
        )
    if frames_apart and options.choose.least_frames > 1:
        raise InvalidOptionError(
            f"solver={options.solver!r} compares the frames of a video, and this model has text between them, so that "
            "each is pruned by itself; choose another one"
        )


def check_command(parsed: Any, architecture: str) -> None:
    """Refuse what :func:`check` would, from the options of ``vllm serve`` and before anything is started.

    Raises
    ------
    UnsupportedModelError
        With what to change.
    """

    def given(name: str) -> Any:
        return getattr(parsed, name, None)

    compilation = given("compilation_config")
    graphs = compilation.get if isinstance(compilation, dict) else functools.partial(getattr, compilation)
    asked = SimpleNamespace(
        model_config=SimpleNamespace(
            multimodal_config=SimpleNamespace(
                enable_mm_embeds=given("enable_mm_embeds"), video_pruning_rate=given("video_pruning_rate")
            )
        ),
        lora_config=SimpleNamespace(enable_tower_connector_lora=given("enable_tower_connector_lora")),
        compilation_config=SimpleNamespace(cudagraph_mm_encoder=graphs("cudagraph_mm_encoder", False)),
        ec_transfer_config=given("ec_transfer_config"),
        parallel_config=SimpleNamespace(pipeline_parallel_size=given("pipeline_parallel_size") or 1),
        speculative_config=given("speculative_config"),
    )
    _refuse(asked, architecture in THREE_AXES)


def check(vllm_config: Any, version: str, *, three_axes: bool, has_grid: bool, frames_apart: bool = False) -> None:
    """Refuse options and configurations that do not go together, before weights are loaded.

    ``frames_apart`` says that each frame of a video is a run of its own.

    Raises
    ------
    UnsupportedModelError, InvalidOptionError, UnknownNameError
        With what to change.
    """
    options = Options.of(getattr(vllm_config.model_config.hf_config, "visual_pruning", None))
    check_version(version, options)
    check_rule(options, has_grid=has_grid, frames_apart=frames_apart)
    _refuse(vllm_config, three_axes)


def _refuse(config: Any, three_axes: bool) -> None:
    for reason in _reasons(config, three_axes):
        raise UnsupportedModelError(f"visual_pruning cannot be served {reason}")


def _reasons(config: Any, three_axes: bool) -> Iterator[str]:
    multimodal, lora = config.model_config.multimodal_config, config.lora_config
    if multimodal.enable_mm_embeds:
        yield "together with precomputed image embeddings; drop --enable-mm-embeds"
    if multimodal.video_pruning_rate:
        yield "on top of vLLM's own video pruning; drop --video-pruning-rate"
    if config.compilation_config.cudagraph_mm_encoder:
        yield "with CUDA graphs of the encoder, which would pass the choice by; drop cudagraph_mm_encoder"
    if lora is not None and lora.enable_tower_connector_lora:
        yield "with LoRA in the vision encoder, which counts tokens after pruning; drop enable_tower_connector_lora"
    if config.ec_transfer_config is not None:
        yield "with an encoder in a process of its own (not tested); drop --ec-transfer-config"
    if three_axes and config.parallel_config.pipeline_parallel_size > 1:
        yield "with pipeline parallelism where positions have three axes (not tested); drop --pipeline-parallel-size"
    if three_axes and config.speculative_config is not None:
        yield "with speculative decoding where positions have three axes (not tested); drop --speculative-config"
