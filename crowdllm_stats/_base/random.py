"""NumPy's random numbers by what they are for (a seed and texts), never by the order in which they are asked for."""

from __future__ import annotations

import hashlib

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_count


def generator(seed: int, *ids: str) -> np.random.Generator:
    """A generator for the thing that ``ids`` name, a problem for instance.

    Args:
        seed: a whole number of at least 0.
        ids: texts; each becomes its :func:`text_number`, so that different ids give unrelated streams.

    Raises:
        ValueError: on a seed that is not a whole number of at least 0.

    Example:
        >>> bool(generator(1, "q1").random() == generator(1, "q1").random())
        True
        >>> bool(generator(1, "q1").random() == generator(1, "q2").random())
        False
    """
    return np.random.default_rng([check_count("seed", seed, least=0), *map(text_number, ids)])


def text_number(text: str | bytes) -> int:
    """A number of 64 bits for a text: the first 8 bytes of its SHA-256.

    Example:
        >>> text_number("q1") == text_number(b"q1") != text_number("q2")
        True
    """
    content = text.encode("utf-8") if isinstance(text, str) else text
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big")


#: Philox gives four numbers for each step of its counter.
_STEP = 4


def uniforms(seed: int, name: str, purpose: str, rows: range, width: int) -> FloatArray:
    """Numbers in (0, 1), one row of ``width`` for each whole number of ``rows``.

    Philox keyed by (seed, name, purpose), its counter by the row: row r can be had without the rows before it, and
    drawing a run of rows is one call.

    Args:
        seed: a whole number of at least 0.
        name: of the thing that has these rows, a cell of a study for instance.
        purpose: keeps streams for different uses apart.
        rows: numbers of the rows, in steps of 1.
        width: numbers for each row.

    Returns:
        Shape (rows, width); numbers have 52 bits and are never 0 or 1.

    Example:
        >>> whole = uniforms(1, "a", "answers", range(9), 6)
        >>> bool((uniforms(1, "a", "answers", range(7, 8), 6)[0] == whole[7]).all())
        True
    """
    steps = -(-width // _STEP)
    digest = hashlib.sha256(f"{seed}|{name}|{purpose}".encode()).digest()
    source = np.random.Philox(key=int.from_bytes(digest[:16], "big"), counter=rows.start * steps)
    raw = source.random_raw(len(rows) * steps * _STEP).reshape(len(rows), steps * _STEP)[:, :width]
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
