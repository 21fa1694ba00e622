"""Quantile functions of tables of answers, and what drawing only n answers does to them on average."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

from crowdllm_stats._base.checks import FloatArray

#: Blocks of equal probability to which a longer table is reduced, and rows of expected order statistics at most.
GRID = 512


def comonotone_product(first: FloatArray, second: FloatArray) -> FloatArray:
    """``integral of Q1(u) Q2(u) du`` for step functions of n and m equal steps, (..., n) and (..., m) -> (...,).

    Example:
        >>> float(comonotone_product(np.array([1.0, 3.0]), np.array([0.0, 1.0, 2.0])))
        2.666...
    """
    n, m = first.shape[-1], second.shape[-1]
    if n == m:
        return np.asarray(np.mean(first * second, axis=-1))
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)  # in units of 1 / (n m)
    length, left = np.diff(edges) / (n * m), edges[:-1]
    return np.asarray((first[..., left // m] * second[..., left // n]) @ length)


def block_means(table: FloatArray, blocks: int = GRID) -> FloatArray:
    """Means of a sorted table's quantile function over blocks of equal probability; short tables stay as they are.

    Example:
        >>> block_means(np.arange(6.0), 3)
        array([0.5, 2.5, 4.5])
    """
    count = table.shape[-1]
    if count <= blocks:
        return table
    place = np.linspace(0.0, count, blocks + 1)
    whole = np.minimum(place.astype(np.int64), count - 1)
    total = np.concatenate([np.zeros((*table.shape[:-1], 1)), np.cumsum(table, axis=-1)], axis=-1)
    integral = total[..., whole] + (place - whole) * table[..., whole]
    return np.asarray(np.diff(integral, axis=-1) * (blocks / count))


def order_statistic_weights(draws: int, steps: int) -> FloatArray:
    """Weights (rows, steps): the expected order statistics of ``draws`` answers from a law of equally likely steps.

    Row k holds the probabilities that the k-th smallest answer comes from each step: differences of the Beta(k,
    draws + 1 - k) distribution function. More than GRID draws are represented by GRID rows at their blocks' middles.

    Example:
        >>> order_statistic_weights(2, 2)
        array([[0.75, 0.25],
               [0.25, 0.75]])
    """
    rows = min(draws, GRID)
    rank = (np.arange(rows)[:, None] + 0.5) * (draws / rows) + 0.5
    edges = np.linspace(0.0, 1.0, steps + 1)
    weights: FloatArray = np.diff(betainc(rank, draws + 1.0 - rank, edges), axis=-1)
    return weights


def quantile_losses(law: FloatArray, first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What two finite tables of one law lose of ``integral of Q^2``: the first against the law, then the second.

    With ``q1``, ``q2`` the expected order statistics that the two weight matrices give: ``int Q^2 - int q1 Q`` and
    ``int q1 Q - int q1 q2``. Both are at least 0 (the expected order statistics are a contraction in convex order).

    Args:
        law: (..., steps) sorted.
        first, second: from :func:`order_statistic_weights` with as many steps.

    Example:
        >>> two = order_statistic_weights(2, 2)
        >>> [float(loss) for loss in quantile_losses(np.array([-1.0, 1.0]), two, two)]
        [0.5, 0.25]
    """
    seen, other = law @ first.T, law @ second.T
    between = comonotone_product(seen, law)
    return np.asarray(np.mean(law * law, axis=-1) - between), np.asarray(between - comonotone_product(seen, other))
