"""Confidence sets for one mean of bounded values, the two pieces of Theorem 4: half-widths and their conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats._base.checks import FloatArray


def serfling(n: int, population: Any) -> FloatArray:
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
