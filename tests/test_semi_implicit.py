"""SemiImplicit under NumPyro's own objectives: a bound that rises in M, exact with degenerate mixing; its traps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer import Trace_ELBO, TraceMeanField_ELBO

from crowdllm_stats.semi_implicit import SemiImplicit, refuse_auxiliary

MIXING_SD, COMPONENT_SD = 1.2, 0.5
#: The marginal of N(psi, COMPONENT_SD^2), psi ~ N(0, MIXING_SD^2).
MARGINAL_SD = float(np.hypot(MIXING_SD, COMPONENT_SD))


def model():
    numpyro.sample("z", dist.Normal(0.3, 1.0))


def exact_elbo(mean=0.0, sd=MARGINAL_SD):
    """``-KL(N(mean, sd^2) || N(0.3, 1))``: the evidence of the model is 1."""
    return -(0.5 * (sd**2 + (mean - 0.3) ** 2 - 1.0) - np.log(sd))


def guide_of(draws, shift=0.0):
    def guide():
        psi = shift + MIXING_SD * jax.random.normal(numpyro.prng_key(), (draws,))
        numpyro.sample("z", SemiImplicit(dist.Normal(psi, COMPONENT_SD)))

    return guide


def losses(objective, model, guide, replicates, seed=0):
    keys = jax.random.split(jax.random.PRNGKey(seed), replicates)
    return -np.asarray(jax.jit(jax.vmap(lambda key: objective.loss(key, {}, model, guide)))(keys))


def mean_and_error(values):
    return values.mean(), values.std(ddof=1) / np.sqrt(values.size)


def test_the_surrogate_lies_below_the_elbo_rises_with_the_mixing_draws_and_converges():
    """Each comparison has 4 standard errors of room: false-alarm rate 6e-5 each, six of them."""
    found = [mean_and_error(losses(Trace_ELBO(), model, guide_of(draws), 60_000, draws)) for draws in (1, 2, 6, 51)]
    for bound, error in found:
        assert bound <= exact_elbo() + 4 * error
    for (low, low_error), (high, high_error) in zip(found, found[1:], strict=False):
        assert high > low + 4 * np.hypot(low_error, high_error)
    gaps = [exact_elbo() - bound for bound, _ in found]
    assert gaps[0] > 0.9
    assert gaps[-1] < 0.04


@pytest.mark.parametrize("objective", [Trace_ELBO, TraceMeanField_ELBO])
@pytest.mark.parametrize("draws", [1, 7])
def test_degenerate_mixing_is_the_component_itself(objective, draws):
    def mixed():
        numpyro.sample("z", SemiImplicit(dist.Normal(jnp.full((draws,), 0.1), 0.8)))

    def plain():
        numpyro.sample("z", dist.Normal(0.1, 0.8))

    one = mean_and_error(losses(objective(), model, mixed, 20_000, 3))
    other = mean_and_error(losses(objective(), model, plain, 20_000, 4))
    truth = exact_elbo(0.1, 0.8)
    assert one[0] == pytest.approx(truth, abs=4 * one[1])  # false-alarm rate 6e-5
    assert other[0] == pytest.approx(truth, abs=4 * other[1] + 1e-6)
    value = jnp.linspace(-2.0, 2.0, 9)
    mixture = SemiImplicit(dist.Normal(jnp.full((draws,), 0.1), 0.8))
    np.testing.assert_allclose(mixture.log_prob(value), dist.Normal(0.1, 0.8).log_prob(value), atol=1e-5)


def test_gradients_are_unbiased():
    """Automatic gradients against a central difference of independent long averages: 4 joint standard errors."""

    def loss(shift, key):
        return Trace_ELBO().loss(key, {}, model, guide_of(6, shift))

    keys = jax.random.split(jax.random.PRNGKey(1), 40_000)
    gradient = mean_and_error(np.asarray(jax.jit(jax.vmap(jax.grad(loss), (None, 0)))(0.7, keys)))
    fresh = jax.random.split(jax.random.PRNGKey(2), 40_000)  # one set on both sides, so that its noise cancels
    sides = [np.asarray(jax.jit(jax.vmap(loss, (None, 0)))(0.7 + step, fresh)) for step in (0.05, -0.05)]
    slope = mean_and_error((sides[0] - sides[1]) / 0.1)
    assert gradient[0] == pytest.approx(slope[0], abs=4 * np.hypot(gradient[1], slope[1]) + 2e-3)
    assert abs(gradient[0]) > 0.2


def test_shapes_with_plates_and_events():
    component = dist.Normal(jnp.zeros((5, 7, 3)), 1.0).to_event(1)
    mixture = SemiImplicit(component)
    assert (mixture.mixing_draws, mixture.batch_shape, mixture.event_shape) == (5, (7,), (3,))
    draw = mixture.sample(jax.random.PRNGKey(0), (2, 4))
    assert draw.shape == (2, 4, 7, 3)
    assert mixture.log_prob(draw).shape == (2, 4, 7)
    assert mixture.mean.shape == (7, 3)
    assert mixture.variance.shape == (7, 3)


def test_log_density_and_moments_are_the_mixtures():
    loc, scale = jnp.array([[-1.0, 0.5], [2.0, 0.0], [0.3, 1.0]]), jnp.array([[0.5, 1.0], [1.5, 0.7], [1.0, 2.0]])
    mixture = SemiImplicit(dist.Normal(loc, scale))
    value = jnp.array([0.4, -0.2])
    by_hand = np.log(np.mean(np.exp(np.asarray(dist.Normal(loc, scale).log_prob(value))), axis=0))
    np.testing.assert_allclose(mixture.log_prob(value), by_hand, rtol=1e-5)
    second = np.mean(np.asarray(scale) ** 2 + np.asarray(loc) ** 2, axis=0)
    np.testing.assert_allclose(mixture.variance, second - np.mean(np.asarray(loc), axis=0) ** 2, rtol=1e-4)


def test_a_draw_comes_from_the_first_component():
    draws = np.asarray(SemiImplicit(dist.Normal(jnp.array([3.0, -50.0]), 0.1)).sample(jax.random.PRNGKey(0), (500,)))
    assert np.all(np.abs(draws - 3.0) < 1.0)


ELEMENTS = 10


def plated_model():
    with numpyro.plate("elements", ELEMENTS):
        numpyro.sample("z", dist.Normal(0.3, 1.0))


def plated_guide(independent):
    def guide():
        shape = (6, ELEMENTS) if independent else (6, 1)
        psi = MIXING_SD * jax.random.normal(numpyro.prng_key(), shape) * jnp.ones((6, ELEMENTS))
        with numpyro.plate("elements", ELEMENTS):
            numpyro.sample("z", SemiImplicit(dist.Normal(psi, COMPONENT_SD)))

    return guide


def test_a_plate_with_independent_draws_is_the_sum_of_its_elements():
    whole = mean_and_error(losses(Trace_ELBO(), plated_model, plated_guide(True), 20_000))
    single = mean_and_error(losses(Trace_ELBO(), model, guide_of(6), 60_000))
    room = 4 * np.hypot(whole[1], ELEMENTS * single[1])  # false-alarm rate 6e-5
    assert whole[0] == pytest.approx(ELEMENTS * single[0], abs=room)


def test_the_trap_of_shared_draws_and_how_it_is_refused():
    """Shared over a plate of ten by hand, the bound is not below the evidence's share any more."""
    honest = losses(Trace_ELBO(), plated_model, plated_guide(True), 4_000).mean()
    shared = losses(Trace_ELBO(), plated_model, plated_guide(False), 4_000).mean()
    # the joint guide of ten elements that move together: its true ELBO is far lower than what the product claims
    joint = []
    for key in jax.random.split(jax.random.PRNGKey(9), 200):
        first, second = jax.random.split(key)
        psi = MIXING_SD * jax.random.normal(first, (2_000, 1))
        z = psi[0] + COMPONENT_SD * jax.random.normal(second, (ELEMENTS,))
        log_q = jax.scipy.special.logsumexp(dist.Normal(psi, COMPONENT_SD).log_prob(z).sum(-1)) - jnp.log(2_000.0)
        joint.append(float(dist.Normal(0.3, 1.0).log_prob(z).sum() - log_q))
    assert shared > np.mean(joint) + 1.0
    assert honest < 0.0

    def spread():
        psi = MIXING_SD * jax.random.normal(numpyro.prng_key(), (6,))
        with numpyro.plate("elements", ELEMENTS):
            numpyro.sample("z", SemiImplicit(dist.Normal(psi, COMPONENT_SD)))

    with pytest.raises(ValueError, match="exceed the evidence"):
        Trace_ELBO().loss(jax.random.PRNGKey(0), {}, plated_model, spread)


def test_the_trap_of_an_auxiliary_site_and_how_it_is_refused():
    """Under stock Trace_ELBO an auxiliary mixing site reports more than the log evidence, which is 0 here."""

    def guide():
        psi = numpyro.sample("psi", dist.Normal(0.3, 0.87), infer={"is_auxiliary": True})
        numpyro.sample("z", dist.Normal(psi, COMPONENT_SD))

    claimed, error = mean_and_error(losses(Trace_ELBO(), model, guide, 20_000))
    assert claimed > 4 * error + 0.3
    with pytest.raises(ValueError, match=r"auxiliary site\(s\) psi"):
        refuse_auxiliary(guide)
    refuse_auxiliary(guide_of(3))


def test_components_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match="leading batch axis"):
        SemiImplicit(dist.Normal(0.0, 1.0))
    with pytest.raises(ValueError, match="not reparameterised"):
        SemiImplicit(dist.Poisson(jnp.ones(3)))


def test_importing_creates_no_device_arrays():
    import subprocess
    import sys

    code = "import crowdllm_stats.semi_implicit, jax; assert not jax.live_arrays(), jax.live_arrays()"
    subprocess.run([sys.executable, "-c", code], check=True)
