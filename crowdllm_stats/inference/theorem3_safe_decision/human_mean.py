"""What the human answers of each problem say of their population's mean: Student's t, or the law of a bounded scale.

On a bounded scale the n answers and one end of the scale get random weights, Dirichlet(1, ..., 1, w). With the upper
end and w = 1 the upper quantiles of the weighted mean are Gaffke's confidence limits (Clopper and Pearson's for
two-valued answers): the end stands for the answers that n people did not give.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from crowdllm_stats._base.checks import FloatArray

#: Weight of the scale's end below FEW answers: Gaffke's, whose level is exact for two-valued answers.
EXACT = 1.0
#: From FEW answers on. With one answer in 1/p far from all others, which n people miss with probability (1 - p)^n, a
#: test at 0.05 then rejects the truth with probability 0.09 at most; 1/2 would give 0.15, 1 gives 0.05 and costs power.
MODERATE = 0.7
FEW = 8

#: Points at which the distribution function is taken, in its standard deviations about its mean.
GRID = np.concatenate([np.linspace(-10.0, -4.0, 9)[:-1], np.linspace(-4.0, 4.0, 49), np.linspace(4.0, 10.0, 9)[1:]])


@dataclasses.dataclass(frozen=True)
class MeanLaw:
    """A distribution for the population's mean: cells ``edges[j]`` to ``edges[j + 1]``, ``below`` at the edges."""

    edges: FloatArray  # (..., E)
    below: FloatArray  # (..., E)

    @property
    def nodes(self) -> FloatArray:
        """The cells' middles, shape (..., E - 1)."""
        return 0.5 * (self.edges[..., 1:] + self.edges[..., :-1])

    @property
    def weights(self) -> FloatArray:
        """The cells' probabilities, shape (..., E - 1); they sum to 1."""
        return np.diff(self.below, axis=-1)

    def quantile(self, probability: FloatArray) -> FloatArray:
        """The values with ``probability`` below them, by linear interpolation; shape of the batch."""
        flat_edges, flat_below = (part.reshape(-1, part.shape[-1]) for part in (self.edges, self.below))
        wanted = np.broadcast_to(probability, self.edges.shape[:-1]).ravel()
        found = [np.interp(p, b, e) for p, b, e in zip(wanted, flat_below, flat_edges, strict=True)]
        return np.array(found).reshape(self.edges.shape[:-1])


def mean_law(answers: FloatArray, end: float) -> MeanLaw:
    """The law of the weighted mean of the answers and of one end of the scale.

    Args:
        answers: shape (..., n), on one side of ``end``.
        end: the scale's lower end (for limits from below) or its upper end.

    Example:
        >>> law = mean_law(np.zeros((1, 5)), 1.0)  # 5 times no: Clopper and Pearson have 1 - 0.05^(1/5) = 0.451
        >>> law.quantile(np.array(0.95)).round(2)
        array([0.45])
    """
    values, weights = atoms(answers, end, EXACT if answers.shape[-1] < FEW else MODERATE)
    total = weights.sum(axis=-1, keepdims=True)
    centre = (weights * values).sum(axis=-1, keepdims=True) / total
    sd = np.sqrt((weights * (values - centre) ** 2).sum(axis=-1, keepdims=True) / total / (total + 1.0))
    least, most = (
        np.minimum(answers.min(axis=-1), end)[..., None],
        np.maximum(answers.max(axis=-1), end)[..., None],
    )
    edges = np.clip(centre + sd * GRID, least, most)
    edges = np.concatenate([least, edges, most], axis=-1)
    below = mean_below(values, weights, edges)
    below[..., 0], below[..., -1] = 0.0, 1.0
    return MeanLaw(edges, np.maximum.accumulate(below, axis=-1))


