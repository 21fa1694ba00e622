"""The key of ``jax.random`` that belongs to a seed, without seeds that share one."""

from __future__ import annotations

import jax

from crowdllm_stats._base.checks import check_count


def root_key(seed: int) -> jax.Array:
    """A key for any whole number of at least 0; ``jax.random.key`` alone reads only the last 32 bits.

    Raises:
        ValueError: on a seed that is no whole number of at least 0.

    Example:
        >>> bool(root_key(1) == root_key(2**32 + 1)), bool(root_key(1) == jax.random.key(1))
        (False, True)
    """
    check_count("seed", seed, least=0)
    rest, word = divmod(int(seed), 1 << 32)
    key = jax.random.key(word)
    while rest:
        rest, word = divmod(rest, 1 << 32)
        key = jax.random.fold_in(key, word)
    return key
