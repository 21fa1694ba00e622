"""Learning what voters believe of the options of a ballot: the evidence bound, Adam, and the laws of the blender."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from numpyro.infer import Trace_ELBO

from crowdllm_stats.generator.exactly_k import ExactlyK

#: The blender's law F: exactly k options, or every option for itself.
Blend = Literal["exactly k", "independent"]

#: Standard deviations of half-normal priors: of options, of the weights between voters and options, of kept tastes.
_PRIOR = {"option": 1.0, "weights": 0.5, "kept": 0.5}


class Arrays(NamedTuple):
    """Arrays of a training set: N voters with P coordinates, M options with Q.

    Attributes:
        chosen: ballots, 0 or 1, shape (N, M).
        voters: (N, P).
        features: (M, Q).
        reference: pooled and own, (N, M, 2).
        trusted: which of the two there are, (2,).
    """

    chosen: jax.Array
    voters: jax.Array
    features: jax.Array
    reference: jax.Array
    trusted: jax.Array


def _initial(arrays: Arrays) -> dict[str, Any]:
    n, options = arrays.chosen.shape
    q, p = arrays.features.shape[1], arrays.voters.shape[1]
    shapes = {"option": (options,), "weights": (q, p), "kept": (n, q)}
    share = arrays.chosen.mean()
    return {
        "level": jnp.log(share / (1.0 - share)),
        "trust": arrays.trusted * 0.5,
        "log_sd": {"option": jnp.log(0.5), "weights": jnp.log(0.2), "kept": jnp.full((q,), jnp.log(0.3))},
        "guide": {name: {"mean": jnp.zeros(shape), "log_sd": jnp.full(shape, -1.5)} for name, shape in shapes.items()},
    }


def _model(blend: Blend, k: int, params: Any, arrays: Arrays) -> None:
    """``b``, ``W`` and ``u`` in units of their standard deviations, and the ballots given them."""
    sd = {name: jnp.exp(value) for name, value in params["log_sd"].items()}
    sites = {
        name: numpyro.sample(name, dist.Normal(jnp.zeros_like(law["mean"]), 1.0).to_event(law["mean"].ndim))
        for name, law in params["guide"].items()
    }
    taste = arrays.voters @ (sd["weights"] * sites["weights"]).T + sd["kept"] * sites["kept"]
    theta = params["level"] + arrays.reference @ (params["trust"] * arrays.trusted)
    theta = theta + sd["option"] * sites["option"] + taste @ arrays.features.T
    numpyro.factor("ballots", law_of(blend, theta, k).log_prob(arrays.chosen).sum())
    prior = sum((-0.5 * (sd[name] / size) ** 2).sum() for name, size in _PRIOR.items())
    numpyro.factor("prior", prior - 0.5 * (params["trust"] ** 2).sum())


def _guide(blend: Blend, k: int, params: Any, arrays: Arrays) -> None:
    for name, law in params["guide"].items():
        numpyro.sample(name, dist.Normal(law["mean"], jnp.exp(law["log_sd"])).to_event(law["mean"].ndim))


@partial(jax.jit, static_argnums=(0, 1, 2))
def trained(blend: Blend, k: int, steps: int, arrays: Arrays, rate: jax.Array, key: jax.Array) -> tuple[Any, jax.Array]:
    """Learned parameters and the loss per ballot in every step."""
    adam = optax.scale_by_adam()
    size = arrays.chosen.shape[0]

    def loss(params: Any, key: jax.Array) -> jax.Array:
        both = (partial(_model, blend, k), partial(_guide, blend, k))
        return Trace_ELBO().loss(key, {}, *both, params, arrays) / size

    def step(state: tuple[Any, Any], number: jax.Array) -> tuple[tuple[Any, Any], jax.Array]:
        params, memory = state
        value, slope = jax.value_and_grad(loss)(params, jax.random.fold_in(key, number))
        update, memory = adam.update(slope, memory)
        now = -rate * 0.5 * (1.0 + jnp.cos(jnp.pi * number / steps))
        params = jax.tree.map(lambda old, change: old + now * change, params, update)
        return (params, memory), value

    start = _initial(arrays)
    (params, _), history = jax.lax.scan(step, (start, adam.init(start)), jnp.arange(steps))
    return params, history


def means(params: Any) -> dict[str, Any]:
    """What is kept: the effects' means in units of theta."""
    sd, guide = {name: np.exp(value) for name, value in params["log_sd"].items()}, params["guide"]
    return {
        "level": params["level"],
        "trust": params["trust"],
        "option": sd["option"] * guide["option"]["mean"],
        "weights": sd["weights"] * guide["weights"]["mean"],
        "kept_sd": sd["kept"],
    }


@partial(jax.jit, static_argnums=(0, 1))
def inclusion(blend: Blend, k: int, theta: jax.Array) -> jax.Array:
    """Inclusion probabilities, averaged over the first axis."""
    return law_of(blend, theta, k).mean.mean(axis=0)


@partial(jax.jit, static_argnums=(0, 1))
def drawn(blend: Blend, k: int, keys: jax.Array, theta: jax.Array) -> jax.Array:
    """One ballot for each voter, drawn from the law of :func:`law_of`.

    Args:
        blend: "exactly k" or "independent".
        k: options on a ballot; without meaning for "independent".
        keys: one key per voter, shape (voters,).
        theta: log odds of every option for every voter, shape (voters, M).

    Returns:
        1 where an option is on the ballot, else 0, shape (voters, M).
    """
    return jax.vmap(lambda key, logits: law_of(blend, logits, k).sample(key))(keys, theta)


def law_of(blend: Blend, theta: Any, k: int) -> Any:
    """The law F of a ballot given theta, shape (..., M)."""
    return ExactlyK(theta, k) if blend == "exactly k" else dist.Bernoulli(logits=theta).to_event(1)
