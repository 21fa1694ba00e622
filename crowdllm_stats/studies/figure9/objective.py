"""The paper's objective (Eq. 4) for many fits at once: weights packed into few matrices, all draws given beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from crowdllm_stats.generator.belief import Belief

Packed = dict[str, Any]


class Batch(NamedTuple):
    """B answers of one fit with the draws of one step.

    Attributes:
        row: problem's and person's coordinates side by side and a 1, (B, D + P + 1).
        reference: y_ref, (B,).
        centred: y_ref about its training mean, (B,).
        answer: y, (B,).
        weight: what an answer counts, (B,).
        psi: mixing draws, first M + 1 of the encoder, then J of the decision, (M + 1 + J, B, Q).
        noise: standard normal draws, first of the encoder's belief, then J of the decision's, (1 + J, B).
    """

    row: Any
    reference: Any
    centred: Any
    answer: Any
    weight: Any
    psi: Any
    noise: Any


def pack(params: Mapping[str, Any]) -> Packed:
    """Weights of :meth:`Belief.initial` as few matrices; any leading axes.

    Args:
        params: with ``encoder`` and ``decoder``, a belief of one coordinate.
    """
    encoder, decoder = params["encoder"], params["decoder"]
    spread = [encoder[name] for name in ("x_spread", "v_spread")] + [encoder["bias_spread"][..., None, :]]
    mean = [encoder[name] for name in ("x_mean", "v_mean")] + [encoder["bias_mean"][..., None, :]]
    linear = [jnp.concatenate(part, axis=-2) for part in (mean, spread)]
    hidden = [encoder["x_hidden"], encoder["v_hidden"], encoder["bias_hidden"][..., None, :]]
    return {
        "hidden": jnp.concatenate(hidden, axis=-2),
        "linear": jnp.concatenate(linear, axis=-1),
        "psi": encoder["psi_hidden"],
        "heads": jnp.concatenate([encoder["mean"], encoder["spread"]], axis=-1),
        "trust": encoder["trust"],
        "delta": decoder["delta_hidden"],
        "said_hidden": jnp.concatenate([decoder["v_hidden"], decoder["bias_hidden"][..., None, :]], axis=-2),
        "out": decoder["out"],
        "bias_out": decoder["bias_out"],
    }


def encode(packed: Packed, row: Any, centred: Any, psi: Any) -> tuple[jax.Array, jax.Array]:
    """Mean and log sd of the belief, :func:`crowdllm_stats.generator.networks.encode`; shape (S, B) each.

    Args:
        packed: see :func:`pack`.
        row: see :class:`Batch`.
        centred: likewise.
        psi: mixing draws, (S, B, Q).
    """
    draws, size, width = psi.shape
    own, linear = row @ packed["hidden"], row @ packed["linear"]
    hidden = jnp.tanh((psi.reshape(draws * size, width) @ packed["psi"]).reshape(draws, size, -1) + own)
    heads = (hidden.reshape(draws * size, -1) @ packed["heads"]).reshape(draws, size, 2)
    mean = heads[..., 0] + linear[:, 0] + packed["trust"][0] * centred
    return mean, jnp.clip(heads[..., 1] + linear[:, 1], -6.0, 4.0)


def paper_loss(belief: Belief, packed: Packed, batch: Batch, diversity: Any) -> jax.Array:
    """Eq. 4 of one batch, as ``belief.loss("paper", ...)`` has it on the same draws.

    ``sum_i w_i [log q_M(delta) - log N(delta; 0, 1) - mean_d log N(x_d; D(delta, v)_d, 1) + lambda (yhat - y)^2]``,
    ``yhat = mean_j (y_ref + mu_j + diversity s_j z_j)``; the KL term uses the belief as it is.

    Args:
        belief: for M, J and lambda.
        packed: weights.
        batch: answers and draws.
        diversity: factor on the belief's own randomness in the blender.
    """
    first = belief.mixing + 1
    n_x = packed["bias_out"].shape[0]
    mean, log_sd = encode(packed, batch.row, batch.centred, batch.psi)
    sd = jnp.exp(log_sd)
    delta = mean[0] + sd[0] * batch.noise[0]
    each = -0.5 * ((delta - mean[:first]) / sd[:first]) ** 2 - log_sd[:first]
    divergence = logsumexp(each, axis=0) - np.log(first) + 0.5 * delta**2
    hidden = jnp.tanh(delta[:, None] * packed["delta"] + batch.row[:, n_x:] @ packed["said_hidden"])
    said = hidden @ packed["out"] + packed["bias_out"]
    lost = 0.5 * jnp.mean((batch.row[:, :n_x] - said) ** 2, axis=1) + 0.5 * np.log(2 * np.pi)
    decided = batch.reference + (mean[first:] + diversity * sd[first:] * batch.noise[1:]).mean(axis=0)
    missed = belief.loss_weight * (decided - batch.answer) ** 2
    return jnp.sum(batch.weight * (divergence + lost + missed))
