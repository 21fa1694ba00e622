"""How much single answers spread in each problem: its own variance, shrunk towards what other problems show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.fay_herriot.variance_function import fit_variance_function

#: Log ratios of a problem's variance to the curve's that are thought possible.
RATIOS: FloatArray = np.linspace(-2.0, 2.0, 11)
#: Before any data the log ratios are normal with this standard deviation; that counts as so many problems.
RATIO_SD = 0.4
RATIO_PROBLEMS = 4.0
#: Answers at the two ends of the scale that the curve's level starts from, in degrees of freedom.
PSEUDO_DEGREES = 2.0
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
