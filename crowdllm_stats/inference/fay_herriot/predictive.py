"""From what all problems say, and a problem's own answers, to the distribution of its mean and an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.fay_herriot.dispersion import Dispersion
from crowdllm_stats.inference.fay_herriot.logit_regression import LARGEST, SMALLEST, LogitRegression
from crowdllm_stats.inference.fay_herriot.mixtures import ends_of_normals, shortest_of_betas
from crowdllm_stats.inference.fay_herriot.model import Prior

#: A problem's mean varies about the regression by these multiples of the common variance, with these prior weights:
#: some problems are unlike the others.
MULTIPLES: FloatArray = np.array([0.35, 1.0, 3.0])
MULTIPLE_WEIGHTS: FloatArray = np.array([0.4, 0.4, 0.2])
#: The part of the probability outside the interval that is left outside, for many problems, and the number of problems
#: at which half of that is: the model is not exactly true, and few problems do not show how far it is off.
OUTSIDE = 0.75
FEW = 5.0


@dataclass(frozen=True)
class Prediction:
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


def predict_free(prior: Prior, dispersion: Dispersion, mean: FloatArray, count: FloatArray, ahead: Ahead) -> Prediction:
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
) -> Prediction:
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
) -> Prediction:
    """Moments and interval of the mixture with weights ``part`` (T, J, F, C); the other four axes broadcast to it."""
    problems = len(center)

    def flat(values: FloatArray) -> FloatArray:
        table: FloatArray = np.broadcast_to(values, part.shape).reshape(problems, -1)
        return table

    weight, moved = flat(part), center[:, None] + flat(pull * off)
    expected = np.sum(weight * moved, axis=1)
    scatter = np.sum(weight * (moved - expected[:, None]) ** 2, axis=1)
    lower, upper = ends(moved, flat(each), weight, ahead.held)
    return Prediction(
        mean=expected,
        var=np.sum(weight * flat(each), axis=1) + scatter,
        lower=lower,
        upper=upper,
        weight=np.sum(weight * flat(pull), axis=1),
        center=center,
        between=between,
        within=np.sum(weight * flat(within), axis=1),
    )
