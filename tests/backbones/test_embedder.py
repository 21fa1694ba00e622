"""Embeddings: equal to the model run by hand on each text alone; TF-IDF fitted on the training texts alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.backbones.embedder import embed

TRAIN = ["green tea is good", "black tea is bad", "good day to you", "a bad day for tea", "you drink green tea"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, tiny):
    """A random encoder of two layers with the tiny model's tokenizer."""
    pytest.importorskip("torch", reason="needs the hf extra: torch")
    from tiny_model import write_encoder

    from crowdllm_stats.backbones.fetch import quiet_transformers

    with quiet_transformers():
        return write_encoder(tmp_path_factory.mktemp("encoder"))


def by_hand(folder, text, longest):
    import torch
    from transformers import AutoModel, AutoTokenizer

    from crowdllm_stats.backbones.fetch import quiet_transformers

    with quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        model = AutoModel.from_pretrained(str(folder)).eval()
    ids = tokenizer(text)["input_ids"][:longest]
    with torch.inference_mode():
        mean = model(input_ids=torch.tensor([ids])).last_hidden_state[0].double().mean(0).numpy()
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_each_text_as_if_it_were_alone(encoder, batch_size):
    texts = ["tea", "a much longer text about tea", "tea", "12", "the thing is strong"]
    found = embed(texts, encoder, batch_size=batch_size)
    assert found.vectors.shape == (5, 24)
    assert found.vectors.dtype == np.float32
    assert np.array_equal(found.vectors[0], found.vectors[2])
    for row, text in enumerate(texts):
        np.testing.assert_allclose(found.vectors[row], by_hand(encoder, text, 40), atol=1e-5)
    assert list(found.to_frame().columns[:2]) == ["e0", "e1"]


def test_texts_that_are_cut_are_counted(encoder):
    found = embed(["tea", "strange words " * 30, "strange words " * 30], encoder)
    assert found.truncated == 2
    assert found.source["tokens_read"] == 40
    np.testing.assert_allclose(found.vectors[1], by_hand(encoder, "strange words " * 30, 40), atol=1e-5)
    assert "2 texts cut" in str(found)


def test_tfidf_learns_from_the_training_texts_alone():
    found = embed(["green tea", "zebra", *TRAIN], "tfidf", train=TRAIN, dimension=3)
    assert found.vectors.shape == (7, 3)
    alone = embed(["green tea"], "tfidf", train=TRAIN, dimension=3)
    np.testing.assert_allclose(alone.vectors[0], found.vectors[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), [1, 0, 1, 1, 1, 1, 1], atol=1e-6)
    assert found.source["unknown"] == 1
    assert found.source["train_texts"] == 5
    same = found.vectors @ found.vectors[0]
    assert same[2] > same[4]  # "green tea is good" is nearer to "green tea" than "good day to you"
    assert embed(TRAIN, "tfidf", train=TRAIN, dimension=64).vectors.shape[1] == 4


@pytest.mark.parametrize(
    ("texts", "settings", "said"),
    [
        ([], {}, "there is none"),
        (["a", " "], {}, "1 are, the first in row 1"),
        (["a", None], {}, "1 are, the first in row 1"),
        ("tea", {}, "must be a list of texts"),
        (
            pd.DataFrame({"problem": ["q1"], "text": ["tea"]}),
            {},
            "a table with the columns problem, text; give the column",
        ),
        ({"text": ["tea"]}, {"model": "tfidf", "train": TRAIN}, "a table with the columns text; give the column"),
        (["a"], {"model": "tfidf"}, "train is missing"),
        (["a"], {"model": "minilm", "train": TRAIN}, "train is only for 'tfidf'"),
        (["a"], {"model": "tfidf", "train": ["a b", "c"]}, "train: empty vocabulary"),
        (["a"], {"model": "tfidf", "train": ["green tea"]}, "needs three of each"),
        (["a"], {"model": "tfidf", "train": TRAIN, "dimension": 1}, "dimension must be"),
        (["a"], {"model": "nowhere"}, "neither 'minilm', 'tfidf' nor a folder"),
    ],
)
def test_input_that_is_refused(texts, settings, said):
    with pytest.raises(ValueError, match=said):
        embed(texts, **settings)


@pytest.mark.backbone
def test_minilm_knows_what_is_alike(minilm):
    texts = ["A man is eating food.", "Someone eats a meal.", "The stock market fell today."]
    found = embed(texts, "minilm")
    assert found.vectors.shape == (3, 384)
    near, far = found.vectors[0] @ found.vectors[1], found.vectors[0] @ found.vectors[2]
    assert near > 0.5 > far + 0.3
    assert found.source["tokens_read"] == 256
    np.testing.assert_allclose(found.vectors[1], by_hand(minilm, texts[1], 256), atol=1e-5)
