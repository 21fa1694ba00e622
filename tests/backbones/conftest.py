"""The made model, written once a run, and problems for it."""

from __future__ import annotations

import pandas as pd
import pytest

from crowdllm_stats.backbones.fetch import find_model, quiet_transformers


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder of a random model with a chat template."""
    pytest.importorskip("torch", reason="needs the hf extra: torch")
    pytest.importorskip("transformers", reason="needs the hf extra: transformers")
    from tiny_model import write_model

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
    try:
        return find_model(name).folder
    except FileNotFoundError as error:
        pytest.skip(str(error))
