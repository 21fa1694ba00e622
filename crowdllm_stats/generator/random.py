"""JAX's keys: the root key of a seed, and numbers by coordinates that are the same whoever else is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats._base.random import text_number

#: Two 32-bit words for each key, shape (N, 2).
KeyData = NDArray[np.uint32]

#: JAX's default, named so that a changed default changes no number.
_THREEFRY = "threefry2x32"
#: Keys folded in one call, and fewer where few are asked for: two sizes, so that two programs are compiled.
_SIZES = (1 << 10, 1 << 15)


def root_key(seed: int) -> jax.Array:
    """A key for any whole number of at least 0; ``jax.random.key`` alone reads only the last 32 bits.

    Raises:
        ValueError: on a seed that is not a whole number of at least 0.

    Example:
        >>> bool(root_key(1) == root_key(2**32 + 1)), bool(root_key(1) == jax.random.key(1))
        (False, True)
    """
    check_count("seed", seed, least=0)
    rest, word = divmod(int(seed), 1 << 32)
    key = _keys(np.array([0, word], dtype=np.uint32))
    while rest:
        rest, word = divmod(rest, 1 << 32)
        key = jax.random.fold_in(key, word)
    return key


def id_numbers(ids: Iterable[Any]) -> NDArray[np.uint64]:
    """A number of 63 bits for each id, from its text's hash, shape (N,).

    Example:
        >>> bool(id_numbers(["a", "b"])[1] == id_numbers(["b"])[0])
        True
    """
    return np.array([text_number(str(one)) >> 1 for one in ids], dtype=np.uint64)


def id_keys(seed: int, ids: Iterable[Any]) -> jax.Array:
    """A key for each id, a function of the seed and the id alone, shape (N,).

    Example:
        >>> bool(id_keys(1, ["a", "b"])[1] == id_keys(1, ["b"])[0])
        True
    """
    return _keys(_folded(_data(root_key(seed)), id_numbers(ids)))


def uniforms(seed: int, purpose: str, first: ArrayLike, second: ArrayLike, width: int = 1) -> FloatArray:
    """Numbers in (0, 1) that are functions of seed, purpose, two coordinates and their column alone.

    ``jax.random.fold_in`` with the seed's root key, the purpose, both coordinates and the column in turn; the words of
    the last key, 64 bits of JAX's counter-based generator, make the number. So any element can be had without the
    others. Numbers have 52 bits, are never 0 or 1, and do not depend on JAX's settings.

    Args:
        seed: a whole number of at least 0.
        purpose: a text that keeps streams for different uses apart.
        first: whole numbers in [0, 2^63), any shape that broadcasts with ``second``.
        second: as ``first``.
        width: numbers for each pair of coordinates.

    Returns:
        The broadcast shape and a last axis of ``width``.

    Raises:
        ValueError: on a seed or width that is not a whole number, on coordinates outside [0, 2^63).

    Source: Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011), for Threefry.

    Example:
        >>> whole = uniforms(1, "profiles", np.arange(1000), 0, width=6)
        >>> bool((whole[998] == uniforms(1, "profiles", 998, 0, width=6)).all())
        True
    """
    check_count("width", width)
    one, two = _coordinates("first", first), _coordinates("second", second)
    shape = np.broadcast_shapes(one.shape, two.shape)
    root = _folded(_data(root_key(seed)), id_numbers([purpose]))
    own = _folded(root, one.reshape(-1)).reshape(*one.shape, 2)
    keys = np.broadcast_to(own, (*shape, 2)).reshape(-1, 2)
    numbers = np.broadcast_to(two, shape).reshape(-1)
    found = np.empty((len(keys), width))
    for some, size in _calls(len(keys)):
        last = _fold_number(_padded(keys[some], size), _padded(numbers[some], size))
        for column in range(width):
            words = np.asarray(_fold_in(last, np.full(size, column, dtype=np.uint32)))[: some.stop - some.start]
            found[some, column] = (words[:, 0] * 2.0**20 + (words[:, 1] >> 12) + 0.5) * 2.0**-52
    return found.reshape(*shape, width)


def _coordinates(name: str, given: ArrayLike) -> NDArray[np.uint64]:
    numbers = np.asarray(given)
    if numbers.dtype.kind not in "iu" or (numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < 1 << 63):
        raise ValueError(f"{name} must hold whole numbers from 0 to 2^63 - 1; give places or id_numbers(ids)")
    return numbers.astype(np.uint64)


def _data(key: jax.Array) -> KeyData:
    return np.asarray(jax.random.key_data(key)).reshape(1, 2)


def _folded(keys: KeyData, numbers: NDArray[np.uint64]) -> KeyData:
    """Keys of N numbers, from one key or N."""
    wide, found = np.broadcast_to(keys, (len(numbers), 2)), np.empty((len(numbers), 2), dtype=np.uint32)
    for some, size in _calls(len(numbers)):
        made = _fold_number(_padded(wide[some], size), _padded(numbers[some], size))
        found[some] = np.asarray(made)[: some.stop - some.start]
    return found


def _calls(count: int) -> Iterator[tuple[slice, int]]:
    """Which keys are worked on together, and the length to which they are padded."""
    size = _SIZES[0] if count <= _SIZES[0] else _SIZES[1]
    for start in range(0, count, size):
        yield slice(start, min(start + size, count)), size


def _padded(rows: NDArray[Any], size: int) -> NDArray[Any]:
    lacking = size - len(rows)
    return np.concatenate([rows, np.zeros((lacking, *rows.shape[1:]), dtype=rows.dtype)]) if lacking else rows


def _fold_number(keys: KeyData, numbers: NDArray[np.uint64]) -> jax.Array:
    """Both words of a number folded into its key: 32 bits, then 31."""
    high, low = numbers >> np.uint64(31), numbers & np.uint64(0x7FFFFFFF)
    return _fold_in(_fold_in(keys, high.astype(np.uint32)), low.astype(np.uint32))


@jax.jit
def _fold_in(data: KeyData | jax.Array, words: NDArray[np.uint32]) -> jax.Array:
    return jax.random.key_data(jax.vmap(jax.random.fold_in)(_keys(data), words))


def _keys(data: KeyData | jax.Array) -> jax.Array:
    return jax.random.wrap_key_data(jax.device_put(data), impl=_THREEFRY)
