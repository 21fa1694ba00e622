"""Eq. 4 is minus NumPyro's ELBO of a prior, a decoder and the encoder as programs, plus the loss of the decisions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer import Trace_ELBO

from crowdllm_stats.generator import networks
from crowdllm_stats.generator.belief import Belief, Draws, Objective, TrainingData
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.semi_implicit import SemiImplicit

D, P, T, N, SIZE = 5, 3, 7, 4, 6


def arrays(seed: int, belief: Belief) -> tuple[TrainingData, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    reference = rng.normal(3.0, 1.0, (T, 1))
    data = TrainingData(
        x=jnp.asarray(rng.normal(size=(T, D)), dtype=jnp.float32),
        v=jnp.asarray(rng.normal(size=(N, P)), dtype=jnp.float32),
        reference=jnp.asarray(reference, dtype=jnp.float32),
        centred=jnp.asarray(reference - reference.mean(), dtype=jnp.float32),
        problem=jnp.asarray(rng.integers(T, size=SIZE)),
        person=jnp.asarray(rng.integers(N, size=SIZE)),
        answer=jnp.asarray(rng.normal(3.0, 1.0, SIZE), dtype=jnp.float32),
        weight=jnp.asarray(rng.uniform(0.1, 1.0, SIZE), dtype=jnp.float32),
        share=jnp.asarray(1.5),
        ridge=jnp.ones(3),
        diversity=jnp.asarray(2.0),
    )
    params = jax.jit(lambda key: belief.initial(key, D, P, 1, 1, 1.3))(jax.random.key(seed))
    moved = jax.tree.map(lambda leaf: np.float32(np.asarray(leaf) + 0.3 * rng.normal(size=np.shape(leaf))), params)
    return data, moved


def encoded(belief: Belief, params: Any, data: TrainingData, psi: jax.Array | None) -> networks.NormalBelief:
    problem, person = data.problem, data.person
    return networks.encode_pairs(params["encoder"], data.x[problem], data.centred[problem], data.v[person], psi)


def programs(belief: Belief, params: Any, data: TrainingData) -> tuple[Any, Any]:
    """The model and the guide of Eq. 4 as one writes them in NumPyro, with draws of their own."""
    weight, j = data.weight * data.share, belief.draws

    def psi(key: Any, count: int) -> jax.Array | None:
        return jax.random.normal(key, (count, SIZE, belief.mixing_dim)) if belief.mixing else None

    def model() -> None:
        with numpyro.handlers.scale(scale=weight):
            delta = numpyro.sample("belief", dist.Normal(jnp.zeros((SIZE, 1)), 1.0).to_event(1))
        said = networks.decode(params["decoder"], delta, data.v[data.person])
        with numpyro.handlers.scale(scale=weight / D):
            numpyro.sample("x", dist.Normal(said, 1.0).to_event(1), obs=data.x[data.problem])
        first, second = jax.random.split(numpyro.prng_key())
        mean, sd = encoded(belief, params, data, psi(first, j))
        drawn = mean + data.diversity * sd * jax.random.normal(second, (j, SIZE, 1))
        decided = (data.reference[data.problem] + drawn)[..., 0].mean(axis=0)
        numpyro.factor("answers", -belief.loss_weight * (weight * (decided - data.answer) ** 2).sum())

    def guide() -> None:
        mean, sd = encoded(belief, params, data, psi(numpyro.prng_key(), belief.mixing + 1))
        component = dist.Normal(mean, sd).to_event(1)
        with numpyro.handlers.scale(scale=weight):
            numpyro.sample("belief", SemiImplicit(component) if belief.mixing else component)

    return model, guide


@pytest.mark.parametrize("mixing", [0, 2])
def test_equals_numpyros_elbo_on_the_same_draws_with_its_gradient(mixing: int) -> None:
    belief = Belief(Blender("normal"), hidden=9, mixing=mixing, mixing_dim=4, draws=8, loss_weight=0.7)
    data, params = arrays(3, belief)
    key = jax.random.key(11)

    # Key and answers are arguments: constants would be folded in, slowly.
    def elbo(some: Any, key: jax.Array, data: TrainingData) -> jax.Array:
        return Trace_ELBO().loss(key, {}, *programs(belief, some, data))

    def own(some: Any, key: jax.Array, data: TrainingData) -> jax.Array:
        return belief.loss("paper", some, key, data)

    wanted, theirs = jax.jit(jax.value_and_grad(elbo))(params, key, data)
    value, ours = jax.jit(jax.value_and_grad(own))(params, key, data)
    assert float(value) == pytest.approx(float(wanted), rel=2e-5)
    for name in ("encoder", "decoder"):
        for part, slope in ours[name].items():
            assert np.abs(np.asarray(slope)).max() > 0.0 or (part == "psi_hidden" and not mixing)
            np.testing.assert_allclose(slope, theirs[name][part], rtol=2e-3, atol=2e-5)


def test_given_draws_are_used_as_they_are() -> None:
    """By hand in NumPy, two mixing draws besides the first and eight decisions."""
    belief = Belief(Blender("normal"), hidden=9, mixing=2, mixing_dim=4, draws=8, loss_weight=0.7)
    data, params = arrays(4, belief)
    rng = np.random.default_rng(1)
    draws = Draws(jnp.asarray(rng.normal(size=(11, SIZE, 4))), jnp.asarray(rng.normal(size=(9, SIZE, 1))))
    mean, sd = (np.asarray(one, dtype=np.float64)[..., 0] for one in encoded(belief, params, data, draws.psi))
    noise = np.asarray(draws.noise)[..., 0]
    delta = mean[0] + sd[0] * noise[0]
    density = np.exp(-0.5 * ((delta - mean[:3]) / sd[:3]) ** 2) / sd[:3]
    apart = np.log(density.mean(axis=0)) + 0.5 * delta**2  # the 0.5 log(2 pi) of both normals cancel
    said = np.asarray(networks.decode(params["decoder"], jnp.asarray(delta[:, None]), data.v[data.person]))
    decoded = 0.5 * (np.asarray(data.x[data.problem]) - said) ** 2 + 0.5 * np.log(2 * np.pi)
    decided = np.asarray(data.reference)[data.problem, 0] + (mean[3:] + 2.0 * sd[3:] * noise[1:]).mean(axis=0)
    each = apart + decoded.mean(axis=1) + 0.7 * (decided - np.asarray(data.answer)) ** 2
    found = jax.jit(belief.paper_loss)(params, draws, data)
    assert float(found) == pytest.approx(float((np.asarray(data.weight) * 1.5 * each).sum()), rel=1e-5)


@pytest.mark.parametrize(("objective", "trust"), [("paper", False), ("likelihood", True)])
def test_weights_left_out_of_the_belief_have_no_gradient(objective: Objective, trust: bool) -> None:
    """Without trust in the reference, and without linear terms: they stay at their start, 0."""
    belief = Belief(Blender("normal"), hidden=3, draws=2, trust=trust, skip=not trust)
    data, params = arrays(5, belief)
    slope = jax.jit(jax.grad(lambda some: belief.loss(objective, some, jax.random.key(1), data)))
    slopes = slope(params)["encoder"]
    learned = {name: bool(np.any(slopes[name])) for name in ("trust", *networks.LINEAR, "mean", "x_hidden")}
    linear = dict.fromkeys(networks.LINEAR, not trust)
    assert learned == {"trust": trust, **linear, "mean": True, "x_hidden": True}
