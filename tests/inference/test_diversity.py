"""distribution_error: golden values from outside, exact identities, unbiasedness, bounds and what is refused."""

import itertools

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crowdllm_stats.inference.diversity import PARTS, distribution_error
from crowdllm_stats.inference.table_distance import (
    GRID,
    block_means,
    comonotone_product,
    order_statistic_weights,
    quantile_losses,
    table_parts,
)

RATINGS = np.array([0.5, 0.25, 0.15, 0.07, 0.03])
OTHER = np.array([0.1, 0.2, 0.5, 0.15, 0.05])


def ratings(rng, shape, probability):
    return rng.choice(5, size=shape, p=probability) + 1.0


# ---------------------------------------------------------------- golden


@pytest.mark.parametrize(("n", "m"), [(7, 7), (7, 12), (30, 20), (3, 1000)])
def test_both_distances_equal_those_of_scipy_and_pot(n, m):
    rng = np.random.default_rng(n + m)
    human, digital = rng.gamma(2.0, 1.0, (2, n)), np.round(rng.normal(1.0, 2.0, (2, m)))
    got = distribution_error(human, digital)
    for row in range(2):
        squared = ot.emd2_1d(human[row], digital[row], metric="sqeuclidean")
        np.testing.assert_allclose(got.total[row], squared, rtol=1e-9)
        np.testing.assert_allclose(got.energy_total[row], stats.energy_distance(human[row], digital[row]) ** 2)


def test_one_level_apart_the_distance_is_the_squared_wasserstein_1_distance():
    """Shifted copies: every coupling in order moves each answer by the same amount, so W2 = W1."""
    answers = np.array([1.0, 2.0, 2.0, 5.0])
    got = distribution_error(answers, answers + 0.75)
    assert got.total == pytest.approx(stats.wasserstein_distance(answers, answers + 0.75) ** 2)
    assert got.sd_ratio == pytest.approx(1.0)
    assert got.cost_of_uniformity == 0.0


def test_energy_is_the_mean_over_pairs_without_the_pairs_of_one_answer_with_itself():
    rng = np.random.default_rng(4)
    human, digital = rng.normal(size=5), rng.normal(size=8)
    across = np.mean([abs(a - b) for a in human for b in digital])
    within = [np.mean([abs(a - b) for a, b in itertools.combinations(table, 2)]) for table in (human, digital)]
    assert distribution_error(human, digital).energy == pytest.approx(2 * across - sum(within))


def test_expected_order_statistics_by_enumerating_all_draws():
    law = np.array([-2.0, 0.0, 1.0, 5.0])
    draws = np.array([sorted(draw) for draw in itertools.product(law, repeat=3)])
    np.testing.assert_allclose(order_statistic_weights(3, 4) @ law, draws.mean(axis=0))


def test_uniform_order_statistics_lose_2_in_n_plus_1():
    """kappa(n, n) = (n - 1) / (n + 1) for a uniform law: E U_(k) = k / (n + 1)."""
    law = (np.arange(500) + 0.5) / 500 - 0.5
    law /= law.std()
    for n in (3, 9, 40):
        weights = order_statistic_weights(n, 500)
        first, second = quantile_losses(law, weights, weights)
        assert float(first + second) == pytest.approx(2 / (n + 1), rel=0.002)


def test_more_draws_than_the_grid_has_rows_come_out_alike():
    law = stats.norm.ppf((np.arange(GRID) + 0.5) / GRID)
    whole = law @ order_statistic_weights(GRID, GRID).T
    more = law @ order_statistic_weights(2 * GRID, GRID).T
    assert np.mean((more - law) ** 2) < 0.6 * np.mean((whole - law) ** 2)
    loss = float(sum(quantile_losses(law, order_statistic_weights(2 * GRID, GRID), np.eye(GRID))))
    loss_whole = float(sum(quantile_losses(law, order_statistic_weights(GRID, GRID), np.eye(GRID))))
    assert loss == pytest.approx(loss_whole / 2, rel=0.1)  # the loss falls like 1 / n


