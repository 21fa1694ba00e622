"""Virtual people as the belief generator sees them: coded profiles, kept effects, and even draws for predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.belief import Belief, Params


class People(NamedTuple):
    """S virtual people, each with one mixing draw and one noise draw.

    Attributes:
        v: coded profiles, (S, P).
        shift: kept effect on the belief, (S, K).
        spread: kept effect on the log spread, (S, 1).
        psi: mixing draws, (S, Q), or None.
        noise: standard normal draws for the belief, (S, K).
    """

    v: jax.Array
    shift: jax.Array
    spread: jax.Array
    psi: jax.Array | None
    noise: jax.Array


def effects(params: Mapping[str, Any], belief: Belief, shift: Any, spread: Any) -> tuple[Any, Any]:
    """Kept effects from standard normal draws: ``a = tau_a z``, ``e = kappa a + tau_e z'``; zeros where switched off.

    Args:
        params: learned parameters.
        belief: the generator's constants.
        shift: z, shape (S, K).
        spread: z', shape (S, 1).
    """
    if not belief.person_effects or "log_tau_person" not in params:
        return shift * 0.0, spread * 0.0
    a = jnp.exp(params["log_tau_person"]) * shift
    return a, (a * params["couple"]).sum(axis=1, keepdims=True) + jnp.exp(params["log_tau_spread"]) * spread


def even_people(params: Params, belief: Belief, profiles: FloatArray, size: int, seed: int) -> People:
    """People spread evenly over profiles, effects, mixing and noise by a scrambled Sobol sequence.

    Args:
        params: learned parameters.
        belief: the generator's constants.
        profiles: coded profiles to choose from with equal weights, shape (N, P).
        size: S, rounded up to a power of 2.
        seed: of the scrambling.
    """
    k, q = belief.blender.belief_dim, belief.mixing_dim if belief.mixing else 0
    exponent = int(np.ceil(np.log2(max(size, 2))))
    points = qmc.Sobol(2 + 2 * k + q, rng=np.random.default_rng(seed)).random_base2(exponent)
    points = np.clip(points, 1e-6, 1.0 - 1e-6)
    rows = np.minimum((points[:, 0] * len(profiles)).astype(np.int64), len(profiles) - 1)
    normal = ndtri(points[:, 1:]).astype(np.float32)
    shift, spread = effects(params, belief, normal[:, :k], normal[:, k : k + 1])
    return People(
        v=jnp.asarray(profiles[rows], dtype=jnp.float32),
        shift=jnp.asarray(shift),
        spread=jnp.asarray(spread),
        psi=jnp.asarray(normal[:, 1 + 2 * k :]) if q else None,
        noise=jnp.asarray(normal[:, k + 1 : 1 + 2 * k]),
    )
