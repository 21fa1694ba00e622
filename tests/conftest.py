"""Shared fixtures: real data, models and problems for them; no test leaves NumPy's global random state changed."""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

# Both draw from NumPy's global random state when imported: not in the first test to need them.
for _name in ("jax", "ot"):
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(_name)

with contextlib.suppress(ModuleNotFoundError):
    _jax = importlib.import_module("jax")
    # A program that one test process has compiled, the others and later runs read. Not by environment variables: a
    # process that a test stops in the middle of writing would leave half an entry, and JAX warns of it on stderr.
    _jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
    _jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    _jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets, or a skip with the reason."""
    named = os.environ.get("CROWDLLM_STATS_DATA")
    if not named:
        pytest.skip("needs real data: set CROWDLLM_STATS_DATA to the folder that holds it")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"needs real data: CROWDLLM_STATS_DATA names {folder}, which is not a folder")
    return folder


@pytest.fixture(autouse=True)
def _global_randomness_untouched():
    before = np.random.get_state()  # noqa: NPY002 - watched, not used
    yield
    after = np.random.get_state()  # noqa: NPY002 - watched, not used
    assert before[2] == after[2], "this test drew from NumPy's global random state"
    assert np.array_equal(before[1], after[1]), "this test drew from NumPy's global random state"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder of a random model with a chat template."""
    pytest.importorskip("torch", reason="needs the hf extra: torch")
    pytest.importorskip("transformers", reason="needs the hf extra: transformers")
    from tiny_model import write_model

    from crowdllm_stats.backbones.fetch import quiet_transformers

    with quiet_transformers():
        return write_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def questions():
    """Seven problems of different lengths."""
    texts = ["tea", "a longer text about tea", "12 strong words", "The thing is strong, the text is the thing.",
             "mild", "very very mild, " * 6, "?"]  # fmt: skip
    return pd.DataFrame({"problem": [f"q{row}" for row in range(len(texts))], "text": texts})


@pytest.fixture(scope="session")
def smollm2():
    """Folder of the fetched model, or a skip with the reason."""
    return _fetched("smollm2")


@pytest.fixture(scope="session")
def minilm():
    """Folder of the fetched embedder, or a skip with the reason."""
    return _fetched("minilm")


def _fetched(name):
    pytest.importorskip("transformers", reason="needs the hf extra: transformers")
    from crowdllm_stats.backbones.fetch import find_model

    try:
        return find_model(name).folder
    except FileNotFoundError as error:
        pytest.skip(str(error))
