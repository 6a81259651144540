"""Every notebook runs from top to bottom, says what one learns, and is the stripped pair of its percent script."""

from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "notebooks").glob("[0-9]*.py"))


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request):
    return request.param


def test_pair_is_in_sync_and_stripped(script):
    pair = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    written = jupytext.read(script)
    assert [(c.cell_type, c.source) for c in pair.cells] == [(c.cell_type, c.source) for c in written.cells]
    assert not [cell for cell in pair.cells if cell.get("outputs") or cell.get("execution_count")]


def test_opens_with_what_one_learns(script):
    first = jupytext.read(script).cells[0]
    assert first.cell_type == "markdown"
    assert "**You learn**" in first.source


@pytest.mark.slow
def test_runs(script, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=ROOT)
