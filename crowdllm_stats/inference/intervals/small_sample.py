"""PPI for few human answers: a t quantile for two variances, and the two-phase regression estimator."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.classical import LEVELS_WITH_TWINS, unanimity_note
from crowdllm_stats.inference.intervals.ends import all_equal, half_answer_ends, symmetric_ends
from crowdllm_stats.inference.intervals.ppi import PAIRING, weight_flags
from crowdllm_stats.inference.intervals.sample import Core, Sample

#: Deviations of twins below this share of their size are rounding.
ROUNDING = 1e-12


def ppi_small(sample: Sample) -> Core:
    """PPI with a t quantile: ``V = s_r^2/n + s_f^2/N`` (ddof 1), degrees of freedom of :func:`two_part_quantile`.

    On a bounded scale the ends are those of :func:`half_answer_ends`. Lambda is 1 by definition, so where the slope
    of humans on twins is 0.5 or less (at equal spread: a correlation of 0.5) it is wider than the human answers alone,
    whatever n.
    """
    twins, _ = sample.pair
    crowd_mean, crowd_var = sample.crowd_moments
    residual = sample.human - twins
    centre = sample.mean(residual)
    estimate = centre + crowd_mean
    leverage = sample.remaining / sample.units
    human_part = sample.variance_of_mean(sample.w * (residual - centre[..., None])) * sample.remaining
    crowd_part = _crowd_part(sample, crowd_var)
    variance = human_part + crowd_part
    quantile = two_part_quantile(sample, human_part, crowd_part, 1)
    flags = all_equal(sample)
    if sample.bounds is None:
        lower, upper = symmetric_ends(sample, estimate, quantile * np.sqrt(variance))
    else:
        widen = _widened(sample, quantile)
        estimate, lower, upper, moved = half_answer_ends(sample, estimate, variance, leverage, widen)
        flags |= moved
    why = (
        f"PPI with a t quantile, for few answers. {PAIRING} Lambda is fixed at 1: where humans rise with "
        "their twins by a slope of 0.5 or less it cannot be narrower than the human answers alone."
    )
    return Core(estimate, lower, upper, variance, np.ones(estimate.shape), why, flags)


def ppi_plus_small(sample: Sample) -> Core:
    """The two-phase regression estimator, ``ybar + b (mean(crowd) - fbar)``, with n - 2 degrees of freedom.

    ``b`` is the least-squares slope of humans on twins times ``1 / (1 + n/N)`` (PPI++'s price of a small crowd),
    clipped to [0, 1];
    ``V = s_e^2 (1/n + (mean(crowd) - fbar)^2 / S_ff) + b^2 s_f^2 / N``, ``s_e^2`` with n - 2 degrees of freedom. For
    normal answers, N large and b unclipped this is exact at every n >= 3; the rest was checked by simulation
    (reports/inference/coverage.md). With bounds: the ends of :func:`half_answer_ends`, and n - 2 degrees of freedom for
    the whole; without: those of :func:`two_part_quantile`.

    Source: Cochran 1977, Sampling Techniques, section 12.6 (regression in double sampling).
    """
    twins, _ = sample.pair
    crowd_mean, crowd_var = sample.crowd_moments
    shifted = twins - twins[..., :1]  # equal twins give exact zeros, whatever their size
    centre = sample.mean(shifted)
    return regression_core(
        sample,
        shifted - centre[..., None],
        np.abs(twins).max(axis=-1),
        centre + twins[..., 0],
        crowd_mean,
        crowd_var,
        f"Two-phase regression of humans on twins, n - 2 degrees of freedom, for few answers. {PAIRING}",
    )


def regression_core(
    sample: Sample,
    deviation: FloatArray,
    largest: FloatArray,
    twin_mean: FloatArray,
    crowd_mean: FloatArray,
    crowd_var: FloatArray,
    why: str,
) -> Core:
    """Two-phase regression given the twins' deviations from their mean; shared with the cross-fitted version.

    Args:
        sample: the people.
        deviation: of each twin from the twins' mean (with folds: that of its fold), shape (..., n).
        largest: size of the digital answers that the deviations are differences of, batch shape: deviations of this
            size times 1e-12 or less are rounding, and count as 0.
        twin_mean: batch shape.
        crowd_mean: batch shape.
        crowd_var: variance of one digital answer, batch shape.
        why: the method in one or two sentences.
    """
    residual = sample.human - sample.human_mean[..., None]
    squares = sample.mean(deviation**2)
    flat = squares <= (ROUNDING * largest) ** 2
    deviation = np.where(flat[..., None], 0.0, deviation)
    safe = np.where(flat, 1.0, squares)
    shrink = sample.crowd_shrinkage
    raw = np.where(flat, 0.0, shrink * sample.mean(deviation * residual) / safe)
    slope = np.clip(raw, 0.0, 1.0)
    gap = np.where(flat, 0.0, crowd_mean - twin_mean)
    estimate = sample.human_mean + slope * gap
    gap = shrink * gap
    # weights of the single answers in the estimate: w_i (1 + shrink d_i gap / S)
    share = sample.w * (1.0 + deviation * (gap / safe)[..., None])
    error = residual - slope[..., None] * deviation
    used = np.where(flat, 1.0, 2.0)
    if sample.plain:
        leverage = sample.remaining / sample.n + gap**2 / (sample.n * safe)
        human_part = leverage * np.einsum("...i,...i->...", error, error) / (sample.n - used)
    else:
        leverage = sample.sum_of_squares(share)
        freed = (sample.units - 1.0) / (sample.units - used)
        human_part = freed * sample.variance_of_mean(share * error)
    crowd_part = slope**2 * _crowd_part(sample, crowd_var)
    variance = human_part + crowd_part
    flags = {**all_equal(sample), **weight_flags(deviation, raw)}
    if sample.bounds is None:
        quantile = two_part_quantile(sample, human_part, crowd_part, used)
        lower, upper = symmetric_ends(sample, estimate, quantile * np.sqrt(variance))
    else:
        quantile = np.asarray(stdtrit(np.minimum(sample.units - used, sample.n_digital - 1.0), sample.tail))
        widen = _widened(sample, quantile)
        estimate, lower, upper, moved = half_answer_ends(sample, estimate, variance, leverage, widen)
        flags |= moved
        why += f" Half an unseen answer at each end of the scale shapes its ends. {LEVELS_WITH_TWINS}"
        why += unanimity_note(sample)
    return Core(estimate, lower, upper, variance, slope, why, flags)


def _crowd_part(sample: Sample, crowd_var: FloatArray) -> FloatArray:
    size = sample.n_digital
    return np.asarray(crowd_var * size / (size - 1) * sample.crowd_factor)


def _widened(sample: Sample, quantile: FloatArray) -> FloatArray:
    """What the variance is multiplied by where ``quantile`` stands for fewer degrees of freedom than people less 1."""
    usual = stdtrit(sample.units - 1.0, sample.tail)  # 0 at a level below rounding
    return np.asarray(np.divide(quantile, usual, out=np.ones(np.shape(quantile)), where=usual > 0.0) ** 2)


def two_part_quantile(
    sample: Sample, human_part: FloatArray, crowd_part: FloatArray, fitted: FloatArray | float
) -> FloatArray:
    """t quantile for a sum of two estimated variances, ``1/df = share/(n - fitted) + (1 - share)/(N - 1)``.

    ``share`` is the humans' part of the variance. Welch's rule squares the two shares; at 5 to 8 answers that is too
    daring, the unsquared shares keep the level (``tests/inference/intervals/test_statistical.py`` shows both).
    """
    variance = human_part + crowd_part
    share = np.divide(human_part, variance, out=np.ones(np.shape(variance)), where=variance > 0.0)
    freedom = 1.0 / (share / (sample.units - fitted) + (1.0 - share) / (sample.n_digital - 1))
    return np.asarray(stdtrit(freedom, sample.tail))