def atoms(answers: FloatArray, end: float, weight: float) -> tuple[FloatArray, FloatArray]:
    """Values and weights of the atoms; answers of few values are counted, which is the same law with fewer atoms."""
    levels = np.unique(answers)
    if levels.size < answers.shape[-1]:
        counts = (answers[..., None, :] == levels[:, None]).sum(axis=-1).astype(np.float64)
        values = np.broadcast_to(levels, counts.shape)
    else:
        values, counts = answers, np.ones_like(answers)
    last = np.full((*answers.shape[:-1], 1), 1.0)
    return np.concatenate([values, end * last], axis=-1), np.concatenate([counts, weight * last], axis=-1)


def mean_below(values: FloatArray, weights: FloatArray, at: FloatArray) -> FloatArray:
    """``P(sum_i D_i v_i <= at)``, D Dirichlet with these parameters, by the saddlepoint of independent gammas.

    ``D_i = g_i / sum g`` with independent ``g_i ~ Gamma(w_i)``, so the event is ``sum_i g_i (v_i - at) <= 0``; its
    probability is Barndorff-Nielsen's ``Phi(r*)`` (relative error about 1%, as against the Beta law).

    Args:
        values: shape (..., k).
        weights: shape (..., k), not negative.
        at: shape (..., m).

    Returns:
        Probabilities, shape (..., m).

    Example:
        >>> mean_below(np.array([0.0, 1.0]), np.array([4.0, 1.0]), np.array([0.3])).round(2)  # 1 - 0.7^4 = 0.7599
        array([0.76])
    """
    present = weights[..., None, :]
    away = np.where(present > 0.0, values[..., None, :] - at[..., :, None], 0.0)
    most, least = away.max(axis=-1), away.min(axis=-1)
    scale = np.maximum(most, -least)
    inside = (most > 1e-12 * scale) & (least < -1e-12 * scale)
    tilt = _saddlepoint(away, present, np.where(inside, least, -1.0), np.where(inside, most, 1.0))
    left = np.maximum(1.0 - tilt[..., None] * away, 1e-300)
    root = np.sign(tilt) * np.sqrt(np.maximum(2.0 * (present * np.log(left)).sum(axis=-1), 0.0))
    second = (present * (away / left) ** 2).sum(axis=-1)
    third = 2.0 * (present * (away / left) ** 3).sum(axis=-1)
    centre = np.abs(root) < 1e-4
    steep = np.where(inside, second, 1.0)
    ratio = tilt * np.sqrt(steep) / np.where(centre | ~inside, 1.0, root)
    moved = root + np.log(np.where(centre | ~inside, 1.0, ratio)) / np.where(centre | ~inside, 1.0, root)
    star = np.where(centre, third / (6.0 * steep**1.5), moved)
    return np.where(inside, ndtr(star), np.where(most <= 1e-12 * scale, 1.0, 0.0))


def _saddlepoint(away: FloatArray, weights: FloatArray, least: FloatArray, most: FloatArray) -> FloatArray:
    """The s between ``1/least`` and ``1/most`` at which ``sum_i w_i a_i / (1 - s a_i) = 0``, by bisection."""
    low, high = 1.0 / least, 1.0 / most
    for _ in range(52):
        middle = 0.5 * (low + high)
        left = np.maximum(1.0 - middle[..., None] * away, 1e-300)
        rising = (weights * away / left).sum(axis=-1) > 0.0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return 0.5 * (low + high)


def normal_nodes(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights for averages over a standard normal variable (Gauss and Legendre on -6 to 6).

    Example:
        >>> nodes, weights = normal_nodes(32)
        >>> round(float(weights @ nodes**2), 6)
        1.0
    """
    nodes, weights = np.polynomial.legendre.leggauss(count)
    weights = weights * np.exp(-18.0 * nodes**2)
    return 6.0 * nodes, weights / weights.sum()


NODES, WEIGHTS = normal_nodes(40)


@dataclasses.dataclass(frozen=True)
class Means:
    """What the human answers say of y*: values with their probabilities, shape (batch, Y) each."""

    values: FloatArray
    weights: FloatArray

    def part(self, rows: Any) -> Means:
        """The problems ``rows``."""
        return Means(self.values[rows], self.weights[rows])


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
