"""Is the crowd no worse than the bare LLM? Decided from a few human answers that the beliefs were not fitted to."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from crowdllm_stats._base.checks import FloatArray, check_array, check_choice, check_level, check_same_batch
from crowdllm_stats._base.result import Result, unbatch
from crowdllm_stats.inference.intervals.sample import Sample, read_sample
from crowdllm_stats.inference.theorem3_safe_decision.excess_test import (
    MOST,
    NEARLY_ALL,
    LLMEvidence,
    excess_p_values,
    rare_answer_p_values,
    share_alike,
)
from crowdllm_stats.inference.theorem3_safe_decision.human_mean import HumanMean, human_mean
from crowdllm_stats.inference.theorem3_safe_decision.reference_noise import ReferenceNoise, on_batch, reference_noise
from crowdllm_stats.inference.theorem3_safe_decision.words import first_words, in_words, remarks
from crowdllm_stats.inference.theorem3_safe_interval import (
    Reference,
    check_whole,
    crowd_noise,
    margin_in_words,
    reference_share,
)

BeliefsFrom = Literal["answers", "generator"]
BELIEFS_FROM: tuple[BeliefsFrom, ...] = get_args(BeliefsFrom)


@dataclasses.dataclass(frozen=True, eq=False)
class SafeDecision(Result):
    """``decision`` is "safe", "unsafe" or "undetermined"; ``decision_adjusted`` the same after Benjamini-Hochberg.

    Safe means: the crowd's mean is no worse than ONE answer of the LLM; both may be far from the humans.
    ``crowd_gap`` says how far: the crowd's mean less the humans', with its interval. ``p_value`` belongs to the
    direction the data point to (the smaller of ``p_safe`` and ``p_unsafe``), and ``p_adjusted`` is its
    Benjamini-Hochberg form over the problems that needed a test and had one (``tested``). ``threshold`` is the Delta
    at which crowd and LLM tie (unlimited where the belief mean is 0, so that Delta does not matter); ``excess_risk``
    is the estimate of ``L - L'``, without bias; ``eta`` the variance of one answer, as given or as estimated.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "decision",
        "p_value",
        "delta",
        "delta_lower",
        "delta_upper",
        "threshold",
        "belief_mean",
        "excess_risk",
        "crowd_gap",
        "gap_lower",
        "gap_upper",
        "eta",
        "p_adjusted",
        "decision_adjusted",
    )

    decision: Any
    p_value: Any
    p_safe: Any
    p_unsafe: Any
    delta: Any
    delta_lower: Any
    delta_upper: Any
    threshold: Any
    belief_mean: Any
    margin: Any
    excess_risk: Any
    crowd_gap: Any
    gap_lower: Any
    gap_upper: Any
    eta: Any
    tested: Any
    p_adjusted: Any
    decision_adjusted: Any
    level: float
    n_labeled: int
    n_answers: int


