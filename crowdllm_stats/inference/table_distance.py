"""The distance of two tables of answers, its parts, and what drawing only n answers adds to it on average."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

from crowdllm_stats._base.checks import FloatArray

#: Blocks of equal probability to which a longer table is reduced, and rows of expected order statistics at most.
GRID = 512
#: Answers handled at a time.
CELLS = 2_000_000


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


def table_parts(human: FloatArray, digital: FloatArray) -> dict[str, FloatArray]:
    """All numbers for problems on the first axis, a few problems at a time."""
    step = max(1, CELLS // (human.shape[1] + digital.shape[1]))
    n, m = human.shape[1], digital.shape[1]
    steps = min(max(n, m), GRID)
    weights = order_statistic_weights(n, steps), order_statistic_weights(m, steps)
    blocks = [
        _block(human[first : first + step], digital[first : first + step], weights)
        for first in range(0, len(human), step)
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _block(y: FloatArray, t: FloatArray, weights: tuple[FloatArray, FloatArray]) -> dict[str, FloatArray]:
    n, m = y.shape[1], t.shape[1]
    y, t = y - y[:, :1], t - y[:, :1]  # near 0 first, then centred: means of large numbers lose digits
    centre_y, centre_t = y.mean(axis=1, keepdims=True), t.mean(axis=1, keepdims=True)
    gap = (centre_y - centre_t)[:, 0]
    y, t = np.sort(y - centre_y, axis=1), np.sort(t - centre_t, axis=1)
    square_y, square_t = np.mean(y * y, axis=1), np.mean(t * t, axis=1)
    var_y, var_t = square_y * (n / (n - 1)), square_t * (m / (m - 1))
    product = _sd(y, var_y) * _sd(t, var_t)
    cross = comonotone_product(y, t)
    law = block_means(y if n >= m else t)  # the longer table shows more of the shape
    size = np.mean((y if n >= m else t) ** 2, axis=1)
    lost_human, lost_digital = quantile_losses(law, *weights)
    scale = np.divide(2.0 * product, size, out=np.zeros_like(size), where=size > 0.0)
    location = gap**2 - var_y / n - var_t / m
    spread = var_y + var_t - 2.0 * product
    total = gap**2 + square_y + square_t - 2.0 * cross
    finite_human, finite_digital = scale * lost_human, scale * lost_digital
    energy_total = _energy(y + gap[:, None], t)
    ratio = np.divide(var_t, var_y, out=np.where(var_t > 0.0, np.inf, 1.0), where=var_y > 0.0)
    return {
        "total": total,
        "location": location,
        "spread": spread,
        "rest": total - location - spread,
        "shape": total - location - spread - finite_human - finite_digital,
        "finite_n_human": finite_human,
        "finite_n_digital": finite_digital,
        "energy_total": energy_total,
        "energy": energy_total - _mean_difference(y) / n - _mean_difference(t) / m,
        "human_sd": np.sqrt(var_y),
        "digital_sd": np.sqrt(var_t),
        "sd_ratio": np.sqrt(ratio),
        "cost_of_uniformity": np.where(var_t < var_y, np.maximum(spread, 0.0), 0.0),
    }


def _sd(centred: FloatArray, var: FloatArray) -> FloatArray:
    """Jackknifed standard deviation: ``n s - (n - 1) mean_i s_(-i)``, biased by order 1/n^2 only."""
    n = centred.shape[1]
    without = np.maximum((n - 1) * var[:, None] - centred**2 * (n / (n - 1)), 0.0) / (n - 2)
    jackknifed: FloatArray = n * np.sqrt(var) - (n - 1) * np.mean(np.sqrt(without), axis=1)
    return jackknifed


def _mean_difference(ordered: FloatArray) -> FloatArray:
    """Unbiased ``E|y - y'|`` from sorted answers of mean 0 (Gini's mean difference)."""
    n = ordered.shape[1]
    return np.asarray(ordered @ np.arange(n) * (4.0 / (n * (n - 1))))


def _energy(y: FloatArray, t: FloatArray) -> FloatArray:
    """Squared energy distance of two tables, ``2 int (F - G)^2``."""
    both = np.concatenate([y, t], axis=1)
    order = np.argsort(both, axis=1, kind="stable")  # two sorted runs: a merge
    step = np.where(order < y.shape[1], 1.0 / y.shape[1], -1.0 / t.shape[1])
    apart = np.cumsum(step, axis=1)[:, :-1]
    return np.asarray(2.0 * np.sum(apart**2 * np.diff(np.take_along_axis(both, order, axis=1), axis=1), axis=1))
