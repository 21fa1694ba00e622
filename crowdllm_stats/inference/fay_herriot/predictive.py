"""From what all problems say, and a problem's own answers, to the distribution of its mean and an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit, gammaln, psi

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.fay_herriot.dispersion import Dispersion
from crowdllm_stats.inference.fay_herriot.logit_regression import LARGEST, SMALLEST, LogitRegression
from crowdllm_stats.inference.fay_herriot.model import Prior, between_posterior, least_squares, restricted

#: A problem's mean varies about the regression by these multiples of the common variance, with these prior weights:
#: some problems are unlike the others.
MULTIPLES: FloatArray = np.array([0.35, 1.0, 3.0])
MULTIPLE_WEIGHTS: FloatArray = np.array([0.4, 0.4, 0.2])
#: The part of the probability outside the interval that is left outside, for many problems, and the number of problems
#: at which half of that is: the model is not exactly true, and few problems do not show how far it is off.
OUTSIDE = 0.75
FEW = 5.0


@dataclass(frozen=True)
class Predicted:
    """The mean over the answers not seen, of each of T problems; every array has shape (T,).

    ``mean``, ``var``, ``lower``, ``upper``; ``weight`` is the pull of the problem's own mean, ``center`` what it is
    pulled away from, ``between`` the variance about that, ``within`` the variance of one answer.
    """

    mean: FloatArray
    var: FloatArray
    lower: FloatArray
    upper: FloatArray
    weight: FloatArray
    center: FloatArray
    between: FloatArray
    within: FloatArray


@dataclass(frozen=True)
class Ahead:
    """What is predicted: the mean of ``rest`` (T,) further answers (infinity: of all people), at a ``level``."""

    rest: FloatArray
    level: float

    @property
    def held(self) -> float:
        """The probability that the interval holds under the model: 1 - 0.75 (1 - level) T / (T + 5)."""
        problems = len(self.rest)
        return 1.0 - OUTSIDE * (1.0 - self.level) * problems / (problems + FEW)


def predict_free(prior: Prior, dispersion: Dispersion, mean: FloatArray, count: FloatArray, ahead: Ahead) -> Predicted:
    """Without bounds: normal prior and answers, mixed over the between-problem variance B and the variance v.

    In every part the weight is ``B / (B + v/n)``, the posterior variance ``B v/n / (B + v/n)``, plus ``v / rest``; a
    part counts as much as it makes the own mean likely.
    """
    nodes = prior.var[:, :, None, None] * MULTIPLES
    own = dispersion.value[:, None, :, None]
    n, rest = count[:, None, None, None], ahead.rest[:, None, None, None]
    off = (mean - prior.mean)[:, None, None, None]
    total = nodes + own / n
    part = _softmax(
        np.log(np.maximum(prior.weight, 1e-300))[:, :, None, None]
        + np.log(np.maximum(dispersion.weight, 1e-300))[:, None, :, None]
        + np.log(MULTIPLE_WEIGHTS)
        - 0.5 * (np.log(total) + off**2 / total)
    )
    pull = nodes / total
    each = nodes * (1.0 - pull) + own / rest
    return _mixed(
        part, pull, off, each, np.broadcast_to(own, part.shape), prior.mean, prior.between, ahead, ends_of_normals
    )


def predict_bounded(
    fit: LogitRegression, dispersion: Dispersion, share: FloatArray, count: FloatArray, ahead: Ahead
) -> Predicted:
    """On the scale from 0 to 1: Beta prior and quasi-binomial answers, mixed over rho and the dispersion phi.

    In every part the prior is a Beta of precision ``k = 1/rho - 1``, the answers are ``N = n / phi`` trials, the weight
    is ``N / (k + N)`` and theta has variance ``m (1 - m) / (k + N + 1)`` about ``m = mu + weight (y - mu)``; to that
    comes the regression's own doubt times ``(1 - weight)^2``, and ``phi (m (1 - m) - that) / rest``. The Beta of that
    mean and variance stands for it.
    """
    rho = np.clip(fit.share[:, :, None, None] * MULTIPLES, SMALLEST, LARGEST)
    k = 1.0 / rho - 1.0
    phi, mu = dispersion.value[:, None, :, None], fit.mean[:, None, None, None]
    trials, own = count[:, None, None, None] / phi, share[:, None, None, None]
    # Means of answers between the ends lie closer together the more trials there are; unanimous ones are single values.
    inside = np.log(trials) + gammaln(trials + 1.0) - gammaln(trials * own + 1.0) - gammaln(trials * (1.0 - own) + 1.0)
    told = betaln(mu * k + trials * own, (1.0 - mu) * k + trials * (1.0 - own)) - betaln(mu * k, (1.0 - mu) * k)
    part = _softmax(
        np.log(MULTIPLE_WEIGHTS) + np.log(np.maximum(dispersion.weight, 1e-300))[:, None, :, None] + told
        + np.where((own > 1e-12) & (own < 1.0 - 1e-12), inside, 0.0),
        per_node=True,
    ) * fit.weight[:, None, None]  # fmt: skip
    pull = trials / (k + trials)
    center = mu + pull * (own - mu)
    room = center * (1.0 - center)
    doubt = np.minimum(room / (k + trials + 1.0) + (1.0 - pull) ** 2 * fit.doubt[:, None, None, None], 0.98 * room)
    within = phi * (room - doubt)
    between = (fit.share @ fit.weight) * fit.mean * (1.0 - fit.mean)

    def ends(m: FloatArray, var: FloatArray, weight: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        precision = np.maximum(m * (1.0 - m) / var - 1.0, 0.02)
        return shortest_of_betas(
            np.maximum(m * precision, 1e-6), np.maximum((1.0 - m) * precision, 1e-6), weight, level
        )

    each = doubt + within / ahead.rest[:, None, None, None]
    return _mixed(part, pull, own - mu, each, within, fit.mean, between, ahead, ends)


def _softmax(log: FloatArray, per_node: bool = False) -> FloatArray:
    """Weights adding up to 1 over all parts of a problem; ``per_node``: within every node of the second axis."""
    axes = (2, 3) if per_node else (1, 2, 3)
    weight = np.exp(log - log.max(axis=axes, keepdims=True))
    whole: FloatArray = weight / weight.sum(axis=axes, keepdims=True)
    return whole


def _mixed(
    part: FloatArray,
    pull: FloatArray,
    off: FloatArray,
    each: FloatArray,
    within: FloatArray,
    center: FloatArray,
    between: FloatArray,
    ahead: Ahead,
    ends: Callable[[FloatArray, FloatArray, FloatArray, float], tuple[FloatArray, FloatArray]],
) -> Predicted:
    """Moments and interval of the mixture with weights ``part`` (T, J, F, C); the other four axes broadcast to it."""
    problems = len(center)

    def flat(values: FloatArray) -> FloatArray:
        table: FloatArray = np.broadcast_to(values, part.shape).reshape(problems, -1)
        return table

    weight, moved = flat(part), center[:, None] + flat(pull * off)
    expected = np.sum(weight * moved, axis=1)
    scatter = np.sum(weight * (moved - expected[:, None]) ** 2, axis=1)
    lower, upper = ends(moved, flat(each), weight, ahead.held)
    return Predicted(
        mean=expected,
        var=np.sum(weight * flat(each), axis=1) + scatter,
        lower=lower,
        upper=upper,
        weight=np.sum(weight * flat(pull), axis=1),
        center=center,
        between=between,
        within=np.sum(weight * flat(within), axis=1),
    )


def predict_known(design: FloatArray, mean: FloatArray, sampling: FloatArray, ahead: Ahead) -> Predicted:
    """``mean_t = x_t' beta + u_t + e_t``, ``Var u_t = A`` unknown, ``Var e_t = sampling_t`` known.

    The estimate is the EBLUP: ``A`` by restricted maximum likelihood (REML), ``beta`` by generalised least squares,
    both from all problems, weight ``A / (A + sampling_t)``. Variance and interval keep the doubt about A: they are
    those of the mixture over its posterior (flat prior, restricted likelihood), in every part ``A (1 - w) + (1 - w)^2
    x_t' Cov(beta) x_t``, and the variance counts the distance to the EBLUP.

    Args:
        design: (T, p) regression rows, the constant first.
        mean, sampling: (T,).
        ahead: ``rest`` must be infinite.
    """
    shift = float(mean.mean())
    centred, even = mean - shift, np.ones(len(mean))
    between = _reml(design, centred, sampling, even)
    beta, _ = least_squares(design, centred, 1.0 / (between + sampling))
    pull = between / (between + sampling)
    center = design @ beta
    estimate = center + pull * (centred - center)
    scatter = float(np.mean((centred - center) ** 2))
    nodes, posterior = between_posterior(design, centred, sampling, even, scatter)
    weight = posterior.sum(axis=1)
    means, variances = np.empty((len(mean), len(nodes))), np.empty((len(mean), len(nodes)))
    for number, node in enumerate(nodes):
        at, covariance = least_squares(design, centred, 1.0 / (node + sampling))
        own = node / (node + sampling)
        means[:, number] = design @ at + own * (centred - design @ at)
        doubt = np.einsum("ta,ab,tb->t", design, covariance, design)
        variances[:, number] = node * (1.0 - own) + (1.0 - own) ** 2 * doubt
    weights = np.broadcast_to(weight, means.shape)
    lower, upper = ends_of_normals(means, variances, weights, ahead.held)
    away = means - estimate[:, None]
    return Predicted(
        mean=estimate + shift,
        var=np.sum(weights * (variances + away**2), axis=1),
        lower=np.minimum(lower, estimate) + shift,
        upper=np.maximum(upper, estimate) + shift,
        weight=pull,
        center=center + shift,
        between=between * even,
        within=sampling,
    )


def _reml(design: FloatArray, mean: FloatArray, sampling: FloatArray, even: FloatArray) -> float:
    """The value of A >= 0 of greatest restricted likelihood: the best of a grid, then refined about it."""

    def loss(share: float) -> float:
        node = np.array([unit * share / (1.0 - share)])
        return -float(restricted(design, mean, sampling, even, node)[0, 0])

    unit = float(np.var(mean)) + float(np.median(sampling))
    grid = np.linspace(0.0, 0.999, 200)
    best = int(np.argmin([loss(float(share)) for share in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    found = float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x)
    share = found if loss(found) < loss(0.0) else 0.0
    return unit * share / (1.0 - share)


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
