"""What a person keeps over problems: a belief and a log spread, under a normal or a semi-implicit law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.networks import NormalBelief, Params, product
from crowdllm_stats.semi_implicit import SemiImplicit

#: Width of the hidden layer between mixing draws and kept beliefs.
HIDDEN = 16

#: At the start, over tau: size of the components' means, their sd. See :meth:`Belief.initial`.
_MEANS_APART, _COMPONENT = 1.5, 0.5

#: Mixing draws over which the law is centred.
_CENTRE = 512


def initial(key: jax.Array, mixing_dim: int, belief_dim: int) -> Params:
    """Starting values of the semi-implicit law; the components' means start spread out, see :meth:`Belief.initial`."""
    keys = jax.random.split(key, 3)
    beliefs = jax.random.normal(keys[2], (HIDDEN, belief_dim)) * _MEANS_APART / np.sqrt(HIDDEN)
    return {
        "hidden": jax.random.normal(keys[0], (mixing_dim, HIDDEN)) * 2.0 / np.sqrt(mixing_dim),
        "bias": jax.random.normal(keys[1], (HIDDEN,)) * 0.5,
        "mean": jnp.concatenate([beliefs, jnp.zeros((HIDDEN, 1))], axis=1),
        "spread": jnp.zeros((HIDDEN, belief_dim + 1)),
        "bias_spread": jnp.log(jnp.asarray([_COMPONENT] * belief_dim + [1.0])),
    }


def components(params: Params, psi: jax.Array) -> NormalBelief:
    """``(a, r) | psi ~ N(m(psi), s(psi)^2)`` in units of ``(tau_a, tau_e)``, shape (..., K + 1) each.

    ``m`` has mean 0 over psi, so that somebody of whom nothing is known keeps 0.

    Args:
        params: see :func:`initial`.
        psi: mixing draws, shape (..., Q).
    """

    def hidden(draws: jax.Array) -> jax.Array:
        return jnp.tanh(product(draws, params["hidden"]) + params["bias"])

    each = hidden(psi)
    centre = hidden(jnp.asarray(even_draws(_CENTRE, psi.shape[-1]))).mean(axis=0)
    log_sd = params["bias_spread"] + product(each, params["spread"])
    return NormalBelief(product(each - centre, params["mean"]), jnp.exp(jnp.clip(log_sd, -5.0, 2.0)))


def law(params: Params, people: int, draws: int, key: jax.Array) -> dist.Distribution:
    """The population's law of ``(a_i, r_i)``, an event of shape (people, K + 1).

    ``a_i`` is what person i keeps of a belief over problems, ``r_i`` what the logarithm of the spread keeps beside
    ``kappa a_i``. Without draws both are normal with mean 0 and standard deviations ``tau_a``, ``tau_e``. With M
    further draws the law is ``mean_{m=0..M} N(m(psi_im), s(psi_im)^2)``, draws independent of one person and another;
    its logarithm is, on average over draws, at most that of the marginal, so that the objective stays below the
    evidence.

    Args:
        params: learned parameters, with "kept" where there are draws.
        people: N.
        draws: M.
        key: of the mixing draws.
    """
    k = params["couple"].shape[0]
    tau = jnp.exp(jnp.concatenate([jnp.repeat(params["log_tau_person"], k), params["log_tau_spread"][None]]))
    if not draws:
        return dist.Normal(jnp.zeros((people, k + 1)), tau).to_event(2)
    dim = params["kept"]["hidden"].shape[0]
    mean, sd = components(params["kept"], mixing_draws(key, draws + 1, people, dim))
    return SemiImplicit(dist.Normal(tau * mean, tau * sd).to_event(1)).to_event(1)


def effects(params: Mapping[str, Any], kept: Any) -> tuple[Any, Any]:
    """Belief ``a_i`` and log spread ``e_i = kappa a_i + r_i`` that people keep, shapes (N, K) and (N, 1).

    Args:
        params: learned parameters.
        kept: ``(a_i, r_i)``, shape (N, K + 1).
    """
    a = kept[:, :-1]
    return a, (a * params["couple"]).sum(axis=1, keepdims=True) + kept[:, -1:]


