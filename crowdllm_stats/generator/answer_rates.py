"""How eagerly people answer and how often problems are answered, learned from who answered what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crowdllm_stats._base.checks import FloatArray

_MOST_ROUNDS, _PRECISION = 1000, 1e-5
#: Below this an effect's variance counts as none.
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, eq=False)
class AnswerRates:
    """``p_it = expit(intercept + people_i + problems_t)``.

    Attributes:
        intercept: the common term; infinite where everybody answered everything.
        people: shape (N,).
        problems: shape (T,).
        people_sd: standard deviation of the people's effects, as estimated.
        problems_sd: that of the problems'.
    """

    intercept: float
    people: FloatArray
    problems: FloatArray
    people_sd: float
    problems_sd: float

    def probabilities(self, people: NDArray[np.int64], problems: NDArray[np.int64]) -> FloatArray:
        """``p_it`` of some places, shape (len(people), len(problems))."""
        return np.asarray(expit(self.intercept + self.people[people][:, None] + self.problems[problems][None, :]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; an infinite intercept becomes None."""
        return {
            "intercept": self.intercept if np.isfinite(self.intercept) else None,
            "people": self.people.tolist(),
            "problems": self.problems.tolist(),
            "people_sd": self.people_sd,
            "problems_sd": self.problems_sd,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> AnswerRates:
        """Read what :meth:`to_dict` gave."""
        people, problems = (np.array(given[name], dtype=np.float64) for name in ("people", "problems"))
        intercept = np.inf if given["intercept"] is None else float(given["intercept"])
        return cls(intercept, people, problems, float(given["people_sd"]), float(given["problems_sd"]))


def fit_answer_rates(answered: NDArray[np.bool_]) -> AnswerRates:
    """Crossed logistic model of a mask, effects ``N(0, sd^2)`` for people and for problems.

    Effects at the mode of their posterior, by Newton steps in turn; their variances by MacKay's fixed point of the
    evidence, ``sd^2 = sum(effect^2) / sum(1 - v / sd^2)`` with ``1 / v = sum_t p(1 - p) + 1 / sd^2``. So a person with
    few problems, or one who answered all or none, is drawn towards the others, and where rates differ by no more than
    chance the effects vanish. With few problems the people's standard deviation comes out somewhat small
    (0.89 for 1 with 12 problems, 0.94 with 40). A mask without a gap has p = 1 throughout.

    Source: MacKay, Bayesian interpolation (1992), for the variances.

    Args:
        answered: shape (N, T), at least one True.

    Raises:
        ValueError: if nobody answered, or the rounds do not settle.

    Example:
        >>> rates = fit_answer_rates(np.array([[True, True, False, True], [True, False, False, False]] * 5))
        >>> bool(rates.people[0] > 0 > rates.people[1])
        True
    """
    if not answered.any():
        raise ValueError("nobody answered anything; participation cannot be learned from that")
    people, problems = np.zeros(answered.shape[0]), np.zeros(answered.shape[1])
    if answered.all():
        return AnswerRates(np.inf, people, problems, 0.0, 0.0)
    share = float(answered.mean())
    intercept = float(np.log(share / (1 - share)))
    variances = np.ones(2)
    for _ in range(_MOST_ROUNDS):
        before = intercept + people[:, None] + problems[None, :]
        for axis, effects in ((1, people), (0, problems)):
            chance = expit(intercept + people[:, None] + problems[None, :])
            curve = chance * (1 - chance)
            intercept += float((answered - chance).sum() / curve.sum())
            chance = expit(intercept + people[:, None] + problems[None, :])
            precision = (chance * (1 - chance)).sum(axis=axis) + 1 / variances[1 - axis]
            effects += ((answered - chance).sum(axis=axis) - effects / variances[1 - axis]) / precision
            free = float(np.sum(1 - 1 / (precision * variances[1 - axis])))
            variances[1 - axis] = max(float(np.sum(effects**2)) / free, _LEAST_VARIANCE)
        if np.abs(intercept + people[:, None] + problems[None, :] - before).max() < _PRECISION:
            return AnswerRates(intercept, people, problems, float(np.sqrt(variances[0])), float(np.sqrt(variances[1])))
    raise ValueError(f"participation did not settle in {_MOST_ROUNDS} rounds; give probabilities with "
                     "Participation.given()")  # fmt: skip