# ---------------------------------------------------------------- properties


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(3, 20), st.floats(-50, 50), st.floats(0.01, 100))
def test_the_parts_add_up_and_units_scale(seed, n, m, shift, unit):
    rng = np.random.default_rng(seed)
    human, digital = ratings(rng, (3, n), RATINGS), ratings(rng, (3, m), OTHER)
    one = distribution_error(human, digital, few_levels=False)
    np.testing.assert_allclose(one.shape + one.finite_n_human + one.finite_n_digital, one.rest, atol=1e-12)
    np.testing.assert_allclose(one.location + one.spread + one.rest, one.total, atol=1e-12)
    assert np.all(one.finite_n_human >= -1e-12)
    assert np.all(one.finite_n_digital >= -1e-12)
    assert np.all(one.energy_total >= one.energy)
    two = distribution_error(shift - unit * human, shift - unit * digital, few_levels=False)
    for name in PARTS:
        power = unit if name.startswith("energy") else unit**2
        got, expected = getattr(two, name), power * getattr(one, name)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8 * power * 25)  # the parts cancel to 8 digits


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_order_of_people_and_pairing_play_no_part(seed):
    rng = np.random.default_rng(seed)
    human, digital = rng.normal(size=(2, 6)), rng.normal(size=(2, 11))
    one = distribution_error(human, digital)
    two = distribution_error(human[:, rng.permutation(6)], digital[:, rng.permutation(11)])
    for name in PARTS:
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(2, 9), st.integers(1, 6))
def test_reduced_tables_keep_products_of_step_functions(seed, n, m, times):
    rng = np.random.default_rng(seed)
    first, second = np.sort(rng.normal(size=(2, n))), np.sort(rng.normal(size=(2, m)))
    longer = np.repeat(second, times, axis=1)
    expected = np.mean(np.repeat(first, m, axis=1) * np.repeat(second, n, axis=1), axis=1)
    np.testing.assert_allclose(comonotone_product(first, longer), expected, atol=1e-12)
    np.testing.assert_allclose(block_means(longer, m), second, atol=1e-12)
    np.testing.assert_allclose(block_means(longer, 1)[:, 0], second.mean(axis=1), atol=1e-12)


def test_batches_of_any_size_equal_single_problems(monkeypatch):
    rng = np.random.default_rng(8)
    human, digital = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 9))
    monkeypatch.setattr("crowdllm_stats.inference.table_distance.CELLS", 30)
    got = distribution_error(human, digital)
    assert got.total.shape == (2, 3)
    one = distribution_error(human[1, 2], digital[1, 2])
    for name in got.columns:
        assert getattr(got, name)[1, 2] == pytest.approx(getattr(one, name))
    assert len(got.to_frame()) == 6


def test_large_numbers_lose_no_digits():
    rng = np.random.default_rng(2)
    human, digital = rng.integers(0, 9, 7) + 0.0, rng.integers(0, 9, 10) + 0.0
    near, far = distribution_error(human, digital), distribution_error(human + 2.0**40, digital + 2.0**40)
    assert far.total == pytest.approx(near.total, rel=1e-9)


def test_people_who_agree_and_a_crowd_of_one_mind():
    same, spread = np.full(4, 2.0), np.array([1.0, 2.0, 3.0, 6.0, 8.0])
    agree = distribution_error(same, spread)
    assert agree.sd_ratio == np.inf
    assert agree.spread == pytest.approx(np.var(spread, ddof=1))
    assert "all human answers are alike" in agree.to_frame()["note"].iloc[0]
    uniform = distribution_error(spread, same, few_levels=False)
    assert uniform.sd_ratio == 0.0
    assert uniform.cost_of_uniformity == pytest.approx(np.var(spread, ddof=1))
    assert uniform.shape == pytest.approx(0.0, abs=1e-12)
    both = distribution_error(same, np.full(3, 2.0), n_boot=5, seed=0)
    assert (both.total, both.sd_ratio) == (0.0, 1.0)
    assert both.upper["sd_ratio"] == 1.0


# ---------------------------------------------------------------- statistical (seeded; false-alarm rates as stated)


@pytest.mark.parametrize(
    ("n", "m", "law", "other"), [(3, 5, RATINGS, OTHER), (9, 40, OTHER, RATINGS), (8, 12, OTHER, OTHER)]
)
def test_location_and_energy_are_unbiased_for_any_laws(n, m, law, other):
    """Two z-tests at 4 standard errors a case: false-alarm rate 4e-4 in all."""
    rng = np.random.default_rng(100 * n + m)
    got = distribution_error(ratings(rng, (6000, n), law), ratings(rng, (6000, m), other))
    levels = np.arange(1.0, 6.0)
    truth = {
        "location": float(levels @ (law - other)) ** 2,
        "energy": 2 * float(np.sum(np.cumsum(law - other) ** 2)),
    }
    for name, value in truth.items():
        draws = getattr(got, name)
        assert abs(draws.mean() - value) < 4 * draws.std() / np.sqrt(len(draws))


