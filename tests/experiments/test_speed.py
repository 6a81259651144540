"""The speed experiment at a size of no account."""

from importlib.util import find_spec

import pandas as pd
import pytest

pytest.importorskip("torch")


def test_samplers_run_interleaved_and_pick_the_same(tmp_path, monkeypatch):
    from experiments import speed
    from experiments.speed import tokens

    monkeypatch.setattr(tokens, "SIZES", ((60, 40, 6), (70, 30, 7)))
    monkeypatch.setattr(tokens, "BATCHES", (2,))
    speed.main(repeats=2, largest=600, results=tmp_path)
    rows = pd.read_csv(tmp_path / "speed.csv")
    float32 = rows[rows["dtype"] == "float32"]
    assert (float32["agreement"] == 1).all()
    assert (rows.loc[rows["sampler"] == "greedy", "ratio"] == 1).all()
    assert {"greedy", "greedy, array", tokens.LOOP} <= set(rows["sampler"])
    assert set(rows["batch"]) == {1, 2}
    assert {"clustered", "photographs"} <= set(rows["data"])
    report = (tmp_path / "speed.md").read_text()
    assert "own loop" in report.splitlines()[2]
    rivals = {"fpsample vanilla", "scikit-matter FPS"}
    assert rivals <= set(rows["sampler"]) or any(find_spec(name) is None for name in ("fpsample", "skmatter"))