def safe_decision(
    beliefs: ArrayLike,
    human: ArrayLike,
    reference_answers: ArrayLike,
    *,
    n_digital: ArrayLike,
    beliefs_from: BeliefsFrom = "answers",
    eta: ArrayLike | None = None,
    digital_noise_var: ArrayLike = 0.0,
    belief_mean_var: ArrayLike = 0.0,
    reference: Reference = "expected",
    k: ArrayLike | None = None,
    reference_noise_var: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    step: float | None = None,
    level: float = 0.95,
) -> SafeDecision:
    """Test whether the crowd's risk is at most that of one LLM answer; no bound kappa on Delta is needed.

    Two one-sided tests, each at ``level``, of the sign of ``L - L' = mu (mu - 2 Delta) - c``, ``Delta = y* - y_ref``;
    only one of "safe" and "unsafe" can be wrong. With h the error of the human mean and r that of the mean of the R
    reference answers, beliefs that are answers less that mean have the mean ``mu - r``, and Delta's estimate is
    ``Delta + h - r``: the crowd's mean does not depend on r, the LLM's does. So the excess is estimated by
    ``mu^ (mu^ - 2 Delta^) - c^ + eta^/R``, without bias, with the error ``-2 mu h + 2 Delta r - (eta^ - eta)`` to first
    order, and the tests count all of it, eta's own error too. Beliefs that are known without the reference answers
    (``beliefs_from="generator"``) have the error ``2 mu (r - h) - (eta^ - eta)``.

    How often the tests are wrong at a tie, and how often they decide, is tabled in
    ``reports/inference/safe_decision.md``. Without ``bounds`` the human mean has Student's t, for normal answers;
    few skewed ratings miss the far answers, and then it is wrong far more often. With ``bounds`` the end of the scale
    stands for the answers that were not given (Gaffke's limits; below 8 answers with their full weight).

    Where the LLM gives nearly always one answer (80% of them or more; above half for "safe"), its rare answers make its
    risk and normal theory does not see them: there the same limits hold for its squared distances to y*, an answer that
    was not given yet counting as one more at the worst place. With R answers all alike "unsafe" so needs a crowd that
    is worse than an LLM with ``1 - 0.05^(1/R)`` of its answers at the farther end, and is never said without
    ``bounds``; give ``eta=0`` for an LLM that always answers alike. How often that is wrong, what else was tried and
    what it costs: ``reports/inference/nearly_constant.md``.

    Args:
        beliefs: the twins' beliefs, shape (..., N); their mean is mu.
        human: n >= 2 answers of random people that the beliefs were NOT fitted to, shape (..., n).
        reference_answers: independent answers of the LLM, shape (..., R); their sampling error is counted.
        n_digital: N of the crowd that is judged.
        beliefs_from: "answers": each belief is a digital answer less the mean of these ``reference_answers``, so that
            it holds their error. "generator": the beliefs were known before any of these answers was drawn.
        eta: variance of one answer of the LLM, taken as known; None estimates it from R >= 2 answers. 0 for an LLM
            that always answers alike.
        digital_noise_var: mean noise variance of the twins; 0 where the beliefs are realised answers, for then the
            crowd is judged as it stands.
        belief_mean_var: variance of the belief mean; 0 where the beliefs given are the crowd's own.
        reference: how the LLM's answer enters the crowd's risk beyond the beliefs given: "expected" (also where they
            are realised answers), "shared" (k answers) or "individual".
        k: answers per reference.
        reference_noise_var: known variance of ONE of ``reference_answers``, where it is not eta; 0 says that they are
            exact expectations.
        bounds: (low, high) of the answer scale; to be given for ratings.
        step: distance of neighbouring answers, as in ``interval``; needs ``bounds``. Reference answers on the scale's
            steps count as if at least one were a step away.
        level: confidence level of each one-sided test, and of the two-sided intervals.

    Returns:
        SafeDecision; scalars for one problem, else arrays of the batch shape. Over many problems,
        ``decision_adjusted`` keeps the expected share of wrong ones among the decisions at ``1 - level`` or less
        (Benjamini-Hochberg over the smaller one-sided p-values; problems that need no test stay out).
        Where all human answers are equal and no bounds are given, t has no spread to work with: undetermined, the
        intervals unlimited.

    Raises:
        ValueError: for human answers off the scale, n < 2, N < 2, different problems, negative variances, one
            reference answer without ``eta``, or a ``k`` that does not go with ``reference``.

    Source: exact form of CrowdLLM, Theorem 3 (4.4); Gaffke (2005) for bounded means.

    Example:
        >>> result = safe_decision([0.4, 0.6, 0.5], [3.1, 2.9, 3.3, 3.0, 3.2], [2.4], n_digital=3, eta=0)
        >>> result.decision, round(result.delta, 2), round(result.crowd_gap, 2)
        ('safe', 0.7, -0.2)
    """
    level = check_level(level)
    check_choice("beliefs_from", beliefs_from, BELIEFS_FROM)
    belief = check_array("beliefs", beliefs, least_ndim=1)
    y = check_array("human", human, least_ndim=1)
    answers = check_array("reference_answers", reference_answers, least_ndim=1)
    batch = check_same_batch(human=y, beliefs=belief, reference_answers=answers)
    if y.shape[-1] < 2:
        raise ValueError(f"human holds {y.shape[-1]} answer per problem; Student's t needs at least 2")
    sample = _people(y, bounds, step, level)
    ends = None if sample is None else sample.bounds
    noise = reference_noise(answers, eta, reference_noise_var, sample)
    count = check_whole("n_digital", n_digital, 2)
    share = on_batch("n_digital and k", reference_share(count, reference, k), batch)
    cost = crowd_noise(count, digital_noise_var, belief_mean_var)
    cost = on_batch("n_digital, digital_noise_var and belief_mean_var", cost, batch)
    mu = belief.mean(axis=-1)
    people = human_mean(y.reshape(-1, y.shape[-1]), ends)
    plain = answers.reshape(-1, answers.shape[-1])
    case = _Case(mu.ravel(), noise.flat(), share.ravel(), cost.ravel(), beliefs_from == "answers", plain, ends)
    shaped = {name: values.reshape(batch) for name, values in _judge(case, people, level).items()}
    needless, nearly_all = case.needless.reshape(batch), (case.alike >= NEARLY_ALL).reshape(batch)
    p_value = np.minimum(shaped["p_safe"], shaped["p_unsafe"])
    p_adjusted = _adjust(p_value, shaped["tested"])
    other = np.broadcast_to((count != belief.shape[-1]) & (np.asarray(belief_mean_var) == 0), batch)
    return SafeDecision(
        why=in_words(
            y.shape[-1], noise, case.from_answers, margin_in_words(reference, k), level, sample is not None, nearly_all
        ),
        flags=remarks(people.known.reshape(batch), needless, other, nearly_all, noise),
        notices=first_words(y, sample is not None, noise, nearly_all),
        decision=unbatch(_decide(p_value, shaped["p_safe"], level)),
        p_value=unbatch(p_value),
        belief_mean=unbatch(mu),
        eta=unbatch(noise.eta_estimate),
        p_adjusted=unbatch(p_adjusted),
        decision_adjusted=unbatch(_decide(p_adjusted, shaped["p_safe"], level)),
        level=level,
        n_labeled=y.shape[-1],
        n_answers=answers.shape[-1],
        **{name: unbatch(values) for name, values in shaped.items()},
    )


