"""The pages' Python blocks run, each page from the top, as a reader would paste them; project files are in order."""

import ast
import importlib
import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path
from posixpath import dirname, join, normpath
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)  # one marked "py" is not for running
NEEDS = {
    "data": "pyarrow",
    "gpu": "torch",
    "objectives": "ortools",
    "pruning": "transformers",
    "scale": "distributed",
    "selectors": "torch",
}
FROM_THE_ROOT = {"changelog.md": "CHANGELOG.md", "security.md": "SECURITY.md"}  # pages that the site makes
PACKAGES = ("mmdp", "solvers", "objectives", "lmm_integration")
API = (ROOT / "docs" / "api.md").read_text()
HOUSE = (ROOT / "docs" / "contributing.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=lambda page: page.stem)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    pytest.importorskip(NEEDS.get(page.stem, "numpy"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCK.findall(page.read_text()):
        exec(compile(block, f"docs/{page.name}", "exec"), names)


@pytest.mark.slow
def test_the_commands_of_the_page_on_data_run(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    from solvers.__main__ import application

    monkeypatch.chdir(tmp_path)
    page, names = (ROOT / "docs" / "data.md").read_text(), {}
    for block in BLOCK.findall(page):
        exec(compile(block, "docs/data.md", "exec"), names)
    commands = re.findall(r"^\$ mmdp ((?:select|spread) .*)$", page, re.MULTILINE)
    assert len(commands) > 8
    for command in commands:
        words = shlex.split(command)
        application(words, standalone_mode=False)
        assert (tmp_path / words[-1]).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_linked_files_exist(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        path = ROOT / FROM_THE_ROOT[target] if target in FROM_THE_ROOT else page.parent / target
        assert path.exists(), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_linked_headings_exist(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
        if target != "api.md":  # whose anchors are names
            assert anchor in anchors(page.parent / target if target else page), (target, anchor)


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """The file that makes the site's tables and links."""
    for needed in ("mkdocs", "pandas", "tabulate"):
        pytest.importorskip(needed)
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_site_lead_to_its_files(hook):
    results = ROOT / "experiments" / "results"
    sources = {page.name: page for page in PAGES} | {name: ROOT / file for name, file in FROM_THE_ROOT.items()}
    sources |= {f"results/{file.relative_to(results).as_posix()}": file for file in results.rglob("*.*")}
    images = {f"images/{file.name}" for file in (ROOT / "docs" / "images").iterdir()}
    for name, file in sources.items():
        if name.endswith(".md"):
            page = SimpleNamespace(file=SimpleNamespace(src_uri=name))
            markdown = hook.on_page_markdown(file.read_text(), page)
            for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", markdown):
                assert normpath(join(dirname(name), target)) in {*sources, *images}, (name, target)


def test_entries_of_parameters_are_names():
    entry = re.compile(r"\*{0,2}\w+(, \*{0,2}\w+)*( : \S.*)?")
    found = 0
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
                for line in re.findall(r"^\S.*", section[1], re.MULTILINE) if section else ():
                    assert entry.fullmatch(line), (file, line)
                    found += 1
    assert found > 100


def test_every_solver_is_on_the_page_that_helps_to_choose():
    solvers = pytest.importorskip("solvers")
    page = (ROOT / "docs" / "choose.md").read_text()
    assert not [name for name in solvers.names() if f"`{name}`" not in page]
    assert not [name for name in solvers.names() if f"solvers.{name}." not in API]


@pytest.mark.parametrize(
    ("package", "needed"),
    [("mmdp", "numpy"), ("solvers", "numpy"), ("objectives", "numpy"), ("lmm_integration", "torch")],
)
def test_every_public_name_is_on_the_api_page(package, needed):
    pytest.importorskip(needed)
    documented = re.findall(r"^::: (\S+)", API, re.MULTILINE)
    exceptions = {f"mmdp.{name}" for name in vars(importlib.import_module("mmdp.exceptions")) if name.endswith("Error")}
    assert "mmdp.exceptions" in documented
    names = [f"{package}.{name}" for name in importlib.import_module(package).__all__]
    assert names
    assert not [name for name in names if name not in {*documented, *exceptions} and f"`{name}`" not in API]


def test_no_private_path_is_on_the_api_page():
    assert not re.findall(r"^::: \S*\b_\w+", API, re.MULTILINE)


def test_paths_of_the_house_exist():
    named = re.findall(r"`((?:mmdp|solvers|objectives|lmm_integration|experiments|tests)/[\w/.]*)`", HOUSE)
    assert len(named) > 10
    assert not [path for path in named if not (ROOT / path).exists()]
    for row in HOUSE.splitlines():  # `file.py` in a row is in the folder that the row begins with
        folder = re.match(r"\| `([\w/]+/)`", row)
        for file in re.findall(r"`(\w+\.py)`", row) if folder else ():
            assert (ROOT / folder[1] / file).exists(), (folder[1], file)


def test_every_folder_of_the_packages_is_in_the_house():
    folders = [file.parent.relative_to(ROOT).as_posix() for p in PACKAGES for file in (ROOT / p).glob("*/__init__.py")]
    assert "solvers/_exact" in folders
    assert not [folder for folder in folders if f"`{folder}/`" not in HOUSE]


def test_one_version_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] in (version, "Unreleased")


def test_recorded_training_of_the_lab_is_complete():
    folder = ROOT / "experiments" / "lmm_lab" / "checkpoint"
    recipe = json.loads((folder / "recipe.json").read_text())
    stages = {line.partition(",")[0] for line in (folder / "log.csv").read_text().splitlines()[1:]}
    assert {"threads", "cpu", "commit"} <= recipe.keys()
    assert stages == {"tower", "words", "language"}
