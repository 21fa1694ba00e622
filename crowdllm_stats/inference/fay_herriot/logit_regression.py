"""Problem means on a bounded scale: Beta about a logit regression on the digital side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit, logit, logsumexp, psi

from crowdllm_stats._base.checks import FloatArray

#: Forms of the share rho of mu (1 - mu) that problem means vary by: rho0 (mu (1 - mu) / typical)^power exp(tilt z)
#: (phi / typical)^own, the last where problems whose answers spread more also have means further off.
POWERS: FloatArray = np.array([-0.5, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
TILTS: FloatArray = np.array([0.0, 0.0, 0.0, -0.4, 0.4, 0.0, 0.0])
OWN: FloatArray = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.8, 1.6])
#: Nodes for rho0, uniform on (0, 1) before any data, and how often their range is narrowed.
NODES = 14
TURNS = 4
#: Largest and smallest rho.
LARGEST = 0.95
SMALLEST = 1e-7
#: Prior standard deviation of slopes, per standard deviation of a regression column.
SLOPE_SD = 5.0
#: Newton steps at the most, and the nodes that are kept: with at least this part of the greatest weight.
STEPS = 12
KEPT = 0.02
GAUSS_AT, GAUSS_WEIGHT = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True)
class LogitRegression:
    """What all problems together say about T problems' means on the scale from 0 to 1.

    ``mean`` (T,): the regression's, ``doubt`` (T,): variance of its own error. ``share`` (T, J): the variance of a
    problem's mean about it over ``mean (1 - mean)``, at J nodes with posterior ``weight`` (J,). ``evidence``: log
    marginal likelihood, for the choice between designs.
    """

    mean: FloatArray
    doubt: FloatArray
    share: FloatArray
    weight: FloatArray
    evidence: float


@dataclass(frozen=True)
class _About:
    """Where the forms of rho are centred: typical mu (1 - mu), mean and standard deviation of the linear predictor.

    ``own`` (T,): log of each problem's dispersion over the typical one.
    """

    typical: float
    own: FloatArray
    middle: float = 0.0
    sd: float = 1.0


def fit_logit_regression(design: FloatArray, share: FloatArray, count: FloatArray, phi: FloatArray) -> LogitRegression:
    """Fit ``logit mu_t = x_t' beta``; ``theta_t`` Beta with mean ``mu_t`` and variance ``rho_t mu_t (1 - mu_t)``.

    The mean of the answers enters by the quasi-binomial likelihood of ``N = n / phi`` trials, so that unanimous answers
    and a variance of 0 need no exception: integrated over ``theta_t`` it is ``B(a + N y, b + N (1 - y)) / B(a, b)``,
    ``a = mu (1/rho - 1)``, ``b = (1 - mu)(1/rho - 1)``. ``beta`` is integrated out about its mode (Laplace) at every
    node of rho, seven forms of how rho goes with mu and with phi included.

    Args:
        design: (T, p) regression rows, the constant first.
        share: (T,) means of the answers on the scale from 0 to 1.
        count: (T,) numbers of answers.
        phi: (T,) dispersion of the answers, 1 for yes/no.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=300)
        >>> theta = expit(-3 + x)
        >>> rows, share = np.column_stack([np.ones(300), x]), rng.binomial(50, theta) / 50
        >>> fit = fit_logit_regression(rows, share, np.full(300, 50.0), np.ones(300))
        >>> bool(np.max(np.abs(fit.mean - theta)) < 0.05)
        True
    """
    trials, own = count / phi, np.log(phi)
    own = own - own.mean()
    pooled = float((trials @ share + 0.5) / (trials.sum() + 1.0))
    start = np.zeros((1, design.shape[1]))
    start[0, 0] = logit(pooled)
    about = _About(pooled * (1.0 - pooled), own)
    for _ in range(2):
        start = _at_nodes(design, share, trials, np.array([0.1]), np.array([1]), about, start)[0]
    line = design @ start[0]
    about = _About(pooled * (1.0 - pooled), own, float(line.mean()), float(line.std()) + 0.05)
    first, last = 0.0, 1.0
    form = np.tile(np.arange(len(POWERS)), NODES)
    for turn in range(TURNS):
        width = (last - first) / NODES
        values = first + (np.arange(NODES) + 0.5) * width
        rho = np.repeat(values, len(POWERS))
        beta, log_weight, covariance = _at_nodes(design, share, trials, rho, form, about, start)
        best = log_weight.reshape(NODES, -1).max(axis=1)
        held = np.flatnonzero(best > best.max() - 7.0)
        start = beta[[int(np.argmax(log_weight))]]
        if len(held) >= NODES // 2 or turn == TURNS - 1:
            break
        first, last = max(values[held[0]] - width, 0.0), min(values[held[-1]] + width, 1.0)
    kept = log_weight > log_weight.max() + np.log(KEPT)
    weight = np.exp(log_weight[kept] - log_weight.max())
    weight = weight / weight.sum()
    mean, doubt = _predicted(design, weight, beta[kept], covariance[kept])
    shares = _share(rho[kept], form[kept], mean[None, :], about).T
    return LogitRegression(mean, doubt, shares, weight, float(logsumexp(log_weight) + np.log(width)))


def _predicted(
    design: FloatArray, weight: FloatArray, beta: FloatArray, covariance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (T,) of the regression on the scale: the linear predictor as normal, by Gauss's rule."""
    center = weight @ beta
    off = beta - center
    total = np.einsum("j,jab->ab", weight, covariance + off[:, :, None] * off[:, None, :])
    sd = np.sqrt(np.einsum("ta,ab,tb->t", design, total, design))
    points = expit((design @ center)[:, None] + sd[:, None] * GAUSS_AT)
    mass = GAUSS_WEIGHT / GAUSS_WEIGHT.sum()
    mean = np.clip(points @ mass, 1e-9, 1.0 - 1e-9)
    return mean, np.maximum((points - mean[:, None]) ** 2 @ mass, 0.0)


