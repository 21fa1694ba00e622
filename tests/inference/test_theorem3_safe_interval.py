"""Theorem 3: published and exact interval of safe belief means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdllm_stats.inference.theorem3_safe_interval import (
    margin_in_words,
    published_half_width,
    safe_interval,
    safety_margin,
)

# --- golden ------------------------------------------------------------------------------------------------------


def test_worked_example_inside_the_published_interval_and_worse():
    """N=100, k=0.5, eta=etat=0, Delta=0.1, fixed beliefs of mean 0.5, eps2=1: L = 0.16 > L' = 0.01."""
    r = safe_interval(0.5, 1.0, delta=0.1, kappa=0.5, n_digital=100)
    assert r.published.half_width == pytest.approx(0.5, abs=5e-4)
    assert r.inside_published is True
    assert r.inside_exact is False
    assert r.excess_risk == pytest.approx(0.16 - 0.01)
    assert (r.exact.lower, r.exact.upper) == (pytest.approx(0.0), pytest.approx(0.2))
    assert r.uniform_radius == 0.0


def grid(sds):
    axes = (
        np.array([5.0, 20.0, 100.0]),
        np.asarray(sds),
        np.array([0.25, 0.5, 1.0]),
        np.array([0.0, 0.1, 0.5]),
        np.array([-1.0, -0.5, 0.0, 0.5, 1.0]),
        np.round(np.arange(-20, 21) * 0.1, 10),
    )
    n, sd, kappa, eta, ratio, mu = np.meshgrid(*axes, indexing="ij")
    r = safe_interval(mu, mu**2 + sd**2, delta=ratio * kappa, kappa=kappa, n_digital=n, eta=eta)
    inside = np.abs(mu - ratio * kappa) <= r.published.half_width + 1e-12  # two settings lie on the very end
    worse = inside & (r.excess_risk > 1e-12)
    return inside.sum(), worse.sum()


def test_published_interval_over_the_grid():
    inside, worse = grid([0.5, 1.0, 2.0])
    assert inside == 7307
    assert round(worse / inside, 2) == 0.43
    inside, worse = grid([0.25, 0.5, 1.0])
    assert round(worse / inside, 2) == 0.19
    assert grid([0.0])[1] == 0


def test_published_is_exact_with_two_twins_of_fixed_beliefs():
    """At N = 2 the condition behind the published interval is the exact one: never inside and worse."""
    rng = np.random.default_rng(1)
    mu, sd, kappa, eta = rng.normal(size=3_000), rng.exponential(size=3_000), rng.exponential(size=3_000), 0.3
    delta = kappa * rng.uniform(-1, 1, size=3_000)
    r = safe_interval(mu, mu**2 + sd**2, delta, kappa, 2, eta=eta)
    assert r.inside_published.sum() > 300
    assert not np.any(r.inside_published & (r.excess_risk > 1e-12))
    np.testing.assert_allclose(r.published.half_width, np.sqrt(eta))


@pytest.mark.parametrize("n", [3.0, 10.0, 300.0])
def test_published_half_width_is_the_least_of_the_papers_bounds(n):
    """h is the least, over |Delta| <= kappa, of the distance from Delta to either root of the proof's quadratic."""
    eps2, eta = np.array([0.3, 1.0, 4.0])[:, None], np.array([0.0, 0.2])
    for kappa in (0.01, 0.4, 3.0):
        a, c, bar = n / (2 * (n - 1)), (n - 2) / (2 * (n - 1)), 1 - 2 / n
        delta = np.linspace(-kappa, kappa, 20_001)
        root = np.sqrt(a**2 * delta**2 + (a * bar * eps2 + a * eta)[..., None])
        least = np.minimum(root - c * delta, root + c * delta).min(-1)
        h = published_half_width(eps2, eta, np.asarray(kappa), np.asarray(n))
        np.testing.assert_allclose(h, least, rtol=1e-6)


def test_the_two_forms_of_the_published_width_meet():
    n, eps2, eta = 12.0, 0.7, 0.2
    kappa = (n - 2) / n * np.sqrt(((n - 2) * eps2 + n * eta) / 2)
    args = [np.asarray(value) for value in (eps2, eta, kappa * (1 - 1e-9), n)]
    above = [np.asarray(value) for value in (eps2, eta, kappa * (1 + 1e-9), n)]
    assert float(published_half_width(*args)) == pytest.approx(float(published_half_width(*above)), rel=1e-7)


