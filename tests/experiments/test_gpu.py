"""The GPU experiment from end to end, interpreted where there is no GPU, and its judge of right and wrong."""

import csv

import pytest

from mmdp import InvalidOptionError

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
gpu = pytest.importorskip("experiments.gpu")
checks = pytest.importorskip("experiments.gpu.checks")
peers = pytest.importorskip("experiments.gpu.peers")


@pytest.mark.slow
def test_checks_times_and_writes_rows(tmp_path, capsys):
    gpu.main(tmp_path, repeats=2, checks=16, dtype="bfloat16", interpret=True, resources=False)
    printed = capsys.readouterr().out
    assert "16 inputs" in printed
    assert "0 are wrong" in " ".join(printed.split())
    rows = list(csv.DictReader((tmp_path / "gpu.csv").read_text().splitlines()))
    assert {"greedy", "DivPrune's loop", "floor: products", "floor: steps"} <= {row["method"] for row in rows}
    assert {row["batch"] for row in rows} == {"1", "2"}
    assert all(float(row["milliseconds"]) > 0 and row["device"] and row["commit"] for row in rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_to_do(tmp_path):
    with pytest.raises(InvalidOptionError, match="--interpret"):
        gpu.main(tmp_path, interpret=False, resources=False)


def test_the_judge_tells_the_best_pick_from_a_worse_one():
    points = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    assert list(checks.regrets(points, torch.tensor([3, 0, 2, 1]), "euclidean")) == [0.0, 0.0, 0.0, 0.0]
    assert list(checks.regrets(points, torch.tensor([3, 1]), "euclidean")) == [0.0, 0.19]
    assert list(checks.regrets(points, torch.tensor([0, 3]), "euclidean")) == [0.48, 0.0]
    assert list(checks.regrets(points, torch.tensor([3, 3]), "euclidean")) == [0.0, torch.inf]
    assert list(checks.regrets(points, torch.tensor([3, -1]), "euclidean")) == [0.0, torch.inf]


def test_divprunes_loop_as_restated_follows_its_rule():
    from tests import naive

    features = torch.randn(50, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert peers.divprune_loop(features, 9).tolist() == naive.divprune(features.numpy(), 9)


@pytest.mark.slow
def test_every_kernel_compiles_for_a_hopper_gpu_and_stays_in_registers():
    resources = checks.hopper_resources()
    assert {kernel["kernel"].split()[0] for kernel in resources} == {
        "lower_products", "rank_gram", "rank_points", "traverse", "traverse_step",
    }  # fmt: skip
    crowded = "traverse matrix=0"  # and 16,384 points: 16 scores a thread beside what their distances need
    assert all(
        kernel["stack"] == kernel["local"] == "0"
        for kernel in resources
        if not (kernel["kernel"].startswith(crowded) and kernel["kernel"].endswith("block=16384"))
    )
