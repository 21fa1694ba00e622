"""How the variance of one human answer depends on a problem's predicted mean, smoothed over problems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crowdllm_stats.inference.checks import FloatArray

#: Prior standard deviation of the slope and of the curvature, on the log scale and per standard deviation of the mean.
SHAPE_SD = 0.5
#: Beyond this many standard deviations the curve is held flat: no extrapolation of a fitted parabola.
FLAT_BEYOND = 3.0


@dataclass(frozen=True)
class VarianceFunction:
    """A fitted curve ``v(mu) = shape(mu) * exp(a + b z + c (z^2 - 1) / sqrt(2))``, ``z = (mu - center) / scale``.

    ``shape(mu)`` is ``(mu - low) * (high - mu)`` on a bounded scale and 1 otherwise; ``coefficients`` are a, b, c
    and ``covariance`` is their (3, 3) sampling covariance.
    """

    coefficients: FloatArray
    covariance: FloatArray
    center: float
    scale: float
    bounds: tuple[float, float] | None

    def value(self, mean: FloatArray) -> FloatArray:
        """The variance of one answer where the mean is ``mean``, same shape as ``mean``."""
        curve: FloatArray = np.exp(_log_shape(mean, self.bounds) + self._design(mean) @ self.coefficients)
        return curve

    def relative_variance(self, mean: FloatArray) -> FloatArray:
        """Squared relative standard error of :meth:`value`, same shape as ``mean``."""
        design = self._design(mean)
        spread: FloatArray = np.einsum("...i,ij,...j->...", design, self.covariance, design)
        return spread

    def _design(self, mean: FloatArray) -> FloatArray:
        return _curve_design(mean, self.center, self.scale)


def fit_variance_function(
    mean: FloatArray, variance: FloatArray, degrees: FloatArray, bounds: tuple[float, float] | None
) -> VarianceFunction:
    """Smooth sample variances over problems.

    Penalised gamma quasi-likelihood: each sample variance has expectation ``v(mean)`` and, up to one common
    dispersion factor of at least 1 (estimated), variance ``2 v^2 / degrees``. Slope and curvature of ``log v`` get
    normal priors of mean 0 and standard deviation 0.5, so that few problems give a flat curve (in units of
    ``(mean - low)(high - mean)`` on a bounded scale) and many problems give whatever curve they show.

    Args:
        mean: (T,) predicted means, strictly inside the bounds.
        variance: (T,) sample variances of single answers; the value does not matter where ``degrees`` is 0.
        degrees: (T,) degrees of freedom of each, n - 1.
        bounds: ends of the scale, or None.

    Raises:
        ValueError: if all variances are zero, or no problem has two answers.

    Example:
        >>> curve = fit_variance_function(np.arange(9.0), np.full(9, 4.0), np.full(9, 2.0), None)
        >>> np.round(curve.value(np.array([0.0, 8.0])), 2)
        array([4., 4.])
    """
    half = 0.5 * degrees
    offset = _log_shape(mean, bounds)
    total = float(half @ variance)
    if not total > 0.0:
        raise ValueError(
            "human_var is zero in (nearly) every problem with two answers or more, so the spread of single answers "
            "cannot be learned; pass the sample variance of single answers (ddof 1) and more problems"
        )
    center, scale = float(mean.mean()), float(mean.std())
    design = _curve_design(mean, center, scale)
    penalty = np.diag([0.0, SHAPE_SD**-2, SHAPE_SD**-2])
    coefficients = np.array([np.log(total / float(half @ np.exp(offset))), 0.0, 0.0])
    information = (design * half[:, None]).T @ design + penalty
    for _ in range(100):  # Fisher scoring: the information does not change with the coefficients
        ratio = variance * np.exp(-offset - design @ coefficients)
        step = np.linalg.solve(information, design.T @ (half * (ratio - 1.0)) - penalty @ coefficients)
        coefficients = coefficients + np.clip(step, -1.0, 1.0)
        if float(np.abs(step).max()) < 1e-9:
            break
    ratio = variance * np.exp(-offset - design @ coefficients)
    used = half > 0.0
    dispersion = max(1.0, float(np.mean(half[used] * (ratio[used] - 1.0) ** 2)))
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64) * dispersion
    return VarianceFunction(coefficients, covariance, center, scale, bounds)


def _log_shape(mean: FloatArray, bounds: tuple[float, float] | None) -> FloatArray:
    if bounds is None:
        return np.zeros_like(mean)
    shape: FloatArray = np.log((mean - bounds[0]) * (bounds[1] - mean))
    return shape


def _curve_design(mean: FloatArray, center: float, scale: float) -> FloatArray:
    if scale <= 1e-12 * max(1.0, abs(center)):  # every problem has the same predicted mean: no curve to fit
        z = np.zeros_like(mean)
    else:
        z = np.clip((mean - center) / scale, -FLAT_BEYOND, FLAT_BEYOND)
    return np.stack([np.ones_like(z), z, (z * z - 1.0) / np.sqrt(2.0)], axis=-1)
