"""Fay-Herriot with known sampling variances: restricted maximum likelihood and its best linear predictions."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.fay_herriot.mixtures import ends_of_normals
from crowdllm_stats.inference.fay_herriot.model import between_posterior, least_squares, restricted
from crowdllm_stats.inference.fay_herriot.predictive import Ahead, Prediction


def predict_known(design: FloatArray, mean: FloatArray, sampling: FloatArray, ahead: Ahead) -> Prediction:
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
    return Prediction(
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
