"""Golden values: our PPI and PPI++ against the package ppi_py, to 1e-8."""

from __future__ import annotations

import numpy as np
import pytest
from ppi_py import classical_mean_ci, ppi_mean_ci, ppi_mean_pointestimate

from crowdllm_stats import interval

SHAPES = [(7, 31), (23, 401), (64, 70), (150, 1201)]


def example(n, size, seed):
    rng = np.random.default_rng(seed)
    human = rng.gamma(2.0, 1.5, n)
    twins = 0.4 + 0.7 * human + rng.normal(0.0, 0.8, n)
    crowd = 0.4 + 0.7 * rng.gamma(2.0, 1.5, size) + rng.normal(0.0, 0.8, size)
    return human, twins, crowd


def ends(pair):
    return np.array([np.asarray(end).item() for end in pair])


def assert_equal(ours, theirs):
    np.testing.assert_allclose([ours.lower, ours.upper], ends(theirs), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("n", "size"), SHAPES)
@pytest.mark.parametrize("alternative", ["two-sided", "larger", "smaller"])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_untuned_equals_the_peer(n, size, alternative, level):
    data = example(n, size, n)
    ours = interval(*data, method="ppi", level=level, alternative=alternative)
    assert_equal(ours, ppi_mean_ci(*data, alpha=1 - level, alternative=alternative, lam=1))


@pytest.mark.parametrize(("n", "size"), SHAPES)
def test_tuned_two_sided_equals_the_peer(n, size):
    data = example(n, size, n + 1)
    ours = interval(*data, method="ppi++")
    assert_equal(ours, ppi_mean_ci(*data, alpha=0.05))
    assert ours.estimate == pytest.approx(ppi_mean_pointestimate(*data).item(), abs=1e-8)


@pytest.mark.parametrize(("n", "size"), SHAPES)
@pytest.mark.parametrize("alternative", ["larger", "smaller"])
def test_tuned_one_sided_equals_the_peer_at_our_weight(n, size, alternative):
    """The peer drops `alternative` when it tunes, so it is given the weight."""
    data = example(n, size, n + 2)
    ours = interval(*data, method="ppi++", alternative=alternative)
    assert_equal(ours, ppi_mean_ci(*data, alpha=0.05, alternative=alternative, lam=ours.lam))
    two_sided = ends(ppi_mean_ci(*data, alpha=0.05, alternative=alternative))
    assert np.all(np.isfinite(two_sided)), "the peer now keeps `alternative`: compare with it directly"


@pytest.mark.parametrize("flip", [False, True])
def test_tuned_weight_is_clipped_as_the_peer_clips_it(flip):
    human, twins, crowd = example(40, 300, 5)
    twins, crowd = (-twins, -crowd) if flip else (0.2 * twins, 0.2 * crowd)
    ours = interval(human, twins, crowd, method="ppi++")
    assert ours.lam == (0.0 if flip else 1.0)
    assert_equal(ours, ppi_mean_ci(human, twins, crowd, alpha=0.05))


def test_classical_equals_the_peer_with_its_quantile_and_ddof_put_back():
    human, _, _ = example(30, 40, 9)
    ours = interval(human, method="classical")
    low, high = ends(classical_mean_ci(human, alpha=0.05))
    from scipy.stats import norm, t

    factor = t.ppf(0.975, 29) / norm.ppf(0.975) * np.sqrt(30 / 29)
    assert ours.half_width == pytest.approx(0.5 * (high - low) * factor, rel=1e-12)


@pytest.mark.parametrize("name", ["forest", "galaxies"])
@pytest.mark.parametrize("n", [60, 333])
def test_real_sets_equal_the_peer(data_folder, name, n):
    with np.load(data_folder / "ppi_examples" / f"{name}.npz", allow_pickle=False) as stored:
        truth, predicted = stored["Y"], stored["Yhat"]
    order = np.random.default_rng(n).permutation(truth.size)
    labelled, rest = order[:n], order[n:]
    data = truth[labelled], predicted[labelled], predicted[rest]
    assert_equal(interval(*data, method="ppi"), ppi_mean_ci(*data, alpha=0.05, lam=1))
    tuned = interval(*data, method="ppi++")
    assert_equal(tuned, ppi_mean_ci(*data, alpha=0.05))
    for alternative in ("larger", "smaller"):
        one_sided = interval(*data, method="ppi++", alternative=alternative)
        assert_equal(one_sided, ppi_mean_ci(*data, alpha=0.05, alternative=alternative, lam=one_sided.lam))
        assert_equal(
            interval(*data, method="ppi", alternative=alternative),
            ppi_mean_ci(*data, alpha=0.05, alternative=alternative, lam=1),
        )
