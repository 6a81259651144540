"""The speed experiment at a size of no account."""

import re
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
    rows = pd.read_csv(tmp_path / "speed_tokens.csv")
    same = (rows["dtype"] == "float32") & (rows["sampler"] != tokens.COVERAGE)
    assert (rows.loc[same, "agreement"] == 1).all()
    assert (rows.loc[rows["sampler"] == "greedy", "ratio"] == 1).all()
    assert set(rows["sampler"]) == {"greedy", "greedy, array", tokens.LOOP, tokens.COVERAGE}
    assert set(rows["batch"]) == {1, 2}
    assert set(rows["data"]) == {"clustered", "photographs"}
    lead = (tmp_path / "speed.md").read_text().splitlines()[2]
    assert re.fullmatch(r"On float32 tokens and one thread, greedy is [\d.e+-]+ times as fast as .* times\)\.", lead)
    report = (tmp_path / "speed.md").read_text()
    loops = rows[rows["sampler"] == tokens.LOOP]
    ahead = f"The loop is ahead in {(loops['ratio'] < 1).sum()} of {len(loops)} comparisons"
    assert (ahead in report) or (f"Greedy is ahead in all {len(loops)} comparisons." in report)
    monkeypatch.setattr(speed, "_race", lambda samplers, repeats: pytest.fail("measured again"))
    speed.main(repeats=2, largest=600, results=tmp_path)
    assert len(pd.read_csv(tmp_path / "speed_tokens.csv")) == len(rows)
    assert (tmp_path / "speed.md").read_text() == report
    if find_spec("fpsample") and find_spec("skmatter"):
        rows = pd.read_csv(tmp_path / "speed.csv")
        assert set(rows["sampler"]) == {"greedy", "fpsample vanilla", "scikit-matter FPS"}
        assert (rows["agreement"] == 1).all()
        assert set(rows["threads"]) == set(tokens.thread_counts())
        assert rows["packages"].str.contains("fpsample").all()


def test_every_round_has_an_order_of_its_own(monkeypatch):
    from experiments import speed

    monkeypatch.setattr(speed, "PAUSE", 0)
    called = []
    samplers = {name: lambda name=name: called.append(name) for name in "abc"}
    seconds, _ = speed._race(samplers, 9)
    rounds = ["".join(called[at : at + 3]) for at in range(0, 30, 3)]
    assert {"".join(sorted(order)) for order in rounds} == {"abc"}
    assert len(set(rounds)) > 3
    assert [len(times) for times in seconds.values()] == [9, 9, 9]


def test_the_parts_are_measured_by_themselves(tmp_path, monkeypatch):
    from experiments import speed

    measured = []
    monkeypatch.setattr(speed, "find_spec", lambda name: True)
    monkeypatch.setattr(speed, "_measure_tokens", lambda *arguments: measured.append("tokens"))
    monkeypatch.setattr(speed, "_measure_samplers", lambda *arguments: measured.append("samplers"))
    for part in ([speed.Part.TOKENS], [speed.Part.SAMPLERS], None):
        speed.main(part=part, results=tmp_path)
    assert measured == ["tokens", "samplers", "tokens", "samplers"]
