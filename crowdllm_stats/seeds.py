"""Random numbers that depend on what they are for (a seed and ids), never on the order in which they are asked."""

from __future__ import annotations

import hashlib

import numpy as np

from crowdllm_stats.inference.checks import check_count


def generator(seed: int, *ids: str) -> np.random.Generator:
    """A generator for the thing that ``ids`` name, a problem for instance.

    Args:
        seed: a whole number of at least 0.
        ids: texts; each becomes the first 8 bytes of its SHA-256, so that different ids give unrelated streams.

    Raises:
        ValueError: on a seed that is no whole number of at least 0.

    Example:
        >>> bool(generator(1, "q1").random() == generator(1, "q1").random())
        True
        >>> bool(generator(1, "q1").random() == generator(1, "q2").random())
        False
    """
    return np.random.default_rng([check_count("seed", seed, least=0), *(_number(text) for text in ids)])


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")