@pytest.mark.parametrize(("n", "m", "ratio"), [(9, 200, 0.6), (20, 15, 1.0), (12, 60, 1.7)])
def test_spread_shape_and_finite_parts_where_shapes_agree(n, m, ratio):
    """Exponential answers: biases stay below 2% of the larger variance (plus 4 standard errors, 2e-4 in all)."""
    rng = np.random.default_rng(n)
    got = distribution_error(rng.exponential(1.0, (6000, n)), ratio * rng.exponential(1.0, (6000, m)))
    slack = 0.02 * max(1.0, ratio**2)
    for name, value in {"spread": (1 - ratio) ** 2, "shape": 0.0}.items():
        draws = getattr(got, name)
        assert abs(draws.mean() - value) < slack + 4 * draws.std() / np.sqrt(len(draws))
    excess = got.total - got.location - (1 - ratio) ** 2
    finite = (got.finite_n_human + got.finite_n_digital).mean()
    assert abs(excess.mean() - finite) < 2 * slack + 4 * excess.std() / np.sqrt(len(excess))


def test_average_bounds_hold_their_level():
    """300 sets of 40 problems: coverage below 0.88 has probability 1e-6 at a true 0.95, 1e-3 at 0.92."""
    rng = np.random.default_rng(5)
    truth = {"location": 0.09, "spread": 0.16, "sd_ratio": 0.6, "cost_of_uniformity": 0.16}
    hits = dict.fromkeys(truth, 0)
    for _ in range(300):
        overall = distribution_error(rng.normal(0, 1, (40, 9)), rng.normal(0.3, 0.6, (40, 50))).average()
        for name, value in truth.items():
            hits[name] += overall.lower[name] <= value <= overall.upper[name]
    assert min(hits.values()) >= 0.88 * 300, hits


def test_bootstrap_bounds_of_the_ratio_and_their_flags():
    """300 problems of 30 people, one call: ratio coverage at least 0.88 (1e-5 at a true 0.93)."""
    rng = np.random.default_rng(6)
    got = distribution_error(rng.normal(0, 1, (300, 30)), rng.normal(0, 0.6, (300, 90)), n_boot=150, seed=1)
    held = (got.lower["sd_ratio"] <= 0.6) & (got.upper["sd_ratio"] >= 0.6)
    assert held.mean() >= 0.88
    uniform = got.flags["the digital answers are too uniform"]
    np.testing.assert_array_equal(uniform, got.upper["sd_ratio"] < 1)
    assert uniform.mean() > 0.8
    for name in ("location", "spread", "shape", "energy", "cost_of_uniformity"):
        assert np.all(got.lower[name] <= getattr(got, name) + 1e-12)
        assert np.all(got.upper[name] >= getattr(got, name) - 1e-12)
    again = distribution_error(got.n_human * [1.0, 2.0, 4.0], [1.0, 2.0, 2.5, 3.0], n_boot=9, seed=3)
    same = distribution_error(got.n_human * [1.0, 2.0, 4.0], [1.0, 2.0, 2.5, 3.0], n_boot=9, seed=3)
    assert again.lower == same.lower


def test_bootstrap_bounds_of_three_and_four_answers_by_listing_all_resamples():
    """Each quantile lies in a step of the law, over 4.5 standard errors from its ends: false-alarm rate below 1e-5."""
    human, digital = np.array([0.0, 0.0, 6.0]), np.array([5.0, 5.0, 5.0, 9.0])
    rows = [np.array(list(itertools.product(one, repeat=len(one)))) for one in (human, digital)]
    every = table_parts(np.repeat(rows[0], len(rows[1]), axis=0), np.tile(rows[1], (len(rows[0]), 1)))["location"]
    widen = np.sqrt(3 / 2) * stats.t.ppf(0.89, 2) / stats.norm.ppf(0.89)
    got = distribution_error(human, digital, level=0.78, n_boot=2000, seed=1)
    assert got.why.startswith("3 human and 4 digital answers per problem, ")
    for ends, share in ((got.lower, 0.11), (got.upper, 0.89)):
        assert ends["location"] == pytest.approx(got.location + widen * (np.quantile(every, share) - np.median(every)))


