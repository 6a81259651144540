"""The lab asks right questions about scenes that no training scene shares anything with, and measures what it says."""

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("skimage")

from experiments.lmm_lab import (  # noqa: E402
    batches,
    evaluate,
    figures,
    methods,
    model,
    pixels,
    questions,
    report,
    scenes,
    statistics,
    study,
)
from experiments.lmm_lab import train as training  # noqa: E402
from mmdp import DataFileError  # noqa: E402

needs_checkpoint = pytest.mark.skipif(
    not (model.CHECKPOINT / "model.safetensors").exists(), reason="no checkpoint: python -m experiments lmm_lab train"
)


def drawn(count, seed=0):
    source, rng = pixels.pixels("test"), np.random.default_rng(seed)
    return [scenes.scene(source, rng) for _ in range(count)]


def test_training_and_test_share_neither_digits_nor_photographs():
    assert not set(pixels.TRAIN_PHOTOS) & set(pixels.TEST_PHOTOS)
    train, test = pixels.pixels("train"), pixels.pixels("test")
    originals = {ink.tobytes() for ink in train.ink[: len(train.ink) // pixels.AUGMENTED]}
    assert len(originals) + len({ink.tobytes() for ink in test.ink}) > 1790  # of 1,797, some alike
    assert not originals & {ink.tobytes() for ink in test.ink}


def answer(scene, text):
    """Read a question word by word and look the answer up in the list of digits, another way than the generator's."""
    words = text.split()
    things = list(scene.things)
    if words[:2] == ["how", "many"]:
        return str(sum(thing.colour in words for thing in things) if "are" in words else len(things))
    if words[0] == "is":
        one, other = (next(t.value for t in things if t.colour == word) for word in (words[1], words[-1]))
        return "yes" if (one > other) == ("larger" in words) else "no"
    named = [t for t in things if words[-1] in (t.colour, str(t.value), t.place)]
    assert len(named) == 1, text
    return {"digit": str(named[0].value), "colour": named[0].colour, "is": named[0].place}[words[1]]


def test_answers_are_what_the_scene_shows():
    rng = np.random.default_rng(1)
    for scene in drawn(60):
        for kind in questions.KINDS:
            question = questions.ask(scene, kind, rng)
            assert len(question.ids) <= batches.LONGEST
            assert question.answer == answer(scene, question.text), question


def test_patch_labels_lie_on_the_digits():
    for scene in drawn(10):
        labels = scenes.patch_labels(scene)
        assert (labels["digit"] > 0).sum() == 9 * len(scene.things)
        assert labels["centre"].sum() == len(scene.things)
        assert len(labels["digit"]) == model.TOKENS == 144


def test_one_pass_over_many_questions_equals_each_alone():
    torch.manual_seed(0)
    small = model.new(width=32, layers=2).eval()
    batch = next(batches.asked("test", 3, 2, 5))
    with torch.no_grad():
        together = training.answer_scores(small, model.vision(small, batch.images)[0], batch)
        for i, q in ((0, 0), (1, 3)):
            words = batch.ids[i, q, : batch.last[i, q] + 1]
            ids = torch.cat((torch.tensor([questions.START] + [questions.IMAGE] * model.TOKENS), words))[None]
            alone = small(pixel_values=batch.images[i : i + 1], input_ids=ids).logits[0, -1]
            assert torch.allclose(together[i, q], alone, atol=1e-4)


def interrupted(*_):
    raise KeyboardInterrupt


def test_training_goes_on_after_the_last_stage_and_its_checkpoint_loads(tmp_path, monkeypatch):
    recipe = training.Recipe(
        tower_steps=4,
        tower_batch=2,
        language_steps=4,
        language_batch=2,
        questions=3,
        every=2,
        width=32,
        layers=1,
        words_steps=2,
        words_batch=2,
    )
    language = training.train_language
    monkeypatch.setattr(training, "train_language", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe, tmp_path)
    monkeypatch.setattr(training, "train_language", language)
    trained = training.train(recipe, tmp_path)
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["stage"].tolist() == ["tower"] * 2 + ["words"] + ["language"] * 2
    assert not (tmp_path / "stage.pt").exists()
    whole = training.train(recipe, tmp_path / "whole").state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in trained.state_dict().items())
    loaded = model.load(tmp_path)
    for name, value in trained.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])


def test_study_measures_once_and_reports_from_its_rows(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model.new(width=32, layers=1).save_pretrained(tmp_path / "checkpoint")
    kept = ("random", "greedy", "local_search", "exact", "greedy_centring_alone", "grid", "cls_attention", "cdpruner")
    everything = methods.methods
    monkeypatch.setattr(study, "KEEPS", (0.1, 0.05))
    monkeypatch.setattr(study, "methods", lambda *a: (m for m in everything(*a) if m.name in kept))
    monkeypatch.setattr(report, "RIVALS", ("exact", "greedy_centring_alone"))
    monkeypatch.setattr(figures, "SHOWN", {"exact": "green", "greedy": "orange"})
    rows = study.measure(tmp_path, scenes=4, seeds=1, folder=tmp_path / "checkpoint")
    assert len(rows) == 1 + 2 * len(kept)
    assert len(study.measure(tmp_path, scenes=4, seeds=1, folder=tmp_path / "checkpoint")) == len(rows)
    frame = rows.frame()
    exact, greedy = (frame[(frame.method == name) & (frame.keep == 0.1)] for name in ("exact", "greedy"))
    assert exact["objective"].item() >= greedy["objective"].item()
    text = report.write(rows, tmp_path)[0].read_text()
    assert f"| greedy | {100 * greedy['accuracy'].item():.1f}" in text


def test_rank_correlation_sees_order_and_nothing_else():
    rows = pd.DataFrame({"right": ["1 5", "2 3", "4 1"], "objectives": [".1 .9", ".2 .5", ".3 .4"]})
    assert statistics.correlation(rows).value == pytest.approx(1.0)
    rows["objectives"] = [".3 .4", ".2 .5", ".1 .9"]
    assert statistics.correlation(rows).value == pytest.approx(-1.0)


@needs_checkpoint
@pytest.mark.skipif(transformers.__version__ >= "5", reason="needs transformers 4")
def test_weights_of_a_newer_transformers_are_refused():
    with pytest.raises(DataFileError, match="saved by transformers 5"):
        model.load()


@needs_checkpoint
@pytest.mark.skipif(transformers.__version__ < "5", reason="needs transformers 5")
def test_the_checkpoint_answers_the_same_twice():
    lab = evaluate.Lab(model.load(), 12)
    first, second = (lab.ask("greedy", 1.0).right for _ in range(2))
    assert (first == second).all()
    assert first.mean() > 0.85
    assert lab.ask("greedy", 0.25).right.shape == (12, len(questions.KINDS))