@dataclasses.dataclass(frozen=True)
class _Case:
    """What is judged, every array flat over the problems: ``c = share eta - cost``."""

    mu: FloatArray
    noise: ReferenceNoise
    share: FloatArray
    cost: FloatArray
    from_answers: bool
    answers: FloatArray
    bounds: tuple[float, float] | None

    @property
    def margin(self) -> FloatArray:
        return np.asarray(self.share * self.noise.eta_estimate - self.cost)

    @property
    def exact(self) -> Any:
        """Where only y* is estimated."""
        return self.noise.exact & (self.noise.eta is not None)

    @property
    def alike(self) -> Any:
        """Share of the LLM's answers that are alike; 0 where eta is known."""
        if self.noise.eta is not None:
            return np.zeros(len(self.mu))
        return share_alike(self.answers, self.bounds)

    @property
    def needless(self) -> Any:
        """Where the belief mean is 0 for certain, and with it the sign of the excess, whatever the humans say."""
        sure = self.exact
        if not self.from_answers:
            sure = sure | (self.cost == 0.0) | (self.share == 0.0) | (self.noise.eta is not None)
        return (self.mu == 0.0) & sure

    def evidence(self) -> LLMEvidence:
        """For the tests with an estimated reference; a problem without spread gets one that is not used."""
        noise = self.noise
        unused = noise.exact.astype(np.float64)
        return LLMEvidence(
            crowd=self.mu + noise.mean,
            reference=noise.mean,
            answers=noise.answers,
            var=noise.var,
            floor=noise.floor + unused,
            eta=noise.eta,
            noise_var=None if noise.noise_var is None else noise.noise_var + unused,
            share=self.share,
            cost=self.cost,
            hold_reference=self.from_answers,
        )


def _people(y: FloatArray, bounds: ArrayLike | None, step: float | None, level: float) -> Sample | None:
    """The human answers as the interval methods take them, where the scale is known."""
    if bounds is None:
        if step is not None:
            raise ValueError(f"step={step!r} is used with bounds only; give bounds=(low, high)")
        return None
    return read_sample(y, level=level, bounds=bounds, step=step)


