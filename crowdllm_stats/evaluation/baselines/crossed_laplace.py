"""Cumulative probit with two crossed random effects: the posterior's mode, and the Laplace approximation around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.special import log_ndtr

from crowdllm_stats._base.checks import FloatArray

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
