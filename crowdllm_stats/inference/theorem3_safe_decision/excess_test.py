"""The two one-sided tests of the sign of ``L - L'``, with every estimate's error counted: y*, the reference and eta.

For given y* the LLM's risk is a mean of squared distances, ``L' = E (Phi - y*)^2``, and the crowd's ``(yt - y*)^2`` a
number. So each test asks, for given y* (and given eta, where it matters), how far the R answers of the LLM speak
against the other side; the answer is averaged over what the human answers say of y*, and the R answers of eta. In y*
alone, in the reference alone and in eta alone this is the exact test (Student's t, the normal one, chi-squared);
together it is not, so that there are two handicaps. They were set on other draws than those of the report
(``reports/inference/safe_decision.md``), which counts how often the tests are wrong.

Where an LLM nearly always gives one answer, R answers that are (nearly) alike hide the rare ones, and with them most of
the LLM's risk: no variance, and no normal law, says how large it is. What R bounded numbers say of their mean is known
(:mod:`.human_mean`): random weights, one of them for the answer that was not given yet, which lies where it speaks most
against the decision. With R answers all alike this is the bound ``1 - 0.05^(1/R)`` for the chance of another answer, at
the farther end of the scale.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.special import chdtri, gammaincc, ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.theorem3_safe_decision.human_mean import EXACT, Means, atoms, mean_below, normal_nodes

#: Handicap of "safe" on the normal scale where the beliefs hold the reference's error: the region of L > L' is convex
#: in (y*, y_ref), so that averages are too small there. Without it up to 0.09 of ties are called safe at 0.05.
HANDICAP = 0.25
#: Handicap of both decisions, over the root of R - 1, where the belief mean is known and eta is estimated: mean
#: reference and eta err together. Without it up to 0.11 of ties are decided wrongly at R = 2.
ETA_HANDICAP = 0.5

#: Problems that are worked out at a time.
CHUNK = 400


ETA_NODES, ETA_WEIGHTS = normal_nodes(20)


@dataclasses.dataclass(frozen=True)
class LLMEvidence:
    """The crowd and the LLM's answers, shape (batch,) each.

    ``crowd``: its mean, belief mean plus mean reference. ``share``: the part of eta in c, ``1 - eta_ref/eta``.
    ``cost``: what else c lacks, ``etat^2/N + Var(belief mean)``. ``eta`` and ``noise_var`` (of one reference answer)
    are None where they are to be estimated by ``var`` (ddof 1); ``floor`` is the least spread that the scale's step
    leaves. ``hold_reference``: whether the beliefs hold the error of the mean reference.
    """

    crowd: FloatArray
    reference: FloatArray
    answers: int
    var: FloatArray
    floor: FloatArray
    eta: FloatArray | None
    noise_var: FloatArray | None
    share: FloatArray
    cost: FloatArray
    hold_reference: bool

    def part(self, rows: Any) -> LLMEvidence:
        """The problems ``rows``, with two axes behind for y* and eta."""
        kept = {
            field.name: getattr(self, field.name)[rows][:, None, None]
            for field in dataclasses.fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return dataclasses.replace(self, **kept)


def excess_p_values(evidence: LLMEvidence, low: Means, high: Means) -> tuple[FloatArray, FloatArray]:
    """p-values of "safe" (against ``L >= L'``) and of "unsafe" (against ``L <= L'``).

    Args:
        evidence: of the problems, batch (B,).
        low: what the human answers say of y* with a view to limits from below.
        high: the same with a view to limits from above; each test takes the worse of the two.

    Returns:
        Two arrays of shape (B,).
    """
    size = len(evidence.crowd)
    safe, unsafe = np.empty(size), np.empty(size)
    for start in range(0, size, CHUNK):
        rows = slice(start, start + CHUNK)
        part = evidence.part(rows)
        found = [_averaged(part, means.part(rows)) for means in ((low,) if low is high else (low, high))]
        safe[rows] = np.max([one for one, _ in found], axis=0)
        unsafe[rows] = np.max([two for _, two in found], axis=0)
    if evidence.hold_reference:
        return _handicapped(safe, HANDICAP), unsafe
    if evidence.eta is None:
        amount = ETA_HANDICAP / np.sqrt(evidence.answers - 1.0)
        return _handicapped(safe, amount), _handicapped(unsafe, amount)
    return safe, unsafe


def _handicapped(p: FloatArray, amount: float) -> FloatArray:
    return np.asarray(ndtr(ndtri(np.clip(p, 0.0, 1.0)) + amount))


def _averaged(evidence: LLMEvidence, means: Means) -> tuple[FloatArray, FloatArray]:
    """Both p-values averaged over y* and eta."""
    y = means.values[:, :, None]
    spread = np.maximum(evidence.var, evidence.floor)
    one = spread * _eta_ratios(evidence.answers) if evidence.noise_var is None else evidence.noise_var
    weights = ETA_WEIGHTS if evidence.noise_var is None else np.ones(1)
    safe, unsafe = (_holding_tests if evidence.hold_reference else _linear_tests)(evidence, y, one)

    def average(p: FloatArray) -> FloatArray:
        full = np.broadcast_to(p, (len(y), y.shape[1], len(weights)))
        return np.asarray(np.einsum("bye,by,e->b", full, means.weights, weights))

    return average(safe), average(unsafe)


def _eta_ratios(answers: int) -> FloatArray:
    """eta over its estimate at the nodes: ``(R - 1) / chi^2_{R-1}``."""
    return np.asarray((answers - 1.0) / chdtri(answers - 1.0, ndtr(-ETA_NODES)))


def _holding_tests(evidence: LLMEvidence, y: FloatArray, one: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For given y* and variance ``one`` of a reference answer; the crowd's mean is known.

    L > L' means ``(y_ref - y*)^2 + share eta < a``, ``a = (crowd - y*)^2 + cost``. Against it speaks a large
    ``g^2 + share eta^`` (both in one statistic, whose chi-squared law takes the eta that the border allows); for it a
    small distance g, at the border's ``(y_ref - y*)^2 = a - share eta``.
    """
    a = (evidence.crowd - y) ** 2 + evidence.cost
    g2 = (evidence.reference - y) ** 2
    given = evidence.answers
    left = a - evidence.share * (one if evidence.eta is None else evidence.eta)
    error = np.sqrt(one / given)
    edge, distance = np.sqrt(np.maximum(left, 0.0)) / error, np.sqrt(g2) / error
    unsafe = 1.0 - np.where(left >= 0.0, ndtr(edge - distance) + ndtr(-distance - edge), 0.0)
    if evidence.eta is not None:
        moved = np.sqrt(g2 - np.minimum(left, 0.0)) / error
        return ndtr(edge - moved) + ndtr(-moved - edge), unsafe
    share = evidence.share
    allowed = np.where(share > 0.0, np.minimum(one, a / np.where(share > 0.0, share, 1.0)), one)
    allowed = np.maximum(allowed, 1e-12 * one)
    squared = np.maximum(a - share * allowed, 0.0)
    rest = share - 1.0 / given
    first, second = allowed / given, rest * allowed / (given - 1)
    far = squared / first
    safe = _upper_tail(
        g2 + rest * evidence.var,
        first * (1.0 + far) + second * (given - 1),
        2.0 * first**2 * (1.0 + 2.0 * far) + 2.0 * second**2 * (given - 1),
        8.0 * first**3 * (1.0 + 3.0 * far) + 8.0 * second**3 * (given - 1),
    )
    return safe, unsafe


