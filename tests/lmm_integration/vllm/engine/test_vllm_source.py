"""vLLM's source still has every name that this plugin overrides or calls, with the parameters it relies on.

Only text is read, so that another version can be looked at: ``VLLM_SOURCE=/path/to/vllm``.
"""

import ast
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")

from lmm_integration.vllm.families import FAMILIES

SPEC = find_spec("vllm")
SOURCE = os.environ.get("VLLM_SOURCE") or (SPEC and SPEC.submodule_search_locations[0])
if not SOURCE:
    pytest.skip("vLLM is not installed", allow_module_level=True)
PROCESSOR, RUNNER = "multimodal/processing/processor.py", "v1/worker/gpu_model_runner.py"
POSITIONS = ["input_ids", "multimodal_embeddings", "mrope_positions", "num_computed_tokens"]
FUNCTIONS = {
    (PROCESSOR, "BaseMultiModalProcessor._apply_hf_processor_main"): ["mm_items", "hf_kwargs"],
    (PROCESSOR, "BaseMultiModalProcessor._get_mm_fields_config"): ["hf_inputs", "hf_processor_mm_kwargs"],
    (PROCESSOR, "BaseMultiModalProcessor._get_mm_prompt_updates"): [
        *("mm_items", "hf_processor_mm_kwargs", "out_mm_kwargs"),
    ],
    (PROCESSOR, "BaseMultiModalProcessor._get_mm_hashes"): ["inputs"],
    (PROCESSOR, "BaseMultiModalProcessor._maybe_apply_prompt_updates"): ["mm_items", "mm_res"],
    (PROCESSOR, "BaseMultiModalProcessor.get_dummy_mm_inputs"): ["mm_counts", "cache", "scheduler_config"],
    (PROCESSOR, "BaseMultiModalProcessor.get_dummy_inputs"): ["seq_len", "mm_counts", "mm_options"],
    ("multimodal/processing/context.py", "BaseProcessingInfo.get_mm_max_tokens_per_item"): ["seq_len", "mm_counts"],
    ("multimodal/inputs.py", "PlaceholderRange.extract_embeds_range"): [],
    ("model_executor/models/llava_onevision.py", "LlavaOnevisionProcessingInfo.get_image_size_with_most_features"): [],
    ("model_executor/models/interfaces.py", "SupportsMRoPE.get_mrope_input_positions"): ["input_tokens", "mm_features"],
    ("model_executor/models/interfaces.py", "SupportsMultiModalPruning.recompute_mrope_positions"): POSITIONS,
    ("config/multimodal.py", "MultiModalConfig.is_multimodal_pruning_enabled"): [],
    (RUNNER, "GPUModelRunner._gather_mm_embeddings"): ["scheduler_output", "shift_computed_tokens"],
    ("v1/worker/gpu/model_states/mm_pruning.py", "MultiModalPruner.recompute"): [
        *("mm_embeds", "input_batch", "req_states"),
    ],
    ("v1/metrics/prometheus.py", "get_prometheus_registry"): [],
    ("entrypoints/cli/serve.py", "ServeSubcommand.subparser_init"): ["subparsers"],
    ("entrypoints/cli/serve.py", "ServeSubcommand.validate"): ["args"],
}
ASKED = {  # where vLLM asks whether a model brings positions along with its features
    (RUNNER, "mm_config.is_multimodal_pruning_enabled()"),
    (RUNNER, "self.model.recompute_mrope_positions("),
    ("v1/worker/gpu/model_states/mm_pruning.py", "model_config.multimodal_config.is_multimodal_pruning_enabled()"),
    ("v1/worker/gpu/model_states/mm_pruning.py", "self.model.recompute_mrope_positions("),
}


def functions(path):
    """Parameters of the functions and methods of a file, without ``self``."""
    found = {}
    tree = ast.parse((Path(SOURCE) / path).read_text())
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in inner:
            if isinstance(member, ast.FunctionDef):
                names = [a.arg for a in (*member.args.posonlyargs, *member.args.args, *member.args.kwonlyargs)]
                found[owner + member.name] = [name for name in names if name not in ("self", "cls")]
    return found


@pytest.mark.parametrize(("path", "name"), FUNCTIONS)
def test_overridden_functions_keep_their_parameters(path, name):
    assert functions(path)[name] == FUNCTIONS[path, name]


@pytest.mark.parametrize(("path", "text"), sorted(ASKED))
def test_runners_ask(path, text):
    assert text in (Path(SOURCE) / path).read_text()


def test_the_cpu_runner_still_needs_help():
    """When this fails, vLLM sets the flag on CPUs itself: drop ``_let_cpu_runner_ask``."""
    text = (Path(SOURCE) / "v1/worker/cpu_model_runner.py").read_text()
    assert "class CPUModelRunner(GPUModelRunner)" in text
    assert "is_multimodal_pruning_enabled" not in text


@pytest.mark.parametrize("architecture", FAMILIES)
def test_families_have_their_classes(architecture):
    """What a family's file imports from vLLM is there, and encodes with ``embed_multimodal``."""
    file = Path(__file__).parents[4] / "lmm_integration/vllm/families" / f"{FAMILIES[architecture]}.py"
    imports = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ImportFrom)]
    imports = [node for node in imports if str(node.module).startswith("vllm.model_executor.models.")]
    assert imports
    encoders = []
    for node in imports:
        path = Path(SOURCE, *str(node.module).split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        body = ast.parse(path.read_text()).body
        there = {member.name for member in body if isinstance(member, ast.ClassDef)}
        there |= {alias.name for member in body if isinstance(member, ast.ImportFrom) for alias in member.names}
        assert {alias.name for alias in node.names} <= there
        encoders += [parameters for name, parameters in functions(path).items() if name.endswith(".embed_multimodal")]
    assert [] in encoders  # keywords only


def test_options_of_pruning_are_not_vllms():
    """Neither ``--keep`` nor the others of the command may hide an option of ``vllm serve``."""
    text = "".join(
        path.read_text() for folder in ("engine", "entrypoints") for path in Path(SOURCE, folder).rglob("*.py")
    )
    assert "--max-model-len" in text
    for option in ("keep", "max-keep", "solver", "metric", "pruning"):
        assert f'"--{option}"' not in text
