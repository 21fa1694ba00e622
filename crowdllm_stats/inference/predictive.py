"""From a prior and a problem's own answers to the distribution of its mean, and its shortest interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

from crowdllm_stats.inference.checks import FloatArray
from crowdllm_stats.inference.fay_herriot import Prior

#: On a bounded scale the between-problem variance can be no more than this share of (mu - low)(high - mu).
LARGEST_SHARE = 0.9
#: Tail splits tried for the shortest interval.
SPLITS = 21


@dataclass(frozen=True)
class Prediction:
    """The mean over the answers not seen: ``mean`` and ``var`` (T,), already widened for estimated variances.

    ``weight`` (T,) is the pull of the problem's own mean, ``within`` (T,) the variance of one answer at ``mean``,
    ``plain_var`` (T,) the variance before widening.
    """

    mean: FloatArray
    var: FloatArray
    plain_var: FloatArray
    weight: FloatArray
    within: FloatArray


def update(
    prior: Prior,
    mean: FloatArray,
    count: FloatArray,
    rest: FloatArray,
    bounds: tuple[float, float] | None,
    level: float,
) -> Prediction:
    """Combine the prior with ``count`` answers of mean ``mean``, to predict the mean of ``rest`` further answers.

    Without bounds, the normal model: weight ``B / (B + v/n)`` with B the prior variance, posterior variance
    ``B v/n / (B + v/n)``, plus ``v / rest``. With bounds, its quasi-binomial counterpart: prior Beta of mean mu and
    precision ``k = q/B - 1``, ``q = (mu - low)(high - mu)``; one answer has variance
    ``phi (theta - low)(high - theta)`` and so counts as ``1/phi`` trials; the weight on the own mean is the same, and
    both variances follow the updated mean, smaller near the ends. Averaged over the posterior of the between-problem
    variance.

    Args:
        prior: for T problems.
        mean, count: (T,) own human mean and number of answers.
        rest: (T,) how many further answers are averaged; infinity for the mean of the population.
        bounds: ends of the scale, or None.
        level: for the widening.
    """
    mu, v, n, m = (values[:, None] for values in (prior.mean, prior.within, count, rest))
    own = mean[:, None]
    if bounds is None:
        weight = prior.spread / (prior.spread + v / n)
        updated = mu + weight * (own - mu)
        doubt = prior.spread * (1.0 - weight)
        within = np.broadcast_to(v, doubt.shape)
    else:
        low, high = bounds
        room = (mu - low) * (high - mu)
        spread = np.minimum(prior.spread, LARGEST_SHARE * room)
        precision = room / spread - 1.0
        phi = np.minimum(v / (room - spread), 1.0)  # two-point answers have the largest variance there is
        trials = n / phi
        weight = trials / (precision + trials)
        updated = mu + weight * (own - mu)
        room_now = (updated - low) * (high - updated)
        doubt = room_now / (precision + trials + 1.0)
        within = phi * (room_now - doubt)
    each = doubt + within / m
    expected = np.sum(prior.weight * updated, axis=1)
    average = np.sum(prior.weight * each, axis=1)
    total = average + np.sum(prior.weight * (updated - expected[:, None]) ** 2, axis=1)
    uneven = np.maximum(np.sum(prior.weight * each**2, axis=1) / average**2 - 1.0, 0.0)
    # How strongly the variance follows v: through the own mean's error, and through the further answers.
    follows = np.sum(prior.weight * (weight * doubt + within / m), axis=1) / average
    widening = _widening(uneven, prior.within_error * follows**2, level)
    return Prediction(
        mean=expected,
        var=total * widening**2,
        plain_var=total,
        weight=np.sum(prior.weight * weight, axis=1),
        within=np.sum(prior.weight * within, axis=1),
    )


def _widening(uneven: FloatArray, error: FloatArray, level: float) -> FloatArray:
    """How much longer than the normal half-width, for the two kinds of doubt about the variance.

    ``uneven`` (squared relative spread of the variance over its posterior) makes a scale mixture of normals, excess
    kurtosis 3 * uneven: the t distribution of the same kurtosis, at its own variance. ``error`` (squared relative
    standard error of the estimated within-problem variance) calls for a Student t with 2 / error degrees of freedom
    (Satterthwaite).
    """
    tail = 0.5 + 0.5 * level
    normal = ndtri(tail)
    mixture = 4.0 + 2.0 / np.maximum(uneven, 1e-6)
    student = 2.0 / np.clip(error, 1e-6, 1.0)
    factor: FloatArray = stdtrit(mixture, tail) * np.sqrt(1.0 - 2.0 / mixture) * stdtrit(student, tail) / normal**2
    return factor


def add_shared(ahead: Prediction, variance: FloatArray, degrees: float, level: float) -> Prediction:
    """The prediction where an error of this ``variance`` (T,), known to ``degrees`` degrees of freedom, is left in it.

    Variances add; that of the shared error counts with the squared ratio of the t quantile to the normal one.
    """
    tail = 0.5 + 0.5 * level
    wider = 1.0 if np.isinf(degrees) else float(stdtrit(degrees, tail) / ndtri(tail)) ** 2
    return replace(ahead, var=ahead.var + wider * variance, plain_var=ahead.plain_var + variance)


def shortest_interval(
    mean: FloatArray, var: FloatArray, bounds: tuple[float, float] | None, level: float, spacing: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper end, (T,) each, of the shortest interval holding ``level`` of the distribution.

    Normal without bounds; with bounds the Beta on the scale that has this mean and variance, which is skewed near the
    ends. ``spacing`` (T,) is the distance of attainable values from each other where the target is a mean of finitely
    many answers on a grid: the ends are moved to the nearest attainable value (the continuity correction).
    """
    if bounds is None:
        half = ndtri(0.5 + 0.5 * level) * np.sqrt(var)
        return mean - half, mean + half
    low, high = bounds
    inside = (mean - low) / (high - low)
    scaled = np.minimum(var / (high - low) ** 2, 0.95 * inside * (1.0 - inside))
    precision = inside * (1.0 - inside) / scaled - 1.0
    first, second = (inside * precision)[:, None], ((1.0 - inside) * precision)[:, None]
    below = np.linspace(0.0, 1.0 - level, SPLITS)
    starts = betaincinv(first, second, below)
    ends = betaincinv(first, second, np.minimum(below + level, 1.0))
    best = np.argmin(ends - starts, axis=1)[:, None]
    lower = low + (high - low) * np.take_along_axis(starts, best, axis=1)[:, 0]
    upper = low + (high - low) * np.take_along_axis(ends, best, axis=1)[:, 0]
    if spacing is not None:
        lower = low + np.round((lower - low) / spacing) * spacing
        upper = low + np.round((upper - low) / spacing) * spacing
    return lower, upper
