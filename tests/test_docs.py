"""The pages' Python blocks run, each page from the top, as a reader would paste them; project files are in order."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNNABLE = ("choose", "exact", "index", "local_search", "theory")  # the others need a GPU, a cluster or a model


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, f"docs/{page}.md", "exec"), names)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_linked_files_exist(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        # the site makes this page from the file of the root
        assert target == "changelog.md" or (page.parent / target).exists(), target


def test_every_solver_is_on_the_page_that_helps_to_choose():
    solvers = pytest.importorskip("solvers")
    page = (ROOT / "docs" / "choose.md").read_text()
    assert not [name for name in solvers.names() if f"`{name}`" not in page]
    assert not [name for name in solvers.names() if f"solvers.{name}." not in (ROOT / "docs" / "api.md").read_text()]