def _share(rho: FloatArray, form: NDArray[np.int_], mean: FloatArray, about: _About) -> FloatArray:
    """rho (J, T) at means (J, T) or (1, T)."""
    z = np.clip((logit(mean) - about.middle) / about.sd, -2.0, 2.0)
    relative = mean * (1.0 - mean) / about.typical
    value = (
        rho[:, None]
        * relative ** POWERS[form][:, None]
        * np.exp(TILTS[form][:, None] * z + OWN[form][:, None] * about.own)
    )
    held: FloatArray = np.clip(value, SMALLEST, LARGEST)
    return held


def _at_nodes(
    design: FloatArray,
    share: FloatArray,
    trials: FloatArray,
    rho: FloatArray,
    form: NDArray[np.int_],
    about: _About,
    start: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mode (J, p) of beta, log marginal likelihood (J,) and covariance (J, p, p), by Fisher's scoring at all nodes.

    Prior: half a yes and half a no in the middle for the constant, normal slopes of standard deviation 5.
    """
    columns = design.shape[1]
    penalty = np.full(columns, SLOPE_SD**-2)
    penalty[0] = 0.0
    squares = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    beta = np.repeat(start, len(rho), axis=0)
    yes, no = trials * share, trials * (1.0 - share)
    done = False
    for step in range(STEPS + 1):
        mean = expit(np.clip(beta @ design.T, -18.0, 18.0))
        room = mean * (1.0 - mean)
        part = _share(rho, form, mean, about)
        precision = 1.0 / part - 1.0
        a, b = mean * precision, (1.0 - mean) * precision
        information = (room / ((1.0 - part) / trials + part)) @ squares
        information = information.reshape(-1, columns, columns) + np.diag(penalty)
        middle = expit(beta[:, 0])
        information[:, 0, 0] += middle * (1.0 - middle)
        if done or step == STEPS:
            break
        score = room * precision * (psi(a + yes) - psi(a) - psi(b + no) + psi(b))
        slope = score @ design - penalty * beta
        slope[:, 0] += 0.5 - middle
        move = np.linalg.solve(information, slope[..., None])[..., 0]
        size = np.abs(move).max(axis=1, keepdims=True)
        beta = beta + move * np.minimum(1.0, 1.5 / np.maximum(size, 1e-12))
        done = bool(size.max() < 1e-3)
    value = np.sum(betaln(a + yes, b + no) - betaln(a, b), axis=1) - 0.5 * beta**2 @ penalty
    value += 0.5 * (np.log(middle) + np.log1p(-middle)) - 0.5 * np.linalg.slogdet(information)[1]
    return beta, value, np.linalg.inv(information)
