"""The rows: what each is given, what cannot be made; ridge sees what CrowdLLM sees."""

import numpy as np
import pytest
from survey import survey

from crowdllm_stats.data import Features
from crowdllm_stats.evaluation import held_out
from crowdllm_stats.evaluation.case_study import rows as module
from crowdllm_stats.evaluation.case_study.reference_tables import of_probabilities
from crowdllm_stats.evaluation.case_study.rows import (
    CROWDLLM,
    CROWDLLM_MEDIAN,
    CROWDLLM_PAPER,
    LOGISTIC_TEXTS,
    RIDGE,
    RIDGE_LLM,
    RIDGE_SCALED,
    RIDGE_TEXTS,
    VAE,
    equal_size,
    rows,
    uniform,
)
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.generator import crowdllm

_, HUMAN, TABLE = survey()
REFERENCES = of_probabilities(TABLE, HUMAN)
TEXTS = read_texts(HUMAN, "tfidf")


def test_which_rows_can_be_made():
    paper, new = rows(REFERENCES, TEXTS, "paper"), rows(REFERENCES, TEXTS, "new-problems")
    assert "the problem's own raters" in paper.made
    assert "the problem's own raters" in new.left_out
    assert set(paper.made) - set(new.made) == {"the problem's own raters"}
    assert new.left_out["LLM multi-persona"] == "the backbone was asked without personas"
    bare = rows(REFERENCES, read_texts(HUMAN, "none"), "paper")
    assert {RIDGE_SCALED, RIDGE_TEXTS, LOGISTIC_TEXTS} < set(bare.left_out)
    assert bare.left_out[RIDGE_LLM] == "there is no embedding: it is 'ridge'"


def test_ridge_on_the_llm_alone_sees_no_text():
    """It is ridge where there is no embedding."""
    split = held_out(HUMAN, "new-problems", seed=3)
    bare = rows(REFERENCES, read_texts(HUMAN, "none"), "new-problems").made[RIDGE]
    ours = rows(REFERENCES, TEXTS, "new-problems").made[RIDGE_LLM]
    problems = split.truth.problems
    np.testing.assert_array_equal(
        ours(split.train, problems, 0).probabilities, bare(split.train, problems, 0).probabilities
    )


def test_what_rows_differ_in_cannot_be_set():
    with pytest.raises(ValueError, match="the rows differ in mixing; it cannot be set for all of them"):
        rows(REFERENCES, TEXTS, "paper", mixing=3, steps=5)


def test_personas_alone_leave_zero_shot_out():
    both = of_probabilities(TABLE.assign(profile="ann"), HUMAN)
    found = rows(both, TEXTS, "paper")
    assert "LLM multi-persona" in found.made
    assert {"LLM zero-shot", "LLM self-consistency"} <= set(found.left_out)


def test_every_cheap_row_predicts_distributions_and_their_variance():
    split = held_out(HUMAN, "new-problems", seed=3)
    made = rows(REFERENCES, TEXTS, "new-problems").made
    for name in set(made) - {VAE, CROWDLLM, CROWDLLM_PAPER, CROWDLLM_MEDIAN}:
        found = made[name](split.train, split.truth.problems, 0)
        assert found.probabilities.shape == (5, 4)
        np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0)
        spread = [np.cov([1, 2, 3, 4], aweights=row, ddof=0) for row in found.probabilities]
        np.testing.assert_allclose(found.variance, spread, atol=1e-9)


def test_ridge_and_crowdllm_see_the_same(monkeypatch):
    """Both get the embedding learned from the training texts, and the probabilities of every answer."""
    seen = {}

    class Model:
        def __init__(self, **settings):
            seen["settings"] = settings

        def fit(self, train, reference, *, embedding, seed):
            seen.update(reference=reference, embedding=embedding)
            raise RuntimeError

    class Regression:
        def fit(self, train, features):
            seen["features"] = features
            raise RuntimeError

    monkeypatch.setattr(crowdllm, "CrowdLLM", Model)
    monkeypatch.setattr(module, "Ridge", Regression)
    split = held_out(HUMAN, "new-problems", seed=3)
    made = rows(REFERENCES, TEXTS, "new-problems", hidden=9, steps=11).made
    for name in (CROWDLLM, RIDGE):
        with pytest.raises(RuntimeError):
            made[name](split.train, split.truth.problems, 0)
    joined = np.column_stack([seen["embedding"].table, seen["reference"].probabilities.reshape(25, 4)])
    np.testing.assert_array_equal(seen["features"].rows(HUMAN.problems["problem"]), joined)
    assert seen["settings"] == {"hidden": 9, "steps": 11, "objective": "likelihood"}
    with pytest.raises(RuntimeError):
        made[RIDGE_SCALED](split.train, split.truth.problems, 0)
    trained = seen["features"].rows(split.train.responses["problem"].unique())
    width = seen["embedding"].table.shape[1]
    for block in (trained[:, :width], trained[:, width:]):
        np.testing.assert_allclose(block.mean(axis=0), 0.0, atol=1e-12)
        assert np.mean((block**2).sum(axis=1)) == pytest.approx(1.0)


def test_the_vae_has_no_llm(monkeypatch):
    """It differs from the paper's CrowdLLM in the reference, which knows nothing of the problems."""
    seen = {}

    def generator(settings, told, texts):
        seen[next(name for name, own in module.GENERATORS.items() if own == settings)] = told(HUMAN)
        return lambda *given: None

    monkeypatch.setattr(module, "_generator", generator)
    rows(REFERENCES, TEXTS, "paper")
    assert list(seen) == [VAE, CROWDLLM_PAPER, CROWDLLM]
    np.testing.assert_allclose(seen[VAE].probabilities, 0.25)
    assert seen[VAE].profiles == ("",)
    for name in (CROWDLLM_PAPER, CROWDLLM):
        np.testing.assert_array_equal(seen[name].probabilities, REFERENCES.whole.probabilities)
    assert uniform(REFERENCES.whole).problems == REFERENCES.whole.problems


def test_a_block_without_differences_is_refused():
    with pytest.raises(ValueError, match="all training problems have the same features"):
        equal_size(Features.of(["a", "b", "c"], [[1.0], [1.0], [2.0]]), ["a", "b"])
