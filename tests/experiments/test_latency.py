"""The latency experiment from end to end at sizes of no account; what the numbers are is not tested."""

from pathlib import Path

import pandas as pd
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")

from experiments import latency  # noqa: E402
from experiments._common.shapes import SCALES, SHAPES  # noqa: E402
from mmdp import InvalidOptionError, UnknownNameError  # noqa: E402

OPTIONS = {"scale": "tiny", "solver": None, "text": 8, "batch": 2, "new_tokens": 3, "repeats": 2}


def test_rows_report_and_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = ["LLaVA-1.5-7B", "Qwen2.5-VL-7B"]
    latency.main(model=models, keep=[0.1, 0.5], results=tmp_path, **OPTIONS)
    rows = pd.read_csv(tmp_path / "latency.csv")
    assert rows["model"].tolist() == [model for model in models for _ in range(3)]
    assert rows["keep"].tolist() == [1.0, 0.5, 0.1] * 2
    assert rows["kept"].tolist() == [576, 288, 58, 1296, 648, 130]
    assert (rows["first_ratio"][rows["solver"].isna()] == 1).all()
    assert (rows[["first_s", "token_s"]] > 0).all(axis=None)
    assert (rows["select_s"] > 0).tolist() == [False, True, True] * 2
    assert rows["packages"].str.contains("transformers").all()
    page = (tmp_path / "latency.md").read_text()
    assert all(
        page.count(f"| {cell} ") == count for cell, count in (("none", 2), ("greedy", 4), (f"2 x {models[0]}", 3))
    )
    with Image.open(tmp_path / "latency.png") as image:
        assert image.size[0] > 500
    assert "of unpruned" in capsys.readouterr().out
    assert "Before and now" not in page
    first = rows.assign(code="0", commit="1234567", select_s=rows["first_s"] / 2)
    pd.concat([first, rows]).to_csv(tmp_path / "latency.csv", index=False)
    latency.main(model=models, report_only=True, results=tmp_path, keep=None, **OPTIONS)
    before = (tmp_path / "latency.md").read_text().partition("Before and now")[2]
    assert before.count("| greedy ") == 8
    assert before.count("1234567") == before.count("50.0% |") == 4


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_have_their_published_size(name: str) -> None:
    with torch.device("meta"):
        model = SHAPES[name].build(SCALES["full"], "meta", torch.bfloat16)
    billions = {"LLaVA-1.5-7B": 7.06, "LLaVA-1.5-13B": 13.35, "LLaVA-NeXT-7B": 7.06, "Qwen2.5-VL-7B": 8.29}[name]
    assert sum(weights.numel() for weights in model.parameters()) / 1e9 == pytest.approx(billions, rel=0.01)


def test_a_scaled_llava_has_twelve_layers_of_width_1024() -> None:
    text = SHAPES["LLaVA-1.5-7B"].text.scaled(SCALES["quarter"].depth, SCALES["quarter"].width)
    assert (text.layers, text.heads * text.head) == (12, 1024)


@pytest.mark.parametrize(("option", "value"), [("model", ["LLaVA-2"]), ("scale", "half")])
def test_unknown_names_are_refused(option: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="choose from"):
        latency.main(**({"model": None, "keep": None, "results": tmp_path} | OPTIONS | {option: value}))


def test_a_keep_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="keep="):
        latency.main(model=None, keep=[1.5], results=tmp_path, **OPTIONS)
