"""A confidence set for a bounded mean by betting: valid at every n, and short."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import FloatArray

#: Candidate means tried between the ends of the scale; the set is widened by one gap on either side.
GRID = 401
#: A bet never risks more than this share of what it could lose.
CAUTION = 0.5


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

    Source: Waudby-Smith and Ramdas 2024, JRSS B 86, theorem 3, proposition 5 and section 4.

    Example:
        >>> lower, upper = betting_set(np.array([0.0, 1.0, 0.0, 1.0] * 25), 0.0, 1.0, 0.05, "two-sided")
        >>> bool(lower < 0.5 < upper)
        True
    """
    batch = values.shape[:-1]
    x = np.clip((values.reshape(-1, values.shape[-1]) - low) / (high - low), 0.0, 1.0)
    size = None if population is None else np.broadcast_to(np.asarray(population, dtype=float), batch).reshape(-1)
    bets = _predictable_bets(x, miss)
    grid = np.linspace(0.0, 1.0, GRID)
    ends = np.empty((2, x.shape[0]))
    block = max(1, 200_000 // GRID)
    for start in range(0, x.shape[0], block):
        rows = slice(start, start + block)
        alive = _alive(x[rows], bets[rows], grid, miss, alternative, None if size is None else size[rows])
        first = np.argmax(alive, axis=1)
        last = GRID - 1 - np.argmax(alive[:, ::-1], axis=1)
        ends[0, rows] = grid[np.maximum(first - 1, 0)]
        ends[1, rows] = grid[np.minimum(last + 1, GRID - 1)]
        # every candidate dropped happens with chance at most `miss`: the mean of the answers is all that is left
        none = ~alive.any(axis=1)
        ends[:, rows] = np.where(none, x[rows].mean(axis=1), ends[:, rows])
    scaled = low + (high - low) * ends
    return scaled[0].reshape(batch), scaled[1].reshape(batch)


def _predictable_bets(x: FloatArray, miss: float) -> FloatArray:
    """``sqrt(2 log(2/miss) / (n s_{t-1}^2))`` with the regularised variance of the answers before t."""
    n = x.shape[1]
    count = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(x, axis=1)) / (count + 1.0)
    variance = (0.25 + np.cumsum((x - mean) ** 2, axis=1)) / (count + 1.0)
    before = np.concatenate([np.full((x.shape[0], 1), 0.25), variance[:, :-1]], axis=1)
    return np.asarray(np.sqrt(2.0 * np.log(2.0 / miss) / (n * before)))


def _alive(
    x: FloatArray, bets: FloatArray, grid: FloatArray, miss: float, alternative: str, population: FloatArray | None
) -> np.ndarray[Any, Any]:
    """Candidates whose capital never passed the limit, shape (rows, candidates)."""
    limit = np.log(1.0 / miss) + (np.log(2.0) if alternative == "two-sided" else 0.0)
    up = np.zeros((x.shape[0], grid.size))
    down = np.zeros_like(up)
    alive = np.ones(up.shape, dtype=bool)
    total = np.zeros((x.shape[0], 1))
    for t in range(x.shape[1]):
        if population is None:
            m = np.broadcast_to(grid, up.shape)
        else:
            left = population[:, None] - t
            m = (population[:, None] * grid - total) / left
            alive &= (m >= -1e-12) & (m <= 1.0 + 1e-12)
            m = np.clip(m, 0.0, 1.0)
            total = total + x[:, t : t + 1]
        step = x[:, t : t + 1] - m
        bet = bets[:, t : t + 1]
        with np.errstate(divide="ignore"):
            up += np.log1p(np.minimum(bet, CAUTION / m) * step)
            down += np.log1p(-np.minimum(bet, CAUTION / (1.0 - m)) * step)
        if alternative != "smaller":
            alive &= up < limit
        if alternative != "larger":
            alive &= down < limit
    return alive
