"""The spread check: the regression by hand, right predictions pass, wrong ones do not, what is left out is counted."""

import numpy as np
import pytest

from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.case_study.spread import human_variances, spread_check

ANSWERS = (1.0, 2.0, 3.0, 4.0, 5.0)


def crowd(n_problems, raters, seed):
    """True distributions, and histograms of so many raters drawn from them."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(5, 0.6), size=n_problems)
    counts = rng.multinomial(raters, shares).astype(float)
    names = tuple(f"q{row}" for row in range(n_problems))
    values = np.array(ANSWERS)
    return Histograms(names, ANSWERS, counts), shares @ values**2 - (shares @ values) ** 2


def test_human_variances_are_those_of_the_answers():
    truth, _ = crowd(11, 6, 1)
    answers = [np.repeat(ANSWERS, row.astype(int)) for row in truth.counts]
    np.testing.assert_allclose(human_variances(truth), [np.var(one, ddof=1) for one in answers])


def test_slope_is_least_squares_and_single_answers_are_counted():
    rng = np.random.default_rng(2)
    predicted, human = rng.uniform(0.5, 2.0, 40), rng.uniform(0.5, 2.0, 40)
    human[[3, 8, 9]] = np.nan
    names = [f"q{row % 17}" for row in range(40)]
    found = spread_check(names, human, predicted)
    kept = ~np.isnan(human)
    slope, intercept = np.polyfit(predicted[kept], human[kept], 1)
    assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    assert (found.n_problems, found.n_left_out) == (17, 3)
    assert found.lower < found.slope < found.upper


def test_the_right_variance_has_slope_one_and_a_wrong_one_has_not():
    """600 problems, 8 raters. The 99.99% interval misses 1 by chance in 1 of 10,000 seeds; this seed is one draw."""
    truth, right = crowd(600, 8, 3)
    human = human_variances(truth)
    found = spread_check(truth.problems, human, right, level=0.9999)
    assert found.lower < 1.0 < found.upper
    assert found.lower > 0.7
    half = spread_check(truth.problems, human, right / 2.0, level=0.9999)
    assert half.lower > 1.0
    assert half.slope == pytest.approx(2.0 * found.slope)


def test_a_problem_in_several_splits_is_one_cluster():
    truth, right = crowd(60, 8, 4)
    human, names = human_variances(truth), truth.problems
    once, thrice = spread_check(names, human, right), spread_check(names * 3, np.tile(human, 3), np.tile(right, 3))
    assert thrice.slope == pytest.approx(once.slope)
    assert thrice.upper - thrice.lower == pytest.approx(once.upper - once.lower, rel=0.03)


def test_equal_predictions_have_no_slope():
    found = spread_check(["a", "b", "c", "d"], [0.1, 0.4, 0.2, 0.3], [0.0] * 4)
    assert found.slope is None
    assert found.lower is None
    assert "not identifiable" in str(found)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="must be of one length"):
        spread_check(["a", "b"], [0.1, 0.2, 0.3], [0.1, 0.2])
    with pytest.raises(ValueError, match="three problems with two human answers or more; there are 2"):
        spread_check(["a", "b", "c"], [0.1, 0.2, np.nan], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="predicted_variance"):
        spread_check(["a", "b", "c"], [0.1, 0.2, 0.3], [0.1, 0.2, -0.3])
