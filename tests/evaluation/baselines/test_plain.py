"""Baselines without a model, their features, and the noise floor."""

import numpy as np
import pytest

from crowdllm_stats import load_example
from crowdllm_stats.data import Features
from crowdllm_stats.data.histograms import Histograms, histograms
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.evaluation import evaluate
from crowdllm_stats.evaluation.baselines import (
    GlobalDistribution,
    MedianHistogram,
    OwnRaters,
    Random,
    noise_floor,
    predictor,
)
from crowdllm_stats.evaluation.metrics import score

HUMAN = load_example().human


def test_random_and_global_are_the_same_for_every_problem():
    assert Random().fit(HUMAN).predict(["x", "y", "z"]).tolist() == [[0.2] * 5] * 3
    shares = np.bincount(HUMAN.responses["response"].astype(int), minlength=6)[1:] / len(HUMAN.responses)
    np.testing.assert_allclose(GlobalDistribution().fit(HUMAN).predict(["x", "y"]), np.tile(shares, (2, 1)))


def test_no_other_histogram_is_nearer_to_the_training_histograms_than_the_median_one():
    shares = histograms(HUMAN).shares

    def distance(made):
        return np.abs(np.cumsum(shares - made, axis=1)).sum(axis=1).mean()

    found = MedianHistogram().fit(HUMAN).predict(["x", "y"])
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_array_equal(found[0], found[1])
    others = np.random.default_rng(2).dirichlet(np.ones(5), 50)
    assert distance(found[0]) <= min(map(distance, [*others, *shares, shares.mean(axis=0)]))


def test_own_raters_are_the_problems_histogram():
    table = histograms(HUMAN)
    fitted = OwnRaters().fit(HUMAN)
    np.testing.assert_array_equal(fitted.predict(["q03", "q01"]), table.shares[[2, 0]])
    with pytest.raises(ValueError, match=r"1 problem\(s\) have no training rater, for instance 'new'"):
        fitted.predict(["q01", "new"])
    with pytest.raises(ValueError, match="have no training rater"):
        evaluate(predictor(OwnRaters()), HUMAN, "new-problems", seeds=[0])


def test_features_are_joined_by_id():
    text = Features.of(["a", "b", "c"], [[1, 2], [3, 4], [5, 6]])
    both = text.beside(Features.of(["c", "a", "b", "d"], [[9], [7], [8], [0]]))
    assert both.problems == ("a", "b", "c")
    assert both.rows(["c", "a"]).tolist() == [[5, 6, 9], [1, 2, 7]]
    with pytest.raises(ValueError, match=r"1 problem\(s\) have no features, for instance 'd'"):
        both.rows(["a", "d"])
    with pytest.raises(ValueError, match="have no features"):
        Features.of(["z"], [[1]]).beside(text)
    with pytest.raises(ValueError, match="NaN or infinite"):
        Features.of(["a", "b"], [[1.0], [np.nan]])
    with pytest.raises(ValueError, match="stands there twice"):
        Features.of(["a", "a"], [[1], [2]])
    with pytest.raises(ValueError, match="one row per problem"):
        Features.of(["a", "b", "c"], [[1, 2], [3, 4]])


def test_recorded_answers_become_one_hot_columns_and_gaps_are_counted():
    digital = HUMAN.select(participants=["p01", "p02", "p03"])
    features = Features.of_answers(digital)
    assert features.table.shape == (12, 15)
    assert features.n_missing == 36 - len(digital.responses)
    assert features.table.sum() == len(digital.responses)
    row = digital.responses[digital.responses["participant"] == "p02"].iloc[0]
    block = features.rows([row["problem"]])[0, 5:10]
    assert block.tolist() == [float(level == row["response"]) for level in range(1, 6)]
    with pytest.raises(ValueError, match="gave no answer at all"):
        Features.of_answers(HUMAN.select(problems=["q01"]))


def test_a_reference_becomes_its_probabilities():
    table = np.random.default_rng(0).dirichlet(np.ones(5), size=(3, 2))
    reference = Reference.from_probabilities(["a", "b", "c"], range(1, 6), table, profiles=("u", "v"))
    np.testing.assert_allclose(Features.of_reference(reference).rows(["b"])[0], table[1].reshape(-1))


def test_noise_floor_of_people_who_all_agree_is_zero_and_halves_depend_on_the_id_alone():
    agree = Histograms(("a", "b"), (1.0, 2.0, 3.0), np.array([[0.0, 5.0, 0.0], [4.0, 0.0, 0.0]]))
    floor = noise_floor(agree, seed=0)
    assert (floor.mae, floor.wd, floor.cs) == (0.0, 0.0, 1.0)
    truth = histograms(HUMAN)
    whole = noise_floor(truth, seed=1).per_problem.set_index("problem")
    part = noise_floor(truth.select(["q07", "q02"]), seed=1).per_problem.set_index("problem")
    assert part.equals(whole.loc[["q07", "q02"]])


def test_noise_floor_is_the_distance_of_two_random_halves():
    """4,000 problems of 7 answers of one law: root mean square difference of means of 3 and 4; 4 standard errors."""
    rng = np.random.default_rng(2)
    counts = rng.multinomial(7, [0.2, 0.3, 0.5], size=4_000).astype(float)
    truth = Histograms(tuple(map(str, range(4_000))), (1.0, 2.0, 3.0), counts)
    floor = noise_floor(truth, seed=3)
    spread = np.sqrt((0.2 * 1.69 + 0.3 * 0.09 + 0.5 * 0.49) * (1 / 3 + 1 / 4))
    assert floor.rmse == pytest.approx(spread, abs=4 * floor.standard_error("rmse"))  # false-alarm rate 6e-5


def test_noise_floor_needs_two_answers():
    with pytest.raises(ValueError, match=r"1 problem\(s\) have fewer than two answers, for instance 'b'"):
        noise_floor(Histograms(("a", "b"), (1.0, 2.0, 3.0), np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])), seed=0)


def test_predictor_joins_baseline_and_features():
    result = evaluate(predictor(GlobalDistribution()), HUMAN, "paper", seeds=[0, 1])
    truth = histograms(HUMAN)
    by_hand = score(truth, GlobalDistribution().fit(HUMAN).predict(truth.problems))
    assert result.exact.mae == pytest.approx(by_hand.mae, abs=0.1)
