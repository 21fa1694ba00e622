"""How much single answers spread in each problem: a curve over problems, and the problem's own variance beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from crowdllm_stats._base.checks import FloatArray

#: Prior standard deviation of the slope and of the curvature, on the log scale and per standard deviation of the mean.
SHAPE_SD = 0.5
#: Beyond this many standard deviations the curve is held flat: no extrapolation of a fitted parabola.
FLAT_BEYOND = 3.0
#: The curve stays within this factor of the pooled level, on a bounded scale (whose shape already follows the mean) and
#: without bounds: few problems show too little for more.
BOUNDED_FACTOR = 3.0
FREE_FACTOR = 10.0
#: On a bounded scale the pooled level is shrunk to that of answers at the two ends by as many degrees of freedom.
PSEUDO_DEGREES = 2.0
#: Prior precisions of the coefficients; nearly none for the level.
PENALTY: FloatArray = np.array([1e-3, SHAPE_SD**-2, SHAPE_SD**-2])


@dataclass(frozen=True)
class VarianceFunction:
    """A fitted curve ``v(mu) = shape(mu) * exp(a + b z + c (z^2 - 1) / sqrt(2))``, ``z = (mu - center) / scale``.

    ``shape(mu)`` is ``(mu - low) * (high - mu)`` on a bounded scale and 1 otherwise; ``coefficients`` are a, b, c
    and ``covariance`` is their (3, 3) sampling covariance. The curve is held within a factor 3 (without bounds 10) of
    ``exp(pooled) * shape(mu)``, and on a bounded scale below ``shape(mu)``, the variance of answers at the two ends;
    without ``pooled`` there are no limits.
    """

    coefficients: FloatArray
    covariance: FloatArray
    center: float
    scale: float
    bounds: tuple[float, float] | None
    pooled: float | None = None

    def value(self, mean: FloatArray) -> FloatArray:
        """The variance of one answer where the mean is ``mean``, same shape as ``mean``."""
        relative = np.clip(self._design(mean) @ self.coefficients, *self._limits())
        curve: FloatArray = np.exp(_log_shape(mean, self.bounds) + relative)
        return curve

    def held(self, mean: FloatArray) -> FloatArray:
        """1 where the fitted curve lay below its lower limit and was raised to it, else 0; same shape as ``mean``."""
        return np.asarray(self._design(mean) @ self.coefficients < self._limits()[0], dtype=np.float64)

    def _limits(self) -> tuple[float, float]:
        if self.pooled is None:
            return -np.inf, np.inf
        reach = np.log(FREE_FACTOR if self.bounds is None else BOUNDED_FACTOR)
        highest = self.pooled + reach
        return float(self.pooled - reach), float(highest if self.bounds is None else min(highest, 0.0))

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
    ``(mean - low)(high - mean)`` on a bounded scale) and many problems give the curve they show, within the limits of
    :class:`VarianceFunction`. On a bounded scale the pooled level is that of the sample variances and 2 further degrees
    of freedom of answers at the two ends, so it never falls to 0.

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
            "human_var is zero in every problem with two answers or more, so the spread of single answers cannot be "
            "learned; pass the sample variance of single answers (ddof 1) and more problems"
        )
    room = float(half @ np.exp(offset))
    extra = 0.0 if bounds is None else 0.5 * PSEUDO_DEGREES * room / float(half.sum())
    pooled = float(np.log((total + extra) / (room + extra)))
    center, scale = float(mean.mean()), float(mean.std())
    design = _curve_design(mean, center, scale)
    ratio = variance * np.exp(-offset - pooled)
    dispersion = _dispersion(ratio, half)
    coefficients, ratio = _penalised(design, ratio, half / dispersion)
    dispersion = _dispersion(ratio, half)
    information = (design * (half / dispersion)[:, None]).T @ design + np.diag(PENALTY)
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    coefficients[0] += pooled
    return VarianceFunction(coefficients, covariance, center, scale, bounds, pooled)


def _dispersion(ratio: FloatArray, half: FloatArray) -> float:
    """How much more the sample variances scatter than those of normal answers, at least 1."""
    used = half > 0.0
    return max(1.0, float(np.mean(half[used] * (ratio[used] - 1.0) ** 2)))


def _penalised(design: FloatArray, ratio: FloatArray, half: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients (3,) at the least penalised deviance ``half (eta + ratio exp(-eta))``, and the ratios left (T,).

    The deviance is convex, so Newton's steps, halved until they do not rise, end at its minimum.
    """

    def loss(at: FloatArray) -> float:
        eta = design @ at
        return float(half @ (eta + ratio * np.exp(np.minimum(-eta, 700.0)))) + 0.5 * float(PENALTY @ at**2)

    coefficients, left = np.zeros(3), ratio
    value = loss(coefficients)
    for _ in range(100):
        slope = design.T @ (half * (1.0 - left)) + PENALTY * coefficients
        step = np.linalg.solve((design * (half * left)[:, None]).T @ design + np.diag(PENALTY), slope)
        share, trial = 1.0, loss(coefficients - step)
        while trial > value and share > 1e-6:
            share *= 0.5
            trial = loss(coefficients - share * step)
        coefficients, value = coefficients - share * step, trial
        left = ratio * np.exp(-(design @ coefficients))
        if float(np.abs(step).max()) < 1e-9:
            break
    return coefficients, left


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


