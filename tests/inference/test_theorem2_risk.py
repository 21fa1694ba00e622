"""Theorem 2: the exact identity, unbiased parts, what is identifiable, bootstrap and averages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crowdllm_stats.inference.theorem2_risk import RiskDecomposition, risk_decomposition

PARTS = ("L", "L1", "L2", "L3", "L4", "L5", "alignment")


def exact_sum(r: RiskDecomposition) -> np.ndarray:
    return np.asarray(r.L1 - (1 - 2 / r.n_person) * r.L2 + r.L3 + r.L4 - r.L5 + 2 * r.alignment)


def crowd(rng, problems, people, *, slope=0.6, bias=0.2, eta=0.7, etat=0.5, repeats=(2, 2)):
    """Fresh people for each problem; human and twin answers (problems, repeats, people)."""
    mean = rng.normal(size=(problems, 1, people))
    twin = bias + slope * mean + rng.normal(0.0, 0.4, size=mean.shape)
    human = mean + eta * rng.normal(size=(problems, repeats[0], people))
    return human, twin + etat * (rng.exponential(size=(problems, repeats[1], people)) - 1)


# --- properties ------------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 10_000),
    people=st.integers(2, 40),
    repeats=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    shift=st.sampled_from([0.0, 3.0, -1e5]),
    known=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_identity_holds_for_the_estimates(seed, people, repeats, shift, known):
    rng = np.random.default_rng(seed)
    human, digital = crowd(rng, 3, people, slope=rng.normal(), repeats=repeats)
    options = {}
    if known or min(repeats) == 1:
        options = {
            "human_noise_var": rng.exponential(size=(3, people)),
            "digital_noise_var": rng.exponential(size=people),
        }
    r = risk_decomposition(human + shift, digital + shift, **options)
    np.testing.assert_allclose(exact_sum(r), r.L, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(r.exact, r.L, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(r.published, r.L1 + r.L2 + r.L3 + r.L4 - r.L5, rtol=1e-10)
    np.testing.assert_allclose(
        r.published - r.exact, 2 * (1 - 1 / people) * r.L2 - 2 * r.alignment, rtol=1e-9, atol=1e-9
    )


def test_parts_are_averages_over_all_pairs_of_replicates():
    rng = np.random.default_rng(3)
    human, digital = rng.normal(size=(4, 3, 7)), rng.normal(1.0, 2.0, size=(4, 5, 7))
    r = risk_decomposition(human, digital)
    y, t = human[:, :, None, :], digital[:, None, :, :]
    my, mt = y.mean(-1, keepdims=True), t.mean(-1, keepdims=True)
    l2, l4 = human.var(1, ddof=1).mean(-1), digital.var(1, ddof=1).mean(-1)
    expected = {
        "L": ((my - mt) ** 2).mean((1, 2, 3)),
        "L1": ((my - y) ** 2).mean((1, 2, 3)),
        "L2": l2,
        "L3": ((y - t) ** 2).mean((1, 2, 3)) - l2 - l4,
        "L4": l4,
        "L5": ((mt - t) ** 2).mean((1, 2, 3)),
        "alignment": ((my - y) * (y - t)).mean((1, 2, 3)) + (1 - 1 / 7) * l2,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(r, name), value, rtol=1e-10, err_msg=name)


def test_axes_may_stand_anywhere_and_problems_are_independent():
    rng = np.random.default_rng(4)
    human, digital = rng.normal(size=(5, 2, 6, 3)), rng.normal(size=(5, 2, 4, 3))
    r = risk_decomposition(human, digital)
    moved = risk_decomposition(
        np.moveaxis(human, (-2, -1), (0, 1)), np.moveaxis(digital, (-2, -1), (0, 1)), axis_replicate=0, axis_person=1
    )
    single = risk_decomposition(human[3, 1], digital[3, 1])
    assert r.L.shape == (5, 2)
    for name in PARTS:
        np.testing.assert_allclose(getattr(moved, name), getattr(r, name), rtol=1e-12)
        np.testing.assert_allclose(getattr(single, name), getattr(r, name)[3, 1], rtol=1e-12)


# --- golden ------------------------------------------------------------------------------------------------------


def test_worked_example_of_the_exact_form():
    """N = 20, ybar ~ N(0, 1), twins 0.2 + 0.6 ybar + N(0, 0.4^2), eta 0.7, etat 0.5: L 0.0930, published 1.784.

    40,000 crowds, seeded; each mean within 4 standard errors (false-alarm rate 2 * 6e-5).
    """
    human, digital = crowd(np.random.default_rng(11), 40_000, 20)
    average = risk_decomposition(human, digital).average(level=0.68269)
    for name, value in (("exact", 0.0930), ("published", 1.784)):
        error = (average.upper[name] - average.lower[name]) / 2
        assert abs(average.mean[name] - value) < 4 * error + 5e-5, name  # 5e-5: the value's own rounding
    assert average.upper["exact"] - average.lower["exact"] < 0.002


# --- statistical -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["replicates", "known"])
def test_every_part_is_unbiased_for_given_people(mode):
    """Unequal noise, five given people; 30,000 data sets; 7 parts x 2 modes, |z| < 4.5: false-alarm rate 1e-4."""
    rng = np.random.default_rng(12)
    mean, twin = np.array([0.0, 1.0, 3.0, -1.0, 0.5]), np.array([0.4, 0.2, 2.0, -2.0, 1.0])
    eta2, etat2 = np.array([0.1, 2.0, 0.3, 1.0, 0.0]), np.array([1.5, 0.0, 0.2, 0.7, 0.4])
    repeats = (2, 3) if mode == "replicates" else (1, 1)
    human = mean + np.sqrt(eta2) * rng.normal(size=(30_000, repeats[0], 5))
    digital = twin + np.sqrt(etat2) * (rng.exponential(size=(30_000, repeats[1], 5)) - 1)
    known = {} if mode == "replicates" else {"human_noise_var": eta2, "digital_noise_var": etat2}
    r = risk_decomposition(human, digital, **known)
    covariance = np.mean(mean * twin) - mean.mean() * twin.mean()
    truth = {
        "L": (mean.mean() - twin.mean()) ** 2 + eta2.mean() / 5 + etat2.mean() / 5,
        "L1": mean.var() + (1 - 1 / 5) * eta2.mean(),
        "L2": eta2.mean(),
        "L3": np.mean((mean - twin) ** 2),
        "L4": etat2.mean(),
        "L5": twin.var() + (1 - 1 / 5) * etat2.mean(),
        "alignment": covariance - mean.var(),
    }
    for name, value in truth.items():
        draws = np.broadcast_to(getattr(r, name), (30_000,))
        error = draws.std(ddof=1) / np.sqrt(draws.size)
        assert abs(draws.mean() - value) < 4.5 * error + 1e-12, name


@pytest.mark.parametrize("people", [2, 3, 10, 50, 200])
def test_exact_agrees_with_direct_monte_carlo_and_published_does_not(people):
    """Exact sum against an independent Monte Carlo of L, slopes -0.5 to 1.5, unequal noise.

    15 comparisons within 3.6 standard errors of the difference: false-alarm rate 5e-3 over all (seed fixed).
    """
    rng = np.random.default_rng(100 + people)
    eta = np.linspace(0.1, 1.3, people)
    for slope in (-0.5, 0.6, 1.5):
        human, digital = crowd(rng, 3_000, people, slope=slope, eta=eta, etat=eta[::-1])
        one, other = crowd(rng, 12_000, people, slope=slope, eta=eta, etat=eta[::-1], repeats=(1, 1))
        direct = (one.mean((1, 2)) - other.mean((1, 2))) ** 2
        r = risk_decomposition(human, digital)
        error = np.hypot(direct.std() / np.sqrt(direct.size), np.std(r.exact) / np.sqrt(r.exact.size))
        assert abs(r.exact.mean() - direct.mean()) < 3.6 * error, slope
        excess = 2 * (1 - 1 / people) * (np.mean(eta**2) - (slope - 1))
        wide = np.std(r.published - r.exact) / np.sqrt(r.exact.size)
        assert abs(np.mean(r.published - r.exact) - excess) < 4.5 * wide, slope


def test_bootstrap_bounds_hold_near_their_level():
    """N = 40 people, 600 data sets, level 0.95: every part's coverage between 0.88 and 1.

    At a true coverage of 0.92 a count below 0.88 has probability 3e-4 a part.
    """
    rng = np.random.default_rng(13)
    mean = rng.normal(size=(600, 1, 40))
    human = mean + 0.7 * rng.normal(size=(600, 2, 40))
    digital = 0.2 + 0.6 * mean + 0.4 * rng.normal(size=mean.shape) + 0.5 * rng.normal(size=(600, 2, 40))
    r = risk_decomposition(human, digital, n_boot=400, seed=1)
    n = 40
    truth = {"L": 0.04 + (0.16 + 0.16 + 0.49 + 0.25) / n, "L1": (1 - 1 / n) * 1.49, "L2": 0.49, "L3": 0.36, "L4": 0.25,
             "L5": (1 - 1 / n) * 0.77, "alignment": (1 - 1 / n) * -0.4}  # fmt: skip
    assert r.lower is not None
    assert r.upper is not None
    for name, value in truth.items():
        assert np.mean((r.lower[name] <= value) & (value <= r.upper[name])) > 0.88, name
        assert np.all(r.lower[name] < r.upper[name])


def test_bootstrap_is_seeded_and_touches_no_estimate():
    human, digital = crowd(np.random.default_rng(14), 3, 11)
    first, second = (risk_decomposition(human, digital, n_boot=50, seed=2) for _ in range(2))
    other = risk_decomposition(human, digital, n_boot=50, seed=3)
    plain = risk_decomposition(human, digital)
    np.testing.assert_array_equal(first.lower["L3"], second.lower["L3"])
    assert np.all(first.lower["L1"] != other.lower["L1"])
    np.testing.assert_array_equal(first.L3, plain.L3)
    assert plain.lower is None


def test_bootstrap_bounds_of_three_people_by_listing_all_resamples():
    """L2 of known noises 0, 1, 5; its simulated centre has standard error 0.01, widened to 0.02 in the bound."""
    noise = np.array([0.0, 1.0, 5.0])
    every = np.array(list(itertools.product(noise, repeat=3))).mean(axis=1)
    widen = np.sqrt(3 / 2) * stats.t.ppf(0.9, 2) / stats.norm.ppf(0.9)
    r = risk_decomposition([1.0, 2.0, 4.0], [1.0, 3.0, 3.0], human_noise_var=noise, level=0.8, n_boot=20_000, seed=1)
    assert r.upper is not None
    assert r.upper["L2"] == pytest.approx(2 + widen * (np.quantile(every, 0.9) - 2), abs=0.08)


# --- what is identifiable ----------------------------------------------------------------------------------------


def test_answered_once_gives_the_sums_but_not_the_parts():
    human, digital = crowd(np.random.default_rng(15), 4, 9, repeats=(1, 1))
    r = risk_decomposition(human, digital)
    assert r.L2 is None
    assert r.L3 is None
    assert r.L4 is None
    assert r.alignment is None
    assert "not identifiable" in r.why
    assert "human_noise_var" in r.why
    told = risk_decomposition(human, digital, human_noise_var=0.49, digital_noise_var=0.25)
    for name in ("L", "L1", "L5", "exact", "published"):  # no noise variance enters these
        np.testing.assert_allclose(getattr(r, name), getattr(told, name), rtol=1e-10)
    assert "not identifiable" in str(risk_decomposition(human[0], digital[0]))
    assert r.to_frame()["L2"].isna().all()


def test_one_side_repeated_gives_what_it_can():
    human, digital = crowd(np.random.default_rng(16), 4, 9, repeats=(3, 1))
    r = risk_decomposition(human, digital)
    assert r.L2 is not None
    assert r.alignment is not None
    assert r.L3 is None
    assert r.L4 is None
    human, digital = crowd(np.random.default_rng(16), 4, 9, repeats=(1, 3))
    r = risk_decomposition(human, digital)
    assert r.L4 is not None
    assert r.L2 is None
    assert r.L3 is None
    assert r.alignment is None
    assert set(risk_decomposition(human, digital, n_boot=20, seed=1).lower) == {
        "L", "L1", "L4", "L5", "exact", "published"
    }  # fmt: skip


def test_no_replicate_axis():
    human, digital = crowd(np.random.default_rng(17), 4, 9, repeats=(1, 1))
    r = risk_decomposition(human, digital)
    flat = risk_decomposition(human[:, 0], digital[:, 0], axis_replicate=None)
    one = risk_decomposition(human[2, 0], digital[2, 0])
    np.testing.assert_array_equal(r.L, flat.L)
    np.testing.assert_allclose(one.L, r.L[2], rtol=1e-12)


def test_negative_estimate_is_flagged_not_clipped():
    r = risk_decomposition([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], human_noise_var=0.5, digital_noise_var=0.25)
    np.testing.assert_allclose(r.L3, -0.75)
    assert "L3 is estimated below zero" in r.to_frame()["note"].iloc[0]


# --- averages, printing, pictures --------------------------------------------------------------------------------


def test_average_is_student_t_over_problems():
    human, digital = crowd(np.random.default_rng(18), 6, 5, repeats=(2, 1))
    r = risk_decomposition(human, digital, level=0.9)
    average = r.average()
    reach = 2.0150483726691575 * r.L1.std(ddof=1) / np.sqrt(6)  # t quantile 0.95, 5 degrees of freedom
    assert average.mean["L1"] == pytest.approx(r.L1.mean())
    assert average.upper["L1"] - average.mean["L1"] == pytest.approx(reach)
    assert "L3" not in average.mean
    assert "L3, L4" in average.why
    assert list(average.to_frame().index) == list(average.mean)
    assert "6 problems" in str(average)
    with pytest.raises(ValueError, match="at least 2 problems"):
        risk_decomposition(human[0], digital[0]).average()
    with pytest.raises(ValueError, match="labels"):
        average.to_frame(index=["a"])


def test_plot_shows_both_sums():
    human, digital = crowd(np.random.default_rng(19), 6, 5)
    figure = risk_decomposition(human, digital).plot()
    assert [axis.get_title().split(":")[0] for axis in figure.axes] == ["as published", "exact"]
    exact = figure.axes[1]
    assert exact.patches[-1].get_height() == pytest.approx(exact.lines[1].get_ydata()[0])
    with pytest.raises(ValueError, match="not identifiable"):
        risk_decomposition(human[:, :1], digital[:, :1]).plot()


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1.0], [2.0]], [[1.0], [2.0]]), {}, "human holds 1 person"),
        (([1.0, 2.0], [1.0, 2.0, 3.0]), {}, "human has 2 people but digital 3"),
        ((np.ones((4, 2, 3)), np.ones((5, 2, 3))), {}, r"problems of shape \(4,\) but digital \(5,\)"),
        (([1.0, np.nan], [1.0, 2.0]), {}, "human holds 1 value"),
        (([1.0, 2.0], [1.0, 2.0]), {"human_noise_var": -1.0}, "human_noise_var must not be negative"),
        (([1.0, 2.0], [1.0, 2.0]), {"digital_noise_var": np.ones(3)}, "digital_noise_var has shape"),
        (([1.0, 2.0], [1.0, 2.0]), {"level": 95}, "did you mean 0.95"),
        (([1.0, 2.0], [1.0, 2.0]), {"n_boot": -1}, "n_boot must be a whole number"),
        ((np.ones((2, 3)), np.ones((2, 3))), {"axis_replicate": 5}, "axis_replicate 5"),
        ((np.ones((2, 3)), np.ones((2, 3))), {"axis_replicate": -1}, "axis_replicate -1"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        risk_decomposition(*arguments, **options)
