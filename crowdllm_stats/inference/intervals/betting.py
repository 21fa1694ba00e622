"""A confidence set for a bounded mean by betting: valid at every n, and short."""

from __future__ import annotations

from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray

from .ends import all_equal, one_sided
from .sample import Core, Sample

#: Candidate means tried between the ends of the scale; the set is widened by one gap on either side.
GRID = 401
#: A bet never risks more than this share of what it could lose.
CAUTION = 0.5


def betting(sample: Sample) -> Core:
    """The betting set of the human answers alone: it holds its level at every n, for any answers within the bounds.

    The ends of :func:`betting_set` for a miss of ``1 - level``; a seed shuffles the order of the bets. With
    ``population_size`` the answers are taken as drawn without replacement.

    Source: Waudby-Smith and Ramdas 2024, JRSS B 86.

    Raises:
        ValueError: without bounds, and with weights or clusters, whose answers do not count alike.
    """
    if sample.bounds is None:
        raise ValueError("method 'betting' needs bounds=(low, high): the ends of the answer scale")
    if sample.weights is not None or sample.clusters is not None:
        raise ValueError(
            "method 'betting' holds for answers that count alike and stand alone: it takes no weights or clusters"
        )
    low, high = sample.bounds
    human = sample.human
    if sample.seed is not None:
        human = human[..., np.random.default_rng(sample.seed).permutation(sample.n)]
    lower, upper = betting_set(human, low, high, 1.0 - sample.level, sample.alternative, sample.population_size)
    lower, upper = one_sided(sample, lower, upper, (low, high))
    why = (
        "Betting on the human answers alone: valid at every n for a random sample of answers within the bounds, taken "
        "in an order that tells nothing; digital answers are not used."
    )
    estimate = np.clip(sample.human_mean, lower, upper)
    return Core(estimate, lower, upper, None, None, why, all_equal(sample))


def betting_set(
    values: FloatArray, low: float, high: float, miss: float, alternative: str, population: Any = None
) -> tuple[FloatArray, FloatArray]:
    """Ends of the hedged-capital confidence set for the mean of values in [low, high].

    For every candidate mean m the capital ``K+ = prod(1 + l_t (x_t - m))`` bets on a larger mean, ``K-`` on a smaller
    one, with predictable bets ``l_t`` from the answers before t. A candidate is dropped once half the larger capital
    passes ``1/miss`` at any t (one-sided: once its one capital does), by Ville's inequality with chance at most
    ``miss``. Bets are capped at CAUTION/m and CAUTION/(1-m). Without replacement from a population of N people the
    candidate's conditional mean ``(N m - sum_{s<t} x_s)/(N - t + 1)`` takes m's place.

    Args:
        values: shape (..., n), in an order that does not depend on the values.
        low: low end of the scale.
        high: high end of the scale.
        miss: error probability.
        alternative: "two-sided", "larger" (bounded below) or "smaller".
        population: number of people in a finite population (scalar or batch shape), or None.

    Returns:
        lower and upper ends, each of the batch shape; never outside [low, high].

    Source: Waudby-Smith and Ramdas 2024, JRSS B 86 (hedged capital, with and without replacement).

    Example:
        >>> lower, upper = betting_set(np.array([0.0, 1.0, 0.0, 1.0] * 25), 0.0, 1.0, 0.05, "two-sided")
        >>> bool(lower < 0.5 < upper)
        True
    """
    batch = values.shape[:-1]
    x = np.clip((values.reshape(-1, values.shape[-1]) - low) / (high - low), 0.0, 1.0)
    size = None if population is None else np.broadcast_to(np.asarray(population, dtype=float), batch).reshape(-1)
    bets = _predictable_bets(x, miss)
    ends = np.empty((2, x.shape[0]))
    block = max(1, 200_000 // GRID)
    for start in range(0, x.shape[0], block):
        rows = slice(start, start + block)
        people = None if size is None else size[rows]
        grid = _candidates(x[rows], people)
        peak = _peak(x[rows], bets[rows], grid, alternative, people)
        alive = peak < np.log(1.0 / miss) + (np.log(2.0) if alternative == "two-sided" else 0.0)
        # a set that fits between two candidates drops all of them: the least capital marks where it is
        alive |= ~alive.any(axis=1, keepdims=True) & (peak == peak.min(axis=1, keepdims=True))
        first = np.maximum(np.argmax(alive, axis=1) - 1, 0)
        last = np.minimum(GRID - np.argmax(alive[:, ::-1], axis=1), GRID - 1)
        index = np.arange(grid.shape[0])
        ends[0, rows], ends[1, rows] = grid[index, first], grid[index, last]
    scaled = low + (high - low) * ends
    return scaled[0].reshape(batch), scaled[1].reshape(batch)


def _candidates(x: FloatArray, population: FloatArray | None) -> FloatArray:
    """Means to try, shape (rows, GRID): the whole scale, or what n answers of a finite population leave possible."""
    steps = np.linspace(0.0, 1.0, GRID)
    if population is None:
        return np.broadcast_to(steps, (x.shape[0], GRID))
    seen = x.sum(axis=1) / population
    return np.asarray(seen[:, None] + steps * (1.0 - x.shape[1] / population)[:, None])


def _predictable_bets(x: FloatArray, miss: float) -> FloatArray:
    """``sqrt(2 log(2/miss) / (n s_{t-1}^2))`` with the regularised variance of the answers before t."""
    n = x.shape[1]
    count = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(x, axis=1)) / (count + 1.0)
    variance = (0.25 + np.cumsum((x - mean) ** 2, axis=1)) / (count + 1.0)
    before = np.concatenate([np.full((x.shape[0], 1), 0.25), variance[:, :-1]], axis=1)
    return np.asarray(np.sqrt(2.0 * np.log(2.0 / miss) / (n * before)))


def _peak(
    x: FloatArray, bets: FloatArray, grid: FloatArray, alternative: str, population: FloatArray | None
) -> FloatArray:
    """Log of the largest capital that each candidate ever allowed, shape (rows, candidates)."""
    up = np.zeros(grid.shape)
    down = np.zeros(grid.shape)
    peak = np.zeros(grid.shape)
    total = np.zeros((x.shape[0], 1))
    for t in range(x.shape[1]):
        m = grid
        if population is not None:
            m = np.clip((population[:, None] * grid - total) / (population[:, None] - t), 0.0, 1.0)
            total = total + x[:, t : t + 1]
        step = x[:, t : t + 1] - m
        bet = bets[:, t : t + 1]
        with np.errstate(divide="ignore"):
            up += np.log1p(np.minimum(bet, CAUTION / m) * step)
            down += np.log1p(-np.minimum(bet, CAUTION / (1.0 - m)) * step)
        if alternative != "smaller":
            np.maximum(peak, up, out=peak)
        if alternative != "larger":
            np.maximum(peak, down, out=peak)
    return peak
