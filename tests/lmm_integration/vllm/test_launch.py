"""Launch: from a model and ``keep`` to what vLLM is called with, and what is refused before anything is loaded."""

import json
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import pytest

pytest.importorskip("transformers")

from lmm_integration.exceptions import UnsupportedModelError
from lmm_integration.vllm import __main__ as command
from lmm_integration.vllm import launch, pruned, refusals
from lmm_integration.vllm.families import FAMILIES, FRAMES_APART, THREE_AXES, WITH_GRID
from lmm_integration.vllm.options import Options
from mmdp.exceptions import InvalidOptionError, MissingDependencyError, UnknownNameError
from tests.import_graph import ROOT


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A folder with a configuration, and a vLLM of a tested version."""
    monkeypatch.setattr(launch, "version", lambda package: "0.32.0")
    configuration = {"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"]}
    (tmp_path / "config.json").write_text(json.dumps(configuration))
    return str(tmp_path)


def test_pruned_names_the_architecture(model):
    arguments = pruned(model, keep=0.1, metric="euclidean", hf_overrides={"text_config": {"x": 1}})
    assert arguments == {
        "model": model,
        "hf_overrides": {
            "text_config": {"x": 1},
            "architectures": ["PrunedLlavaForConditionalGeneration"],
            "visual_pruning": {"keep": 0.1, "solver": "greedy", "metric": "euclidean"},
        },
    }


def test_a_revision_is_passed_on(model):
    assert pruned(model, keep=0.1, revision="main")["revision"] == "main"


def test_the_rest_goes_to_vllm_as_it_is(model):
    rest = ["--port", "8001", "--dtype", "float32", "--limit-mm-per-prompt", '{"image": 2}', "--seed", "3"]
    ours = ["--keep", "0.2", "--solver", "stride", "--hf-overrides", '{"rope_theta": 2}']
    serve, name, flag, text, *passed = command.vllm_arguments([model, rest[0], rest[1], *ours, *rest[2:]])
    assert (serve, name, flag) == ("serve", model, "--hf-overrides")
    assert json.loads(text) == {
        "rope_theta": 2,
        "architectures": ["PrunedLlavaForConditionalGeneration"],
        "visual_pruning": {"keep": 0.2, "solver": "stride"},
    }
    assert passed == rest


@pytest.mark.parametrize(("text", "keep"), [("1", 1), ("1.0", 1.0), ("64", 64), ("0.5", 0.5)])
def test_a_count_and_a_fraction_differ(model, capsys, text, keep):
    merged = json.loads(command.vllm_arguments([model, "--keep", text])[3])
    assert merged["visual_pruning"]["keep"] == keep
    assert type(merged["visual_pruning"]["keep"]) is type(keep)
    assert ("keeps one token" in capsys.readouterr().err) == (text == "1")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--keep", "0"], InvalidOptionError, "at least 1"),
        (["--keep", "0.1", "--solver", "gredy"], UnknownNameError, "gredy"),
        (["--keep", "0.1", "--pruning", '{"strat": 1}'], InvalidOptionError, "has no option strat"),
        (["--keep", "0.1", "--hf-overrides.a.b", "1"], InvalidOptionError, "write it as JSON"),
        (
            ["--keep", "0.1", "--hf-overrides", '{"architectures": ["GPT2"]}'],
            UnsupportedModelError,
            "architecture GPT2",
        ),
        (["--keep", "64", "--max-keep", "0.1"], InvalidOptionError, "two counts"),
        (["--keep", "0.1", "--pruning", '{"keep": 0.5}'], InvalidOptionError, "names keep, which --keep gives"),
        (
            ["--keep", "0.1", "--solver", "stride", "--pruning", '{"solver": "greedy"}'],
            InvalidOptionError,
            "names solver, which --solver gives",
        ),
        (["--keep", "0.1", "--hf-overrides", '{"visual_pruning": {"keep": 0.5}}'], InvalidOptionError, "replaced"),
        (["--keep", "0.1", "--mm-processor-kwargs", '{"keep": 0.5}'], InvalidOptionError, "write --keep"),
    ],
)
def test_what_cannot_be_served_is_refused(model, arguments, kind, message):
    with pytest.raises(kind, match=message):
        command.vllm_arguments([model, *arguments])


@pytest.mark.parametrize("trusting", [[], ["--trust-request-mm-kwargs"], ["--trust_request_mm_kwargs"]])
def test_a_max_keep_that_no_request_may_use_is_noted(model, capsys, trusting):
    command.vllm_arguments([model, "--keep", "0.1", "--max-keep", "0.5", *trusting])
    assert ("without --trust-request-mm-kwargs" in capsys.readouterr().err) == (not trusting)


def test_a_folder_without_a_checkpoint_is_named(model, tmp_path):
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "not-there"):
        with pytest.raises(UnsupportedModelError, match=f"{wrong} is not a folder with a config.json"):
            pruned(str(wrong), keep=0.1)


def test_processor_options_are_passed_on(model):
    passed = command.vllm_arguments([model, "--keep", "0.1", "--mm_processor_kwargs", '{"do_resize": false}'])
    assert passed[4:] == ["--mm-processor-kwargs", '{"do_resize": false}']


@pytest.mark.parametrize(("given", "token"), [(["--hf-token", "secret"], "secret"), (["--hf-token"], True)])
def test_a_token_also_reads_the_configuration(model, monkeypatch, given, token):
    seen = []
    monkeypatch.setattr(command, "overrides", lambda *names, **others: seen.append(others["token"]) or {})
    assert command.vllm_arguments([model, "--keep", "0.1", *given])[4:] == given
    assert seen == [token]


def test_help_is_no_error(capsys):
    for asked in (["--help"], ["serve", "--help"]):
        with pytest.raises(SystemExit) as left:
            command.main(asked)
        assert left.value.code == 0
        assert "--max-keep" in capsys.readouterr().out


def test_the_model_comes_first(model):
    with pytest.raises(InvalidOptionError, match="the model comes first"):
        command.vllm_arguments(["--keep", "0.1", model])


def test_one_line_and_no_traceback(model):
    for wrong in (["--keep", "0"], ["--keep", "much"], ["--keep", "0.1", "--pruning", "{"]):
        called = [sys.executable, "-m", "lmm_integration.vllm", "serve", model, *wrong]
        done = subprocess.run(called, capture_output=True, text=True, check=False)
        assert done.returncode
        assert "Traceback" not in done.stderr
        assert "keep=0" in done.stderr or "much" in done.stderr or "not JSON" in done.stderr


@pytest.mark.parametrize("version", ["0.31.2", "0.33.0", "1.0"])
def test_untested_versions_are_refused(model, monkeypatch, version):
    monkeypatch.setattr(launch, "version", lambda package: version)
    with pytest.raises(UnsupportedModelError, match=f"this is {version}"):
        pruned(model, keep=0.1)
    assert pruned(model, keep=0.1, allow_untested=True)


def test_without_vllm_there_is_a_command(model, monkeypatch):
    def missing(package):
        raise launch.PackageNotFoundError(package)

    monkeypatch.setattr(launch, "version", missing)
    with pytest.raises(MissingDependencyError, match=r"pip install 'vllm==0.32.\*'"):
        pruned(model, keep=0.1)


def configuration(**changed):
    """What vLLM passes to a model, as far as it is looked at."""
    parts = {
        "model": {"hf_config": SimpleNamespace(visual_pruning={"keep": 0.1})},
        "multimodal": {"enable_mm_embeds": False, "video_pruning_rate": None},
        "compilation_config": {"cudagraph_mm_encoder": False},
        "parallel_config": {"pipeline_parallel_size": 1},
    }
    whole = {"lora_config": None, "ec_transfer_config": None, "speculative_config": None}
    for path, value in changed.items():
        part, _, name = path.partition("__")
        if name:
            parts[part][name] = value
        else:
            whole[part] = value
    made = {name: SimpleNamespace(**fields) for name, fields in parts.items() if name.endswith("_config")}
    model = SimpleNamespace(**parts["model"], multimodal_config=SimpleNamespace(**parts["multimodal"]))
    return SimpleNamespace(model_config=model, **made, **whole)


REFUSED = [
    ({"multimodal__enable_mm_embeds": True}, "--enable-mm-embeds", False),
    ({"multimodal__video_pruning_rate": 0.5}, "--video-pruning-rate", False),
    ({"compilation_config__cudagraph_mm_encoder": True}, "cudagraph_mm_encoder", False),
    ({"lora_config": SimpleNamespace(enable_tower_connector_lora=True)}, "enable_tower_connector_lora", False),
    ({"ec_transfer_config": SimpleNamespace()}, "--ec-transfer-config", False),
    ({"parallel_config__pipeline_parallel_size": 2}, "--pipeline-parallel-size", True),
    ({"speculative_config": SimpleNamespace()}, "--speculative-config", True),
]


@pytest.mark.parametrize(("changed", "message", "only_three_axes"), REFUSED)
def test_configurations_that_are_not_tested_are_refused(changed, message, only_three_axes):
    with pytest.raises(UnsupportedModelError, match=f"cannot be served.*drop {message}"):
        refusals.check(configuration(**changed), version="0.32.0", three_axes=True, has_grid=True)
    if only_three_axes:
        refusals.check(configuration(**changed), version="0.32.0", three_axes=False, has_grid=True)


@pytest.mark.parametrize(("changed", "message", "only_three_axes"), REFUSED)
def test_the_command_refuses_them_before_anything_is_started(changed, message, only_three_axes):
    ((name, value),) = changed.items()
    flag = name.rpartition("__")[2]
    named = {
        "lora_config": vars(value) if name == "lora_config" else {},
        "cudagraph_mm_encoder": {"compilation_config": {flag: value}},
    }
    asked = SimpleNamespace(**named.get(flag, {flag: value}))
    with pytest.raises(UnsupportedModelError, match=f"cannot be served.*drop {message}"):
        refusals.check_command(asked, "Qwen2VLForConditionalGeneration")
    if only_three_axes:
        refusals.check_command(asked, "LlavaForConditionalGeneration")


def test_a_plain_command_is_served():
    refusals.check_command(SimpleNamespace(pipeline_parallel_size=1, compilation_config=None), "Qwen2VL")


def test_the_facts_about_architectures_are_those_of_their_classes():
    for architecture, module in FAMILIES.items():
        source = (ROOT / "lmm_integration" / "vllm" / "families" / f"{module}.py").read_text()
        three_axes = "PrunedThreeAxes" in source
        assert (architecture in THREE_AXES) == three_axes
        assert (architecture in WITH_GRID) == (three_axes or "square = True" in source)
        assert (architecture in FRAMES_APART) == ('with_text = ("video",)' in source)


@pytest.mark.parametrize(
    ("architecture", "solver", "message"),
    [
        ("InternVLForConditionalGeneration", "grid", "'grid' needs the layout"),
        ("Qwen3VLForConditionalGeneration", "evs", "'evs' compares the frames"),
    ],
)
def test_a_rule_that_the_model_gives_too_little_is_refused_before_it_is_loaded(
    tmp_path, monkeypatch, architecture, solver, message
):
    monkeypatch.setattr(launch, "version", lambda package: "0.32.0")
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    with pytest.raises(InvalidOptionError, match=message):
        pruned(str(tmp_path), keep=0.1, solver=solver, modalities=["video"])


def test_a_plain_configuration_is_served():
    refusals.check(configuration(), version="0.32.0", three_axes=True, has_grid=False)


def test_a_selector_that_needs_a_grid_is_refused_where_there_is_none():
    asked = configuration(model__hf_config=SimpleNamespace(visual_pruning={"keep": 0.1, "solver": "grid"}))
    refusals.check(asked, version="0.32.0", three_axes=False, has_grid=True)
    with pytest.raises(InvalidOptionError, match="rows and columns"):
        refusals.check(asked, version="0.32.0", three_axes=False, has_grid=False)


def test_a_rule_for_frames_is_refused_where_each_frame_is_pruned_by_itself():
    asked = {"keep": 0.1, "solver": "evs", "modalities": ["video"]}
    config = configuration(model__hf_config=SimpleNamespace(visual_pruning=asked))
    refusals.check(config, version="0.32.0", three_axes=True, has_grid=True)
    with pytest.raises(InvalidOptionError, match=r"'evs' compares the frames.*text between them"):
        refusals.check(config, version="0.32.0", three_axes=True, has_grid=True, frames_apart=True)


REGISTRY = """
class ModelRegistry:
    models = {"PrunedQwen2VLForConditionalGeneration": "already there"}
    get_supported_archs = staticmethod(lambda: set(ModelRegistry.models))
    register_model = staticmethod(lambda name, place: ModelRegistry.models.update({name: place}))
