"""The scale experiment at sizes of no account: picks agree, a killed search and a killed worker change nothing."""

import pandas as pd
import pytest

pytest.importorskip("fpsample", reason="pip install 'mmdp[rivals]'")
pytest.importorskip("distributed", reason="pip install 'mmdp[scale]'")


@pytest.mark.slow
def test_every_part_agrees_with_itself_and_is_not_measured_twice(tmp_path):
    from experiments import scale

    sizes = {"n": 5000, "on_disk": 300_000, "on_cluster": 32_000, "huge": 600_000, "repeats": 1, "results": tmp_path}
    scale.main(**sizes)
    rows = pd.read_csv(tmp_path / "scale.csv")
    assert set(rows["part"]) == {"in memory", "on disk", "in a Parquet folder", "on a cluster"}
    assert rows.loc[rows["method"] != "fpsample", "same_picks"].astype(str).eq("True").all()
    cluster = rows[rows["part"] == "on a cluster"]
    assert (cluster["ratio"] <= cluster["granted"]).all()
    assert (tmp_path / "scale.png").exists()
    assert "in a parquet folder" in (tmp_path / "scale.md").read_text().lower()
    assert "on a cluster" in (tmp_path / "scale.md").read_text().lower()
    scale.main(**sizes)
    assert len(pd.read_csv(tmp_path / "scale.csv")) == len(rows)
