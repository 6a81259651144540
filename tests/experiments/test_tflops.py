"""The paper's TFLOP shares from configurations, and the count itself against a decoder counted matrix by matrix."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("rich")
pytest.importorskip("transformers")

from experiments import tflops
from experiments.__main__ import run
from experiments.tflops import PAPER, Case, Decoder
from mmdp import DataFileError, InvalidOptionError


@pytest.mark.parametrize("case", PAPER, ids=lambda case: case.name)
def test_the_papers_values_to_the_last_printed_digit(case):
    row = case.measure()
    assert f"{row.share:.2f}" == f"{case.published.share:.2f}"
    assert float(f"{row.full:.4g}") == pytest.approx(case.published.full, abs=1e-3)
    assert float(f"{row.pruned:.4g}") == pytest.approx(case.published.pruned, abs=1e-3)


@pytest.mark.parametrize("case", PAPER, ids=lambda case: case.name)
def test_nothing_but_the_configuration_and_the_tokens_decides(case):
    """The published values are for show: without them, or with wrong ones, the count is the same."""
    row = case.measure()
    assert replace(case, published=None).measure().share == row.share
    text = {**case.config["text_config"], "intermediate_size": 2 * case.config["text_config"]["intermediate_size"]}
    assert replace(case, config={**case.config, "text_config": text}).measure().share != row.share
    assert replace(case, keep=1.0).measure().share == 100


def test_why_the_video_row_keeps_a_tenth():
    video = PAPER[3]
    assert f"{replace(video, keep=0.098).measure().share:.2f}" == "13.95"
    assert f"{video.measure().share:.2f}" == "14.10"


def test_count_matrix_by_matrix():
    layers, d, m, n = 3, 16, 40, 7
    operations = 0
    for _ in range(layers):
        for rows, columns in [(d, d)] * 4 + [(d, m), (m, d)]:  # queries, keys, values, output; up, down
            operations += n * rows * columns
        operations += 2 * n * n * d  # scores, and the mean of the values
    assert Decoder(layers, d, m).tflop(n) == operations / 1e12


def test_a_config_file_with_defaults_left_out(tmp_path):
    """As LLaVA-1.5-7B's own config.json does, which names its language model and leaves the sizes to the default."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "llava", "text_config": {"model_type": "llama"}}))
    assert Decoder.of(tflops.read(path)) == Decoder(32, 4096, 11008)
    assert Case("file", tflops.read(path), [45], [576], 0.1).measure().share == pytest.approx(15.9, abs=0.5)


@pytest.mark.parametrize("model_type", ["qwen2_5_vl", "qwen3_vl", "internvl", "gemma3", "paligemma", "idefics3"])
def test_other_families(model_type):
    decoder = Decoder.of({"model_type": model_type})
    assert min(decoder.layers, decoder.width, decoder.inner) > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), ("{", "config.json: "), ("[]", "names no model_type"), ("{}", "names no model_type")],
)
def test_what_is_no_config(tmp_path, content, message):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataFileError, match=message):
        tflops.read(path)


@pytest.mark.parametrize("config", [{"model_type": "no_such_model"}, {"model_type": "resnet"}])
def test_a_model_without_a_decoder(config):
    with pytest.raises(InvalidOptionError, match="no sizes of a language model"):
        Decoder.of(config)


@pytest.fixture
def command(monkeypatch, capsys):
    """``python -m experiments tflops ...`` in this process: what it prints."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*options):
        with pytest.raises(SystemExit) as done:
            run(["tflops", *options])
        assert not done.value.code
        return capsys.readouterr().out

    return call


def test_command_line(command, tmp_path):
    printed = command()
    for case in PAPER:
        line = next(line for line in printed.splitlines() if f" {case.name} " in line)
        assert line.count(f"{case.published.share:.2f}") == 2  # computed, and published
    path = tmp_path / "a_folder_with_a_rather_long_name" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(PAPER[1].config))
    assert "100.00" in command("--config", str(path), "--keep", "1.0")
    with pytest.raises(InvalidOptionError, match="would leave no visual token"):
        command("--keep", "0")
