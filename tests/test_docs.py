"""The pages' Python blocks run, each page from the top, as a reader would paste them; project files are in order."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)  # one marked "py" is not for running
NEEDS = {"gpu": "torch", "pruning": "transformers", "scale": "distributed", "selectors": "torch"}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=lambda page: page.stem)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    pytest.importorskip(NEEDS.get(page.stem, "numpy"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, f"docs/{page.name}", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_linked_files_exist(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        # the site makes this page from the file of the root
        assert target == "changelog.md" or (page.parent / target).exists(), target


def test_every_solver_is_on_the_page_that_helps_to_choose():
    solvers = pytest.importorskip("solvers")
    page = (ROOT / "docs" / "choose.md").read_text()
    assert not [name for name in solvers.names() if f"`{name}`" not in page]
    assert not [name for name in solvers.names() if f"solvers.{name}." not in (ROOT / "docs" / "api.md").read_text()]
