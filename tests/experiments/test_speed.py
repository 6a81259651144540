"""The speed experiment at a size of no account; its rivals are an extra."""

import pandas as pd
import pytest

pytest.importorskip("fpsample", reason="pip install 'mmdp[rivals]'")
pytest.importorskip("skmatter", reason="pip install 'mmdp[rivals]'")


def test_samplers_run_interleaved_and_pick_the_same(tmp_path):
    from experiments import speed

    speed.main(repeats=2, largest=600, results=tmp_path)
    rows = pd.read_csv(tmp_path / "speed.csv")
    assert set(rows["sampler"]) == {"greedy", "fpsample vanilla", "scikit-matter FPS"}
    assert (rows["agreement"] == 1).all()
    assert rows.loc[rows["sampler"] == "greedy", "ratio"].item() == 1
    assert rows["packages"].str.contains("fpsample").all()