def _judge(case: _Case, people: HumanMean, level: float) -> dict[str, FloatArray]:
    """Tests, Delta, the crowd's gap and the excess risk of every problem."""
    mu, reference, hold = case.mu, case.noise.mean, case.from_answers
    margin, delta = case.margin, people.estimate - reference
    excess = mu * (mu - 2.0 * delta) - margin + (case.noise.error_var if hold else 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        threshold = np.where(mu != 0, (mu * mu - margin) / np.where(mu != 0, 2 * mu, 1.0),
                             np.where(margin >= 0, -np.inf, np.inf))  # fmt: skip
    p_safe, p_unsafe = _p_values(case, people, threshold + reference)
    needless = case.needless
    mute = ~people.known & ~needless
    lower, upper = people.ends(level)
    delta_lower, delta_upper = _interval_of_delta(people, case.noise, level)
    return {
        "p_safe": np.where(mute, 1.0, np.where(needless, excess > 0, p_safe)),
        "p_unsafe": np.where(mute, 1.0, np.where(needless, excess <= 0, p_unsafe)),
        "delta": delta,
        "delta_lower": delta_lower,
        "delta_upper": delta_upper,
        "threshold": threshold,
        "margin": margin,
        "excess_risk": excess,
        "crowd_gap": mu - delta,
        "gap_lower": mu + reference - upper if hold else mu - delta_upper,
        "gap_upper": mu + reference - lower if hold else mu - delta_lower,
        "tested": ~needless & ~mute,
    }


def _p_values(case: _Case, people: HumanMean, tie: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where only y* is estimated the exact tests (for mu > 0, L <= L' exactly from ``tie`` on), else those of all."""
    low, high = people.below(tie)
    rising = case.mu > 0
    safe, unsafe = np.where(rising, low, 1.0 - high), np.where(rising, 1.0 - high, low)
    if np.all(case.exact):
        return safe, unsafe
    evidence, means, alike = case.evidence(), people.means(), case.alike
    p_safe, p_unsafe = excess_p_values(evidence, *means)
    rows = np.flatnonzero(alike > MOST)
    rare_safe, rare_unsafe = rare_answer_p_values(evidence, case.answers, case.bounds, *means, rows)
    p_safe[rows] = rare_safe
    p_unsafe[rows] = np.where(alike[rows] >= NEARLY_ALL, rare_unsafe, p_unsafe[rows])
    return np.where(case.exact, safe, p_safe), np.where(case.exact, unsafe, p_unsafe)


def _interval_of_delta(people: HumanMean, noise: ReferenceNoise, level: float) -> tuple[FloatArray, FloatArray]:
    """Two-sided interval: Welch's with Student's t; on a scale the two parts' reaches add in squares."""
    delta = people.estimate - noise.mean
    many = np.inf if noise.noise_var is not None else noise.answers - 1.0
    second = np.maximum(noise.error_var, noise.floor / noise.answers)
    if people.low is not None:
        lower, upper = people.ends(level)
        reach = _quantile(level, many) * np.sqrt(second)
        return delta - np.hypot(people.estimate - lower, reach), delta + np.hypot(upper - people.estimate, reach)
    first = people.error**2
    share = first / np.where(people.known, first + second, 1.0)  # in ratios, so that no square under- or overflows
    inverse = share**2 / (people.answers - 1.0) + (1.0 - share) ** 2 / many
    freedom = 1.0 / np.where(people.known, inverse, 1.0)
    half = np.where(people.known, _quantile(level, freedom) * np.sqrt(first + second), np.inf)
    return delta - half, delta + half


def _quantile(level: float, freedom: FloatArray | float) -> FloatArray:
    """Two-sided quantile of Student's t; the normal one at infinitely many degrees of freedom."""
    limit = np.minimum(freedom, 1e12)
    return np.asarray(stdtrit(limit, (1.0 + level) / 2.0))


def _adjust(p_value: FloatArray, tested: Any) -> FloatArray:
    """Benjamini-Hochberg over the problems that were tested; the others keep their own."""
    from scipy.stats import false_discovery_control

    adjusted = np.array(p_value, dtype=np.float64)
    if np.any(tested):
        adjusted[tested] = false_discovery_control(adjusted[tested])
    return adjusted


def _decide(p_value: FloatArray, p_safe: FloatArray, level: float) -> Any:
    sure = p_value <= 1 - level
    return np.where(sure, np.where(p_safe <= p_value, "safe", "unsafe"), "undetermined")
