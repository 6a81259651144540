"""The demonstration on a photograph: one image, with a panel for each solver."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

from experiments import prune_demo  # noqa: E402
from lmm_integration.demo import SIDE  # noqa: E402
from mmdp import DataFileError, InvalidOptionError  # noqa: E402


def test_every_solver_gets_a_panel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo.png"
    prune_demo.main(image=None, solver=None, keep=0.1, out=out, seed=0)
    printed = capsys.readouterr().out
    assert all(name in printed for name in prune_demo.SOLVERS)
    assert np.asarray(Image.open(out).convert("L")).std() > 10


def test_a_image_of_any_shape_is_cropped(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.fromarray(np.zeros((40, 90, 3), np.uint8)).save(path)
    assert prune_demo.cropped(path).size == (SIDE, SIDE)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    for name in ("text.png", "missing.png"):
        with pytest.raises(DataFileError, match=name):
            prune_demo.cropped(tmp_path / name)


def test_a_keep_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="keep="):
        prune_demo.main(image=None, solver=["greedy"], keep=0.0, out=tmp_path / "demo.png", seed=0)