# --- statistical -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "k", "random_beliefs"),
    list(itertools.product(["expected", "shared", "individual"], [1, 3], [False, True])),
)
def test_excess_risk_against_simulation(reference, k, random_beliefs):
    """L - L' of one crowd of 7 against 400,000 simulated ones; 12 runs, |z| < 4.5: false-alarm rate 8e-5."""
    n, size, eta, etat2, gap = 7, 400_000, 0.6, 0.5, 0.3
    means = np.array([0.9, -0.2, 0.4, 0.0, 0.5, 0.1, 0.3])
    rng = np.random.default_rng(40 + k)
    beliefs = means + (0.8 * rng.normal(size=(size, n)) if random_beliefs else 0.0)
    if reference == "expected":
        phi = 0.0
    elif reference == "shared":
        phi = np.sqrt(eta) * rng.normal(size=(size, k)).mean(1)
    else:
        phi = np.sqrt(eta / k) * rng.normal(size=(size, n)).mean(1)
    crowd = phi + beliefs.mean(-1) + np.sqrt(etat2 / n) * rng.normal(size=size)
    alone = np.sqrt(eta) * rng.normal(size=size)
    human = gap + 0.4 * rng.normal(size=size)  # y_ref = 0, y** = gap
    difference = (human - crowd) ** 2 - (human - alone) ** 2
    wobble = 0.64 / n if random_beliefs else 0.0
    r = safe_interval(
        means.mean(),
        np.mean(means**2) + (0.64 if random_beliefs else 0.0),
        gap,
        0.5,
        n,
        eta=eta,
        digital_noise_var=etat2,
        belief_mean_var=wobble,
        reference=reference,
        k=None if reference == "expected" else k,
    )
    assert abs(difference.mean() - r.excess_risk) < 4.5 * difference.std() / np.sqrt(size)


# --- properties --------------------------------------------------------------------------------------------------


@given(
    mu=st.floats(-3, 3),
    sd=st.floats(0, 3),
    delta=st.floats(-2, 2),
    slack=st.floats(0, 2),
    n=st.integers(2, 300),
    eta=st.floats(0, 2),
    noise=st.floats(0, 2),
)
@settings(max_examples=200, deadline=None)
def test_interval_and_condition_say_the_same(mu, sd, delta, slack, n, eta, noise):
    r = safe_interval(mu, mu**2 + sd**2, delta, abs(delta) + slack, n, eta=eta, digital_noise_var=noise)
    assert r.margin == pytest.approx(eta - noise / n)
    assert r.excess_risk == pytest.approx((mu - delta) ** 2 - delta**2 - r.margin, abs=1e-9)
    if r.exact.half_width is None:
        assert not r.inside_exact
        assert r.exact.lower is None
        assert delta**2 + r.margin < 0
    elif abs(r.excess_risk) > 1e-9:
        assert r.inside_exact == (r.exact.lower <= mu <= r.exact.upper)
    if r.uniform_radius is None:
        assert r.margin < 0
        assert r.uniform_belief is None
    else:
        for gap in np.linspace(-r.kappa, r.kappa, 9):
            for edge in (gap - r.uniform_radius, gap + r.uniform_radius, r.uniform_belief, -r.uniform_belief):
                assert edge * (edge - 2 * gap) <= r.margin + 1e-9


def test_uniform_radius_and_belief_are_the_largest():
    r = safe_interval(0.1, 0.2, 0.0, kappa=0.6, n_digital=9, eta=0.5)
    for edge, gap in ((1.001 * r.uniform_radius, 0.0), (1.001 * r.uniform_belief, -0.6)):
        assert edge * (edge - 2 * gap) > r.margin


