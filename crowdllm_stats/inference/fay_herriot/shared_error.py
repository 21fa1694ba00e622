"""Intervals widened by an error that no question shows, because all of them have it."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri, expit, logit, ndtr, ndtri, stdtrit

from crowdllm_stats._base.checks import FloatArray

#: Nodes for the shared error's estimated variance.
NODES = 40
#: Halvings of the bracket of the half-width.
HALVINGS = 50
#: Stands for a standard deviation of 0.
TINY = 1e-300
#: Least share of an interval's own variance that is left when the regression's sampling error is taken out of it.
LEAST_LEFT = 0.2
#: Estimates are taken to lie at least this share of the scale inside its ends.
EDGE = 1e-6


def sum_half_width(own_var: FloatArray, shared_var: FloatArray, degrees: float, level: float) -> FloatArray:
    """Half-width q with ``P(|N(0, own_var) + sqrt(shared_var) t_degrees| <= q) = level``, shape of both.

    The law of Behrens and Fisher with one variance known: longer than the normal interval of the summed variances,
    shorter than the sum of both intervals.

    Example:
        >>> half = sum_half_width(np.array([1.0, 1e-12, 1.0]), np.array([0.0, 1.0, 1.0]), 4.0, 0.95)
        >>> np.round(half, 2).tolist()
        [1.96, 2.78, 3.36]
    """
    at, mass = np.polynomial.legendre.leggauss(NODES)
    at, mass = 0.5 * (at + 1.0), 0.5 * mass
    ratio = degrees / chdtri(degrees, 1.0 - at**4)  # most nodes where the chi-squared is near 0
    mass = mass * 4.0 * at**3
    tail = 0.5 + 0.5 * level
    short = np.zeros_like(own_var)
    long = ndtri(tail) * np.sqrt(own_var) + stdtrit(degrees, tail) * np.sqrt(shared_var)
    sd = np.maximum(np.sqrt(own_var[..., None] + shared_var[..., None] * ratio), TINY)
    for _ in range(HALVINGS):
        middle = 0.5 * (short + long)
        held = (2.0 * ndtr(middle[..., None] / sd) - 1.0) @ mass
        short, long = np.where(held < level, middle, short), np.where(held < level, long, middle)
    return np.asarray(0.5 * (short + long))


def widen(
    estimate: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    shared_var: FloatArray,
    counted_var: FloatArray,
    degrees: float,
    bounds: tuple[float, float] | None,
    level: float,
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends, (T,) each, once an error of variance ``shared_var`` is let in, side by side.

    Each side's length stands for a variance (as in MOVER, the recovery of variances from limits): that variance, less
    what ``shared_var`` counts again, and the shared one on ``degrees`` degrees of freedom give the new length. On a
    bounded scale lengths are taken in logits, so that ends stay inside.

    Args:
        estimate, lower, upper: (T,) of the intervals for errors that are independent.
        shared_var: (T,) variance of the shared error, in squared units of the answers.
        counted_var: (T,) variance that the intervals hold already and ``shared_var`` too.
        degrees: of freedom of ``shared_var``.
        bounds: ends of the scale, or None.
        level: of the intervals.

    Source: Zou and Donner 2008 (MOVER).

    Example:
        >>> estimate, lower, upper, shared = np.array([[3.0], [1.04], [4.96], [1.0]])
        >>> ends = widen(estimate, lower, upper, shared, 0.0 * shared, 4.0, None, 0.95)
        >>> np.round(np.concatenate(ends), 2).tolist()
        [-0.36, 6.36]
    """
    if bounds is None:
        slope, place, ends = np.ones_like(estimate), estimate, (lower, upper)
    else:
        low, long = bounds[0], bounds[1] - bounds[0]
        inside = np.clip((estimate - low) / long, EDGE, 1.0 - EDGE)
        slope, place = long * inside * (1.0 - inside), logit(inside)
        ends = (logit(np.clip((lower - low) / long, 0.0, 1.0)), logit(np.clip((upper - low) / long, 0.0, 1.0)))
    shared, counted = shared_var / slope**2, counted_var / slope**2
    moved = []
    for side, end in zip((-1.0, 1.0), ends, strict=True):
        length = np.maximum(side * (end - place), 0.0)
        finite = np.isfinite(length)
        variance = (np.where(finite, length, 0.0) / ndtri(0.5 + 0.5 * level)) ** 2
        left = np.maximum(variance - counted, LEAST_LEFT * variance)
        longer = sum_half_width(left, shared, degrees, level)
        moved.append(np.where(finite, place + side * np.where(shared > 0.0, longer, length), side * np.inf))
    if bounds is None:
        return moved[0], moved[1]
    return low + long * expit(moved[0]), low + long * expit(moved[1])
