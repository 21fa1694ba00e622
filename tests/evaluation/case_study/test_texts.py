"""Texts as numbers: learned from training texts alone, or embedded once and kept on disk."""

import numpy as np
import pandas as pd
import pytest
from survey import survey

from crowdllm_stats.backbones.embedder import Embedding
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.evaluation.case_study import texts
from crowdllm_stats.evaluation.case_study.texts import read_texts

_, HUMAN, _ = survey()


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """A model's folder, an embedder that counts its calls, and a cache folder."""
    calls = []

    def embed(given, model, *, device):
        calls.append(model)
        return Embedding(np.array([[len(one), one.count("a"), 1.0] for one in given], dtype=np.float32), str(model))

    monkeypatch.setattr(texts, "embed", embed)
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}", encoding="utf-8")
    return calls, str(model), tmp_path / "cache"


def test_tfidf_learns_from_training_texts_alone():
    train = HUMAN.problems["problem"].tolist()[:15]
    found = read_texts(HUMAN, "tfidf").features(train)
    assert found.problems == tuple(HUMAN.problems["problem"])
    other = HUMAN.problems.assign(text=HUMAN.problems["text"].where(HUMAN.problems["problem"].isin(train), "unheard"))
    changed = CrowdData(HUMAN.responses, HUMAN.participants, other, HUMAN.scale)
    again = read_texts(changed, "tfidf").features(train)
    np.testing.assert_allclose(again.rows(train), found.rows(train), atol=1e-6)
    np.testing.assert_array_equal(again.table[15:], 0.0)


def test_no_embedding_needs_no_text():
    bare = CrowdData(HUMAN.responses, HUMAN.participants, HUMAN.problems[["problem"]], HUMAN.scale)
    assert read_texts(bare, "none").features(["q00"]) is None
    with pytest.raises(ValueError, match=r"no column 'text' to embed; it has problem; .* embedding 'none'"):
        read_texts(bare, "tfidf")


@pytest.mark.parametrize("blank", [None, np.nan, " "])
def test_a_problem_without_text_is_named(blank):
    problems = HUMAN.problems.assign(text=HUMAN.problems["text"].where(HUMAN.problems["problem"] != "q07", blank))
    gap = CrowdData(HUMAN.responses, HUMAN.participants, problems, HUMAN.scale)
    with pytest.raises(
        ValueError, match=r"1 of 25 problem\(s\) have no text in column 'text', for instance 'q07'; add"
    ):
        read_texts(gap, "tfidf")


def test_an_embedding_is_computed_once_and_kept(counted):
    calls, model, cache = counted
    first = read_texts(HUMAN, model, cache=cache).features(["q00"])
    second = read_texts(HUMAN, model, cache=cache).features([])
    assert len(calls) == 1
    np.testing.assert_array_equal(first.table, second.table)
    (place,) = (cache / "embeddings").iterdir()
    with np.load(place) as file:
        assert file.files == ["vectors"]


def test_another_text_or_model_is_another_file_and_a_damaged_one_is_made_again(counted):
    calls, model, cache = counted
    read_texts(HUMAN, model, cache=cache)
    read_texts(HUMAN.select(problems=["q01", "q02"]), model, cache=cache)
    assert len(calls) == 2
    with open(f"{model}/config.json", "w", encoding="utf-8") as file:
        file.write('{"size": 2}')
    read_texts(HUMAN, model, cache=cache)
    assert len(calls) == len(list((cache / "embeddings").iterdir())) == 3
    for place in (cache / "embeddings").iterdir():
        place.write_bytes(place.read_bytes()[:40])
    assert read_texts(HUMAN, model, cache=cache).fixed.table.shape == (25, 3)
    assert len(calls) == 4


def test_an_unknown_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="neither 'minilm', 'tfidf', 'none' nor a folder"):
        read_texts(HUMAN, "bert", cache=tmp_path)


def test_numbers_from_a_file_are_found_by_id_and_anything_else_is_refused(tmp_path):
    place = tmp_path / "numbers.csv"
    ids = HUMAN.problems["problem"].tolist()
    table = pd.DataFrame({"problem": ids[::-1], "e0": np.arange(25.0), "e1": 1.0})
    table.to_csv(place, index=False)
    found = read_texts(HUMAN, str(place))
    assert found.known
    np.testing.assert_array_equal(found.features([]).rows([ids[0], ids[24]]), [[24.0, 1.0], [0.0, 1.0]])
    table[table["problem"] != "q03"].to_csv(place, index=False)
    with pytest.raises(ValueError, match=r"1 of 25 problem\(s\) have no row, for instance 'q03'; give one for each"):
        read_texts(HUMAN, str(place))
    table.assign(text="tea").to_csv(place, index=False)
    with pytest.raises(ValueError, match="beside the column problem; column 'text' does not: correct or remove"):
        read_texts(HUMAN, str(place))
