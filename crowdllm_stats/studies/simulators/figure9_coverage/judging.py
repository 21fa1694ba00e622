"""What intervals and safe intervals say about the mean answers of a known population, and whether it is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.dispatch import choose
from crowdllm_stats.inference.intervals.methods import METHODS
from crowdllm_stats.inference.intervals.sample import Sample, read_sample
from crowdllm_stats.inference.theorem3_safe_decision import safe_decision
from crowdllm_stats.inference.theorem3_safe_interval import safe_interval

#: Intervals for the mean answer; "auto" is what ``interval`` does by itself.
INTERVALS = ("classical", "crowdllm", "ppi", "ppi++", "ppi-small", "ppi++-small", "auto")
#: Where the belief mean is safe: Theorem 3 with Delta known, its exact form, and the test on the people's answers.
SAFE = ("safe-published", "safe-exact", "safe-decision")

#: How many questions; of intervals: share whose mean lies inside, mean width, and the latter over Student's t's.
#: Of safe intervals: share of questions called safe, rightly so, with any wrong statement, and truly safe.
OUTCOMES = ("judged", "covered", "breadth", "breadth_over_t", "called", "right", "wrong", "no_worse")


@dataclass(frozen=True, eq=False)
class Evidence:
    """Answers to T questions in each of R replicates, and what is true.

    Attributes:
        human: (R, T, n).
        twins: digital answers of these people, (R, T, n).
        crowd: digital answers of N others, (R, T, N).
        reference: y_ref, (R, T).
        truth: the population's mean answers, (R, T).
        kappa: bound on the gap, (R,).
        level: nominal.
    """

    human: FloatArray
    twins: FloatArray
    crowd: FloatArray
    reference: FloatArray
    truth: FloatArray
    kappa: FloatArray
    level: float

    @cached_property
    def sample(self) -> Sample:
        """The checked input of the interval methods."""
        return read_sample(self.human, self.twins, self.crowd, level=self.level)

    @cached_property
    def usual_breadth(self) -> FloatArray:
        """Mean width of Student's t, (R,)."""
        core = METHODS["classical"](self.sample)
        return np.asarray((core.upper - core.lower).mean(axis=1))


def judge(method: str, evidence: Evidence) -> Mapping[str, FloatArray]:
    """The outcomes of one method over all questions of each replicate, (R,); NaN where the method has no such outcome.

    A method that gives no number on some question gives none there: ``judged`` is NaN then, which counts as failed;
    so it does where there is no question.

    Args:
        method: one of :data:`INTERVALS` or :data:`SAFE`.
        evidence: the answers.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> human, twins, crowd = (rng.normal(3.0, 1.0, (2, 7, k)) for k in (5, 5, 30))
        >>> known = Evidence(human, twins, crowd, np.full((2, 7), 3.2), np.full((2, 7), 3.0), np.full(2, 0.5), 0.95)
        >>> found = judge("classical", known)
        >>> found["judged"], found["breadth_over_t"]
        (array([7., 7.]), array([1., 1.]))
        >>> judge("safe-exact", known)["wrong"]
        array([0., 0.])
    """
    replicates, questions = evidence.truth.shape
    found = {name: np.full(replicates, np.nan) for name in OUTCOMES}
    if questions:
        found |= _interval(method, evidence) if method in INTERVALS else _safe(method, evidence)
    return found


def _interval(method: str, evidence: Evidence) -> dict[str, FloatArray]:
    core = METHODS[choose(evidence.sample) if method == "auto" else method](evidence.sample)
    lower, upper = np.asarray(core.lower), np.asarray(core.upper)
    known = np.asarray((np.isfinite(lower) & np.isfinite(upper)).all(axis=1))
    covered = (lower <= evidence.truth) & (evidence.truth <= upper)
    breadth, usual = (upper - lower).mean(axis=1), evidence.usual_breadth
    found = {
        "judged": np.full(len(known), float(covered.shape[1])),
        "covered": covered.mean(axis=1),
        "breadth": breadth,
        "breadth_over_t": np.divide(breadth, usual, out=np.full(len(known), np.nan), where=usual > 0.0),
    }
    return {name: np.where(known, values, np.nan) for name, values in found.items()}


def _safe(method: str, evidence: Evidence) -> dict[str, FloatArray]:
    beliefs, gap = evidence.crowd - evidence.reference[..., None], evidence.truth - evidence.reference
    mu, size = beliefs.mean(axis=-1), beliefs.shape[-1]
    no_worse = (gap - mu) ** 2 <= gap**2
    if method == "safe-decision":
        decided = safe_decision(
            beliefs, evidence.human, evidence.reference[..., None], n_digital=size, eta=0.0, level=evidence.level
        ).decision
        called, refused = np.asarray(decided) == "safe", np.asarray(decided) == "unsafe"
    else:
        kappa = np.broadcast_to(evidence.kappa[:, None], gap.shape)
        region = safe_interval(mu, (beliefs**2).mean(axis=-1), gap, kappa, size)
        called = np.asarray(region.inside_published if method == "safe-published" else region.inside_exact)
        refused = np.zeros_like(called) if method == "safe-published" else ~called
    return {
        "judged": np.full(len(gap), float(gap.shape[1])),
        "called": called.mean(axis=1),
        "right": (called & no_worse).mean(axis=1),
        "wrong": ((called & ~no_worse) | (refused & no_worse)).mean(axis=1),
        "no_worse": no_worse.mean(axis=1),
    }
