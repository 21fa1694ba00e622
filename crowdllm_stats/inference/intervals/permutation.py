"""How unusual a sum over some members of a pool is, had chance alone picked them: p-values without random numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammainc, gammaincc, ndtr

from crowdllm_stats._base.checks import FloatArray

#: Below this first approximation the p-value is computed again by the saddlepoint, which is right far out as well.
SCREEN = 0.1
#: Steps of Newton's method, and the largest change of a log odds in one of them.
STEPS, STRIDE = 40, 4.0


def chance_of_sum(values: FloatArray, picked: int, gap: FloatArray | float = 0.0) -> FloatArray:
    """Two-sided p-value of the sum of the first ``picked`` values, had they been drawn from all without replacement.

    First a gamma distribution with the sum's exact mean, variance and skewness (on its short side the normal one where
    that is larger); where this is below :data:`SCREEN`, the double saddlepoint approximation instead, which is the
    likelihood-ratio test of a logistic regression of being picked on the value, put right to the second order.

    Args:
        values: shape (..., M), the picked ones first.
        picked: their number n, with 1 <= n < M.
        gap: distance of neighbouring values, for the continuity correction; 0 for none.

    Returns:
        p-values, batch shape; 1 where all values are equal.

    Source: Mielke and Berry 2007, Permutation Methods (the gamma); Booth and Butler 1990, Biometrika 77, and Skovgaard
    1987, J. Appl. Prob. 24 (the saddlepoint).

    Example:
        >>> pool = np.array([1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0.0])  # 2 P(4 or 5 of 6 ones) = 0.0714
        >>> print(f"{chance_of_sum(pool, 5, gap=1.0):.3f}")
        0.079
    """
    size = values.shape[-1]
    rows = values.reshape(-1, size)
    steps = np.broadcast_to(np.asarray(gap, dtype=float), values.shape[:-1]).ravel()
    centred = rows - rows.mean(axis=1, keepdims=True)
    longest = np.abs(centred).max(axis=1)
    flat = longest <= 1e-12 * np.abs(rows).max(axis=1)  # what rounding leaves of equal values is no spread
    centred = centred / np.where(flat, 1.0, longest)[:, None]
    square = np.where(flat[:, None], 0.0, centred**2)
    scale = np.sqrt(np.where(flat, 1.0, square.mean(axis=1)))
    third = (square * centred).mean(axis=1) / scale**3
    deviation = centred[:, :picked].sum(axis=1) / scale
    steps = steps / np.where(flat, 1.0, longest) / scale
    spread = np.sqrt(picked * (size - picked) / (size - 1.0))
    skew = third * (size - 2 * picked) * np.sqrt(size - 1.0) / (max(size - 2, 1) * np.sqrt(picked * (size - picked)))
    standard = np.sign(deviation) * np.maximum(np.abs(deviation) - 0.5 * steps, 0.0) / spread
    chance = np.where(flat, 1.0, 2.0 * _gamma_tail(np.abs(standard), skew * np.sign(standard)))
    far = np.flatnonzero(chance < SCREEN)
    if len(far):
        standardised = centred[far] / scale[far, None]
        chance[far] = _saddlepoint(standardised, deviation[far], picked, steps[far])
    return np.asarray(np.minimum(chance, 1.0).reshape(values.shape[:-1]))


def _gamma_tail(distance: FloatArray, skew: FloatArray) -> FloatArray:
    """Upper tail of the standardised gamma with this skewness (negative: mirrored), at least the normal one there."""
    normal = ndtr(-distance)
    near = np.abs(skew) < 1e-4
    safe = np.where(near, 1.0, skew)
    shape = 4.0 / safe**2
    place = np.maximum(shape + 2.0 * distance / safe, 0.0)
    tail = np.where(safe > 0.0, gammaincc(shape, place), np.maximum(gammainc(shape, place), normal))
    return np.asarray(np.where(near, normal, tail))


def _saddlepoint(values: FloatArray, deviation: FloatArray, picked: int, steps: FloatArray) -> FloatArray:
    """Twice the tail probability beyond the sum, on its own side; values centred, of unit variance."""
    size = values.shape[1]
    towards = values * np.sign(deviation)[:, None]
    slope, determinant, likelihood, settled = _logistic(towards, np.abs(deviation), picked)
    base = np.log(picked / (size - picked))
    root = np.sqrt(np.maximum(2.0 * (likelihood - picked * base - size * np.log1p(-picked / size)), 1e-12))
    unit = np.where(steps > 0.0, steps, 1.0)
    stretch = np.where(steps > 0.0, -np.expm1(-slope * steps) / unit, slope)
    other = np.maximum(stretch * np.sqrt(determinant / (picked * (1.0 - picked / size))), 1e-12)
    bound = np.exp(-0.5 * root**2)
    tail = ndtr(-root) + bound / np.sqrt(2.0 * np.pi) * (1.0 / other - 1.0 / root)
    return np.asarray(2.0 * np.where(settled, np.clip(tail, 1e-3 * bound, bound), bound))


def _logistic(
    values: FloatArray, total: FloatArray, picked: int
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Slope, determinant of the information, likelihood and whether Newton's method settled.

    An unsettled likelihood is below the largest one, so that what is made of it errs on the cautious side.
    """
    count, size = values.shape
    slope, level = np.zeros(count), np.full(count, np.log(picked / (size - picked)))
    stride = np.full(count, STRIDE)
    best = np.full(count, -np.inf)
    move = np.zeros((2, count))
    determinant, settled = np.ones(count), np.zeros(count, dtype=bool)
    for _ in range(STEPS):
        linear = level[:, None] + slope[:, None] * values
        likelihood = slope * total + level * picked - np.logaddexp(0.0, linear).sum(axis=1)
        worse = likelihood < best - 1e-12
        if np.any(worse):  # too long a step: half of it, from where it began
            slope, level = np.where(worse, slope - 0.5 * move[0], slope), np.where(worse, level - 0.5 * move[1], level)
            move, stride = np.where(worse, 0.5 * move, move), np.where(worse, 0.5 * stride, stride)
            if np.all(worse | settled):
                continue
        best = np.maximum(best, likelihood)
        share = expit(linear)
        weight = share * (1.0 - share)
        miss = total - (share * values).sum(axis=1), picked - share.sum(axis=1)
        level_part, cross, square = weight.sum(axis=1), (weight * values).sum(axis=1), (weight * values**2).sum(axis=1)
        area = np.maximum(level_part * square - cross**2, 1e-300)
        step = np.stack([level_part * miss[0] - cross * miss[1], square * miss[1] - cross * miss[0]]) / area
        length = np.abs(step).sum(axis=0)
        step *= np.minimum(1.0, stride / np.maximum(length, 1e-300))
        determinant = np.where(worse, determinant, area)
        settled = ~worse & (length < 1e-7)
        move = np.where(worse, move, np.where(settled, 0.0, step))
        slope, level = np.where(worse, slope, slope + move[0]), np.where(worse, level, level + move[1])
        if np.all(settled):
            break
    return slope, determinant, best, settled
