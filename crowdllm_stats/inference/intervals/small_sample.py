"""PPI for few human answers: Welch's t, and the two-phase regression estimator."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from ..checks import FloatArray
from .bounded import bounded_ends, feasible_range, floored_variance
from .classical import unanimity_note
from .ends import all_equal, one_sided, symmetric_ends
from .ppi import PAIRING, paired, weight_flags
from .sample import Core, Sample


def ppi_small(sample: Sample) -> Core:
    """PPI with Welch's t: ``V = s_r^2/n + s_f^2/N`` (ddof 1), degrees of freedom ``V^2 / (V_r^2/(n-1) + V_f^2/(N-1))``.

    On a bounded scale the residual variance gets the floor of :func:`floored_variance` and the ends stay on the scale.
    Lambda is 1 by definition, so at a twin correlation of 0.5 or less it is wider than Student's t, whatever n.
    """
    twins, _ = paired(sample, "ppi-small")
    crowd_mean, crowd_var = sample.crowd_moments
    residual = sample.human - twins
    centre = sample.mean(residual)
    estimate = centre + crowd_mean
    leverage = (sample.w**2).sum(axis=-1) * sample.remaining
    human_part = floored_variance(sample, sample.variance_of_mean(residual - centre[..., None]), leverage)
    variance, quantile = welch(sample, human_part, _crowd_part(sample, crowd_var), 1)
    half = quantile * np.sqrt(variance)
    flags = all_equal(sample)
    if sample.bounds is None:
        lower, upper = symmetric_ends(sample, estimate, half)
    else:
        least, most = feasible_range(sample)
        flags["the estimate fell off the scale and was moved to its end"] = (estimate < least) | (estimate > most)
        ends = np.clip(estimate - half, least, most), np.clip(estimate + half, least, most)
        estimate = np.clip(estimate, least, most)
        lower, upper = one_sided(sample, *ends, (least, most))
    why = (
        f"PPI with Welch's t quantile, for few answers. {PAIRING} Lambda is fixed at 1: where twins and humans "
        "correlate 0.5 or less it cannot be narrower than the human answers alone."
    )
    return Core(estimate, lower, upper, variance, np.ones(estimate.shape), why, flags)


def ppi_plus_small(sample: Sample) -> Core:
    """The two-phase regression estimator, ``ybar + b (mean(crowd) - fbar)``, with n - 2 degrees of freedom.

    ``b`` is the least-squares slope of humans on twins, clipped to [0, 1] (as PPI++ clips lambda);
    ``V = s_e^2 (1/n + (mean(crowd) - fbar)^2 / S_ff) + b^2 s_f^2 / N``, ``s_e^2`` with n - 2 degrees of freedom,
    Welch's degrees of freedom for the sum. For normal answers, N large and b unclipped this is exact at every n >= 3;
    clipping and Welch's approximation were checked by simulation (reports/inference/coverage.md). With bounds: the
    floor and the arcsine ends of 'classical-small'.

    Source: Cochran 1977, Sampling Techniques, section 12.6 (regression in double sampling).
    """
    twins, _ = paired(sample, "ppi++-small")
    crowd_mean, crowd_var = sample.crowd_moments
    shifted = twins - twins[..., :1]  # equal twins give exact zeros, whatever their size
    centre = sample.mean(shifted)
    return regression_core(
        sample,
        shifted - centre[..., None],
        centre + twins[..., 0],
        crowd_mean,
        crowd_var,
        f"Two-phase regression of humans on twins, n - 2 degrees of freedom, for few answers. {PAIRING}",
    )


def regression_core(
    sample: Sample,
    deviation: FloatArray,
    twin_mean: FloatArray,
    crowd_mean: FloatArray,
    crowd_var: FloatArray,
    why: str,
) -> Core:
    """Two-phase regression given the twins' deviations from their mean; shared with the cross-fitted version."""
    if sample.n < 3 or np.any(sample.groups < 3):
        raise ValueError(
            f"a slope and a level need at least 3 independent human answers; a problem has {int(sample.groups.min())} "
            "(use 'classical', or 'classical-small' with bounds)"
        )
    residual = sample.human - sample.human_mean[..., None]
    squares = sample.mean(deviation**2)
    flat = squares <= 0.0
    safe = np.where(flat, 1.0, squares)
    raw = np.where(flat, 0.0, sample.mean(deviation * residual) / safe)
    slope = np.clip(raw, 0.0, 1.0)
    gap = np.where(flat, 0.0, crowd_mean - twin_mean)
    estimate = sample.human_mean + slope * gap
    # weights of the single answers in the estimate: w_i (1 + d_i gap / S)
    share = sample.w * (1.0 + deviation * (gap / safe)[..., None])
    error = residual - slope[..., None] * deviation
    used = np.where(flat, 1.0, 2.0)
    spread = gap**2 / safe * (sample.w**2).sum(axis=-1) if sample.plain else None
    base = (sample.w**2).sum(axis=-1)
    if spread is not None:
        leverage = base * sample.remaining + spread
        human_part = leverage * np.einsum("...i,...i->...", error, error) / (sample.n - used)
    else:
        leverage = (share**2).sum(axis=-1)
        human_part = sample.groups / (sample.groups - used) * sample.sum_of_squares(share * error)
    human_part = floored_variance(sample, human_part, leverage)
    variance, quantile = welch(sample, human_part, slope**2 * _crowd_part(sample, crowd_var), used)
    flags = {**all_equal(sample), **weight_flags(deviation, raw)}
    if sample.bounds is None:
        lower, upper = symmetric_ends(sample, estimate, quantile * np.sqrt(variance))
    else:
        estimate, lower, upper, moved = bounded_ends(sample, estimate, variance, quantile, leverage)
        flags |= moved
        why += " The scale's bounds shape its ends." + unanimity_note(sample)
    return Core(estimate, lower, upper, variance, slope, why, flags)


def _crowd_part(sample: Sample, crowd_var: FloatArray) -> FloatArray:
    size = sample.n_digital
    return np.asarray(crowd_var * size / (size - 1) * sample.crowd_factor)


def welch(
    sample: Sample, human_part: FloatArray, crowd_part: FloatArray, fitted: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Sum of two variances and the t quantile at Welch's degrees of freedom (Welch 1947, Satterthwaite 1946)."""
    variance = human_part + crowd_part
    human_df = sample.groups - fitted
    share = np.divide(human_part, variance, out=np.ones(np.shape(variance)), where=variance > 0.0)
    freedom = 1.0 / (share**2 / human_df + (1.0 - share) ** 2 / (sample.n_digital - 1))
    return variance, np.asarray(stdtrit(freedom, sample.tail))
