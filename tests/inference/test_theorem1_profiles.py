"""Theorem 1: bounds, and the measured distance between profile samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from crowdllm_stats.inference.theorem1_profiles import EXACT_LIMIT, profile_bound, profile_distance

pytest.importorskip("ot", reason="POT measures the distance")


# --- bounds ------------------------------------------------------------------------------------------------------


def test_bounds_by_hand():
    r = profile_bound(3, 8, 0.5, 0.2)
    assert r.published == pytest.approx((1 + 0.7978845608 * 0.5 * 8) * 0.2)
    assert r.sharper == pytest.approx((1 + 0.7978845608 * 0.5 * 3) * 0.2)
    assert profile_bound(0, 8, 0.5, 0.2).sharper == pytest.approx(0.2)
    batch = profile_bound(2, 5, [0.5, 1.0, 2.0], [[0.1], [0.2]])
    assert batch.published.shape == (2, 3)
    assert np.all(batch.sharper < batch.published)


def test_smoothing_costs_what_the_proof_says():
    """W1 between a discrete coordinate and its smoothed version is at most sqrt(2/pi) times the noise's sd.

    Widely spaced values reach it; 200,000 draws, standard error 2e-4, tolerance 5 of them.
    """
    rng = np.random.default_rng(1)
    values = 10.0 * rng.integers(3, size=200_000)
    smoothed = values + 0.15 * rng.normal(size=values.size)
    assert wasserstein_distance(values, smoothed) == pytest.approx(np.sqrt(2 / np.pi) * 0.15, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((6, 5, 1.0, 0.1), "must not exceed dimension"),
        ((-1, 5, 1.0, 0.1), "n_discrete must be a whole number"),
        ((1, 0, 1.0, 0.1), "dimension must be a whole number"),
        ((1, 5, 0.0, 0.1), "smoothing must be positive"),
        ((1, 5, 1.0, 1.0), "epsilon must lie strictly between"),
    ],
)
def test_bad_bounds_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        profile_bound(*arguments)


# --- measured distance -------------------------------------------------------------------------------------------


def test_matches_scipy_in_one_dimension():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(70, 1)), rng.exponential(size=(90, 1))
    r = profile_distance(a, b, seed=1)
    assert r.kind == "exact"
    assert r.distance == pytest.approx(wasserstein_distance(a[:, 0], b[:, 0]), rel=1e-9)
    assert (r.n_generated, r.n_target) == (70, 90)


def test_noise_is_what_one_population_gives():
    """Same population: the two like-with-like distances agree; shifted by 2: the first exceeds the second by far.

    Differences of the two means are within 0.1 over 10 splits of 60 (standard error 0.02).
    """
    rng = np.random.default_rng(3)
    target = rng.normal(size=(120, 3))
    same = profile_distance(rng.normal(size=(80, 3)), target, seed=1)
    far = profile_distance(rng.normal(size=(80, 3)) + [2.0, 0.0, 0.0], target, seed=1)
    assert same.distance_same_size == pytest.approx(same.noise, abs=0.1)
    assert far.noise == pytest.approx(same.noise)
    assert far.distance_same_size > far.noise + 1.0
    assert same.noise > 0.3  # far from zero, though nothing differs


def test_large_samples_are_sliced():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(EXACT_LIMIT + 1, 2)), rng.normal(size=(500, 2)) + [3.0, 0.0]
    r = profile_distance(a, b, seed=1)
    assert r.kind == "sliced"
    assert "lower bound of W1" in r.why
    assert r.distance == pytest.approx(3.0 * 2 / np.pi, rel=0.1)  # mean |cos| over directions
    assert r.distance < 3.0


def test_bootstrap_is_seeded_and_holds_the_distance():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(40, 2)) + 1.0, rng.normal(size=(60, 2))
    first, second = (profile_distance(a, b, n_boot=40, seed=3) for _ in range(2))
    assert (first.lower, first.upper) == (second.lower, second.upper)
    assert 0 <= first.lower < first.distance < first.upper
    plain = profile_distance(a, b, seed=3)
    assert plain.lower is None
    assert plain.distance == pytest.approx(first.distance)
    assert "not asked for" in str(plain)


@pytest.mark.parametrize(
    ("generated", "target", "message"),
    [
        (np.ones(5), np.ones((6, 2)), "generated must have at least 2 axis"),
        (np.ones((5, 3)), np.ones((6, 2)), "with the same coordinates"),
        (np.ones((2, 5, 2)), np.ones((6, 2)), "two-dimensional"),
        (np.ones((1, 2)), np.ones((6, 2)), "at least 2 and 4"),
        (np.ones((5, 2)), np.ones((3, 2)), "at least 2 and 4"),
        (np.full((5, 2), np.nan), np.ones((6, 2)), "generated holds 10 value"),
    ],
)
def test_bad_profiles_are_refused(generated, target, message):
    with pytest.raises(ValueError, match=message):
        profile_distance(generated, target)


def test_the_interval_holds_0_for_two_samples_of_one_population():
    """60 pairs of samples in 3 dimensions, where every distance is far from 0.

    At a level of 0.975 for the lower end, more than 8 that exclude 0 are a false alarm in 30,000 runs.
    """
    rng = np.random.default_rng(8)
    found = [profile_distance(rng.normal(size=(30, 3)), rng.normal(size=(40, 3)), n_boot=79, seed=k) for k in range(60)]
    assert min(each.distance for each in found) > 0.3
    assert sum(each.lower > 0.0 for each in found) <= 8


def test_the_interval_leaves_0_and_covers_where_populations_differ():
    """30 pairs 1.5 apart in 2 dimensions (W1 of shifted laws is the shift): 25 or more cover, false alarm 5e-4."""
    rng = np.random.default_rng(9)
    shift = np.array([1.5, 0.0])
    found = [
        profile_distance(rng.normal(size=(60, 2)) + shift, rng.normal(size=(50, 2)), n_boot=79, seed=k)
        for k in range(30)
    ]
    assert sum(each.lower > 0.0 for each in found) == 30
    assert sum(each.lower <= 1.5 <= each.upper for each in found) >= 25