def test_a_crowd_too_wide_is_flagged_and_costs_nothing_of_uniformity():
    rng = np.random.default_rng(7)
    got = distribution_error(rng.normal(0, 1, 200), rng.normal(0, 2, 200), n_boot=100, seed=1)
    assert "too spread out" in got.to_frame()["note"].iloc[0]
    assert got.cost_of_uniformity == 0.0


# ---------------------------------------------------------------- results and refusals


def test_answers_with_few_levels_have_no_shape_of_their_own():
    """On five points the remainder is far below the true shape, 0.29: None with the reason; the rest stays exact."""
    rng = np.random.default_rng(11)
    law, other = (
        np.diff(stats.beta(0.8, 4).cdf(np.linspace(0, 1, 6))),
        np.diff(stats.beta(4, 4).cdf(np.linspace(0, 1, 6))),
    )
    human, digital = ratings(rng, (900, 8), law), ratings(rng, (900, 60), other)
    forced = distribution_error(human, digital, few_levels=False)
    assert forced.shape.mean() < 0.2
    got = distribution_error(human, digital, n_boot=3, seed=1)
    assert (got.shape, got.finite_n_human, got.finite_n_digital) == (None, None, None)
    assert "not identified from answers with few levels" in got.why
    assert "shape" not in got.lower
    np.testing.assert_allclose(got.total, got.location + got.spread + got.rest)
    overall = got.average()
    assert (overall.shape, "shape" in overall.lower) == (None, False)
    assert overall.rest == pytest.approx(got.rest.mean())
    assert "not identifiable" in str(overall)


@pytest.mark.parametrize(
    ("human", "digital", "few"),
    [
        ([1, 2, 3], [2, 4, 5], True),
        ([0, 50, 100], [20, 71, 3], False),  # a slider: whole numbers over a wide range
        ([0.25, 0.5, 0.5], [0.75] * 9, True),  # few levels, many answers each
        ([0.21, 0.53, 0.5], [0.75, 0.4, 0.33], False),
    ],
)
def test_few_levels_are_found_out(human, digital, few):
    assert (distribution_error(human, digital).shape is None) == few


def test_average_pools_the_spreads():
    human, digital = np.array([[1.0, 2, 3], [0, 4, 8]]), np.array([[2.0, 2, 3, 3], [1, 2, 3, 4]])
    got = distribution_error(human, digital)
    overall = got.average(level=0.8)
    assert overall.sd_ratio == pytest.approx(np.sqrt(digital.var(1, ddof=1).sum() / human.var(1, ddof=1).sum()))
    assert overall.location == pytest.approx(got.location.mean())
    assert overall.cost_of_uniformity == pytest.approx((overall.human_sd - overall.digital_sd) ** 2)
    reach = stats.t.ppf(0.9, 1) * got.energy.std(ddof=1) / np.sqrt(2)
    assert overall.upper["energy"] == pytest.approx(got.energy.mean() + reach)
    assert "Means over 2 problems" in str(overall)
    with pytest.raises(ValueError, match="at least 2 problems"):
        overall.average()


@pytest.mark.parametrize("few", [True, False])
def test_plot_has_a_bar_for_every_part(few):
    got = distribution_error(np.arange(5.0), np.arange(7.0) / 2, few_levels=few)
    bars = got.plot().axes[0].patches
    assert len(bars) == (4 if few else 6)
    assert bars[-1].get_height() == pytest.approx(got.total)


@pytest.mark.parametrize(
    ("human", "digital", "more", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], {}, "human has 2 answer.*at least 3"),
        ([1.0, 2.0, 3.0], [[1.0, 2.0]], {}, r"digital has batch shape \(1,\)"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], {}, "digital has 2 answer"),
        ([1.0, 2.0, np.nan], [1.0, 2.0, 3.0], {}, "human holds 1 value.*NaN"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 6.0], {"bounds": (1, 5)}, "digital holds 1 answer.*outside the bounds"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], {"level": 95}, "did you mean 0.95"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], {"n_boot": -1}, "n_boot must be a whole number"),
        (["a", "b", "c"], [1.0, 2.0, 3.0], {}, "human must be a rectangular array"),
    ],
)
def test_bad_input_is_refused_by_name(human, digital, more, message):
    with pytest.raises(ValueError, match=message):
        distribution_error(human, digital, **more)
