"""Prediction-powered intervals as their authors give them: PPI and PPI++ for a mean (equal to ``ppi_py``)."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.ends import all_equal, symmetric_ends
from crowdllm_stats.inference.intervals.sample import Core, Flags, Sample

PAIRING = (
    "It needs each human's twin, made by a generator that never saw these humans' answers, labelled humans who are a "
    "random sample of the population that the crowd stands for, and none of them among the crowd."
)


def ppi(sample: Sample) -> Core:
    """PPI: ``mean(crowd) + mean(y - f)  +-  z sqrt(var(crowd)/N + var(y - f)/n)``, variances with ddof 0.

    Source: Angelopoulos et al. 2023, Science 382; as ``ppi_py.ppi_mean_ci(lam=1)``.
    """
    twins, _ = sample.pair
    lam = np.ones(sample.human.shape[:-1])
    why = f"PPI with the normal quantile. {PAIRING} The normal quantile covers too rarely below about 50 answers."
    return _lam_interval(sample, twins, lam, why, {})


def ppi_plus(sample: Sample) -> Core:
    """PPI++: PPI with weight ``lambda = cov(y, f) / ((1 + n/N) var(f, crowd))`` on the digital answers, clipped to
    [0, 1].

    Covariance with ddof 0, the variance over twins and crowd together with ddof 1, as ``ppi_py`` has them.
    Source: Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453; as ``ppi_py.ppi_mean_ci(lam=None)`` (two-sided there,
    whatever ``alternative`` says; here ``alternative`` is kept).
    """
    twins, _ = sample.pair
    lam, flags = tuned_lam(sample, twins)
    why = (
        f"PPI++ with the normal quantile, lambda estimated from the same answers. {PAIRING} The normal quantile covers "
        "too rarely below about 50 answers."
    )
    return _lam_interval(sample, twins, lam, why, flags)


def tuned_lam(sample: Sample, twins: FloatArray) -> tuple[FloatArray, Flags]:
    """The PPI++ weight of the digital answers and the flags that explain a weight of 0.

    ``lambda = cov(y, f) / ((1 + n/N) var(f, crowd))``, clipped to [0, 1]; 0 where twins and crowd are all equal.

    Args:
        sample: with a crowd.
        twins: shape (..., n).

    Returns:
        Weights of batch shape, and sentence -> mask of batch shape.
    """
    n, size = sample.n, sample.n_digital
    residual = sample.human - sample.human_mean[..., None]
    centre = sample.mean(twins)
    covariance = sample.mean(residual * (twins - centre[..., None]))
    crowd_mean, crowd_var = sample.crowd_moments
    spread = n * sample.mean((twins - centre[..., None]) ** 2) + size * crowd_var
    spread = (spread + n * size / (n + size) * (centre - crowd_mean) ** 2) / (n + size - 1)
    flat = spread <= 0.0
    raw = np.where(flat, 0.0, sample.crowd_shrinkage * covariance / np.where(flat, 1.0, spread))
    return np.clip(raw, 0.0, 1.0), weight_flags(twins, raw)


def weight_flags(twins: FloatArray, raw: FloatArray) -> Flags:
    """Why the digital answers got no weight: equal twins, or twins that do not rise with their humans.

    Args:
        twins: shape (..., n); deviations from any centre will do.
        raw: the weight before clipping, batch shape.

    Returns:
        Sentence -> mask of batch shape.

    Example:
        >>> flags = weight_flags(np.array([[3.0, 3.0], [1.0, 2.0], [2.0, 1.0]]), np.array([0.0, 0.7, -0.7]))
        >>> [mask.tolist() for mask in flags.values()]
        [[True, False, False], [False, False, True]]
    """
    equal = np.all(twins == twins[..., :1], axis=-1)
    return {
        "lambda 0: the twins are all equal and cannot distinguish people": equal,
        "lambda 0: the twins do not rise with their humans": ~equal & (raw <= 0.0),
    }


def _lam_interval(sample: Sample, twins: FloatArray, lam: FloatArray, why: str, flags: Flags) -> Core:
    crowd_mean, crowd_var = sample.crowd_moments
    rectifier = sample.human - lam[..., None] * twins
    centre = sample.mean(rectifier)
    estimate = centre + lam * crowd_mean
    # ddof 0, as published: the mean over the labelled, not over n - 1
    weighted = sample.w * (rectifier - centre[..., None])
    human_part = sample.sum_of_squares(weighted) * sample.remaining
    crowd_part = lam**2 * crowd_var * sample.crowd_factor
    variance = human_part + crowd_part
    lower, upper = symmetric_ends(sample, estimate, ndtri(sample.tail) * np.sqrt(variance))
    return Core(
        estimate,
        lower,
        upper,
        variance,
        lam,
        why,
        {**all_equal(sample), **flags},
        comparable=comparable_variance(sample, weighted, crowd_part),
    )


def comparable_variance(sample: Sample, weighted: FloatArray, crowd_part: FloatArray) -> FloatArray:
    """The variance with ddof 1 in both parts, as the human mean's: ``s^2/n + c N/(N-1)``.

    Args:
        sample: the people.
        weighted: their weighted residuals, shape (..., n).
        crowd_part: the crowd's part of the variance with ddof 0, batch shape.
    """
    size = sample.n_digital
    return np.asarray(sample.variance_of_mean(weighted) * sample.remaining + crowd_part * (size / (size - 1.0)))
