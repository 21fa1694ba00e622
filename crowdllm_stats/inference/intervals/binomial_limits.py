"""Exact confidence limits for a share, from counts: people drawn with replacement, or from a finite population."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, gammaln

from crowdllm_stats._base.checks import Alternative, FloatArray

Mask = NDArray[np.bool_]

#: Halvings of [0, 1] that leave nothing of a float.
_HALVINGS = 64
#: Chances that differ by less than this factor are the same chance, rounded.
_SAME = 1.0 + 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class PopulationDraws:
    """The law of a count among ``n`` people; its parameter is a share, or a count where the population is finite.

    Attributes:
        n: people drawn.
        size: people in the population, shape (cases,); None where it is unlimited.
    """

    n: int
    size: FloatArray | None = None

    def at_least(self, x: FloatArray, parameter: FloatArray) -> FloatArray:
        """``P(X >= x)`` for x from 1 to n, rising in the parameter."""
        if self.size is not None:
            return self._sums(parameter, lambda count: count >= x[:, None])
        return np.asarray(betainc(x, self.n - x + 1.0, parameter))

    def at_most(self, x: FloatArray, parameter: FloatArray) -> FloatArray:
        """``P(X <= x)`` for x below n, falling in the parameter; 0 for x below 0."""
        if self.size is not None:
            return self._sums(parameter, lambda count: count <= x[:, None])
        some = np.maximum(x, 0.0)
        return np.where(x < 0.0, 0.0, betainc(self.n - some, some + 1.0, 1.0 - parameter))

    def _sums(self, parameter: FloatArray, chosen: Callable[[FloatArray], Mask]) -> FloatArray:
        count = np.arange(self.n + 1.0)
        size, ones = np.asarray(self.size)[:, None], parameter[:, None]
        log = _choose(ones, count) + _choose(size - ones, self.n - count) - _choose(size, np.array(float(self.n)))
        return np.asarray(np.exp(np.where(chosen(count), log, -np.inf)).sum(axis=1))


def _choose(of: FloatArray, many: FloatArray) -> FloatArray:
    """Logarithm of the binomial coefficient, minus infinity where it is 0."""
    return np.asarray(gammaln(of + 1.0) - gammaln(many + 1.0) - gammaln(of - many + 1.0))


def one_sided_limit(x: FloatArray, draws: PopulationDraws, miss: float) -> FloatArray:
    """Clopper and Pearson's lower limit: the smallest parameter with ``P(X >= x) > miss``.

    Args:
        x: counts, shape (cases,).
        draws: their law.
        miss: error probability.

    Source: Clopper and Pearson 1934, Biometrika 26.

    Example:
        >>> float(one_sided_limit(np.array([10.0]), PopulationDraws(10), 0.025)[0].round(4))
        0.6915
    """
    if draws.size is None:
        some = np.maximum(x, 1.0)
        return np.where(x < 1.0, 0.0, betaincinv(some, draws.n - some + 1.0, miss))
    return _first(lambda ones: draws.at_least(x, ones) > miss * _SAME, x, draws.size, True)


def two_sided_limit(x: FloatArray, draws: PopulationDraws, miss: float) -> FloatArray:
    """Blaker's lower limit: the smallest parameter whose acceptability exceeds ``miss``.

    The acceptability of a parameter is ``P(X >= x) + P(X <= x')``, x' the largest count whose lower tail is not more
    probable than the upper tail at x (or 1 if less). The set holds its level for every parameter, and lies within
    Clopper and Pearson's. Its upper limit is that of the mirror image.

    Between two parameters at which x' moves, the acceptability is 1 less the chance of a run of counts, which first
    rises and then falls in the parameter: so from below ``miss`` it crosses once at most, and bisection finds it.

    Args:
        x: counts, shape (cases,).
        draws: their law.
        miss: error probability of both sides together.

    Source: Blaker 2000, Canadian Journal of Statistics 28; the search follows Klaschka 2010.

    Example:
        >>> lower = two_sided_limit(np.array([10.0]), PopulationDraws(10), 0.05)
        >>> round(1.0 - float(lower[0]), 4)
        0.2829
    """
    limit = one_sided_limit(x, draws, miss / 2.0)
    open_ = x >= 1.0
    while np.any(open_):
        part = PopulationDraws(draws.n, None if draws.size is None else draws.size[open_])
        limit[open_], done = _piece(x[open_], part, miss, limit[open_])
        open_[open_] = ~done
    return limit


def _piece(x: FloatArray, draws: PopulationDraws, miss: float, start: FloatArray) -> tuple[FloatArray, Mask]:
    """Search from ``start`` to where the lower tail gets its next count: the limit, or where to go on."""
    whole = draws.size is not None
    top = np.ones_like(x) if draws.size is None else draws.size
    enough = miss * _SAME if whole else miss  # chances of a finite population are ratios of whole numbers: they tie

    def joined(count: FloatArray, one: FloatArray) -> Mask:
        return draws.at_most(count, one) <= draws.at_least(x, one) * _SAME

    count = _first(lambda k: ~joined(k, start), np.zeros_like(x), x, True)
    below = count - 1.0

    def accepted(one: FloatArray) -> Mask:
        return draws.at_least(x, one) + draws.at_most(below, one) > enough

    jump = _first(lambda one: joined(count, one), start, top, whole)
    last = np.maximum(jump - 1.0, start) if whole else jump
    now, inside = accepted(start), accepted(last)
    crossing = _first(accepted, start, last, whole)
    done = now | inside if whole else np.ones(x.shape, dtype=bool)
    return np.where(now, start, np.where(inside, crossing, jump)), done


def _first(good: Callable[[FloatArray], Mask], low: FloatArray, high: FloatArray, whole: bool) -> FloatArray:
    """Smallest value from low to high that is good, high being so and all above a good one too, by bisection."""
    low, high = np.array(low, dtype=float), np.array(high, dtype=float)
    for _ in range(_HALVINGS):
        if whole and np.all(low >= high):
            break
        middle = np.floor(0.5 * (low + high)) if whole else 0.5 * (low + high)
        reached = good(middle)
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1.0, high) if whole else middle)
    return high


def exact_ends(
    x: FloatArray, n: int, size: FloatArray | None, level: float, alternative: Alternative
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper confidence limits of a share, one a count; Blaker's two-sided, Clopper and Pearson's one-sided.

    Args:
        x: how many of the n people said yes, any shape.
        n: people asked.
        size: people in the finite population, of the shape of ``x``; None for an unlimited one.
        level: confidence level.
        alternative: "two-sided", "larger" (lower limit only, upper 1) or "smaller" (upper limit only, lower 0).

    Returns:
        Limits, of the shape of ``x`` each.

    Example:
        >>> lower, upper = exact_ends(np.array([0.0, 3.0]), 10, None, 0.95, "two-sided")
        >>> lower.round(4).tolist(), upper.round(4).tolist()
        ([0.0, 0.0873], [0.2829, 0.6194])
        >>> [float(end[0]) for end in exact_ends(np.array([3.0]), 10, np.array([20.0]), 0.95, "two-sided")]
        [0.15, 0.55]
    """
    sizes = np.zeros(x.shape) if size is None else np.broadcast_to(size, x.shape)
    cases, place = np.unique(np.stack([x.ravel(), sizes.ravel()]), axis=1, return_inverse=True)
    count = cases[0]
    draws = PopulationDraws(n, None if size is None else cases[1])
    whole = np.ones_like(count) if size is None else cases[1]
    limit, miss = (two_sided_limit, 1.0 - level) if alternative == "two-sided" else (one_sided_limit, 1.0 - level)
    lower = np.zeros_like(count) if alternative == "smaller" else limit(count, draws, miss) / whole
    upper = np.ones_like(count) if alternative == "larger" else 1.0 - limit(n - count, draws, miss) / whole
    place = place.ravel()
    return lower[place].reshape(x.shape), upper[place].reshape(x.shape)


def smooth_ends(x: FloatArray, n: FloatArray, tail: float) -> tuple[FloatArray, FloatArray]:
    """Clopper and Pearson's limits for counts that need not be whole, each missing with chance ``1 - tail``.

    Args:
        x: effective number of people who said yes, any shape, from 0 to n.
        n: effective number of people.
        tail: probability below the upper limit.

    Source: Korn and Graubard 1998, Survey Methodology 24.

    Example:
        >>> [float(end.round(4)) for end in smooth_ends(np.array(0.0), np.array(10.0), 0.975)]
        [0.0, 0.3085]
    """

    def lower(count: FloatArray) -> FloatArray:
        some = count > 0.0
        return np.where(some, betaincinv(np.where(some, count, 1.0), np.maximum(n - count, 0.0) + 1.0, 1.0 - tail), 0.0)

    return np.asarray(lower(x)), np.asarray(1.0 - lower(n - x))
