"""Ballots of exactly k among M options as a NumPyro distribution: the conditional Bernoulli law of sets."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from numpyro.distributions import Distribution, constraints
from numpyro.distributions.util import promote_shapes

from crowdllm_stats._base.checks import check_count

#: Stands for the logarithm of 0; finite, as gradients must be.
_NOTHING = -1e30


class _SetsOfSize(constraints.Constraint):
    """Vectors of 0 and 1 with a given sum."""

    event_dim = 1

    def __init__(self, k: int) -> None:
        self.k = k

    def __call__(self, x: Any) -> Any:
        return ((x == 0) | (x == 1)).all(axis=-1) & (x.sum(axis=-1) == self.k)

    def tree_flatten(self) -> Any:
        return (), ((), {"k": self.k})


class ExactlyK(Distribution):
    """``P(S) = exp(sum_{a in S} theta_a) / e_k(exp theta)`` over the sets S of exactly k among M options.

    It is the law of M independent Bernoulli answers with logits ``theta`` given that k of them are 1; for k = 1 it is
    the categorical law. ``e_k`` is the elementary symmetric polynomial: the sum over all sets of k options of the
    product of their ``exp theta``, by a recursion in logarithms over the options, O(M k).

    Args:
        logits: theta, shape (..., M); a constant added to all of them changes nothing.
        k: options of a set, 1 to M.
        validate_args: as everywhere in NumPyro.

    A value is a vector of 0 and 1, shape (..., M). ``log_prob`` is -inf for sets of another size. ``mean`` holds the
    exact inclusion probabilities, which sum to k.

    Raises:
        ValueError: on a k that is not a whole number from 1 to M, and on logits without an axis of options.

    Source: Chen, Dempster and Liu 1994, Weighted finite population sampling to maximize entropy, Biometrika 81; the
    family F of the paper's equation 2 for ballots.

    Example:
        >>> ballots = ExactlyK(jnp.array([2.0, 0.0, 0.0, -1.0]), k=2)
        >>> int(ballots.sample(jax.random.PRNGKey(0)).sum())
        2
        >>> print(f"{float(ballots.mean[0]):.3f}, sum {float(ballots.mean.sum()):.3f}")
        0.910, sum 2.000
    """

    arg_constraints = {"logits": constraints.real_vector}
    pytree_data_fields = ("logits",)
    pytree_aux_fields = ("k",)

    def __init__(self, logits: Any, k: int, *, validate_args: bool | None = None) -> None:
        if jnp.ndim(logits) < 1:
            raise ValueError("logits needs an axis of options, shape (..., M); got a single number")
        (self.logits,) = promote_shapes(jnp.asarray(logits, dtype=jnp.result_type(float)))
        options = self.logits.shape[-1]
        self.k = check_count("k", k)
        if self.k > options:
            raise ValueError(f"k is {self.k} but there are only {options} options")
        super().__init__(self.logits.shape[:-1], self.logits.shape[-1:], validate_args=validate_args)

    @property
    def support(self) -> Any:
        """Vectors of 0 and 1 that sum to k."""
        return _SetsOfSize(self.k)

    def log_normalizer(self) -> jax.Array:
        """``log e_k(exp theta)``, shape (...,)."""
        return _log_sums(self.logits, self.k)[-1][..., self.k]

    def log_prob(self, value: Any) -> jax.Array:
        """``sum_a value_a theta_a - log e_k``; -inf where the value is no set of exactly k options."""
        value = jnp.asarray(value)
        exact = (value * self.logits).sum(axis=-1) - self.log_normalizer()
        return jnp.where(self.support(value), exact, -jnp.inf)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """Exact draws, shape ``sample_shape + batch_shape + (M,)``: option after option, each given those before.

        The first of the options a, ..., M is in a set that still takes j of them with probability
        ``exp(theta_a) e_{j-1}(the others) / e_j(all of them)``.
        """
        return _drawn(self.logits, self.k, tuple(sample_shape), key)

    @property
    def mean(self) -> jax.Array:
        """Inclusion probabilities, shape (..., M): the gradient of ``log e_k`` in theta; they sum to k."""
        return jax.grad(lambda logits: _log_sums(logits, self.k)[-1][..., self.k].sum())(self.logits)

    @property
    def variance(self) -> jax.Array:
        """``p (1 - p)`` of the inclusion probabilities, shape (..., M)."""
        return self.mean * (1.0 - self.mean)


@partial(jax.jit, static_argnums=1)
def _log_sums(logits: jax.Array, k: int) -> jax.Array:
    """``log e_j`` of the last m options, m = 0, ..., M, j = 0, ..., k, shape (M + 1, ..., k + 1)."""
    none = jnp.full((*logits.shape[:-1], k + 1), _NOTHING, dtype=logits.dtype).at[..., 0].set(0.0)

    def with_option(sums: jax.Array, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        taken = jnp.logaddexp(sums[..., 1:], sums[..., :-1] + theta[..., None])
        found = jnp.concatenate([sums[..., :1], taken], axis=-1)
        return found, found

    _, tables = jax.lax.scan(with_option, none, jnp.moveaxis(logits, -1, 0), reverse=True)
    return jnp.concatenate([none[None], tables[::-1]])


@partial(jax.jit, static_argnums=(1, 2))
def _drawn(logits: jax.Array, k: int, sample_shape: tuple[int, ...], key: jax.Array) -> jax.Array:
    tables = _log_sums(logits, k)  # of the last 0, 1, ..., M options
    *batch_shape, options = logits.shape
    uniform = jax.random.uniform(key, (options, *sample_shape, *batch_shape))
    left = jnp.full((*sample_shape, *batch_shape), k)

    def choose(left: jax.Array, place: jax.Array) -> tuple[jax.Array, jax.Array]:
        whole = _at(tables[options - place], left)
        within = _at(tables[options - place - 1], jnp.maximum(left - 1, 0))
        taken = (left > 0) & (jnp.log(uniform[place]) < logits[..., place] + within - whole)
        return left - taken, taken

    _, taken = jax.lax.scan(choose, left, jnp.arange(options))
    return jnp.moveaxis(taken, 0, -1).astype(jnp.int32)


def _at(table: jax.Array, left: jax.Array) -> jax.Array:
    """The entry of every batch element's row that ``left``, shape sample + batch, names."""
    rows = jnp.broadcast_to(table, (*left.shape, table.shape[-1]))
    return jnp.take_along_axis(rows, left[..., None], axis=-1)[..., 0]


__all__ = ["ExactlyK"]
