"""Paired differences: by hand, its false-alarm rate and its power, and rows that do not match."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.evaluation import paired_difference
from crowdllm_stats.evaluation.scores import Scores, pooled


def scores(errors, split=0):
    names = [f"p{place}" for place in range(len(errors))]
    return Scores(pd.DataFrame({"problem": names, "split": split, "error_mean": np.asarray(errors, float)}), "exact")


def test_problems_are_averaged_over_the_splits_they_were_tested_in():
    """p0 in two splits, p1 and p2 in one: every problem counts once."""
    first = pooled([scores([0.4, 1.0]), Scores(scores([0.2, 0.0, 0.5], 1).per_problem.iloc[[0, 2]], "exact")])
    second = pooled([scores([0.0, 0.0]), Scores(scores([0.0, 0.0, 0.0], 1).per_problem.iloc[[2, 0]], "exact")])
    result = paired_difference(first, second)
    assert result.difference == pytest.approx((0.3 + 1.0 + 0.5) / 3)
    assert (result.n_problems, result.n_splits) == (3, 2)
    root = paired_difference(first, second, "rmse")
    assert root.difference == pytest.approx(np.sqrt((0.1 + 1.0 + 0.25) / 3))
    assert result.lower <= result.difference <= result.upper


def test_a_predictor_is_no_better_than_itself():
    one = scores(np.random.default_rng(0).normal(size=12))
    result = paired_difference(one, one)
    assert (result.difference, result.lower, result.upper, result.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_swapping_turns_the_sign():
    rng = np.random.default_rng(1)
    a, b = scores(rng.normal(size=40)), scores(rng.normal(size=40))
    there, back = paired_difference(a, b, seed=5), paired_difference(b, a, seed=5)
    assert back.difference == pytest.approx(-there.difference)
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower))
    assert back.p_value == there.p_value


def test_equal_predictors_differ_as_often_as_the_level_says():
    """120 pairs of equal law, level 0.9, 50 problems: the interval misses 0 in 12 of them on average, sd 3.3.

    A percentile bootstrap of 50 problems misses a little more often (about 0.11, 13 of 120); 4 sd around that, and at
    least one: false-alarm rate below 2e-4 each.
    """
    rng = np.random.default_rng(2)
    missed = rejected = 0
    for number in range(120):
        a, b = scores(rng.normal(size=50)), scores(rng.normal(size=50))
        result = paired_difference(a, b, level=0.9, n_boot=300, seed=number)
        missed += not result.lower <= 0.0 <= result.upper
        rejected += result.p_value <= 0.1
    assert 1 <= missed <= 27
    assert 1 <= rejected <= 27


def test_pairing_finds_a_small_difference_under_large_noise():
    rng = np.random.default_rng(3)
    shared = 2.0 + rng.normal(scale=0.5, size=200)
    a, b = scores(shared), scores(shared + 0.02 + rng.normal(scale=0.05, size=200))
    result = paired_difference(a, b)
    assert result.upper < 0.0
    assert result.p_value < 0.01
    assert a.standard_error("mae") > 0.02


def test_few_problems_cannot_be_sure():
    """Three problems that all favour a: a coin falls thus in 1 of 4 cases, on either side."""
    three = paired_difference(scores([0.1, 0.2, 0.3]), scores([1.1, 1.3, 1.2]))
    assert three.upper < 0.0
    assert three.p_value == 0.25
    assert three.to_frame()["note"].tolist() == ["fewer than 30 problems: interval too short, p-value too small"]
    rng = np.random.default_rng(4)
    many = paired_difference(scores(rng.normal(size=30)), scores(5.0 + rng.normal(size=30)))
    assert many.p_value == pytest.approx(2 / 4001)
    assert many.to_frame()["note"].tolist() == [""]


def test_bad_wishes_are_refused():
    with pytest.raises(ValueError, match=r"not scored on the same problems of the same splits \(2 row\(s\) differ\)"):
        paired_difference(scores([0.1, 0.2]), scores([0.1, 0.2, 0.3, 0.4]))
    with pytest.raises(ValueError, match="not scored on the same problems"):
        paired_difference(scores([0.1, 0.2]), scores([0.1, 0.2], 1))
    with pytest.raises(ValueError, match="at least two problems"):
        paired_difference(scores([0.1]), scores([0.2]))
    with pytest.raises(ValueError, match="metric must be one of"):
        paired_difference(scores([0.1, 0.2]), scores([0.1, 0.2]), "cs")
    with pytest.raises(ValueError, match="did you mean 0.95"):
        paired_difference(scores([0.1, 0.2]), scores([0.1, 0.2]), level=95)
    with pytest.raises(ValueError, match="n_boot must be a whole number of at least 100"):
        paired_difference(scores([0.1, 0.2]), scores([0.1, 0.2]), n_boot=10)
