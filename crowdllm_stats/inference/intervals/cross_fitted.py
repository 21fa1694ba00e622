"""PPI where the twins come from a generator trained on these very humans, by cross-fitting."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.ends import all_equal, symmetric_ends
from crowdllm_stats.inference.intervals.ppi import comparable_variance
from crowdllm_stats.inference.intervals.sample import Core, Sample, row_moments
from crowdllm_stats.inference.intervals.small_sample import regression_core

CROSS = (
    "Each human's twin must come from a generator trained without that human's fold, and row k of the crowd from the "
    "generator trained without fold k; the humans are a random sample of the crowd's population."
)


def _folded(sample: Sample) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Twins, their own models' crowd means, and the mean and variance over the crowd of the averaged answers."""
    twins, crowd = sample.pair
    assert sample.folds is not None  # the method's needs were checked; tells the type checker
    count = crowd.shape[-2]
    share = (sample.w[..., None] * (sample.folds[..., None] == np.arange(count))).sum(axis=-2)
    fold_mean = crowd.mean(axis=-1)
    own = np.take_along_axis(fold_mean, sample.folds, axis=-1)
    average = np.einsum("...k,...kj->...j", share, crowd)
    crowd_mean, crowd_var = row_moments(average)
    return twins, own, crowd_mean, crowd_var


def cross_fitted(sample: Sample) -> Core:
    """Cross-prediction, ``mean over crowd and folds + mean(y_i - f_i)`` with the normal quantile.

    ``V = var(r)/n + var_j(fbar_j)/N`` (ddof 0), ``fbar_j`` the crowd member's answer averaged over the folds' models
    with the folds' shares of people. Source: Zrnic and Candes 2024, PNAS 121 (cross-prediction-powered inference),
    with the plug-in variance in place of their bootstrap.
    """
    twins, _, crowd_mean, crowd_var = _folded(sample)
    residual = sample.human - twins
    centre = sample.mean(residual)
    estimate = crowd_mean + centre
    weighted = sample.w * (residual - centre[..., None])
    human_part = sample.sum_of_squares(weighted) * sample.remaining
    crowd_part = crowd_var * sample.crowd_factor
    variance = human_part + crowd_part
    lower, upper = symmetric_ends(sample, estimate, ndtri(sample.tail) * np.sqrt(variance))
    why = f"Cross-fitted PPI with the normal quantile, which covers too rarely below about 50 answers. {CROSS}"
    comparable = comparable_variance(sample, weighted, crowd_part)
    return Core(
        estimate, lower, upper, variance, np.ones(estimate.shape), why, all_equal(sample), comparable=comparable
    )


def cross_fitted_small(sample: Sample) -> Core:
    """Cross-fitted two-phase regression: each twin is centred at its own model's crowd mean, then as 'ppi++-small'.

    ``x_i = f_i - mean_j f_{k(i)}(j)`` removes what the folds' models differ in level (which the plain cross-fitted
    residuals carry as noise); the estimate is ``ybar - b xbar``, ``b`` the slope of y on x clipped to [0, 1], n - 2
    degrees of freedom.
    """
    twins, own, _, crowd_var = _folded(sample)
    offset = twins - own
    shifted = offset - offset[..., :1]
    centre = sample.mean(shifted)
    return regression_core(
        sample,
        shifted - centre[..., None],
        np.maximum(np.abs(twins), np.abs(own)).max(axis=-1),
        centre + offset[..., 0],
        np.zeros(centre.shape),
        crowd_var,
        f"Cross-fitted two-phase regression, n - 2 degrees of freedom, for few answers. {CROSS}",
    )
