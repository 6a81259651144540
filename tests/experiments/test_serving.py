"""The serving experiment without vLLM: what it starts, the rows it makes of the times, and the report."""

from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("transformers")
pytest.importorskip("PIL")

from experiments import serving
from experiments.serving.engines import Answered
from experiments.serving.models import MODELS, request, write
from lmm_integration.vllm import launch
from mmdp import UnknownNameError


class Engine:
    """Answers four times as fast when it prunes, and spends a hundredth of the time choosing."""

    started: list[dict[str, object]] = []  # noqa: RUF012

    def __init__(self, name: str, arguments: dict[str, object]) -> None:
        self.started.append(arguments)
        self.pruned = "hf_overrides" in arguments

    def answer(self, seeds: range, new_tokens: int) -> Answered:
        seconds = len(seeds) * (0.5 if self.pruned else 2.0)
        return Answered(seconds, 0.01 * seconds * self.pruned, 100 if self.pruned else 600)

    def close(self) -> None:
        """Nothing runs."""


def test_rows_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "Engine", Engine)
    monkeypatch.setattr(launch, "version", lambda package: "0.32.0")
    serving.main(model=["llava"], scale="tiny", keep=[0.25, 0.1], requests=4, repeats=2, results=tmp_path)
    rows = pd.read_csv(tmp_path / "serving.csv")
    assert rows["keep"].tolist() == [1.0, 0.25, 0.1]
    assert rows["requests_per_s"].tolist() == [0.5, 2.0, 2.0]
    assert rows["rate_ratio"].tolist() == [1.0, 4.0, 4.0]
    assert rows["first_ratio"].tolist() == [1.0, 0.25, 0.25]
    assert rows["choice_share"].tolist() == pytest.approx([0, 0.01, 0.01])
    page = (tmp_path / "serving.md").read_text()
    assert page.count("| llava ") == 3
    assert "4.00x" in page
    whole, *pruned = Engine.started
    assert "hf_overrides" not in whole
    assert [each["hf_overrides"]["visual_pruning"]["keep"] for each in pruned] == [0.25, 0.1]
    serving.main(results=tmp_path, report_only=True)


@pytest.mark.parametrize(("option", "value"), [("model", ["llava-2"]), ("scale", "half")])
def test_unknown_names_are_refused(option: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="choose from"):
        serving.main(**{option: value, "results": tmp_path})


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_holds_what_an_engine_starts_from(name: str, tmp_path: Path) -> None:
    import transformers

    if name != "llava":
        pytest.importorskip("torchvision")  # the processor of videos
    write(name, "tiny", tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    processor = transformers.AutoProcessor.from_pretrained(tmp_path)
    asked = request(name, 0)
    inputs = processor(text=asked["prompt"], images=[asked["multi_modal_data"]["image"]], return_tensors="pt")
    assert int((inputs["input_ids"] == config.image_token_id).sum()) == 576
    assert config.architectures == [MODELS[name].architecture]