def _linear_tests(evidence: LLMEvidence, y: FloatArray, one: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The belief mean is known, so the excess is linear in the reference: normal tests for given y* and eta."""
    mu = evidence.crowd - evidence.reference
    base = mu * (mu - 2.0 * (y - evidence.reference)) + evidence.cost
    error = 2.0 * np.abs(mu) * np.sqrt(one / evidence.answers)
    if evidence.eta is not None:
        excess = base - evidence.share * evidence.eta
        return _tail_of(excess, error), 1.0 - _tail_of(excess, error)
    least = one * np.minimum(1.0, evidence.var / np.maximum(np.maximum(evidence.var, evidence.floor), 1e-300))
    safe, unsafe = base - evidence.share * least, base - evidence.share * one
    return _tail_of(safe, error), 1.0 - _tail_of(unsafe, error)


def _tail_of(excess: FloatArray, error: FloatArray) -> FloatArray:
    """P(excess + error * normal > 0)."""
    sharp = error <= 0.0
    return np.where(sharp, (excess > 0.0).astype(np.float64), ndtr(excess / np.where(sharp, 1.0, error)))


def _upper_tail(at: FloatArray, mean: FloatArray, variance: FloatArray, third: FloatArray) -> FloatArray:
    """P(Q > at) of a sum of chi-squared variables, by the shifted one with its first three cumulants."""
    freedom = 8.0 * variance**3 / np.maximum(third, 1e-300) ** 2
    normal = freedom > 1e4
    some = np.where(normal, 1.0, freedom)
    standard = (at - mean) / np.sqrt(variance)
    shifted = np.maximum(some + standard * np.sqrt(2.0 * some), 0.0)
    return np.asarray(np.where(normal, ndtr(-standard), gammaincc(some / 2.0, shifted / 2.0)))


#: From this share of answers alike on, "unsafe" is tested so: the answers not given yet may be far off.
NEARLY_ALL = 0.8
#: Above this share of answers alike, "safe" is tested so: what is left are few answers, perhaps by chance.
MOST = 0.5
#: Answers this near to the middle one, as a part of the scale, are alike.
ALIKE = 0.05

#: Problems that are worked out at a time.
RARE_CHUNK = 100


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
    evidence: LLMEvidence,
    answers: FloatArray,
    bounds: tuple[float, float] | None,
    low: Means,
    high: Means,
    rows: Any,
) -> tuple[FloatArray, FloatArray]:
    """p-values of "safe" and of "unsafe", eta and the mean reference estimated from ``answers`` alone.

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
    for start in range(0, len(rows), RARE_CHUNK):
        place, part = slice(start, start + RARE_CHUNK), rows[start : start + RARE_CHUNK]
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

    evidence: LLMEvidence
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
