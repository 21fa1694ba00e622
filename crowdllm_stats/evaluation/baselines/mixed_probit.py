"""A cumulative-probit mixed model of the answers: a problem effect, a worker effect, common cut points.

The Laplace approximation is our own, and NumPyro's automatic guide is not used: it takes the mode over effects and
standard deviations together, where this one integrates the effects out before it chooses the standard deviations. On a
simulated crowd with standard deviations 0.9 and 0.6 this one gives 0.94 and 0.51, that guide 5.7 and 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features

#: Ends of the search: cut points on the probit scale, logarithms of gaps between them and of standard deviations.
_CUT, _LOG_GAP, _LOG_SPREAD = (-8.0, 8.0), (-9.0, 3.0), (-5.0, 2.5)


@dataclass(frozen=True, eq=False)
class FittedMixedProbit:
    """Estimates of the mixed model.

    Attributes:
        cuts: cut points between the A levels, shape (A - 1,).
        problem_sd: standard deviation of the problem effects.
        worker_sd: standard deviation of the worker effects.
        problems: ids of the training problems with an answer.
        effects: posterior modes of their effects.
        variances: posterior variances of their effects.
        log_evidence: Laplace approximation of the log marginal likelihood at the estimates.
    """

    cuts: FloatArray
    problem_sd: float
    worker_sd: float
    problems: tuple[str, ...]
    effects: FloatArray
    variances: FloatArray
    log_evidence: float

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """Distribution of a new worker's answer, shape (T, A); a problem never seen has its effect integrated out.

        ``P(y <= k) = Phi((c_k - m) / sqrt(1 + v + s_w^2))`` with m, v the effect's posterior mean and variance, and 0,
        ``s_u^2`` for a new problem.
        """
        place = {name: row for row, name in enumerate(self.problems)}
        rows = np.array([place.get(name, -1) for name in problems], dtype=np.int64)
        seen = rows >= 0
        mean = np.where(seen, self.effects[rows], 0.0)
        spread = np.sqrt(1.0 + np.where(seen, self.variances[rows], self.problem_sd**2) + self.worker_sd**2)
        below = ndtr((self.cuts - mean[:, None]) / spread[:, None])
        full = np.column_stack([np.zeros(len(rows)), below, np.ones(len(rows))])
        return np.asarray(np.diff(full, axis=1))


@dataclass(frozen=True)
class MixedProbit:
    """Ordinal answers ``P(y_ij <= k) = Phi(c_k - u_j - w_i)`` of worker i to problem j, with normal effects.

    ``u_j ~ N(0, s_u^2)``, ``w_i ~ N(0, s_w^2)``, all independent. Cut points and both standard deviations maximise the
    Laplace approximation of the marginal likelihood; answers to a problem are then predicted for a new worker.

    Example:
        >>> from crowdllm_stats import load_example
        >>> fitted = MixedProbit().fit(load_example().human)
        >>> fitted.predict(["a new problem"]).round(2).tolist()
        [[0.14, 0.19, 0.3, 0.2, 0.18]]
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> FittedMixedProbit:
        """Estimate by maximum Laplace evidence.

        Raises:
            ValueError: unless the scale is ordinal; if all training answers are one level.
            RuntimeError: if the search for the maximum does not converge.

        Source: Hedeker and Gibbons 1994, A random-effects ordinal regression model for multilevel analysis, Biometrics
        50; Breslow and Clayton 1993, Approximate inference in generalized linear mixed models, JASA 88.
        """
        if train.scale.kind != "ordinal":
            raise ValueError(f"MixedProbit needs an ordinal scale, got {train.scale}; declare scale=ordinal([...])")
        levels = train.scale.levels
        answer = pd.Index(levels).get_indexer(train.responses["response"]).astype(np.int64)
        if np.all(answer == answer[0]):
            raise ValueError(
                f"all {len(answer)} training answers are {levels[answer[0]]:g}; no cut point can be estimated"
            )
        first, problems = pd.factorize(train.responses["problem"])
        second, workers = pd.factorize(train.responses["participant"])
        swapped = len(workers) > len(problems)
        sides = (second, first) if swapped else (first, second)
        data = Crossed(
            answer,
            sides[0].astype(np.int64),
            sides[1].astype(np.int64),
            (max(len(problems), len(workers)), min(len(problems), len(workers))),
        )
        cuts, sds, mode = _maximise(data, len(levels))
        side = 1 if swapped else 0
        return FittedMixedProbit(
            cuts,
            sds[side],
            sds[1 - side],
            tuple(problems),
            mode.effects[side],
            mode.variances[side],
            mode.log_evidence,
        )


