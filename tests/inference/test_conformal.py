"""conformal_new_problems: golden values, properties, its finite-sample level, and real raters."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdllm_stats import conformal_new_problems


def problems(count, seed):
    """Skewed, heteroscedastic and not linear: nothing a conformal interval may count on."""
    rng = np.random.default_rng(seed)
    digital = rng.gamma(2.0, 1.0, count)
    return digital, digital**1.5 + (0.2 + digital) * (rng.exponential(1.0, count) - 1.0)


# ---------------------------------------------------------------- golden


def test_constant_digital_mean_gives_the_order_statistic_by_hand():
    """With nothing to regress on, f is the fitted half's mean and s is constant: the scores can be ranked by hand."""
    _, human = problems(60, 1)
    got = conformal_new_problems(human, np.zeros(60), np.zeros(4), level=0.9, seed=5)
    order = np.random.default_rng(5).permutation(60)
    fitted, calibration = order[30:], order[:30]
    center = human[fitted].mean()
    gaps = np.sort(np.abs(human[calibration] - center))
    np.testing.assert_allclose(got.estimate, np.full(4, center))
    np.testing.assert_allclose(got.half_width, np.full(4, gaps[27]))  # ceil(31 * 0.9) = 28th smallest
    assert got.n_calibration == 30
    assert "2 constant" not in got.why
    assert "1 constant" in got.why


def test_least_number_of_problems_uses_the_worst_calibration_score():
    digital, human = problems(26, 2)
    got = conformal_new_problems(human, digital, digital[:3], level=0.95, seed=0)
    assert got.n_calibration == 19
    with pytest.raises(
        ValueError, match="25 answered problems are too few.*19 are needed to calibrate and 7 to fit, 26"
    ):
        conformal_new_problems(human[:25], digital[:25], digital[:3], level=0.95, seed=0)


# ---------------------------------------------------------------- properties


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(0.01, 100))
def test_units_do_not_matter_and_the_seed_decides_the_split(seed, shift, unit):
    digital, human = problems(50, seed)
    one = conformal_new_problems(human, digital, digital[:7], seed=3)
    two = conformal_new_problems(shift - unit * human, 5 * digital - 1, 5 * digital[:7] - 1, seed=3)
    np.testing.assert_allclose(two.estimate, shift - unit * one.estimate, rtol=1e-6, atol=1e-6 * unit)
    np.testing.assert_allclose(two.half_width, unit * one.half_width, rtol=1e-6)
    again = conformal_new_problems(human, digital, digital[:7], seed=3)
    np.testing.assert_array_equal(one.lower, again.lower)
    other = conformal_new_problems(human, digital, digital[:7], seed=4)
    assert np.any(other.lower != one.lower)


def test_higher_level_is_wider_and_bounds_cut():
    digital, human = problems(90, 6)
    human = np.clip(human, 1, 5)
    low = conformal_new_problems(human, digital, digital[:8], level=0.8, bounds=(1, 5), seed=1)
    high = conformal_new_problems(human, digital, digital[:8], level=0.95, bounds=(1, 5), seed=1)
    assert np.all(high.half_width >= low.half_width)
    assert np.all((high.lower >= 1) & (high.upper <= 5))
    assert np.all((low.lower <= low.estimate) & (low.estimate <= low.upper))


def test_covariates_are_further_columns():
    digital, human = problems(90, 7)
    both = np.column_stack([digital, digital**2])
    one = conformal_new_problems(human, both, both[:5], seed=2)
    two = conformal_new_problems(
        human, digital, digital[:5], covariates=digital**2, covariates_new=digital[:5] ** 2, seed=2
    )
    np.testing.assert_allclose(one.lower, two.lower)


def test_perfect_prediction_is_not_an_error():
    digital, _ = problems(60, 8)
    got = conformal_new_problems(2 * digital + 1, digital, digital[:4], seed=0)
    np.testing.assert_allclose(got.estimate, 2 * digital[:4] + 1)
    assert np.all(got.half_width < 1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"human_mean": np.ones((60, 2))}, "human_mean must have one axis"),
        ({"human_mean": np.r_[np.nan, np.ones(59)]}, "human_mean holds 1"),
        ({"digital_mean": np.ones(5)}, "digital_mean must have shape"),
        ({"digital_mean_new": np.ones((4, 2))}, "digital_mean_new must have the columns"),
        ({"covariates": np.ones(60)}, "covariates is given but covariates_new is not"),
        ({"covariates_new": np.ones(4)}, "covariates_new is given but covariates is not"),
        ({"covariates": np.ones(60), "covariates_new": np.ones(7)}, "covariates_new has 7 problems"),
        ({"bounds": (0, 0.5)}, "human_mean holds"),
        ({"level": 0.99}, "99 are needed to calibrate"),
        ({"level": 1.0}, "level must lie strictly"),
    ],
)
def test_bad_input_is_refused(change, words):
    good = {"human_mean": np.linspace(0, 1, 60), "digital_mean": np.linspace(1, 2, 60), "digital_mean_new": np.ones(4)}
    with pytest.raises(ValueError, match=words):
        conformal_new_problems(**{**good, **change})


# ---------------------------------------------------------------- statistical


@pytest.mark.parametrize(("count", "level", "exact"), [(26, 0.95, 19 / 20), (52, 0.8, 22 / 27)])
def test_coverage_is_the_exact_finite_sample_value(count, level, exact):
    """Without ties coverage is ceil((C + 1) level) / (C + 1) whatever the data; 4 binomial standard errors: 6e-5."""
    draws = 1500
    hits = 0
    for draw in range(draws):
        digital, human = problems(count + 1, 10_000 + draw)
        got = conformal_new_problems(human[:-1], digital[:-1], digital[-1:], level=level, seed=draw)
        hits += int(got.lower[0] <= human[-1] <= got.upper[0])
    assert abs(hits / draws - exact) < 4 * np.sqrt(exact * (1 - exact) / draws)


@pytest.mark.skipif("CROWDLLM_STATS_DATA" not in os.environ, reason="CROWDLLM_STATS_DATA names no data folder")
def test_real_raters_of_offensive_texts():
    """200 random splits of the 1,500 texts into answered and new: mean coverage within 0.01 of the level."""
    from crowdllm_stats.data import popquorn, popquorn_llm_ratings

    human = popquorn().responses.groupby("problem")["response"].mean()
    human.index = human.index.astype(str)
    digital = popquorn_llm_ratings().responses.groupby("problem")["response"].agg(["mean", "std"])
    digital = digital.set_axis(digital.index.astype(str)).loc[human.index].to_numpy(dtype=float)
    truth = human.to_numpy(dtype=float)
    rates = []
    for split in range(200):
        order = np.random.default_rng(split).permutation(len(truth))
        old, new = order[:1000], order[1000:]
        got = conformal_new_problems(truth[old], digital[old], digital[new], bounds=(1, 5), seed=split)
        rates.append(np.mean((got.lower <= truth[new]) & (truth[new] <= got.upper)))
    assert abs(np.mean(rates) - 0.95) < 0.01
