"""A shared error with few degrees of freedom added to intervals: quantiles, and what must not change."""

import numpy as np
import pytest
from scipy import stats

from crowdllm_stats.inference.fay_herriot.person_errors import sum_half_width, widen


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("degrees", [1.0, 2.0, 4.0, 19.0, 300.0])
def test_limits_are_the_normal_and_the_t_quantile(level, degrees):
    half = sum_half_width(np.array([2.0, 0.0]), np.array([0.0, 3.0]), degrees, level)
    assert half[0] == pytest.approx(np.sqrt(2) * stats.norm.ppf(0.5 + level / 2), rel=1e-6)
    assert half[1] == pytest.approx(np.sqrt(3) * stats.t.ppf(0.5 + level / 2, degrees), rel=2e-3)


def test_half_width_holds_the_level_of_the_sum():
    """10^6 draws: standard error 0.0002, so wrong in 1 of 15,000."""
    rng = np.random.default_rng(1)
    half = sum_half_width(np.array([0.7]), np.array([0.4]), 3.0, 0.95)[0]
    draws = np.sqrt(0.7) * rng.normal(size=10**6) + np.sqrt(0.4) * rng.standard_t(3, size=10**6)
    assert abs(np.mean(np.abs(draws) <= half) - 0.95) < 0.0009


def test_nothing_shared_leaves_intervals_as_they_are():
    estimate, lower, upper = np.array([1.2, 3.0, 4.9]), np.array([1.0, 2.0, 4.0]), np.array([2.0, 4.5, 5.0])
    for bounds in (None, (1.0, 5.0)):
        ends = widen(estimate, lower, upper, np.zeros(3), np.zeros(3), 4.0, bounds, 0.95)
        np.testing.assert_allclose(ends, (lower, upper), atol=1e-9)


def test_ends_stay_on_the_scale_and_mirror():
    estimate, lower, upper = np.array([1.2, 3.0, 4.9]), np.array([1.05, 2.0, 4.0]), np.array([2.0, 4.5, 4.99])
    shared = np.array([0.05, 0.5, 0.02])
    ends = widen(estimate, lower, upper, shared, np.zeros(3), 2.0, (1.0, 5.0), 0.95)
    assert np.all((ends[0] > 1.0) & (ends[0] < lower))
    assert np.all((ends[1] < 5.0) & (ends[1] > upper))
    mirrored = widen(6 - estimate, 6 - upper, 6 - lower, shared, np.zeros(3), 2.0, (1.0, 5.0), 0.95)
    np.testing.assert_allclose(mirrored, (6 - ends[1], 6 - ends[0]))


def test_variance_that_is_counted_already_is_not_counted_twice():
    one = np.ones(1)
    half = 1.959963984540054 * one
    ends = widen(0 * one, -half, half, 0.3 * one, 0.3 * one, 1e9, None, 0.95)
    np.testing.assert_allclose(ends[1], half, rtol=1e-4)
