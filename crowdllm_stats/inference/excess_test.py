"""The two one-sided tests of the sign of ``L - L'``, with every estimate's error counted: y*, the reference and eta.

For given y* the LLM's risk is a mean of squared distances, ``L' = E (Phi - y*)^2``, and the crowd's ``(yt - y*)^2`` a
number. So each test asks, for given y* (and given eta, where it matters), how far the R answers of the LLM speak
against the other side; the answer is averaged over what the human answers say of y*, and the R answers of eta. In y*
alone, in the reference alone and in eta alone this is the exact test (Student's t, the normal one, chi-squared);
together it is not, so that there are two handicaps. They were set on other draws than those of the report
(``reports/inference/safe_decision.md``), which counts how often the tests are wrong.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.special import chdtri, gammaincc, ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray

#: Handicap of "safe" on the normal scale where the beliefs hold the reference's error: the region of L > L' is convex
#: in (y*, y_ref), so that averages are too small there. Without it up to 0.09 of ties are called safe at 0.05.
HANDICAP = 0.25
#: Handicap of both decisions, over the root of R - 1, where the belief mean is known and eta is estimated: mean
#: reference and eta err together. Without it up to 0.11 of ties are decided wrongly at R = 2.
ETA_HANDICAP = 0.5

#: Problems that are worked out at a time.
CHUNK = 400


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


ETA_NODES, ETA_WEIGHTS = normal_nodes(20)


@dataclasses.dataclass(frozen=True)
class Means:
    """What the human answers say of y*: values with their probabilities, shape (batch, Y) each."""

    values: FloatArray
    weights: FloatArray

    def part(self, rows: Any) -> Means:
        """The problems ``rows``."""
        return Means(self.values[rows], self.weights[rows])


@dataclasses.dataclass(frozen=True)
class Evidence:
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

    def part(self, rows: Any) -> Evidence:
        """The problems ``rows``, with two axes behind for y* and eta."""
        kept = {
            field.name: getattr(self, field.name)[rows][:, None, None]
            for field in dataclasses.fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return dataclasses.replace(self, **kept)


def excess_p_values(evidence: Evidence, low: Means, high: Means) -> tuple[FloatArray, FloatArray]:
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


def _averaged(evidence: Evidence, means: Means) -> tuple[FloatArray, FloatArray]:
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


def _holding_tests(evidence: Evidence, y: FloatArray, one: FloatArray) -> tuple[FloatArray, FloatArray]:
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


def _linear_tests(evidence: Evidence, y: FloatArray, one: FloatArray) -> tuple[FloatArray, FloatArray]:
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
