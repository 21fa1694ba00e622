"""How far gaps are from 0 once the noise of their estimates is taken off, with the doubt about their spread kept."""

from __future__ import annotations

import numpy as np

from crowdllm_stats._base.checks import FloatArray

#: Fewest problems: the posterior of the spread needs them (flat prior on a standard deviation).
LEAST_PROBLEMS = 4
#: Values of the spread tried: over the whole half-line, then again where the posterior has its mass.
COARSE = 48
FINE = 96
#: Half the range of the second grid, in posterior standard deviations.
REACH = 6.0
#: A problem whose few answers agree still has noise: at least this share of the mean noise of all.
LEAST_NOISE = 0.1
#: Numbers handled at a time.
CELLS = 4_000_000


def noise_free_quantile(gap: FloatArray, noise: FloatArray, level: float) -> FloatArray:
    """The ``level`` quantile of the noise-free ``|D|`` of a new problem, for each row of problems.

    Model: ``gap_t = D_t + e_t``, ``D_t`` of mean m and standard deviation tau, ``Var e_t = noise_t``. Given tau, m
    is the weighted mean of the gaps and each gap is drawn to it, ``m + k_t f_t (gap_t - m)``, ``k_t^2 = tau^2 /
    (tau^2 + noise_t)``, which leaves their spread at tau; ``f_t^2 = 1 + (1 - k_t^2) Var(m) / tau^2`` puts back the
    doubt about m that drawing takes off. tau has its posterior under a flat prior and normal gaps (m integrated
    out, so that of restricted likelihood). Noise below a tenth of the row's mean noise counts as that. The quantile
    is that of all drawn gaps, each weighed by the posterior, at ``level (P + 1) / P``: without noise it is the
    ``ceil((P + 1) level)``-th smallest gap, whatever their law.

    Args:
        gap: shape (rows, P), P at least 4 where there is noise.
        noise: variance of each gap about its noise-free value, same shape.
        level: probability in (0, 1).

    Returns:
        Shape (rows,), in units of the gaps; the largest drawn gap where P is too small for the level.

    Raises:
        ValueError: on fewer than 4 problems with noise.

    Source: the flat prior on the standard deviation of random effects: Gelman 2006, Bayesian Analysis 1.

    Example:
        >>> noise_free_quantile(np.array([[3.0, 1.0, 2.0, 5.0]]), np.zeros((1, 4)), 0.6)
        array([3.])
    """
    if gap.shape[-1] < LEAST_PROBLEMS and noise.any():
        raise ValueError(f"gap has {gap.shape[-1]} problems a row; at least {LEAST_PROBLEMS} tell their spread")
    noise = np.maximum(noise, LEAST_NOISE * noise.mean(axis=1, keepdims=True))
    step = max(1, CELLS // (FINE * gap.shape[1]))
    rows = [_quantile(gap[at : at + step], noise[at : at + step], level) for at in range(0, len(gap), step)]
    return np.concatenate(rows)


def _quantile(gap: FloatArray, noise: FloatArray, level: float) -> FloatArray:
    size = np.maximum(gap.var(axis=1, ddof=1), noise.mean(axis=1))
    scale = np.sqrt(np.where(size > 0.0, size, 1.0))[:, None]
    place = np.broadcast_to((np.arange(COARSE) + 0.5) / COARSE, (len(gap), COARSE))
    weight = _posterior(place, scale, gap, noise)
    middle = np.sum(weight * place, axis=1)
    reach = REACH * np.sqrt(np.sum(weight * (place - middle[:, None]) ** 2, axis=1) + 1.0 / (12.0 * COARSE**2))
    low, high = np.maximum(middle - reach, 0.0)[:, None], np.minimum(middle + reach, 1.0)[:, None]
    place = low + (high - low) * (np.arange(FINE) + 0.5) / FINE
    weight = _posterior(place, scale, gap, noise)
    spread, total, centre, mean_var = _pieces(place, scale, gap, noise)
    kept = spread**2 / total
    drawn = np.sqrt(kept * (1.0 + (1.0 - kept) * mean_var / spread**2)) * (gap[:, None, :] - centre)
    sizes = np.abs(centre + drawn).reshape(len(gap), -1)
    shares = np.repeat(weight, gap.shape[1], axis=1) / gap.shape[1]
    order = np.argsort(sizes, axis=1)
    reached = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
    wanted = min(level * (gap.shape[1] + 1.0) / gap.shape[1], 1.0) - 1e-9
    last = np.argmax(reached >= wanted, axis=1)[:, None]
    return np.asarray(np.take_along_axis(sizes, np.take_along_axis(order, last, axis=1), axis=1)[:, 0])


def _pieces(
    place: FloatArray, scale: FloatArray, gap: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """tau, ``tau^2 + noise``, m and its variance; shapes (rows, grid, 1 or P). tau is ``scale place/(1 - place)``."""
    spread = (scale * place / (1.0 - place))[:, :, None]
    total = spread**2 + noise[:, None, :]
    precision = np.sum(1.0 / total, axis=2, keepdims=True)
    centre = np.sum(gap[:, None, :] / total, axis=2, keepdims=True) / precision
    return spread, total, centre, 1.0 / precision


def _posterior(place: FloatArray, scale: FloatArray, gap: FloatArray, noise: FloatArray) -> FloatArray:
    """Posterior weights of the grid of tau, shape (rows, grid), summing to 1 a row."""
    _, total, centre, mean_var = _pieces(place, scale, gap, noise)
    squares = np.sum((gap[:, None, :] - centre) ** 2 / total, axis=2)
    log = 0.5 * (np.log(mean_var[:, :, 0]) - np.log(total).sum(axis=2) - squares) - 2.0 * np.log1p(-place)
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
