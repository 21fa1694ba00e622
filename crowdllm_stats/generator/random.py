"""Random numbers by coordinates: person 7's numbers are the same whoever else is drawn, in whatever order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crowdllm_stats._base.checks import FloatArray, check_count

Words = NDArray[np.uint64]

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
#: Counters worked on at once; small enough for a processor's cache.
_BLOCK = 1 << 15


def uniforms(seed: int, purpose: str, first: ArrayLike, second: ArrayLike, width: int = 2) -> FloatArray:
    """Numbers in (0, 1) that are functions of seed, purpose and two 64-bit coordinates alone.

    Philox4x32-10, a counter-based generator: the coordinates are its counter, so any element can be had directly,
    without the ones before it. Numbers have 52 bits and are never 0 or 1.

    Args:
        seed: a whole number of at least 0.
        purpose: a text that keeps streams for different uses apart.
        first: whole numbers in [0, 2^64), any shape that broadcasts with ``second``.
        second: as ``first``; with ``width > 2`` numbers below 2^56, since a part of it counts the columns.
        width: numbers for each pair of coordinates.

    Returns:
        The broadcast shape and a last axis of ``width``.

    Raises:
        ValueError: on a seed or width that is not a whole number, on ``second`` beyond 2^56 or ``width`` beyond 512.

    Source: Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).

    Example:
        >>> whole = uniforms(1, "profiles", np.arange(1000), 0, width=6)
        >>> bool((whole[998] == uniforms(1, "profiles", 998, 0, width=6)).all())
        True
    """
    key = _number(f"{check_count('seed', seed, least=0)} {purpose}")
    check_count("width", width)
    one, two = np.broadcast_arrays(np.asarray(first, dtype=np.uint64), np.asarray(second, dtype=np.uint64))
    if width > 2 and (width > 512 or (two.size and int(two.max()) >= 1 << 56)):
        raise ValueError("second must lie below 2^56 and width at most be 512 where width exceeds 2; "
                         f"got width {width}")  # fmt: skip
    flat_one, flat_two = one.reshape(-1), two.reshape(-1)
    result = np.empty((flat_one.size, width))
    for start in range(0, flat_one.size, _BLOCK):
        rows = slice(start, start + _BLOCK)
        for pair in range((width + 1) // 2):
            high = flat_two[rows] | np.uint64(pair << 56)
            words = philox((flat_one[rows] & _LOW, flat_one[rows] >> _HALF, high & _LOW, high >> _HALF), key)
            for place in range(min(2, width - 2 * pair)):
                bits = ((words[2 * place + 1] << _HALF) | words[2 * place]) >> np.uint64(12)
                result[rows, 2 * pair + place] = (bits.astype(np.float64) + 0.5) * 2.0**-52
    return result.reshape(*one.shape, width)


def philox(counter: tuple[Words, Words, Words, Words], key: int) -> tuple[Words, Words, Words, Words]:
    """Philox4x32-10: four 32-bit words for each counter of four 32-bit words, all held as uint64.

    Example:
        >>> zero = np.zeros(1, dtype=np.uint64)
        >>> [f"{int(word[0]):08x}" for word in philox((zero, zero, zero, zero), 0)]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    one, two, three, four = counter
    low, high = key & 0xFFFFFFFF, key >> 32
    for _ in range(_ROUNDS):
        left, right = one * _MULTIPLIERS[0], three * _MULTIPLIERS[1]
        one, two, three, four = (
            (right >> _HALF) ^ two ^ np.uint64(low),
            right & _LOW,
            (left >> _HALF) ^ four ^ np.uint64(high),
            left & _LOW,
        )
        low, high = (low + _KEY_STEPS[0]) & 0xFFFFFFFF, (high + _KEY_STEPS[1]) & 0xFFFFFFFF
    return one, two, three, four


def id_numbers(ids: Iterable[Any]) -> Words:
    """A 64-bit number for each id: the first 8 bytes of its text's SHA-256, shape (N,).

    Example:
        >>> bool(id_numbers(["a", "b"])[1] == id_numbers(["b"])[0])
        True
    """
    return np.array([_number(str(one)) for one in ids], dtype=np.uint64)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")


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
