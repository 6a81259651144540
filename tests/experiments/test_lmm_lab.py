"""The lab asks right questions about scenes that no training scene shares anything with, and measures what it says."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("skimage")

from experiments.lmm_lab import (  # noqa: E402
    batches,
    dense,
    digits,
    evaluate,
    figures,
    methods,
    model,
    pixels,
    questions,
    reading,
    report,
    rules,
    rules_report,
    scenes,
    statistics,
    study,
    task,
    tasks,
)
from experiments.lmm_lab import train as training  # noqa: E402
from lmm_integration import selectors  # noqa: E402
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
            assert len(question.text.split()) <= digits.DIGITS.longest
            assert question.answer == answer(scene, question.text), question


def test_patch_labels_lie_on_the_digits():
    for scene in drawn(10):
        labels = scenes.patch_labels(scene)
        assert (labels["digit"] > 0).sum() == 9 * len(scene.things)
        assert labels["centre"].sum() == len(scene.things)
        assert len(labels["digit"]) == model.TOKENS == 144


@pytest.mark.parametrize("asked_about", tasks.TASKS.values(), ids=lambda of: of.name)
def test_one_pass_over_many_questions_equals_each_alone(asked_about):
    torch.manual_seed(0)
    small = model.new(len(asked_about.words), width=32, layers=2).eval()
    batch = next(batches.asked(asked_about, "test", 3, 2, 5))
    with torch.no_grad():
        together = training.answer_scores(small, model.vision(small, batch.images)[0], batch)
        for i, q in ((0, 0), (1, 3)):
            length = int((batch.answers[i, q] != batches.UNASKED).sum())
            words = batch.ids[i, q, : batch.last[i, q] + length]
            ids = torch.cat((torch.tensor([task.START] + [task.IMAGE] * model.TOKENS), words))[None]
            alone = small(pixel_values=batch.images[i : i + 1], input_ids=ids).logits[0, -length:]
            assert torch.allclose(together[i, q, :length], alone, atol=1e-4)


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_a_drill_asks_some_kinds_more_often_in_a_last_round(monkeypatch):
    asked = []
    usual_round = {"task": "dense", "language_steps": 1, "language_batch": 2, "questions": 5, "width": 32, "layers": 1}
    recipe = training.Recipe(**usual_round, drill_rounds=1, drill_steps=1, drilled=("both", "presence"), drill=3)
    monkeypatch.setattr(training, "answer_scores", lambda model, seen, batch: asked.append(batch) or interrupted())
    small = model.new(len(tasks.TASKS["dense"].words), width=32, layers=1)
    for turn in range(2):
        with pytest.raises(KeyboardInterrupt):
            training.train_language(small, tasks.TASKS["dense"], recipe, None, turn)
    usual, drill = (Counter(question.kind for question in batch.questions[0]) for batch in asked)
    assert usual == dict.fromkeys(tasks.TASKS["dense"].kinds, 1)
    assert drill == usual | {"both": 3, "presence": 3}


@pytest.mark.parametrize("name", tasks.TASKS)
def test_training_goes_on_after_the_last_stage_and_its_checkpoint_loads(name, tmp_path, monkeypatch):
    recipe = training.Recipe(
        task=name,
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
    model.new(len(questions.WORDS), width=32, layers=1).save_pretrained(tmp_path / "checkpoint")
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


def heard(kind, last, answer, by, scene):
    """Whether the scene gives this answer to a question that ends in ``last``."""
    if kind == "count":
        return answer == [str(len(scene.things))]
    if kind == "colour":
        return answer == [by["place"][last].colour]
    if kind == "place":
        return answer == [by["colour"][last].place]
    return answer == list(by[kind.removeprefix("read_")][last].text)


def test_reading_questions_are_answered_by_the_scene():
    rng = np.random.default_rng(3)
    for _ in range(40):
        scene = reading.draw("test", rng)
        assert all(reading.is_for_tests(line.text) for line in scene.things)
        by = {name: {getattr(line, name): line for line in scene.things} for name in ("colour", "place")}
        for kind in reading.KINDS:
            question = reading.ask(scene, kind, rng)
            last, (*answer, end) = question.text.split()[-1], question.answer.split()
            assert end == task.END
            assert len(reading.READING.encode(question.answer)) <= reading.READING.longest_answer
            assert heard(kind, last, answer, by, scene), question


def test_no_string_of_training_is_read_in_a_test():
    rng = np.random.default_rng(4)
    assert not any(reading.is_for_tests(line.text) for _ in range(30) for line in reading.draw("train", rng).things)


def test_every_letter_has_a_patch_and_they_read_in_order():
    rng = np.random.default_rng(5)
    for _ in range(30):
        scene = reading.draw("train", rng)
        labels = {name: of.reshape(12, 12) for name, of in reading.labels(scene).items()}
        for line in scene.things:
            mine = labels["colour"] == list(reading.COLOURS).index(line.colour) + 1
            assert set(labels["order"][mine].tolist()) == set(range(1, len(line.text) + 1))
            first_row = labels["letter"][np.flatnonzero(mine.any(1))[0]]
            seen = [value for value, before in zip(first_row, [0, *first_row[:-1]], strict=True) if value]
            letters = [reading.LETTERS[value - 1] for value in seen]
            assert "".join(dict.fromkeys(letters)) == "".join(dict.fromkeys(line.text))
        shown = (scene.image + 1) / 2
        assert shown.min() >= 0
        assert shown.max() <= 1


@pytest.mark.parametrize("font", reading.FONTS)
def test_letters_are_inked_in_their_boxes(font):
    ink, boxes = reading.written("AXE", font, 18)
    assert ink.shape[1] <= pixels.SIDE
    for top, left, bottom, right in boxes:
        assert right - left >= pixels.PATCH
        assert ink[top:bottom, left:right].sum() > 0.5 * 18


def test_dense_questions_are_answered_by_the_scene():
    rng = np.random.default_rng(6)
    said = set()
    for _ in range(60):
        scene = dense.draw("test", rng)
        assert dense.FEWEST <= len(scene.things) <= dense.MOST
        for kind in dense.KINDS:
            question = dense.ask(scene, kind, rng)
            dense.DENSE.encode(f"{question.text} {question.answer}")
            words = set(question.text.split()) - {"how", "many", "is", "there", "things"}
            count = sum(words <= {thing.kind, thing.colour} for thing in scene.things)
            assert question.answer == (("yes" if count else "no") if kind == "presence" else str(count))
            said.add(question.answer)
    assert {"yes", "no", "0", "3", "9"} <= said


def test_dense_labels_lie_on_the_shapes():
    rng = np.random.default_rng(7)
    for _ in range(20):
        scene = dense.draw("train", rng)
        labels = dense.labels(scene)
        assert labels["centre"].sum() == len(scene.things)
        assert len(scene.things) <= (labels["shape"] > 0).sum() <= 4 * len(scene.things)
        assert ((labels["shape"] > 0) == (labels["colour"] > 0)).all()


def test_shapes_differ_from_each_other():
    drawn = [dense.ink(kind, 12) for kind in dense.SHAPES]
    assert all(0.15 < ink.mean() < 0.85 for ink in drawn)
    assert min(abs(a - b).mean() for i, a in enumerate(drawn) for b in drawn[:i]) > 0.1


def test_checkpoints_are_named_by_task_and_seed():
    assert tasks.checkpoint("digits-0").folder == model.CHECKPOINT
    assert tasks.checkpoint("reading-3").seed == 3
    for name in ("letters-0", "digits", "digits-x"):
        with pytest.raises(tasks.UnknownNameError, match="digits-1"):
            tasks.checkpoint(name)
    assert set(training.RECIPES) == set(tasks.TASKS)


def test_answers_of_several_words_are_right_only_as_a_whole(tmp_path):
    torch.manual_seed(0)
    lab = evaluate.Lab(model.new(len(reading.READING.words), width=32, layers=1), 2, reading.READING)
    images, ids, mask, answers = lab._batches[0]
    with torch.inference_mode():
        said = lab.model(pixel_values=images, input_ids=ids, attention_mask=mask).logits.argmax(-1)
    right = lab.ask("greedy", 1.0).right.ravel()
    for row, answer in enumerate(answers):
        words = answer[answer != batches.UNASKED]
        assert ids[row, -len(words) + 1 :].tolist() == words[:-1].tolist() or len(words) == 1
        assert right[row] == (said[row, -len(words) :].tolist() == words.tolist())


@pytest.fixture
def tiny_study(tmp_path, monkeypatch):
    """One untrained checkpoint, two scenes and one keep."""
    torch.manual_seed(0)
    model.new(len(questions.WORDS), width=32, layers=1).save_pretrained(tmp_path / "checkpoint")
    only = tasks.Checkpoint(digits.DIGITS, 0)
    monkeypatch.setattr(type(only), "folder", property(lambda self: tmp_path / "checkpoint"))
    monkeypatch.setattr(rules, "CHECKPOINTS", (only,))
    for name, value in {"KEEPS": (0.05,), "SCENES": 2, "QUICK_SCENES": 2, "PROVEN_SCENES": 1}.items():
        monkeypatch.setattr(rules, name, value)
    monkeypatch.setattr(rules, "QUICK_KEEPS", (0.05,))
    monkeypatch.setattr(rules, "PROOF_SECONDS", dict.fromkeys(rules.PROOF_SECONDS, 0.2))
    return tmp_path


def test_rules_are_measured_once_and_reported_from_their_rows(tiny_study):
    only = (rules.OWN, rules.REGISTERED, rules.BASE)
    quick = rules.measure(tiny_study, True, only=only)
    assert len(quick) == 1 + len(only)
    assert len(rules.measure(tiny_study, True, only=only)) == len(quick)
    assert len(rules.measure(tiny_study, True, names=("dense-0",))) == len(quick)
    assert set(quick.frame()["rule"]) == {"all tokens", *only}
    text = rules_report.write(quick, tiny_study)[0].read_text()
    assert "**Primary hypothesis**, for weighted_coverage, over 1 cells" in text
    assert "| facility_location | - |" in text


@pytest.mark.slow
def test_optima_and_random_subsets_join_the_study(tiny_study, monkeypatch):
    kept = (*rules.CONFIRMED, *rules.OPTIMA, "random", "k_centre", "cdpruner", "cls_attention")
    everything = rules.rules
    monkeypatch.setattr(rules, "rules", lambda *a: (one for one in everything(*a) if one.name in kept and not one.draw))
    frame = rules.measure(tiny_study, False).frame()
    assert set(kept) <= set(frame["rule"])
    best, greedy = (frame[frame.rule == name].iloc[-1] for name in ("best_radius", "k_centre"))
    pairs = zip(study.numbers(best.coverage_radius), study.numbers(greedy.coverage_radius), strict=True)
    assert all(one <= other + 1e-9 for one, other in pairs)
    text = rules_report.write(rules.rows(tiny_study), tiny_study)[0].read_text()
    assert "best_weighted_similarity" in text
    assert "| digits-0 | radius | 5% |" in text


def test_every_selector_that_can_be_asked_is():
    torch.manual_seed(0)
    lab = evaluate.Lab(model.new(len(questions.WORDS), width=32, layers=1), 1)
    listed = list(rules.rules(lab, False))
    assert set(selectors.names()) - {one.name for one in listed} == {"random_subset", "visionzip", "evs", "dycoke"}
    for rule in listed:
        if rule.group == "described":
            assert len(lab.ask(rule.choose, 0.05).kept[0].indices) == 7, rule.name


def test_no_report_without_rows(tmp_path):
    assert rules_report.write(rules.rows(tmp_path), tmp_path) == []


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
