"""Shortest intervals of mixtures, on a grid: of Betas on the scale from 0 to 1, and of normals."""

from __future__ import annotations

import numpy as np
from scipy.special import betaln, expit, psi

from crowdllm_stats._base.checks import FloatArray

#: Points of the grid, and logits beyond which the scale is taken to be at its end.
GRID = 141
FAR = 16.0
#: Standard deviations of the widest part that the grid covers.
REACH = 7.0
#: Parts of no greater weight in any problem are left out.
HELD = 1e-4
#: Tail splits tried for the shortest interval.
SPLITS = 21
#: Numbers held at a time.
BLOCK = 1_500_000


def shortest_of_betas(
    first: FloatArray, second: FloatArray, weight: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end (T,) of the shortest interval holding ``level`` of each of T mixtures of Betas.

    The density is taken over the logit, where it has no pole, on a grid that covers every part; what lies beyond
    logit 16 belongs to the ends.

    Args:
        first, second, weight: (T, J) parameters and weights of the parts.
        level: between 0 and 1.

    Example:
        >>> one = np.ones((1, 1))
        >>> lower, upper = shortest_of_betas(one, one, one, 0.9)  # uniform: every interval of this length
        >>> round(float(upper[0] - lower[0]), 3)
        0.9
    """
    held = weight.max(axis=0) > HELD
    first, second, weight = first[:, held], second[:, held], weight[:, held]
    block = max(1, BLOCK // (int(held.sum()) * GRID))
    parts = [
        _of_betas(first[at : at + block], second[at : at + block], weight[at : at + block], level)
        for at in range(0, len(first), block)
    ]
    joined = np.concatenate(parts, axis=1)
    return joined[0], joined[1]


def _of_betas(first: FloatArray, second: FloatArray, weight: FloatArray, level: float) -> FloatArray:
    """(2, T) ends."""
    center = psi(first) - psi(second)
    sd = np.sqrt(1.0 / first + 0.5 / first**2 + 1.0 / second + 0.5 / second**2)
    low = np.clip((center - REACH * sd).min(axis=1), -FAR, FAR - 1.0)
    high = np.clip((center + REACH * sd).max(axis=1), low + 1e-6, FAR)
    z = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, GRID)
    logs = np.stack([-np.logaddexp(0.0, -z), -np.logaddexp(0.0, z)], axis=1)
    scale = np.log(np.maximum(weight, 1e-300)) - betaln(first, second)
    density = np.exp(np.stack([first, second], axis=-1) @ logs + scale[..., None]).sum(axis=1)
    left, right = (  # beyond the grid the other factor of the density hardly changes, and is nearly 1 at its far end
        (weight * np.exp(np.minimum(one * end + (two - 1.0) * other - np.log(one) - betaln(one, two), 0.0))).sum(axis=1)
        for one, two, end, other in (
            (first, second, logs[:, 0, :1], logs[:, 1, :1]),
            (second, first, logs[:, 1, -1:], logs[:, 0, -1:]),
        )
    )
    return _shortest(expit(z), z, density, left, right, (0.0, 1.0), level)


def ends_of_normals(
    mean: FloatArray, var: FloatArray, weight: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end (T,) of the interval with equal tails holding ``level`` of T mixtures of normals (T, J).

    Example:
        >>> one = np.ones((1, 1))
        >>> lower, upper = ends_of_normals(one, 4 * one, one, 0.95)
        >>> round(float(lower[0]), 2), round(float(upper[0]), 2)
        (-2.93, 4.93)
    """
    held = weight.max(axis=0) > HELD
    mean, weight, sd = mean[:, held], weight[:, held], np.sqrt(var[:, held])
    low, high = (mean - REACH * sd).min(axis=1), (mean + REACH * sd).max(axis=1)
    z = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, GRID)
    density = np.zeros_like(z)
    for part in range(mean.shape[1]):
        away = (z - mean[:, [part]]) / sd[:, [part]]
        density += weight[:, [part]] / sd[:, [part]] * np.exp(-0.5 * away**2)
    none = np.zeros(len(z))
    tail = 0.5 * (1.0 - level)
    below = _below(z, density, none, none)
    lower = np.array([np.interp(tail, below[row], z[row]) for row in range(len(z))])
    upper = np.array([np.interp(1.0 - tail, below[row], z[row]) for row in range(len(z))])
    return lower, upper


def _below(z: FloatArray, density: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
    """Probability below each point of the grid; ``left`` and ``right`` lie beyond it."""
    steps = 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(z, axis=1)
    below = left[:, None] + np.concatenate([np.zeros((len(z), 1)), np.cumsum(steps, axis=1)], axis=1)
    whole: FloatArray = below / (below[:, -1:] + right[:, None])
    return whole


def _shortest(
    at: FloatArray,
    z: FloatArray,
    density: FloatArray,
    left: FloatArray,
    right: FloatArray,
    ends: tuple[float, float],
    level: float,
) -> FloatArray:
    below = _below(z, density, left, right)
    tails = np.linspace(0.0, 1.0 - level, SPLITS)
    both = np.empty((2, len(z)))
    for row in range(len(z)):
        knots, values = np.r_[0.0, below[row], 1.0], np.r_[ends[0], at[row], ends[1]]
        starts, stops = np.interp(tails, knots, values), np.interp(tails + level, knots, values)
        best = int(np.argmin(stops - starts))
        both[:, row] = starts[best], stops[best]
    return both
