"""Confidence sets for one mean of bounded values, the two pieces of Theorem 4: half-widths and their conditions."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats._base.checks import Alternative, FloatArray
from crowdllm_stats.inference.intervals.ends import all_equal, one_sided
from crowdllm_stats.inference.intervals.sample import Core, Sample


def serfling(n: int, population: FloatArray | None) -> FloatArray:
    """Factor of ``1/n`` when drawing n of m without replacement: ``1-(n-1)/m``, or ``(1-n/m)(1+1/n)`` beyond half of m.

    1 for an unlimited population (None). Source: Bardenet and Maillard 2015, Bernoulli 21, equation (4) and Theorem
    3.5.
    """
    if population is None:
        return np.array(1.0)
    m = np.asarray(population, dtype=float)
    return np.asarray(np.where(n <= m / 2.0, 1.0 - (n - 1.0) / m, (1.0 - n / m) * (1.0 + 1.0 / n)))


def clt_half(variance: FloatArray, n: int, miss: float, sides: int) -> FloatArray:
    """``t_{n-1} s/sqrt(n)``: the set of the central limit theorem, with Student's quantile since n is small.

    Args:
        variance: of one value, ddof 1.
        n: number of values.
        miss: probability of missing the mean.
        sides: 1 or 2, among which ``miss`` is shared.

    Returns:
        Half-width, shape of ``variance``.

    Example:
        >>> clt_half(np.array([4.0]), 16, 0.05, 2).round(3)
        array([1.066])
    """
    return np.asarray(stdtrit(n - 1.0, 1.0 - miss / sides) * np.sqrt(variance / n))


def hoeffding_half(span: float, n: int, miss: float, sides: int, factor: FloatArray) -> FloatArray:
    """``R sqrt(factor log(sides/miss) / (2 n))``.

    Args:
        span: R, largest less smallest possible value.
        n: number of values.
        miss: probability of missing the mean.
        sides: 1 or 2, among which ``miss`` is shared.
        factor: of :func:`serfling`, 1 for an unlimited population.

    Returns:
        Half-width, shape of ``factor``.

    Source: Hoeffding 1963, theorem 2; without replacement Serfling 1974.

    Example:
        >>> hoeffding_half(4.0, 100, 0.05, 2, np.array([1.0])).round(3)
        array([0.543])
    """
    return np.asarray(span * np.sqrt(factor * np.log(sides / miss) / (2.0 * n)))


def bernstein_half(
    variance: FloatArray, span: float, n: int, miss: float, sides: int, factor: FloatArray, finite: bool
) -> FloatArray:
    """Empirical Bernstein half-width.

    Unlimited population: ``s sqrt(2 log(2 sides/miss)/n) + 7 R log(2 sides/miss)/(3 (n-1))``, s with ddof 1
    (Maurer and Pontil 2009, theorem 4). Without replacement: ``s0 sqrt(2 factor log(5 sides/miss)/n) +
    (7/3 + 3/sqrt 2) R log(5 sides/miss)/n``, s0 with ddof 0 (Bardenet and Maillard 2015, theorem 4.3).
    """
    if finite:
        log = np.log(5.0 * sides / miss)
        biased = variance * (n - 1.0) / n
        return np.asarray(np.sqrt(2.0 * factor * biased * log / n) + (7.0 / 3.0 + 3.0 / np.sqrt(2.0)) * span * log / n)
    log = np.log(2.0 * sides / miss)
    return np.asarray(np.sqrt(2.0 * variance * log / n) + 7.0 * span * log / (3.0 * (n - 1.0)))


#: Candidate means tried between the ends of the scale; the set is widened by one gap on either side.
GRID = 401
#: A bet never risks more than this share of what it could lose.
CAUTION = 0.5


def betting(sample: Sample) -> Core:
    """The betting set of the human answers alone: it holds its level at every n, for any answers within the bounds.

    The ends of :func:`betting_set` for a miss of ``1 - level``; a seed shuffles the order of the bets. With
    ``population_size`` the answers are taken as drawn without replacement.

    Source: Waudby-Smith and Ramdas 2024, JRSS B 86.
    """
    low, high = sample.ends
    human = sample.human
    if sample.seed is not None:
        human = human[..., np.random.default_rng(sample.seed).permutation(sample.n)]
    lower, upper = betting_set(human, low, high, 1.0 - sample.level, sample.alternative, sample.population_size)
    lower, upper = one_sided(sample, lower, upper, (low, high))
    why = (
        "Betting on the human answers alone: valid at every n for a random sample of answers within the bounds, taken "
        "in an order chosen without them; digital answers are not used."
    )
    estimate = np.clip(sample.human_mean, lower, upper)
    return Core(estimate, lower, upper, None, None, why, all_equal(sample))


def betting_set(
    values: FloatArray,
    low: float,
    high: float,
    miss: float,
    alternative: Alternative,
    population: FloatArray | None = None,
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
    x: FloatArray, bets: FloatArray, grid: FloatArray, alternative: Alternative, population: FloatArray | None
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