def test_batches_broadcast_and_agree_with_single_problems():
    n, delta = np.array([[2], [5], [40]]), np.array([-0.4, 0.0, 0.3, 0.05])
    r = safe_interval(0.2, 0.5, delta, 0.4, n, eta=0.1, digital_noise_var=0.6, reference="shared", k=4)
    assert r.excess_risk.shape == (3, 4)
    assert len(r.to_frame()) == 12
    for i, j in itertools.product(range(3), range(4)):
        one = safe_interval(
            0.2, 0.5, delta[j], 0.4, int(n[i, 0]), eta=0.1, digital_noise_var=0.6, reference="shared", k=4
        )
        assert one.excess_risk == pytest.approx(r.excess_risk[i, j])
        assert one.published.lower == pytest.approx(r.published.lower[i, j])
        if one.exact.half_width is None:
            assert (r.exact.lower[i, j], r.exact.upper[i, j], r.exact.half_width[i, j]) == (np.inf, -np.inf, -np.inf)
        else:
            assert one.exact.upper == pytest.approx(r.exact.upper[i, j])
    assert np.isinf(r.exact.lower).any()
    assert np.isfinite(r.exact.lower).any()


# --- words, pictures, errors -------------------------------------------------------------------------------------


def test_words_and_flags():
    r = safe_interval(0.2, 0.5, delta=0.0, kappa=0.4, n_digital=5, digital_noise_var=1.0)
    assert r.exact.half_width is None
    assert "exact_lower       none" in str(r)
    assert "no belief mean is safe here" in str(r)
    assert "does not apply" in str(safe_interval(0.2, 0.5, delta=0.5, kappa=0.4, n_digital=5))
    assert "average out over twins" not in margin_in_words("shared", 3)
    assert "averages out over twins" in margin_in_words("individual", None)
    wide = safe_interval(0.2, 0.5, 0.1, 0.4, 5, eta=1.0, belief_mean_var=0.05)
    assert "random" in wide.why


def test_plot_draws_both_intervals_or_says_there_is_none():
    axis = safe_interval(0.5, 1.0, delta=0.1, kappa=0.5, n_digital=100).plot().axes[0]
    np.testing.assert_allclose(axis.lines[1].get_xdata(), [0.0, 0.2], atol=1e-12)
    none = safe_interval(0.2, 0.5, delta=0.0, kappa=0.4, n_digital=5, digital_noise_var=1.0).plot().axes[0]
    assert [text.get_text() for text in none.texts] == ["no safe belief mean"]
    with pytest.raises(ValueError, match="one problem"):
        safe_interval([0.2, 0.3], 0.5, 0.1, 0.4, 5).plot()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0.5, 1.0, 0.1, 0.5, 1), {}, "n_digital must be at least 2"),
        ((0.5, 1.0, 0.1, 0.5, 2.5), {}, "n_digital must be a whole number"),
        ((0.5, 0.2, 0.1, 0.5, 5), {}, "belief_second_moment must be at least"),
        ((0.5, 0.3, 0.1, 0.5, 5), {"belief_mean_var": 0.1}, "belief_second_moment must be at least"),
        ((0.5, 1.0, 0.1, -0.5, 5), {}, "kappa must not be negative"),
        ((0.5, 1.0, 0.1, 0.5, 5), {"eta": -0.1}, "eta must not be negative"),
        ((0.5, 1.0, 0.1, 0.5, 5), {"reference": "own"}, "reference must be one of"),
        ((0.5, 1.0, 0.1, 0.5, 5), {"reference": "shared"}, "needs k"),
        ((0.5, 1.0, 0.1, 0.5, 5), {"reference": "shared", "k": 0}, "k must be at least 1"),
        ((0.5, 1.0, 0.1, 0.5, 5), {"k": 3}, "k=3 has no place"),
        ((0.5, 1.0, [0.1, 0.2], 0.5, [5, 6, 7]), {}, "shapes do not fit together"),
        ((np.nan, 1.0, 0.1, 0.5, 5), {}, "belief_mean holds 1 value"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        safe_interval(*arguments, **options)


def test_margin_counts_each_way_of_entering():
    n = np.array([4.0, 10.0])
    np.testing.assert_allclose(safety_margin(n, 0.8, 0.4, 0.1, "expected", None), 0.8 - 0.4 / n - 0.1)
    np.testing.assert_allclose(safety_margin(n, 0.8, 0.0, 0.0, "shared", 4), 0.6)
    np.testing.assert_allclose(safety_margin(n, 0.8, 0.0, 0.0, "individual", None), 0.8 - 0.8 / n)
    np.testing.assert_allclose(safety_margin(n, 0.8, 0.0, 0.0, "individual", 2), 0.8 - 0.4 / n)
