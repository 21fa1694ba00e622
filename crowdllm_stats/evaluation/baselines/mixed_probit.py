"""A cumulative-probit mixed model of the answers: a problem effect, a worker effect, common cut points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.evaluation.baselines.crossed_laplace import Crossed, Mode, laplace

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
