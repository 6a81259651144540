"""The server in processes of its own, as an operator starts it and as clients see it."""

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

pytest.importorskip("vllm")

from tests.import_graph import ROOT
from tests.lmm_integration.vllm.engine import cases
from tests.lmm_integration.vllm.engine.processes import THREADS, checkpoint

KIND, KEEP = "qwen2_5_vl", 0.1
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
SMALL = ["--dtype", "float32", "--enforce-eager", "--max-model-len", "1024", "--max-num-seqs", "4"]
SECONDS = 300


def command(*pruning):
    return [sys.executable, "-m", "lmm_integration.vllm", "serve", checkpoint(KIND), *pruning]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Where a pruned server listens, and its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    options = ["--host", "127.0.0.1", "--port", str(port), *SMALL, "--limit-mm-per-prompt", '{"image": 2, "video": 0}']
    environment = {**os.environ, **ENVIRONMENT, **THREADS}
    with log.open("w") as output:
        process = subprocess.Popen(
            command("--keep", str(KEEP), "--max-keep", "0.5", "--trust-request-mm-kwargs", *options),
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + SECONDS
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, log.read_text()[-6000:]
            assert time.monotonic() < until, log.read_text()[-6000:]
            time.sleep(1)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(60)


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


def ask(address, text="what is this?", images=(0,), **options):
    """Status and answer of a chat with images."""
    parts = [{"type": "image_url", "image_url": {"url": data_url(seed)}} for seed in images]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "USER: "}, *parts, {"type": "text", "text": text}]}
    ]
    body = {"model": checkpoint(KIND), "max_tokens": 4, "temperature": 0, "ignore_eos": True, "messages": messages}
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        json.dumps({**body, **options}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def data_url(seed):
    png = io.BytesIO()
    cases.image(seed).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def prompt_tokens(address, **options):
    status, answer = ask(address, **options)
    assert status == 200, answer
    return answer["usage"]["prompt_tokens"]


def test_usage_shows_the_pruned_count(server):
    """280 x 336 pixels are 10 x 12 tokens, of which a tenth stays."""
    address, _ = server
    text = prompt_tokens(address, images=())
    assert prompt_tokens(address) - text == 12 + 2
    assert prompt_tokens(address, images=(0, 0)) - text == 2 * (12 + 2)


def test_a_request_may_name_its_own_keep(server):
    address, _ = server
    text = prompt_tokens(address, images=())
    assert prompt_tokens(address, mm_processor_kwargs={"keep": 0.5}) - text == 60 + 2
    assert prompt_tokens(address, mm_processor_kwargs={"keep": 5}) - text == 5 + 2
    assert prompt_tokens(address) - text == 12 + 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mm_processor_kwargs": {"keep": 0.9}}, "allows 60"),
        ({"mm_processor_kwargs": {"keep": -1}}, "at least 1"),
        ({"mm_processor_kwargs": {"kepe": 0.05}}, "did you mean keep"),
        ({"mm_processor_kwargs": {"solver": "stride"}}, "cannot change solver"),
        ({"text": "<|image_pad|> again"}, "a placeholder, but no image"),
    ],
)
def test_a_wrong_request_is_refused_and_the_server_goes_on(server, wrong, message):
    address, _ = server
    status, answer = ask(address, **wrong)
    assert (status, message in answer) == (400, True), answer
    assert ask(address)[0] == 200


def test_metrics_and_log(server):
    address, log = server
    prompt_tokens(address, images=(1,), text="one more")
    metrics = urllib.request.urlopen(f"{address}/metrics", timeout=30).read().decode()

    def total(name):
        return sum(float(value) for value in re.findall(rf"^{name}_total(?:{{.*}})? (\S+)$", metrics, re.M))

    before, after = total("visual_pruning_tokens_before"), total("visual_pruning_tokens_after")
    assert 0 < after < before
    assert total("visual_pruning_items") > 0
    assert total("vllm:prompt_tokens") > 0
    assert total("visual_pruning_choice_seconds") > 0
    lines = log.read_text()
    assert "visual pruning: keep 0.1 of image and video by greedy" in lines
    assert 0 < lines.index("visual pruning: ready to choose") < lines.index("items encoded")


def test_without_the_command_an_error_ends_in_a_sentence():
    """As an operator writes it by hand: the reason stands in the last lines, and no engine is left running."""
    overrides = {
        "architectures": ["PrunedQwen2_5_VLForConditionalGeneration"],
        "visual_pruning": {"keep": 0.1, "solver": "x"},
    }
    called = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", checkpoint(KIND), *SMALL]
    done = subprocess.run(
        [*called, "--hf-overrides", json.dumps(overrides)],
        env={**os.environ, **ENVIRONMENT, **THREADS},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode
    assert "UnknownNameError: no solver or selector named 'x'" in done.stdout + done.stderr
