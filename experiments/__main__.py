"""``python -m experiments NAME``: every file or package of this folder with a function ``main`` is an experiment.

The parameters of ``main`` are the options, the first line of its docstring is the help. To add an experiment, add a
file; names that begin with an underscore are not experiments.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmdp import MMDPError

_EXTRAS = {
    "fpsample": "rivals",
    "skmatter": "rivals",
    "torch": "torch",
    "triton": "gpu",
    "transformers": "lmm",
    "vllm": "vllm",
    "ortools": "ilp",
    "lmms_eval": "eval",
    "decord": "eval",
}


def catalogue(folder: Path = Path(__file__).parent) -> dict[str, str]:
    """Name and help of every experiment, read from the sources: listing them imports none."""
    found = {}
    packages = {file.parent.name: file for file in folder.glob("*/__init__.py")}
    files = {file.stem: file for file in folder.glob("[!_]*.py")}
    for name, file in sorted((packages | files).items()):
        for member in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(member, ast.FunctionDef) and member.name == "main":
                found[name] = (ast.get_docstring(member) or "").partition("\n")[0]
    return found


def needed(error: ModuleNotFoundError) -> str:
    """Return the message for a missing optional package: its name and the command that installs it."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package, "experiments")
    return f"this experiment needs {package}, which is not installed: pip install 'mmdp[{extra}]'"


def _load(name: str) -> Callable[..., Any]:
    main: Callable[..., Any] = importlib.import_module(f"experiments.{name}").main
    return main


def run(arguments: list[str]) -> None:
    """Run the experiment that the first argument names, or list them all."""
    import typer

    application = typer.Typer(
        name="experiments",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",  # a paragraph fills the line, wherever the docstring breaks it
    )
    application.callback()(lambda: None)
    for name, help_line in catalogue().items():
        chosen = arguments[:1] == [name]
        application.command(name, help=None if chosen else help_line)(_load(name) if chosen else lambda: None)
    application(arguments)


def main() -> None:
    """Run, with one line on what to do when a package is missing or an input is wrong."""
    try:
        run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("experiments", "lmm_integration", "mmdp", "solvers"):
            raise
        sys.exit(needed(error))
    except MMDPError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
