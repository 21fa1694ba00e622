"""Metrics a problem at a time: against SciPy and NumPy, by hand, and the published Random row on the real ratings."""

import numpy as np
import pytest
from scipy import stats

from crowdllm_stats.data import popquorn
from crowdllm_stats.data.histograms import Histograms, histograms
from crowdllm_stats.evaluation.baselines import Random
from crowdllm_stats.evaluation.metrics import (
    cosine,
    draw,
    majorities,
    medians,
    score,
    wasserstein_of_probabilities,
    wasserstein_on_scale,
)
from crowdllm_stats.evaluation.scores import pooled

VALUES = np.array([1.0, 2.0, 4.0, 7.0])
N_PROBLEMS, N_ANSWERS = 6, 4


def tables(seed=0):
    """Counts of 6 problems on 4 uneven levels, and predicted distributions with some zeros."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(9, [0.4, 0.3, 0.2, 0.1], size=N_PROBLEMS).astype(float)
    predicted = rng.dirichlet(np.full(N_ANSWERS, 0.7), size=N_PROBLEMS)
    predicted[0] = [0.0, 1.0, 0.0, 0.0]
    return counts, predicted


def truth_of(counts):
    return Histograms(tuple(f"p{row}" for row in range(len(counts))), tuple(VALUES.tolist()), counts)


def test_wasserstein_on_the_scale_is_scipys():
    counts, predicted = tables()
    shares = counts / counts.sum(axis=1, keepdims=True)
    expected = [stats.wasserstein_distance(VALUES, VALUES, a, b) for a, b in zip(shares, predicted, strict=True)]
    np.testing.assert_allclose(wasserstein_on_scale(shares, predicted, VALUES), expected, atol=1e-12)


def test_wasserstein_of_the_probabilities_is_scipys_of_two_samples():
    counts, predicted = tables(1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    expected = [stats.wasserstein_distance(a, b) for a, b in zip(shares, predicted, strict=True)]
    np.testing.assert_allclose(wasserstein_of_probabilities(shares, predicted), expected, atol=1e-12)
    np.testing.assert_allclose(wasserstein_of_probabilities(shares, shares[:, ::-1]), 0.0, atol=1e-15)


def test_medians_of_counts_are_those_of_the_answers():
    rng = np.random.default_rng(2)
    counts = np.array([rng.multinomial(size, np.full(N_ANSWERS, 0.25)) for size in (1, 2, 3, 8, 9, 10, 20)])
    expected = [np.median(np.repeat(VALUES, row)) for row in counts]
    np.testing.assert_array_equal(medians(counts, VALUES), expected)
    np.testing.assert_array_equal(medians(counts / counts.sum(axis=1, keepdims=True), VALUES), expected)


def test_a_tied_vote_takes_the_lowest_answer():
    assert majorities([[0, 3, 1, 3], [0.25, 0.25, 0.25, 0.25]], VALUES).tolist() == [2.0, 1.0]


def test_cosine_ignores_lengths():
    counts, predicted = tables(3)
    expected = [
        row @ other / np.sqrt((row @ row) * (other @ other)) for row, other in zip(counts, predicted, strict=True)
    ]
    np.testing.assert_allclose(cosine(counts, predicted), expected)


def test_exact_scores_by_hand():
    truth = Histograms(("a", "b"), (1.0, 2.0, 3.0), np.array([[2.0, 0.0, 2.0], [0.0, 3.0, 0.0]]))
    rows = score(truth, [[1.0, 0.0, 0.0], [0.0, 0.4, 0.6]], split=7).per_problem
    np.testing.assert_allclose(rows["error_mean"], [-1.0, 0.6])
    np.testing.assert_allclose(rows["error_median"], [-1.0, 1.0])
    np.testing.assert_allclose(rows["error_majority"], [0.0, 1.0])
    np.testing.assert_allclose(rows["wasserstein"], [1.0, 0.6])
    np.testing.assert_allclose(rows["cosine"], [np.sqrt(0.5), 0.4 / np.sqrt(0.52)])
    assert rows["split"].tolist() == [7, 7]


def test_sampled_scores_depend_on_seed_and_id_alone():
    counts, predicted = tables(4)
    truth = truth_of(counts)
    whole = score(truth, predicted, how="sampled", seed=5).per_problem.set_index("problem")
    some = ["p4", "p1", "p2"]
    part = score(truth.select(some), predicted[[4, 1, 2]], how="sampled", seed=5).per_problem.set_index("problem")
    np.testing.assert_array_equal(part.to_numpy(), whole.loc[some].to_numpy())
    other = score(truth, predicted, how="sampled", seed=6).per_problem
    assert not np.array_equal(other["error_mean"], whole["error_mean"])


def test_draws_follow_the_distribution():
    """Chi-square of 20,000 draws of one problem; false-alarm rate 1e-4. A certain answer is always drawn."""
    chances = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]])
    first, second = draw(chances, [20_000, 50], ["x", "y"], seed=3)
    assert stats.chisquare(np.bincount(first, minlength=N_ANSWERS), 20_000 * chances[0]).pvalue > 1e-4
    assert set(second.tolist()) == {1}
    assert draw(chances[:1], [5], ["x"], seed=3)[0].tolist() == first[:5].tolist()


def test_sampling_as_many_answers_as_raters_lies_above_the_exact_score():
    counts = np.random.default_rng(5).multinomial(9, np.full(N_ANSWERS, 0.25), size=300).astype(float)
    truth = truth_of(counts)
    assert score(truth, truth.shares).mae == pytest.approx(0.0, abs=1e-12)
    assert score(truth, truth.shares, how="sampled").mae > 0.2


def test_bad_input_is_refused():
    counts, predicted = tables()
    truth = truth_of(counts)
    with pytest.raises(ValueError, match=r"predicted has shape \(6, 3\), expected \(6, 4\)"):
        score(truth, predicted[:, :3])
    with pytest.raises(ValueError, match=r"1 row\(s\) do not sum to 1, for instance row 3"):
        score(truth, np.where(np.arange(6)[:, None] == 2, predicted * 1.1, predicted))
    with pytest.raises(ValueError, match="must not be negative"):
        score(truth, predicted - 0.5)
    with pytest.raises(ValueError, match="how must be one of 'exact', 'sampled'"):
        score(truth, predicted, how="drawn")
    with pytest.raises(ValueError, match="distance must be one of"):
        score(truth, predicted, distance="l2")
    with pytest.raises(ValueError, match="seed must be a whole number"):
        score(truth, predicted, how="sampled", seed=-1)
    empty = np.vstack([np.zeros(N_ANSWERS), counts[1:]])
    with pytest.raises(ValueError, match=r"1 problem\(s\) have no answer, for instance 'p0'"):
        score(truth_of(empty), predicted)
    words = Histograms(("a",), ("no", "yes"), np.array([[1.0, 2.0]]))
    with pytest.raises(ValueError, match="are words"):
        score(words, [[0.5, 0.5]])


def test_the_published_random_row_on_real_ratings(data_folder):
    """Table 1's protocol: as many uniform answers as raters, truth from all raters.

    Expected are the values of the recovered protocol, themselves one simulation; ``sd`` is the spread of one
    simulation over seeds. Ten simulations against one, with 4 joint standard deviations: false-alarm rate 6e-5 each,
    eight of them.
    """
    data = popquorn("offensiveness", folder=data_folder)
    truth = histograms(data)
    made = Random().fit(data).predict(truth.problems)
    found = pooled([score(truth, made, how="sampled", seed=seed, split=seed) for seed in range(10)])
    expected = {
        "mae": (1.267, 0.012),
        "rmse": (1.441, 0.012),
        "mae median": (1.584, 0.016),
        "rmse median": (1.829, 0.015),
        "mae majority": (1.615, 0.030),
        "rmse majority": (2.085, 0.030),
        "cs": (0.558, 0.006),
        "wd": (1.303, 0.012),
    }
    for metric, (value, sd) in expected.items():
        assert found.value(metric) == pytest.approx(value, abs=4 * sd * np.sqrt(1.1)), metric
