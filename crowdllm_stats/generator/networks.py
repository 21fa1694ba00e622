"""The belief generator's networks: embeddings g_x and g_z, the semi-implicit encoder, the decoder (Eq. 1)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

#: Named weights, in nested mappings.
Params = dict[str, Any]

#: Kept effects, or 0 for none.
Effect = jax.Array | float

#: Weights of the linear terms beside the hidden layer.
LINEAR = ("x_mean", "v_mean", "x_spread", "v_spread")


def initial_encoder(key: jax.Array, n_x: int, n_v: int, *, hidden: int, mixing_dim: int, belief_dim: int) -> Params:
    """Starting weights of the encoder; its heads start at 0, so that the first belief is one normal for everybody.

    Args:
        key: of ``jax.random``.
        n_x: D, coordinates of a problem.
        n_v: P, coordinates of a profile.
        hidden: H, width of the hidden layer.
        mixing_dim: Q, coordinates of a mixing draw.
        belief_dim: K, coordinates of a belief.
    """
    x_hidden, v_hidden, psi_hidden, bias_hidden = _normals(
        jax.random.split(key, 4), (n_x, hidden), (n_v, hidden), (mixing_dim, hidden), (hidden,)
    )
    return {
        "x_hidden": x_hidden * 2.0 / jnp.sqrt(max(n_x, 1)),
        "v_hidden": v_hidden / jnp.sqrt(max(n_v, 1)),
        "psi_hidden": psi_hidden / jnp.sqrt(max(mixing_dim, 1)),
        "bias_hidden": bias_hidden * 0.5,
        "mean": jnp.zeros((hidden, belief_dim)),
        "spread": jnp.zeros((hidden, belief_dim)),
        "x_mean": jnp.zeros((n_x, belief_dim)),
        "v_mean": jnp.zeros((n_v, belief_dim)),
        "x_spread": jnp.zeros((n_x, belief_dim)),
        "v_spread": jnp.zeros((n_v, belief_dim)),
        "bias_mean": jnp.zeros((belief_dim,)),
        "bias_spread": jnp.zeros((belief_dim,)),
        "trust": jnp.zeros((belief_dim,)),
    }


def _normals(keys: jax.Array, *shapes: tuple[int, ...]) -> list[jax.Array]:
    """``jax.random.normal`` of every key and its shape: the longest is drawn for all, so that one drawing is compiled.

    JAX draws the i-th number of an array from the key and i alone.
    """
    sizes = [math.prod(shape) for shape in shapes]
    drawn = jax.vmap(lambda key: jax.random.normal(key, (max(sizes),)))(keys)
    return [row[:size].reshape(shape) for row, size, shape in zip(drawn, sizes, shapes, strict=True)]


def of_problems(params: Params, x: jax.Array, reference: jax.Array) -> Params:
    """``g_x(x_t)``: what every answer to a problem shares, computed once per problem.

    Args:
        params: see :func:`initial_encoder`.
        x: problem vectors, shape (T, D).
        reference: centred ``y_ref`` (T, 1) or ``log p_ref`` (T, K); ``trust`` lets the belief take it back in part.
    """
    return {
        "hidden": x @ params["x_hidden"] + params["bias_hidden"],
        "mean": x @ params["x_mean"] + params["bias_mean"] + params["trust"] * reference,
        "spread": x @ params["x_spread"] + params["bias_spread"],
    }


def of_people(params: Params, v: jax.Array) -> Params:
    """``g_z(v_i)``: what every answer of a person shares, computed once per person; v has shape (N, P)."""
    return {"hidden": v @ params["v_hidden"], "mean": v @ params["v_mean"], "spread": v @ params["v_spread"]}


class NormalBelief(NamedTuple):
    """Beliefs that are normal given their mixing draw: ``delta ~ N(mean, sd^2)``, shape (..., K) each."""

    mean: jax.Array
    sd: jax.Array


def encode(
    params: Params, problem: Params, person: Params, psi: jax.Array | None, shift: Effect = 0.0,
    log_factor: Effect = 0.0,
) -> NormalBelief:  # fmt: skip
    """The belief given the mixing draw and the kept effects, Eq. 1.

    ``mean = linear(x, v) + W_m h + shift``, ``log sd = linear(x, v) + W_s h + log_factor`` with
    ``h = tanh(g_x(x_t) + g_z(v_i) + W_psi psi)``. The log sd without effects is kept from 6 below to 4 above that of
    the unit.

    Args:
        params: see :func:`initial_encoder`; ``log_unit`` where it was trained in another unit than the rating's.
        problem: rows of :func:`of_problems`, shapes broadcasting with ``person``.
        person: rows of :func:`of_people`.
        psi: mixing draws, shape (..., Q); None for a plain normal encoder.
        shift: effects of person and problem on the belief, shape (..., K).
        log_factor: effect of the person on the log sd, shape (..., 1).
    """
    hidden = problem["hidden"] + person["hidden"]
    if psi is not None:
        hidden = hidden + product(psi, params["psi_hidden"])
    hidden = jnp.tanh(hidden)
    log_sd = problem["spread"] + person["spread"] + product(hidden, params["spread"])
    unit = params.get("log_unit", 0.0)
    return NormalBelief(
        mean=problem["mean"] + person["mean"] + product(hidden, params["mean"]) + shift,
        sd=jnp.exp(jnp.clip(log_sd, unit - 6.0, unit + 4.0) + log_factor),
    )


def encode_pairs(
    params: Params, x: jax.Array, reference: jax.Array, v: jax.Array, psi: jax.Array | None
) -> NormalBelief:
    """Eq. 1 for n pairs of a problem and a person, without effects.

    Args:
        params: see :func:`initial_encoder`.
        x: problem vectors, (n, D).
        reference: see :func:`of_problems`, (n, K).
        v: coded profiles, (n, P).
        psi: mixing draws, (..., n, Q), or None.
    """
    return encode(params, of_problems(params, x, reference), of_people(params, v), psi)


def product(rows: jax.Array, weights: jax.Array) -> jax.Array:
    """``rows @ weights`` as one product of two matrices, for which XLA is twice as fast as with more axes."""
    return (rows.reshape(-1, rows.shape[-1]) @ weights).reshape(*rows.shape[:-1], weights.shape[-1])


def initial_decoder(key: jax.Array, n_x: int, n_v: int, *, hidden: int, belief_dim: int) -> Params:
    """Starting weights of the decoder ``D(delta, g_z(v))``; sizes as :func:`initial_encoder`."""
    delta_hidden, v_hidden, out = _normals(jax.random.split(key, 3), (belief_dim, hidden), (n_v, hidden), (hidden, n_x))
    return {
        "delta_hidden": delta_hidden,
        "v_hidden": v_hidden / jnp.sqrt(max(n_v, 1)),
        "bias_hidden": jnp.zeros((hidden,)),
        "out": out / jnp.sqrt(hidden),
        "bias_out": jnp.zeros((n_x,)),
    }


def decode(params: Params, delta: jax.Array, v: jax.Array) -> jax.Array:
    """``D(delta, g_z(v))``: the problem vector that a belief speaks of, shape (..., D)."""
    hidden = jnp.tanh(delta @ params["delta_hidden"] + v @ params["v_hidden"] + params["bias_hidden"])
    return hidden @ params["out"] + params["bias_out"]


def weight_penalty(params: Params, ridge: jax.Array) -> jax.Array:
    """Minus the log density of normal priors on the weights, up to a constant.

    ``r_1 |linear|^2 + r_2 (H / 8 |heads|^2 + 0.1 |hidden|^2) + r_3 |linear in the spread|^2``; biases, ``trust`` and
    the weights of the mixing draws are free.

    Args:
        params: see :func:`initial_encoder`.
        ridge: the three precisions r, shape (3,).
    """

    def squares(*names: str) -> jax.Array:
        return sum((jnp.sum(params[name] ** 2) for name in names), start=jnp.zeros(()))

    width = params["bias_hidden"].shape[0]
    return (
        ridge[0] * squares("x_mean", "v_mean")
        + ridge[1] * (width / 8 * squares("mean", "spread") + 0.1 * squares("x_hidden", "v_hidden"))
        + ridge[2] * squares("x_spread", "v_spread")
    )