#: Log ratios of a problem's variance to the curve's that are thought possible.
RATIOS: FloatArray = np.linspace(-2.0, 2.0, 11)
#: Before any data the log ratios are normal with this standard deviation; that counts as so many problems.
RATIO_SD = 0.4
RATIO_PROBLEMS = 4.0
#: Smallest dispersion on a bounded scale: a standard deviation of at most 1.6% of the scale.
LEAST = 1e-3
ROUNDS = 40
#: Without bounds: degrees of freedom at the curve's level that count beside a problem's own, for few answers
#: of an uneven distribution (yes/no, say) may well be equal.
SPARE_DEGREES = 2.0


@dataclass(frozen=True)
class Dispersion:
    """Values ``value`` (T, F) that a problem's spread may have, with posterior ``weight`` (T, F), adding up to 1.

    On a bounded scale ``value`` is the dispersion phi in (0, 1]: one answer has variance ``phi (theta - low)(high -
    theta)``. Without bounds it is the variance of one answer.
    """

    value: FloatArray
    weight: FloatArray

    @property
    def mean(self) -> FloatArray:
        """(T,) posterior mean."""
        average: FloatArray = np.sum(self.value * self.weight, axis=1)
        return average


def bounded_dispersion(share: FloatArray, var: FloatArray, count: FloatArray, place: FloatArray) -> Dispersion:
    """Dispersion of T problems whose answers lie between 0 and 1.

    ``r = (n - 1) s^2 / (n y (1 - y))`` is 1 for answers 0 and 1 alone, whatever the share. Its mean is about
    ``phi (n - 1) / (n - phi)``, so ``n r / (n - 1 + r)`` estimates phi. A curve over ``place`` is fitted to these; the
    log ratio of a problem's phi to the curve has a prior learned from all problems (:func:`ratio_weights`) and the
    likelihood of its own ``r``. If ``r`` is 1 in all problems, answers are taken as yes or no and phi as 1; so it is
    where every problem is unanimous at an end, which says nothing about phi.

    Args:
        share, var, count: (T,) mean, sample variance (ddof 1) and number of the answers.
        place: (T,) logit of the predicted mean.

    Example:
        >>> share = np.array([0.0, 0.25, 0.5, 0.25])
        >>> bounded_dispersion(share, share * (1 - share) * 4 / 3, np.full(4, 4.0), np.zeros(4)).mean.tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    room = share * (1.0 - share)
    seen = (room > 1e-12) & (count > 1.0)
    count = np.maximum(count, 2.0)  # one answer has no spread: it is not seen, and the formulas below stay finite
    ratio = np.clip((count - 1.0) * var / np.where(seen, count * room, 1.0), 0.0, 1.0)
    if np.all(ratio[seen] > 1.0 - 1e-9):
        return Dispersion(np.ones((len(share), 1)), np.ones((len(share), 1)))
    own = np.where(seen, count * ratio / (count - 1.0 + ratio), 0.0)
    spare = np.where(seen, count - 1.0, 0.0)
    pooled = float((spare @ own + PSEUDO_DEGREES) / (spare.sum() + PSEUDO_DEGREES))
    degrees = np.where(seen, _degrees(np.asarray(pooled), room, count), 0.0)
    # One more problem in the middle, of answers at the two ends: the curve never falls to 0.
    places, levels = np.append(place, place.mean()), np.append(own, 1.0)
    curve = fit_variance_function(places, levels, np.append(degrees, PSEUDO_DEGREES), None)
    phi = np.clip(np.clip(curve.value(place), LEAST, 1.0)[:, None] * np.exp(RATIOS), LEAST, 1.0)
    told = _bounded_likelihood(ratio[:, None], phi, room[:, None], count[:, None])
    return Dispersion(phi, ratio_weights(told, seen, curve.relative_variance(place)))


def free_dispersion(center: FloatArray, error: FloatArray, var: FloatArray, degrees: FloatArray) -> Dispersion:
    """Variance of one answer in T problems, without bounds: sample variances as those of normal answers.

    Two further degrees of freedom at the curve's level count beside a problem's own, so that answers which happen to be
    equal do not stand for no spread.

    Args:
        center, error: (T,) the curve's variance and its squared relative standard error.
        var, degrees: (T,) sample variances and their degrees of freedom; 0 degrees: nothing is known.
    """
    value = center[:, None] * np.exp(RATIOS)
    square = degrees * var + SPARE_DEGREES * center
    log = -0.5 * ((degrees + SPARE_DEGREES)[:, None] * np.log(value) + square[:, None] / value)
    return Dispersion(value, ratio_weights(np.exp(log - log.max(axis=1, keepdims=True)), degrees > 0.0, error))


def ratio_weights(likelihood: FloatArray, seen: NDArray[np.bool_], error: FloatArray) -> FloatArray:
    """Posterior weights (T, 11) of the log ratios ``RATIOS``.

    Their prior is a distribution over the 11 values that all problems have in common, of maximal likelihood (EM
    steps) given 4 further problems of a normal distribution of standard deviation 0.4. A problem's own prior is wider
    by the curve's own ``error`` (squared, relative).

    Args:
        likelihood: (T, 11), up to a factor for each problem.
        seen: (T,) whether the problem says anything.
        error: (T,).
    """
    bell = np.exp(-0.5 * RATIOS**2 / (RATIO_SD**2 + error[:, None]))
    bell = bell / bell.sum(axis=1, keepdims=True)
    told = np.where(seen[:, None], likelihood, 1.0)
    common = bell.mean(axis=0)
    for _ in range(ROUNDS):
        weight = common * told
        weight = weight / weight.sum(axis=1, keepdims=True)
        common = weight[seen].sum(axis=0) + RATIO_PROBLEMS * bell.mean(axis=0)
        common = common / common.sum()
    learned = seen.sum() / (seen.sum() + RATIO_PROBLEMS)
    weight = (learned * common + (1.0 - learned) * bell) * told
    posterior: FloatArray = weight / weight.sum(axis=1, keepdims=True)
    return posterior


def _degrees(phi: FloatArray, room: FloatArray, count: FloatArray) -> FloatArray:
    """Degrees of freedom of a sample variance whose answers have a binomial share's kurtosis ``phi (1 - 6 q) / q``."""
    kurtosis = np.maximum(phi * (1.0 - 6.0 * room) / np.maximum(room, 1e-9), -1.0)
    degrees: FloatArray = (count - 1.0) / (1.0 + 0.5 * kurtosis * (count - 1.0) / count)
    return degrees


def _bounded_likelihood(ratio: FloatArray, phi: FloatArray, room: FloatArray, count: FloatArray) -> FloatArray:
    """Likelihood of ``r`` given phi: the Beta that has its mean and, for small phi, its relative variance."""
    mean = phi * (count - 1.0) / (count - phi)
    spare = np.maximum(1.0 - mean, 1e-4)
    precision = 0.5 * _degrees(phi, room, count) * spare / mean + 1.0
    first, second = mean * precision, spare * precision
    edge = 0.5 / (count + 1.0) ** 2
    at = np.clip(ratio, edge, 1.0 - edge)
    log = (first - 1.0) * np.log(at) + (second - 1.0) * np.log1p(-at) - betaln(first, second)
    value: FloatArray = np.exp(log - log.max(axis=1, keepdims=True))
    return value
