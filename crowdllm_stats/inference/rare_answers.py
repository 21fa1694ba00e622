"""The tests of the sign of ``L - L'`` where an LLM gives nearly always one answer, so that its rare ones decide.

R answers that are (nearly) alike hide the rare ones, and with them most of the LLM's risk: no variance, and no normal
law, tells how large it is. For given y* the LLM's risk is a mean of squared distances, and what R bounded numbers say
of their mean is known (:mod:`~crowdllm_stats.inference.dirichlet_mean`, as for the human answers): random weights, one
of them for the answer that was not given yet, which lies where it speaks most against the decision. With R answers all
alike this is the bound ``1 - 0.05^(1/R)`` for the chance of another answer, at the farther end of the scale.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.dirichlet_mean import EXACT, atoms, mean_below
from crowdllm_stats.inference.excess_test import Evidence, Means

#: From this share of answers alike on, "unsafe" is tested so: the answers not given yet may be far off.
NEARLY_ALL = 0.8
#: Above this share of answers alike, "safe" is tested so: what is left are few answers, perhaps by chance.
MOST = 0.5
#: Answers this near to the middle one, as a part of the scale, are alike.
ALIKE = 0.05

#: Problems that are worked out at a time.
CHUNK = 100


def share_alike(answers: FloatArray, bounds: tuple[float, float] | None) -> FloatArray:
    """The share of the answers that equal the middle one, or lie within a twentieth of the scale from it.

    Args:
        answers: shape (..., R).
        bounds: ends of the scale, None if unknown: then equal means equal.

    Example:
        >>> share_alike(np.array([[3.0, 3.0, 3.0, 5.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0]]), (1.0, 5.0))
        array([0.8, 0.2])
    """
    ordered, given = np.sort(answers, axis=-1), answers.shape[-1]
    near = 0.0 if bounds is None else ALIKE * (bounds[1] - bounds[0])
    middles = (ordered[..., place, None] for place in {(given - 1) // 2, given // 2})
    return np.asarray(np.max([np.mean(np.abs(answers - middle) <= near, axis=-1) for middle in middles], axis=0))


def rare_answer_p_values(
    evidence: Evidence, answers: FloatArray, bounds: tuple[float, float] | None, low: Means, high: Means, rows: Any
) -> tuple[FloatArray, FloatArray]:
    """p-values of "safe" and of "unsafe", eta and the mean reference told by ``answers`` alone.

    Without bounds the answers not given yet may lie anywhere, so that nothing speaks for "unsafe": 1.

    Args:
        evidence: of the problems, batch (B,).
        answers: of the LLM, shape (B, R).
        bounds: ends of the scale, None if unknown.
        low: what the human answers say of y* with a view to limits from below.
        high: the same with a view to limits from above; each test takes the worse of the two.
        rows: numbers of the problems wanted.

    Returns:
        Two arrays, of the length of ``rows``.
    """
    safe, unsafe = np.ones(len(rows)), np.ones(len(rows))
    for start in range(0, len(rows), CHUNK):
        place, part = slice(start, start + CHUNK), rows[start : start + CHUNK]
        risk = _Risk(evidence.part(part), answers[part], bounds)
        sides = [means.part(part) for means in ((low,) if low is high else (low, high))]
        safe[place] = np.max([_average(risk.reached_at_best(side.values), side) for side in sides], axis=0)
        if bounds is not None:
            unsafe[place] = np.max([1.0 - _average(risk.reached_at_worst(side.values), side) for side in sides], axis=0)
    if bounds is None:
        safe = np.where(evidence.share[rows] > 0.0, safe, 1.0)
    return safe, unsafe


def _average(p: FloatArray, means: Means) -> FloatArray:
    return np.asarray((p * means.weights).sum(axis=-1))


@dataclasses.dataclass(frozen=True)
class _Risk:
    """What of ``L'`` depends on the LLM's answers, as a mean of ``_terms`` of them, for given y*.

    ``L <= L'`` where that mean reaches ``_needed``. The part of eta that the crowd carries itself is counted about the
    mean of the answers given, which to first order is nothing else, or, where that would favour "unsafe", not at all.
    """

    evidence: Evidence
    answers: FloatArray
    bounds: tuple[float, float] | None

    def reached_at_best(self, y: FloatArray) -> FloatArray:
        """``P(L' <= L)`` for y* of shape (b, Y), the answer not given yet where it makes L' least."""
        share = np.maximum(self.evidence.share, 1e-9)
        centre = self.evidence.reference
        if self.evidence.hold_reference:
            best = (y[..., None] - (1.0 - share) * centre) / share
        else:
            best = centre + self._belief / share
        if self.bounds is not None:
            best = np.clip(best, *self._ends)
        return self._reached(y, best, self.evidence.share)

    def reached_at_worst(self, y: FloatArray) -> FloatArray:
        """The same, where it makes L' largest."""
        share = np.ones_like(self.evidence.share) if self.evidence.hold_reference else self.evidence.share
        return np.minimum(*(self._reached(y, np.full((1, 1, 1), end), share) for end in self._ends))

    @property
    def _belief(self) -> FloatArray:
        return self.evidence.crowd - self.evidence.reference

    @property
    def _ends(self) -> tuple[float, float]:
        """Of the scale; answers off it widen it."""
        low, high = self.bounds or (np.inf, -np.inf)
        return min(low, float(self.answers.min())), max(high, float(self.answers.max()))

    def _reached(self, y: FloatArray, missing: FloatArray, share: FloatArray) -> FloatArray:
        """P(the mean of the terms <= what is needed), shape (b, Y)."""
        values, weights = atoms(self.answers, 0.0, EXACT)
        given = self._terms(values[:, None, :-1], y[..., None], share)
        last = self._terms(missing, y[..., None], share)
        shape = (*y.shape, values.shape[-1] - 1)
        terms = np.concatenate([np.broadcast_to(given, shape), np.broadcast_to(last, (*y.shape, 1))], axis=-1)
        needed = self._needed(y[..., None])
        return mean_below(terms, np.broadcast_to(weights[:, None, :], terms.shape), needed)[..., 0]

    def _terms(self, answer: FloatArray, y: FloatArray, share: FloatArray) -> FloatArray:
        about = (answer - self.evidence.reference) ** 2
        if self.evidence.hold_reference:
            return (answer - y) ** 2 - (1.0 - share) * about
        return share * about - 2.0 * self._belief * answer

    def _needed(self, y: FloatArray) -> FloatArray:
        if self.evidence.hold_reference:
            return (self.evidence.crowd - y) ** 2 + self.evidence.cost
        return self._belief * (self._belief - 2.0 * y) + self.evidence.cost