def drawn(params: Mapping[str, Any], noise: Any, uniform: Any) -> tuple[Any, Any]:
    """Kept effects of virtual people, see :func:`effects`.

    Args:
        params: learned parameters.
        noise: standard normal draws, shape (N, K + 1).
        uniform: uniform draws behind psi, shape (N, Q); not used by a normal law.
    """
    k = params["couple"].shape[0]
    tau = jnp.exp(jnp.concatenate([jnp.repeat(params["log_tau_person"], k), jnp.atleast_1d(params["log_tau_spread"])]))
    if "kept" not in params:
        return effects(params, tau * noise)
    mean, sd = components(params["kept"], spread_out(uniform))
    return effects(params, tau * (mean + sd * noise))


def even_components(params: Mapping[str, Any], count: int) -> NormalBelief:
    """Equally likely normal components of ``(a_i, r_i)``, shape (count, K + 1) each; one stands for a normal law.

    Args:
        params: learned parameters.
        count: mixing draws; not used by a normal law.
    """
    k = params["couple"].shape[0]
    tau = np.exp(np.r_[[params["log_tau_person"]] * k, params["log_tau_spread"]]).astype(np.float64)
    if "kept" not in params:
        return NormalBelief(jnp.zeros((1, k + 1)), jnp.asarray(tau[None]))
    found = components(params["kept"], jnp.asarray(even_draws(count, params["kept"]["hidden"].shape[0])))
    return NormalBelief(tau * found.mean, tau * found.sd)


def spread_out(uniform: Any) -> Any:
    """Mixing draws: uniform numbers in (0, 1) with mean 0 and variance 1."""
    return np.float32(np.sqrt(12.0)) * (uniform - np.float32(0.5))


def even_draws(count: int, dim: int) -> FloatArray:
    """``count`` mixing draws spread evenly, shape (count, dim)."""
    return np.asarray(spread_out(_lattice(count, dim)))


def mixing_draws(key: jax.Array, count: int, people: int, dim: int) -> jax.Array:
    """Mixing draws of every person, shape (count, people, dim): even ones, moved by a uniform number of the person's.

    Each is uniform, so that a mean over them is unbiased; it varies much less than over independent draws.
    """
    moved = jax.random.uniform(key, (people, dim))
    return jnp.asarray(spread_out((jnp.asarray(_lattice(count, dim))[:, None] + moved) % 1.0))


@lru_cache
def _lattice(count: int, dim: int) -> FloatArray:
    """The first points of Roberts' sequence in (0, 1): steps are powers of the root of ``g^(dim + 1) = g + 1``."""
    root = 2.0
    for _ in range(60):
        root = (1.0 + root) ** (1.0 / (dim + 1))
    points = 0.5 + np.arange(count)[:, None] * root ** -np.arange(1.0, dim + 1.0)
    return np.asarray(points % 1.0, dtype=np.float32)


@dataclass(frozen=True)
class Mixing:
    """How far from normal mixing makes a belief.

    Attributes:
        share: share of the belief's variance that lies between components.
        kurtosis: of the mixture; a normal distribution has 3.
    """

    share: float
    kurtosis: float

    @classmethod
    def of(cls, mean: Any, sd: Any) -> Mixing:
        """Of means and standard deviations of equally likely normal components.

        Args:
            mean: components along the first axis; along all others different laws, over which moments are averaged.
            sd: same shape.

        Example:
            >>> Mixing.of(np.array([-2.0, 2.0]), np.array([0.5, 0.5])).kurtosis  # (16 + 6 + 3 / 16) / 4.25 ** 2
            1.228...
        """
        mean, sd = (np.asarray(one, dtype=np.float64) for one in (mean, sd))
        apart = mean - mean.mean(axis=0)
        between, within = (apart**2).mean(axis=0), (sd**2).mean(axis=0)
        fourth = (apart**4 + 6.0 * apart**2 * sd**2 + 3.0 * sd**4).mean(axis=0)
        total = between + within
        return cls(float(between.sum() / total.sum()), float(fourth.sum() / (total**2).sum()))

    def __str__(self) -> str:
        return f"{100 * self.share:.0f}% of its variance by mixing, kurtosis {self.kurtosis:.2f} (a normal has 3)"
