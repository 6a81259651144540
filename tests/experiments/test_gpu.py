"""The GPU experiment from end to end, interpreted where there is no GPU, and its judge of right and wrong."""

import csv
import re

import pytest

from experiments._common.rows import Rows
from experiments.gpu import report
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
    check, *rows = csv.DictReader((tmp_path / "gpu.csv").read_text().splitlines())
    assert (check["inputs"], check["wrong"]) == ("16", "0")
    assert "16 random and clustered inputs" in (tmp_path / "gpu.md").read_text()
    assert {"greedy", "DivPrune's loop", "floor: products", "floor: steps"} <= {row["method"] for row in rows}
    assert {row["batch"] for row in rows} == {"1", "2"}
    assert all(float(row["milliseconds"]) > 0 and row["device"] and row["commit"] for row in rows)


def test_the_report_needs_no_gpu_and_shows_a_run_that_ended_early(tmp_path):
    rows = Rows(tmp_path / "gpu.csv", gpu.KEY, packages=("torch", "triton"))
    about = {"device": "a GPU", "size": "image", "n": 576, "d": 64, "k": 58, "dtype": "bfloat16"}
    rows.add(device="a GPU", method=report.CHECK, inputs=9, picks=100, within_rounding=2, wrong=1, worst=0.5)
    times = ((report.GRAPH, 0.5), (report.PYTHON, 0.75), (report.LOOP, 20), (report.PRODUCTS, 0.1), (report.STEPS, 0.1))
    for method, milliseconds in times:
        rows.add(**about, batch=1, method=method, milliseconds=milliseconds)
    rows.add(**about, batch=8, method=report.GRAPH, milliseconds=1.0)
    gpu.main(tmp_path, report_only=True)
    page = (tmp_path / "gpu.md").read_text()
    assert "97 are the float64 oracle's, 2 differ" in page
    lines = [re.sub(r"\s+", " ", line) for line in page.splitlines() if line.startswith("| image")]
    assert lines == [
        "| image | 576, 64, 58 | 1 | 0.5 | 0.75 | 20 | 40 | 0.2 | 40% |",
        "| image | 576, 64, 58 | 8 | 1 | | | | | |",
    ]
    assert (tmp_path / "gpu.png").stat().st_size > 1000


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
