"""``python -m lmm_integration.vllm serve MODEL --keep 0.1``: vLLM's server, with fewer visual tokens.

The options of pruning are read here; all others go to ``vllm serve`` as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.vllm import refusals
from lmm_integration.vllm.families import PREFIX
from lmm_integration.vllm.launch import overrides
from lmm_integration.vllm.options import Options
from mmdp.exceptions import InvalidOptionError, MMDPError

_COMMAND = "python -m lmm_integration.vllm serve"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options of pruning."""
    options = argparse.ArgumentParser(
        prog=_COMMAND,
        usage=f"{_COMMAND} MODEL --keep KEEP [options of pruning] [options of vllm serve]",
        description="vLLM's OpenAI-compatible server, with fewer visual tokens.",
        epilog="All other options go to `vllm serve`; vLLM's documentation lists them.",
        allow_abbrev=False,
    )
    options.add_argument("model", metavar="MODEL", help="a name on the Hugging Face Hub, or a folder")
    options.add_argument(
        "--keep", type=_number, required=True, help="what stays: a fraction such as 0.1, or a count such as 64"
    )
    options.add_argument("--max-keep", type=_number, help="the most that a request may ask for; by default KEEP")
    options.add_argument("--solver", help="a solver or selector by its name (greedy)")
    options.add_argument("--metric", help="distance for the solvers (cosine)")
    options.add_argument("--pruning", type=_mapping, default={}, help="further options of pruning and solver, as JSON")
    options.add_argument("--hf-overrides", "--hf_overrides", type=_mapping, default={}, help="as for vLLM, as JSON")
    options.add_argument(
        "--mm-processor-kwargs", "--mm_processor_kwargs", type=_mapping, default={}, help="as for vLLM, as JSON"
    )
    options.add_argument("--revision", help="as for vLLM")
    options.add_argument("--hf-token", "--hf_token", nargs="?", const=True, help="as for vLLM")
    return options


def vllm_arguments(arguments: Sequence[str]) -> list[str]:
    """Return what ``vllm`` is called with, from what this command was.

    Raises
    ------
    MMDPError
        If an option of pruning is wrong, or the model or the version of vLLM cannot be served.
    """
    if arguments and arguments[0].startswith("-") and arguments[0] not in ("-h", "--help"):
        raise InvalidOptionError(f"the model comes first: {_COMMAND} MODEL {' '.join(arguments)}")
    given, rest = parser().parse_known_args(arguments)
    dotted = [name for name in rest if name.replace("_", "-").startswith("--hf-overrides.")]
    if dotted:
        raise InvalidOptionError(f"{dotted[0]}: write it as JSON, --hf-overrides '{{...}}', so that both are kept")
    named = {"keep": given.keep, "solver": given.solver, "max_keep": given.max_keep, "metric": given.metric}
    twice = sorted({name for name, value in named.items() if value is not None and name in given.pruning})
    if twice:
        raise InvalidOptionError(f"--pruning names {', '.join(twice)}, which --{twice[0].replace('_', '-')} gives")
    pruning = {**{name: value for name, value in named.items() if value is not None}, **given.pruning}
    if isinstance(given.keep, int) and given.keep == 1:
        print("--keep 1 is a count and keeps one token of each image; --keep 1.0 keeps them all", file=sys.stderr)
    if given.max_keep is not None and not _trusts_requests(rest):
        print(
            "--max-keep reserves memory, but without --trust-request-mm-kwargs no request may name a keep of its own",
            file=sys.stderr,
        )
    Options.check_configured(given.mm_processor_kwargs)
    _ = Options.of(pruning).choose  # also the options of the solver, before a server starts
    merged = overrides(given.model, pruning, given.hf_overrides, revision=given.revision, token=given.hf_token)
    passed = ["--revision", given.revision] if given.revision else []
    if given.hf_token:
        passed += ["--hf-token", *([] if given.hf_token is True else [given.hf_token])]
    if given.mm_processor_kwargs:
        passed += ["--mm-processor-kwargs", json.dumps(given.mm_processor_kwargs)]
    return ["serve", given.model, "--hf-overrides", json.dumps(merged), *passed, *rest]


def serve(arguments: list[str]) -> None:
    """Run vLLM's server, with counters of all its processes in ``/metrics``.

    The folder that they share has to be named before anything imports Prometheus' client.
    """
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")  # as vLLM's own command does
    with TemporaryDirectory(prefix="served-metrics-") as folder:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)
        _serve(arguments)


def _serve(arguments: list[str]) -> None:
    """What ``vllm.entrypoints.cli.main`` does, which fails with the build for CPUs."""
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    command, whole = ServeSubcommand(), FlexibleArgumentParser(prog="vllm")
    command.subparser_init(whole.add_subparsers(dest="subparser"))
    parsed = whole.parse_args(arguments)
    command.validate(parsed)
    refusals.check_command(parsed, _architecture(parsed.hf_overrides))
    command.cmd(parsed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, and serve; what cannot be served ends in one line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["-h"], ["--help"]):
        given = ["serve", "--help"]
    if given[:1] != ["serve"]:
        sys.exit(f"usage: {_COMMAND} MODEL --keep KEEP [options of pruning] [options of vllm serve]")
    try:
        translated = vllm_arguments(given[1:])
    except (MMDPError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    try:
        serve(translated)
    except UnsupportedModelError as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _architecture(overridden: Any) -> str:
    named = json.loads(overridden) if isinstance(overridden, str) else overridden
    return str(named["architectures"][0]).removeprefix(PREFIX)


def _trusts_requests(rest: Sequence[str]) -> bool:
    return "--trust-request-mm-kwargs" in [name.replace("_", "-") for name in rest]


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        with suppress(ValueError):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is neither a fraction such as 0.1 nor a count such as 64")


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"{text} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text} is not a JSON object in braces")
    return value


if __name__ == "__main__":
    main()