def _maximise(data: Crossed, levels: int) -> tuple[FloatArray, tuple[float, float], Mode]:
    """Maximum of the Laplace evidence over cut points and standard deviations, by L-BFGS-B."""
    start = _start(data, levels)
    warm = np.zeros(data.sizes[0]), np.zeros(data.sizes[1])

    def loss(point: FloatArray) -> float:
        nonlocal warm
        mode = laplace(data, *_unpack(point), warm)
        warm = mode.effects
        return -mode.log_evidence / len(data.answer)

    bounds = [_CUT, *[_LOG_GAP] * (levels - 2), _LOG_SPREAD, _LOG_SPREAD]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"eps": 1e-5, "ftol": 1e-10})
    if not found.success:
        raise RuntimeError(f"the mixed model's estimates did not converge: {found.message}")
    cuts, sds = _unpack(found.x)
    return cuts, sds, laplace(data, cuts, sds, warm)


def _start(data: Crossed, levels: int) -> FloatArray:
    """Marginal cut points, widened for the effects' spread, with half an answer at each level."""
    counts = np.bincount(data.answer, minlength=levels) + 0.5
    cuts = ndtri(np.cumsum(counts)[:-1] / counts.sum()) * 1.5
    return np.concatenate([cuts[:1], np.log(np.diff(cuts)), np.log([0.8, 0.6])])


def _unpack(point: FloatArray) -> tuple[FloatArray, tuple[float, float]]:
    cuts = np.cumsum(np.concatenate([point[:1], np.exp(point[1:-2])]))
    return cuts, (float(np.exp(point[-2])), float(np.exp(point[-1])))


IntArray = NDArray[np.int64]

_LOG_ROOT_2PI = 0.5 * np.log(2.0 * np.pi)
_NEWTON_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class Crossed:
    """Who answered what: level ``answer`` of n answers by ``first`` and ``second`` effect, all as indices from 0.

    Attributes:
        answer: index of the level, shape (n,).
        first: index of the effect that is eliminated (the side with more members), shape (n,).
        second: index of the other effect, shape (n,).
        sizes: members of the two sides.
    """

    answer: IntArray
    first: IntArray
    second: IntArray
    sizes: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Mode:
    """Mode of the two effects, their posterior variances there, and the Laplace log evidence.

    Attributes:
        effects: modes, one array a side.
        variances: posterior variances by the inverse Hessian, one array a side.
        log_evidence: ``log p(y | mode) + log p(mode) + (J + W) / 2 log 2 pi - 1/2 log |H|``.
    """

    effects: tuple[FloatArray, FloatArray]
    variances: tuple[FloatArray, FloatArray]
    log_evidence: float


def log_chances(answer: IntArray, cuts: FloatArray, place: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """``l = log(Phi(c_k - e) - Phi(c_(k-1) - e))`` of each answer, with its first derivative in e and minus the second.

    Args:
        answer: index k of the level, shape (n,).
        cuts: cut points without the infinite ends, rising, shape (A - 1,).
        place: linear predictor e, shape (n,).

    Example:
        >>> value, slope, curve = log_chances(np.array([0]), np.array([0.0]), np.array([0.0]))
        >>> round(float(value[0]), 4), round(float(slope[0]), 4), round(float(curve[0]), 4)
        (-0.6931, -0.7979, 0.6366)
    """
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])
    high, low = ends[answer + 1] - place, ends[answer] - place
    # In the upper tail both terms round to 1: there the mirrored difference is the exact one.
    mirrored = low > 0.0
    top, bottom = np.where(mirrored, -low, high), np.where(mirrored, -high, low)
    log_top = log_ndtr(top)
    value = log_top + np.log1p(-np.exp(log_ndtr(bottom) - log_top))
    density_high, density_low = np.exp(-0.5 * high**2 - _LOG_ROOT_2PI - value), np.exp(
        -0.5 * low**2 - _LOG_ROOT_2PI - value
    )  # fmt: skip
    slope = density_low - density_high
    weighed_high = np.where(np.isfinite(high), high, 0.0) * density_high
    weighed_low = np.where(np.isfinite(low), low, 0.0) * density_low
    return value, slope, weighed_high - weighed_low + slope**2


