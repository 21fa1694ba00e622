"""What the human answers of each problem say of their population's mean: Student's t, or the law of a bounded scale."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.dirichlet_mean import MeanLaw, mean_law
from crowdllm_stats.inference.excess_test import Means, normal_nodes

NODES, WEIGHTS = normal_nodes(40)


@dataclasses.dataclass(frozen=True)
class HumanMean:
    """``estimate`` with its standard error, batch shape (B,); on a scale with bounds the two laws of the mean.

    ``known`` is False where all answers are equal and no bounds are known: Student's t has no spread to work with.
    """

    estimate: FloatArray
    error: FloatArray
    known: Any
    answers: int
    low: MeanLaw | None
    high: MeanLaw | None

    def below(self, value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``P(y* <= value)`` with a view to limits from below, and with a view to limits from above."""
        if self.low is None or self.high is None:
            some = np.where(self.error > 0.0, self.error, 1.0)
            found = stdtr(self.answers - 1.0, (value - self.estimate) / some)
            return found, found
        return _below(self.low, value), _below(self.high, value)

    def means(self) -> tuple[Means, Means]:
        """The two distributions as values with probabilities; one and the same with Student's t."""
        if self.low is None or self.high is None:
            quantiles = stdtrit(self.answers - 1.0, ndtr(NODES))
            values = self.estimate[:, None] + self.error[:, None] * quantiles
            same = Means(values, np.broadcast_to(WEIGHTS, values.shape))
            return same, same
        return Means(self.low.nodes, self.low.weights), Means(self.high.nodes, self.high.weights)

    def ends(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Two-sided interval of the mean; unlimited where ``known`` is False."""
        if self.low is None or self.high is None:
            half = stdtrit(self.answers - 1.0, (1.0 + level) / 2.0) * self.error
            half = np.where(self.known, half, np.inf)
            return self.estimate - half, self.estimate + half
        least, most = (1.0 - level) / 2.0, (1.0 + level) / 2.0
        lower, upper = self.low.quantile(np.asarray(least)), self.high.quantile(np.asarray(most))
        return np.minimum(lower, self.estimate), np.maximum(upper, self.estimate)


def human_mean(answers: FloatArray, bounds: tuple[float, float] | None) -> HumanMean:
    """Read the answers, shape (B, n), as a statement of their population's mean.

    Example:
        >>> made = human_mean(np.array([[3.0, 4.0, 2.0, 3.0, 5.0, 3.0, 4.0, 4.0]]), (1.0, 5.0))
        >>> [round(float(end[0]), 2) for end in made.ends(0.95)]
        [2.57, 4.21]
    """
    given = answers.shape[-1]
    spread = answers.var(axis=-1, ddof=1)
    known = (np.ptp(answers, axis=-1) > 0.0) & (spread > 0.0)  # rounding can leave a tiny variance in equal answers
    low = high = None
    if bounds is not None:
        low, high = mean_law(answers, bounds[0]), mean_law(answers, bounds[1])
        known = np.ones_like(known)
    return HumanMean(answers.mean(axis=-1), np.sqrt(spread / given), known, given, low, high)


def _below(law: MeanLaw, value: FloatArray) -> FloatArray:
    rows = zip(value, law.edges, law.below, strict=True)
    return np.array([np.interp(one, edges, below, left=0.0, right=1.0) for one, edges, below in rows])
