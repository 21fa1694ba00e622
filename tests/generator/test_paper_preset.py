"""The paper's printed choices: what the preset holds, expected decisions, and what is left out of the belief."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

jax = pytest.importorskip("jax")

from crowdllm_stats import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator import networks
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.prediction import expected_decisions
from crowdllm_stats.generator.problems import ProblemVectors

from .conftest import PROBLEMS, SMALL

QUICK = {**SMALL, "steps": 60, "learning_rate": 0.02}
TEXT = Features.of(PROBLEMS, np.random.default_rng(0).normal(size=(26, 9)))


def wide(data):
    table = data.responses.pivot_table(index="participant", columns="problem", values="response")
    return table[list(PROBLEMS)].to_numpy(dtype=np.float64)


@pytest.fixture(scope="module")
def printed(numbers):
    return CrowdLLM.paper(**QUICK).fit(numbers.data, numbers.reference, embedding=TEXT, seed=1)


@pytest.fixture(scope="module")
def crowd():
    return pd.DataFrame({"participant": [f"c{place:04d}" for place in range(4096)], "group": ["left", "right"] * 2048})


def drawing(model):
    """The same fit, whose people answer from one belief."""
    other = model.with_settings(decision="drawn")
    other._fitted = model.fitted
    return other


def test_the_preset_is_what_the_paper_prints():
    told = CrowdLLM.paper().settings
    assert (told.objective, told.learning_rate, told.draws, told.loss_weight) == ("paper", 1e-3, 10, 1.0)
    assert (told.decision, told.mixing) == ("expected", "none")
    assert (told.trust, told.skip, told.reference_features, told.held_out) == (False, False, False, 0.0)
    assert CrowdLLM.paper(draws=4, trust=True).settings.draws == 4


def test_one_expected_decision_is_the_mean_of_j_draws(printed, crowd):
    """Means and variances over people of 26 problems; z below 5 each: false-alarm rate 3e-5."""
    drawn = [wide(drawing(printed).simulate(PROBLEMS, people=crowd, seed=seed)) for seed in range(10)]
    averaged, expected = np.mean(drawn, axis=0), wide(printed.simulate(PROBLEMS, people=crowd, seed=20))
    for power in (1, 2):
        one, other = ((table - averaged.mean(axis=0)) ** power for table in (averaged, expected))
        error = np.sqrt((one.var(axis=0) + other.var(axis=0)) / len(crowd))
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 5 * error).all()
    assert (expected.var(axis=0) < 0.3 * drawn[0].var(axis=0)).all()
    predicted = printed.predict(people=crowd.drop(columns="participant"))
    np.testing.assert_allclose(predicted.variance, expected.var(axis=0), rtol=0.12)


def test_expected_beliefs_are_narrower_by_the_root_of_j_at_the_ends_too(printed):
    params = printed.fitted.params
    x, centred = printed.fitted.x, np.zeros((26, 1))
    for raised in (0.0, 50.0, -50.0):
        encoder = {**params["encoder"], "bias_spread": params["encoder"]["bias_spread"] + np.float32(raised)}
        given = {**params, "encoder": encoder}
        narrower = expected_decisions(given, 9)
        v = np.ones((26, printed.fitted.encoder.width), dtype=np.float32)
        one, nine = (networks.encode_pairs(some["encoder"], x, centred, v, None) for some in (given, narrower))
        np.testing.assert_allclose(nine.mean, one.mean)
        np.testing.assert_allclose(nine.sd, one.sd / 3.0, rtol=1e-5)
    assert narrower["blender"]["log_sigma"] == pytest.approx(params["blender"]["log_sigma"] - np.log(3.0))


def test_expected_ratings_lie_on_the_scale_and_come_back_from_a_file(made, crowd, tmp_path):
    model = CrowdLLM.paper(**QUICK).fit(made.data, made.reference, embedding=TEXT, seed=1)
    answers = wide(model.simulate(PROBLEMS, people=crowd, seed=3))
    assert set(np.unique(answers)) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    predicted = model.predict(people=crowd.drop(columns="participant"))
    shares = np.stack([(answers == level).mean(axis=0) for level in range(1, 6)], axis=1)
    error = np.sqrt(predicted.probabilities * (1 - predicted.probabilities) / len(crowd))
    assert (np.abs(shares - predicted.probabilities) < 5 * error + 4e-3).all()  # 4e-3: even draws of 1,024 people
    assert (drawing(model).predict().variance > predicted.variance).all()
    model.save(tmp_path / "model.npz")
    loaded = CrowdLLM.load(tmp_path / "model.npz")
    assert loaded.settings == model.settings
    np.testing.assert_allclose(loaded.predict().probabilities, model.predict().probabilities, atol=1e-5)


def test_without_reference_features_the_references_mean_alone_counts(numbers, printed):
    told = numbers.reference.mean
    low = np.floor(np.clip(told, 1.0, 4.999)).astype(int)
    table = np.zeros((26, 5))
    np.put_along_axis(table, low - 1, 1.0 - (told - low), axis=1)
    np.put_along_axis(table, low, told - low, axis=1)
    other = Reference.from_probabilities(PROBLEMS, [1, 2, 3, 4, 5], table)
    assert np.abs(other.probabilities - numbers.reference.probabilities).max() > 0.2
    again = CrowdLLM.paper(**QUICK).fit(numbers.data, other, embedding=TEXT, seed=1)
    np.testing.assert_allclose(again.predict().mean, printed.predict().mean, atol=1e-4)
    for kept, width in ((False, 4), (True, 9)):
        vectors = ProblemVectors.fit(PROBLEMS, other, TEXT, 4, told, kept)
        assert vectors.width == width
        assert vectors.transform(PROBLEMS, other, TEXT).shape == (26, width)


def test_what_has_no_expected_decision_is_refused(worded, made):
    with pytest.raises(ValueError, match="the mean of J normal beliefs, which mixing='beliefs' of answers"):
        CrowdLLM.paper(mixing="beliefs")
    with pytest.raises(ValueError, match="which family='truncated' does not have"):
        CrowdLLM.paper(family="truncated")
    with pytest.raises(ValueError, match="is a mean, and the answers are words .* use decision='drawn'"):
        CrowdLLM.paper().fit(worded.data, worded.reference, embedding=TEXT)
    with pytest.raises(ValueError, match="nothing to tell problems apart by; give embedding="):
        CrowdLLM.paper().fit(made.data, made.reference)
    for options, told in (
        ({"decision": "mean"}, "decision must be one of"),
        ({"draws": 0}, "draws must be a whole number of at least 1"),
        ({"loss_weight": -1.0}, "loss_weight must be a number from 0"),
        ({"trust": "no"}, "trust must be True or False; got 'no'"),
    ):
        with pytest.raises(ValueError, match=told):
            CrowdLLM(**options)


def test_numbers_within_ends_are_answered_as_normals(made):
    from crowdllm_stats import continuous

    rows = made.data.responses
    data = CrowdData.from_frame(rows, participants=made.data.participants, scale=continuous(1, 5))
    model = CrowdLLM.paper(**{**QUICK, "steps": 5}).fit(data, made.reference, embedding=TEXT)
    assert model.blender.family == "normal"


def test_a_reference_of_k_draws():
    exact = Reference.from_probabilities(["a", "b"], [1, 2], [[0.25, 0.75], [0.5, 0.5]])
    drawn = exact.drawn(8, seed=3)
    assert drawn.n_samples.tolist() == [[8.0], [8.0]]
    assert drawn.source["k"] == 8
    np.testing.assert_allclose(drawn.mean[:, 0], exact.sample(8, seed=3).mean(axis=2)[:, 0])
    assert set(np.unique(exact.at_temperature(0.0).drawn(8, seed=3).probabilities[0])) == {0.0, 1.0}
    with pytest.raises(ValueError, match="k must be a whole number"):
        exact.drawn(0, seed=1)