def laplace(data: Crossed, cuts: FloatArray, sds: tuple[float, float], start: tuple[FloatArray, FloatArray]) -> Mode:
    """Newton's method to the mode of ``log p(y | u, w) + log N(u; 0, s_u^2) + log N(w; 0, s_w^2)``, then Laplace.

    Args:
        data: the answers.
        cuts: cut points, rising, shape (A - 1,).
        sds: standard deviations of the two effects.
        start: where to begin, one array a side.

    Returns:
        Mode.

    Raises:
        RuntimeError: if 100 steps do not reach the mode (the objective is concave, so that would be a numerical error).

    Example:
        >>> one = Crossed(np.array([0, 1]), np.array([0, 1]), np.array([0, 0]), (2, 1))
        >>> mode = laplace(one, np.array([0.0]), (1.0, 1.0), (np.zeros(2), np.zeros(1)))
        >>> bool(mode.effects[0][0] < 0 < mode.effects[0][1]), abs(float(mode.effects[1][0])) < 1e-9
        (True, True)
    """
    u, w = start[0].copy(), start[1].copy()
    precisions = 1.0 / sds[0] ** 2, 1.0 / sds[1] ** 2
    value, slope, curve = log_chances(data.answer, cuts, u[data.first] + w[data.second])
    height = _height(value, u, w, precisions)
    for _ in range(_NEWTON_STEPS):
        system = _System(data, curve, precisions)
        pull_u = np.bincount(data.first, slope, data.sizes[0]) - precisions[0] * u
        pull_w = np.bincount(data.second, slope, data.sizes[1]) - precisions[1] * w
        step_u, step_w = system.solve(pull_u, pull_w)
        decrement = float(pull_u @ step_u + pull_w @ step_w)
        length = 1.0
        while True:
            next_u, next_w = u + length * step_u, w + length * step_w
            value, slope, curve = log_chances(data.answer, cuts, next_u[data.first] + next_w[data.second])
            reached = _height(value, next_u, next_w, precisions)
            if reached >= height - 1e-9 * abs(height) or length < 1e-6:
                break
            length /= 2.0
        u, w, height = next_u, next_w, reached
        if decrement < _TOLERANCE:
            break
    else:
        raise RuntimeError("the mode of the random effects was not reached in 100 Newton steps")
    system = _System(data, curve, precisions)
    prior = data.sizes[0] * np.log(sds[0]) + data.sizes[1] * np.log(sds[1])
    return Mode((u, w), system.variances(), height - float(prior) - 0.5 * system.log_determinant())


def _height(value: FloatArray, u: FloatArray, w: FloatArray, precisions: tuple[float, float]) -> float:
    return float(value.sum() - 0.5 * precisions[0] * (u @ u) - 0.5 * precisions[1] * (w @ w))


class _System:
    """Minus the Hessian: two diagonal blocks and what couples them, the first one eliminated."""

    def __init__(self, data: Crossed, curve: FloatArray, precisions: tuple[float, float]) -> None:
        self.diagonal = np.bincount(data.first, curve, data.sizes[0]) + precisions[0]
        other = np.bincount(data.second, curve, data.sizes[1]) + precisions[1]
        self.coupling = sparse.csr_matrix((curve, (data.first, data.second)), shape=data.sizes)
        scaled = sparse.diags(1.0 / self.diagonal) @ self.coupling
        self.factor = cho_factor(np.diag(other) - (self.coupling.T @ scaled).toarray())

    def solve(self, pull_u: FloatArray, pull_w: FloatArray) -> tuple[FloatArray, FloatArray]:
        step_w = cho_solve(self.factor, pull_w - self.coupling.T @ (pull_u / self.diagonal))
        return (pull_u - self.coupling @ step_w) / self.diagonal, step_w

    def log_determinant(self) -> float:
        return float(np.log(self.diagonal).sum() + 2.0 * np.log(np.diag(self.factor[0])).sum())

    def variances(self) -> tuple[FloatArray, FloatArray]:
        inverse = cho_solve(self.factor, np.eye(self.coupling.shape[1]))
        carried = np.asarray(self.coupling.multiply(self.coupling @ inverse).sum(axis=1)).reshape(-1)
        return 1.0 / self.diagonal + carried / self.diagonal**2, np.diag(inverse).copy()