"""


def test_the_entry_point_registers_names_and_imports_nothing_heavy(tmp_path):
    """vLLM calls it in each of its processes, also those that serve other models."""
    (tmp_path / "vllm.py").write_text(REGISTRY)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry_point,) = project["entry-points"]["vllm.general_plugins"].values()
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from importlib.metadata import EntryPoint
for _ in range(2):
    EntryPoint("x", {entry_point!r}, "vllm.general_plugins").load()()
import json, vllm
print(json.dumps([vllm.ModelRegistry.models, [n for n in ("numba", "transformers", "PIL") if n in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    models, heavy = json.loads(done.stdout)
    assert heavy == []
    assert set(models) == {f"Pruned{architecture}" for architecture in FAMILIES}
    assert models.pop("PrunedQwen2VLForConditionalGeneration") == "already there"
    for name, place in models.items():
        module, _, member = place.partition(":")
        assert member == name
        assert f"class {name}(" in (ROOT / module.replace(".", "/")).with_suffix(".py").read_text()


def test_options_are_read_before_weights():
    with pytest.raises(InvalidOptionError, match="does not say how many"):
        refusals.check(
            configuration(model__hf_config=SimpleNamespace()), version="0.32.0", three_axes=False, has_grid=True
        )
    assert Options.of({"keep": 0.5}).count(4) == 2
