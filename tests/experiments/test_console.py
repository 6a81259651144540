"""Text reaches the terminal as it is, and only one file of the experiments prints with Rich."""

import ast
from pathlib import Path

import pytest

pytest.importorskip("rich")

from experiments._common.console import Console, Progress, Text, table

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
TEXTS = ["pip install 'mmdp[scale]'", "o[ut]", "runs [/scratch]", "[bold]", "[/]", ":warning:", r"back\[slash]"]


def printed(what):
    console = Console(record=True, width=100)
    console.print(what)
    return console.export_text()


@pytest.mark.parametrize("text", TEXTS)
def test_strings_cells_headers_and_titles_keep_what_is_in_brackets(text):
    assert printed(text) == f"{text}\n"
    lines = printed(table((text, "n"), [(text, "1"), (Text(text, style="bold red"), "2")], f"in {text}")).splitlines()
    assert lines[0].strip() == f"in {text}"
    assert sum(text in line for line in lines[1:]) == 3


def test_no_line_break_comes_into_a_long_path():
    path = "/".join(["a folder with a rather long name"] * 9)
    assert printed(f"wrote {path}") == f"wrote {path}\n"


@pytest.mark.parametrize("text", TEXTS)
def test_progress_keeps_what_is_in_brackets(text):
    console = Console(record=True, width=100, force_terminal=True)
    with Progress(console) as progress:
        progress.add_task(f"case {text} solver", total=2)
    assert f"case {text} solver" in console.export_text()


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.rglob("*.py")), ids=lambda path: str(path.relative_to(EXPERIMENTS)))
def test_an_experiment_prints_by_the_one_console_and_leans_on_no_other_experiment(path):
    parts = path.relative_to(EXPERIMENTS).with_suffix("").parts
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    if parts != ("_common", "console"):
        assert not [name for name in modules if name.partition(".")[0] == "rich"]
    ours = {name.split(".")[1] for name in modules if name.startswith("experiments.")}
    assert ours <= {"_common", "suites", parts[0]} - ({"suites"} if parts[0] == "_common" else set())
