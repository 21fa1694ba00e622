"""Sets of exactly k options: against all sets listed one by one, and against independent answers given their sum."""

from __future__ import annotations

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from scipy import stats

from crowdllm_stats.generator.exactly_k import ExactlyK

LOGITS = np.array([[1.2, -0.4, 0.0, 2.0, -3.0, 0.7], [0.1, 0.2, 30.0, -30.0, 0.0, 1.0]])
K = 3


def sets(options, k):
    return np.array([[a in chosen for a in range(options)] for chosen in combinations(range(options), k)], dtype=float)


def listed(logits, k):
    """Every set's probability, shape (sets,)."""
    weight = sets(len(logits), k) @ np.asarray(logits, dtype=float)
    return np.exp(weight - weight.max()) / np.exp(weight - weight.max()).sum()


@pytest.mark.parametrize("row", range(len(LOGITS)))
def test_log_prob_and_inclusion_are_those_of_all_sets_listed(row):
    law, every = ExactlyK(LOGITS, K), sets(6, K)
    found = np.exp(law.log_prob(jnp.asarray(every)[:, None])[:, row])
    assert found == pytest.approx(listed(LOGITS[row], K), rel=2e-4, abs=1e-9)
    assert np.asarray(law.mean[row]) == pytest.approx(listed(LOGITS[row], K) @ every, abs=1e-5)
    assert float(law.mean[row].sum()) == pytest.approx(K, abs=1e-5)


def test_it_is_independent_bernoulli_given_the_sum():
    every = np.array([[bool(number >> a & 1) for a in range(6)] for number in range(64)], dtype=float)
    free = np.asarray(dist.Bernoulli(logits=jnp.asarray(LOGITS[0])).to_event(1).log_prob(jnp.asarray(every)))
    some = every.sum(axis=1) == K
    given = np.exp(free[some]) / np.exp(free[some]).sum()
    assert np.exp(ExactlyK(LOGITS[0], K).log_prob(every[some])) == pytest.approx(given, rel=1e-4)


def test_one_option_is_the_categorical_law_and_all_options_are_certain():
    one = ExactlyK(jnp.asarray(LOGITS[0]), 1)
    assert np.asarray(one.mean) == pytest.approx(np.asarray(jax.nn.softmax(jnp.asarray(LOGITS[0]))), abs=1e-6)
    assert float(ExactlyK(LOGITS[0], 6).log_prob(np.ones(6))) == pytest.approx(0.0, abs=1e-5)


def test_draws_follow_the_law():
    """Chi-squared over the 20 sets; false-alarm rate 0.1%."""
    draws = np.asarray(ExactlyK(LOGITS[0], K).sample(jax.random.PRNGKey(3), (20_000,)))
    assert set(draws.sum(axis=1)) == {K}
    code = 2 ** np.arange(6)
    found, times = np.unique(draws @ code, return_counts=True)
    seen = {int(row): 0 for row in sets(6, K) @ code} | dict(zip(found.tolist(), times.tolist(), strict=True))
    expected = 20_000 * listed(LOGITS[0], K)
    assert stats.chisquare([seen[int(row)] for row in sets(6, K) @ code], expected).pvalue > 0.001


def test_draws_of_a_batch_have_a_row_for_each_law():
    draws = ExactlyK(jnp.asarray(LOGITS), 2).sample(jax.random.PRNGKey(0), (5, 4))
    assert draws.shape == (5, 4, 2, 6)
    assert (np.asarray(draws).sum(axis=-1) == 2).all()
    assert np.asarray(draws)[..., 1, 2].all()  # the option with logit 30


def test_gradients_are_finite_and_a_constant_changes_nothing():
    value = jnp.asarray(sets(24, 5)[7])
    theta = jnp.linspace(-40.0, 40.0, 24)
    slope = jax.grad(lambda logits: ExactlyK(logits, 5).log_prob(value))(theta)
    assert np.isfinite(np.asarray(slope)).all()
    moved = ExactlyK(theta + 7.0, 5).log_prob(value)
    assert float(moved) == pytest.approx(float(ExactlyK(theta, 5).log_prob(value)), abs=1e-3)


def test_sets_of_another_size_are_impossible():
    law = ExactlyK(LOGITS[0], K)
    assert float(law.log_prob(np.array([1, 1, 1, 1, 0, 0]))) == -np.inf


@pytest.mark.parametrize(
    ("logits", "k", "message"),
    [(LOGITS[0], 7, "only 6 options"), (LOGITS[0], 0, "k must be a whole number"), (1.0, 1, "an axis of options")],
)
def test_impossible_sizes_are_refused(logits, k, message):
    with pytest.raises(ValueError, match=message):
        ExactlyK(logits, k)


def test_it_is_a_site_of_a_numpyro_program_and_goes_through_jit():
    ballots = jnp.asarray(sets(6, K)[:2])
    law = ExactlyK(jnp.asarray(LOGITS), K)

    def model():
        numpyro.sample("ballots", law, obs=ballots)

    density = numpyro.infer.util.log_density(model, (), {}, {})[0]
    assert float(density) == pytest.approx(float(law.log_prob(ballots).sum()), rel=1e-5)
    assert np.asarray(jax.jit(lambda given: given.mean)(law)) == pytest.approx(np.asarray(law.mean), abs=1e-6)
