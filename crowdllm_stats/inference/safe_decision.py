"""Is the crowd no worse than the bare LLM? Decided from a few human answers that the beliefs were not fitted to."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats.inference.belief_terms import check_whole, margin_in_words, safety_margin
from crowdllm_stats.inference.checks import FloatArray, check_array, check_level, check_same_batch
from crowdllm_stats.inference.intervals.bounded import bounded_ends, floored_variance
from crowdllm_stats.inference.intervals.sample import Sample, read_sample
from crowdllm_stats.inference.result import Result, unbatch


@dataclasses.dataclass(frozen=True, eq=False)
class SafeDecision(Result):
    """``decision`` is "safe", "unsafe" or "undetermined"; ``decision_adjusted`` the same after Benjamini-Hochberg.

    ``p_value`` belongs to the direction the data point to (the smaller of ``p_safe`` and ``p_unsafe``), and
    ``p_adjusted`` is its Benjamini-Hochberg form over the problems given. ``threshold`` is the Delta at which crowd
    and LLM tie (unlimited where the belief mean is 0, so that Delta does not matter); ``excess_risk`` is the estimate
    of ``L - L'``.
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
    p_adjusted: Any
    decision_adjusted: Any
    level: float
    n_labeled: int
    n_answers: int


@dataclasses.dataclass(frozen=True, eq=False)
class _Gap:
    """Delta's estimate, the variances of its two parts and its degrees of freedom.

    ``known`` is False where people show no spread. ``sample``: the people's answers, where the scale is known.
    """

    estimate: FloatArray
    human_part: FloatArray
    reference_part: FloatArray
    freedom: FloatArray
    known: Any
    sample: Sample | None

    @property
    def error(self) -> FloatArray:
        return np.sqrt(self.human_part + self.reference_part)


def safe_decision(
    beliefs: ArrayLike,
    human: ArrayLike,
    reference_answers: ArrayLike,
    *,
    n_digital: ArrayLike,
    eta: ArrayLike = 0.0,
    digital_noise_var: ArrayLike = 0.0,
    belief_mean_var: ArrayLike = 0.0,
    reference: str = "expected",
    k: ArrayLike | None = None,
    reference_noise_var: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    step: float | None = None,
    level: float = 0.95,
) -> SafeDecision:
    """Test whether the crowd's risk is at most that of one LLM answer; no bound kappa on Delta is needed.

    The exact condition ``mu (mu - 2 Delta) <= c`` is linear in ``Delta = y* - y_ref``: for mu > 0 it is
    ``Delta >= (mu^2 - c) / (2 mu)``, for mu < 0 ``<=``, and for mu = 0 it is ``c >= 0`` whatever Delta. Two
    one-sided tests, each at ``level``, decide it; only one of "safe" and "unsafe" can be wrong. Delta is estimated by
    the human mean less the mean reference, with Student's t (Welch's degrees of freedom where the reference is
    estimated too): for normal answers a decision is wrong with probability at most ``1 - level``.

    That is not so for a few skewed ratings. At a tie and level 0.95, ratings 1-5 with shares .58 .17 .12 .08 .05 are
    judged wrongly at rates of 0.08 to 0.11 (n = 5 to 20), shares .80 .10 .05 .03 .02 at up to 0.17: few answers miss
    the far ones. With ``bounds`` the tests are made on the arcsine scale with a floor under the variance, as in
    ``interval(method="classical-small")``: the rates are 0.00 to 0.08 and up to 0.11, and at or below 0.05 for
    symmetric and U-shaped ratings. No test of a few answers holds its level for every distribution on the scale.

    Args:
        beliefs: the twins' beliefs, shape (..., N); their mean is mu.
        human: n >= 2 answers of random people that the beliefs were NOT fitted to, shape (..., n).
        reference_answers: shape (..., R). R >= 2: independent answers of the LLM, whose sampling error is counted.
            R = 1: taken as the known expectation ``E Phi``, without error. If it is one noisy answer, say so with
            ``reference_noise_var``.
        n_digital: N of the crowd that is judged.
        eta: variance of one answer of the LLM.
        digital_noise_var: mean noise variance of the twins.
        belief_mean_var: variance of the belief mean; 0 where the beliefs given are the crowd's own.
        reference: how the LLM's answer enters the crowd: "expected", "shared" (k answers) or "individual".
        k: answers per reference.
        reference_noise_var: known variance of ONE of ``reference_answers``; 0 says that they are exact.
        bounds: (low, high) of the answer scale; to be given for ratings.
        step: distance of neighbouring answers, for the floor under the variance, as in ``interval``; needs ``bounds``.
        level: confidence level of each one-sided test, and of the two-sided interval of Delta.

    Returns:
        SafeDecision; scalars for one problem, else arrays of the batch shape. Over many problems,
        ``decision_adjusted`` keeps the expected share of wrong ones among the decisions at ``1 - level`` or less
        (Benjamini-Hochberg over the smaller one-sided p-values; problems with mu = 0 need no test and stay out).
        Where all human answers are equal, t has no spread to work with: undetermined, Delta's interval unlimited.

    Raises:
        ValueError: for human answers off the scale, n < 2, N < 2, different problems, negative variances, or a ``k``
            that does not go with ``reference``.

    Source: exact form of CrowdLLM, Theorem 3 (4.4).

    Example:
        >>> result = safe_decision([0.4, 0.6, 0.5], [3.1, 2.9, 3.3, 3.0, 3.2], [2.4], n_digital=3)
        >>> result.decision, round(result.delta, 2)
        ('safe', 0.7)
    """
    level = check_level(level)
    belief = check_array("beliefs", beliefs, least_ndim=1)
    y = check_array("human", human, least_ndim=1)
    answers = check_array("reference_answers", reference_answers, least_ndim=1)
    batch = check_same_batch(human=y, beliefs=belief, reference_answers=answers)
    if y.shape[-1] < 2:
        raise ValueError(f"human holds {y.shape[-1]} answer a problem; Student's t needs at least 2")
    count = check_whole("n_digital", n_digital, 2)
    margin = _on_batch(
        "c (from eta, digital_noise_var, belief_mean_var, k)",
        safety_margin(count, eta, digital_noise_var, belief_mean_var, reference, k),
        batch,
    )
    gap = _gap(y, answers, reference_noise_var, _people(y, bounds, step, level))
    mu = belief.mean(axis=-1)
    excess = mu * (mu - 2 * gap.estimate) - margin
    with np.errstate(divide="ignore", over="ignore"):
        threshold = np.where(mu != 0, (mu * mu - margin) / np.where(mu != 0, 2 * mu, 1.0),
                             np.where(margin >= 0, -np.inf, np.inf))  # fmt: skip
    distance, error = excess, 2 * np.abs(mu) * gap.error
    if gap.sample is not None:
        distance, error = _bent_distance(gap.sample, np.sign(mu), threshold - gap.estimate, gap)
    p_safe, p_unsafe = _p_values(excess, distance, error, gap, mu == 0)
    tested = (mu != 0) & gap.known
    p_value = np.minimum(p_safe, p_unsafe)
    p_adjusted = _adjust(p_value, tested)
    below, above = _reaches(gap, level)
    unlimited = np.where(gap.known, 0.0, np.inf)
    return SafeDecision(
        why=_why(y.shape[-1], answers.shape[-1], reference_noise_var, reference, k, level, gap.sample),
        flags=_flags(belief, count, belief_mean_var, gap, mu),
        decision=unbatch(_decide(p_value, p_safe, level)),
        p_value=unbatch(p_value),
        p_safe=unbatch(p_safe),
        p_unsafe=unbatch(p_unsafe),
        delta=unbatch(gap.estimate),
        delta_lower=unbatch(gap.estimate - below - unlimited),
        delta_upper=unbatch(gap.estimate + above + unlimited),
        threshold=unbatch(threshold),
        belief_mean=unbatch(mu),
        margin=unbatch(margin),
        excess_risk=unbatch(excess),
        p_adjusted=unbatch(p_adjusted),
        decision_adjusted=unbatch(_decide(p_adjusted, p_safe, level)),
        level=level,
        n_labeled=y.shape[-1],
        n_answers=answers.shape[-1],
    )


def _on_batch(name: str, values: FloatArray, batch: tuple[int, ...]) -> FloatArray:
    try:
        return np.broadcast_to(values, batch)
    except ValueError:
        raise ValueError(f"{name} has shape {values.shape}, which does not broadcast to the problems {batch}") from None


def _people(y: FloatArray, bounds: ArrayLike | None, step: float | None, level: float) -> Sample | None:
    """The human answers as the interval methods take them, where the scale is known."""
    if bounds is None:
        if step is not None:
            raise ValueError(f"step={step!r} is used with bounds only; give bounds=(low, high)")
        return None
    return read_sample(
        y, None, None, level=level, alternative="two-sided", weights=None, clusters=None, bounds=bounds, step=step,
        folds=None, population_size=None, census=False, beliefs=None, eta=0.0, seed=None,
    )  # fmt: skip


def _gap(y: FloatArray, answers: FloatArray, reference_noise_var: ArrayLike | None, sample: Sample | None) -> _Gap:
    """Delta with its standard error; Welch's degrees of freedom, a known variance counting as infinitely many."""
    labeled, given = y.shape[-1], answers.shape[-1]
    first = y.var(axis=-1, ddof=1) / labeled
    estimated = reference_noise_var is None and given > 1
    if estimated:
        second = answers.var(axis=-1, ddof=1) / given
    else:
        known = 0.0 if reference_noise_var is None else reference_noise_var
        variance = check_array("reference_noise_var", known, nonnegative=True)
        second = _on_batch("reference_noise_var", variance, first.shape) / given
    some = (np.ptp(y, axis=-1) > 0) & (first > 0)  # rounding can leave a tiny variance in equal answers
    if sample is not None:
        first = floored_variance(sample, first, 1.0 / sample.units)
    share = first / np.where(some, first + second, 1.0)  # in ratios, so that no square under- or overflows
    inverse = share**2 / (labeled - 1) + ((1 - share) ** 2 / (given - 1) if estimated else 0.0)
    freedom = 1.0 / np.where(some, inverse, 1.0)
    return _Gap(
        y.mean(axis=-1) - answers.mean(axis=-1), first, np.broadcast_to(second, first.shape), freedom, some, sample
    )


def _bent_distance(sample: Sample, sign: FloatArray, missing: FloatArray, gap: _Gap) -> tuple[FloatArray, FloatArray]:
    """How far the human mean lies short of the tie on the arcsine scale, in the belief's direction, and its error.

    ``missing`` is the way from the human mean to the tie; a tie off the scale is taken at the scale's end.
    """
    low, high = _ends(sample)
    own = (sample.human_mean - low) / (high - low)
    tie = np.clip(own + missing / (high - low), 0.0, 1.0)
    one_answer = gap.human_part * sample.units / (high - low) ** 2
    slope = 2.0 * (high - low) * np.sqrt(np.maximum(own * (1.0 - own), np.minimum(one_answer, 0.25)))
    way = np.arcsin(np.sqrt(tie)) - np.arcsin(np.sqrt(np.clip(own, 0.0, 1.0)))
    return sign * way * slope, gap.error


def _ends(sample: Sample) -> tuple[float, float]:
    if sample.bounds is None:
        raise ValueError("the range of the scale is unknown: give bounds=(low, high)")
    return sample.bounds


def _reaches(gap: _Gap, level: float) -> tuple[FloatArray, FloatArray]:
    """How far Delta's interval reaches below and above the estimate; on a scale the parts' reaches add in squares."""
    quantile = _quantile((1 + level) / 2, gap.freedom)
    if gap.sample is None:
        return quantile * gap.error, quantile * gap.error
    leverage = 1.0 / gap.sample.units
    centre, lower, upper, _ = bounded_ends(gap.sample, gap.sample.human_mean, gap.human_part, quantile, leverage)
    noise = quantile * np.sqrt(gap.reference_part)
    return np.hypot(centre - lower, noise), np.hypot(upper - centre, noise)


def _quantile(probability: float, freedom: FloatArray) -> FloatArray:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, probability))


def _p_values(
    excess: FloatArray, distance: FloatArray, error: FloatArray, gap: _Gap, certain: Any
) -> tuple[FloatArray, FloatArray]:
    """One-sided p-values of "safe" (the excess risk is small) and of "unsafe", from ``distance`` with its error."""
    from scipy.special import stdtr

    certain = certain | (gap.known & (error == 0))  # no estimate enters, or its error is below rounding
    ratio = distance / np.where(error == 0, 1.0, error)
    p_safe = np.where(certain, (excess > 0).astype(np.float64), stdtr(gap.freedom, ratio))
    p_unsafe = np.where(certain, (excess <= 0).astype(np.float64), stdtr(gap.freedom, -ratio))
    mute = ~gap.known & ~certain
    return np.where(mute, 1.0, p_safe), np.where(mute, 1.0, p_unsafe)


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


def _flags(
    belief: FloatArray, count: FloatArray, belief_mean_var: ArrayLike, gap: _Gap, mu: FloatArray
) -> dict[str, Any]:
    other = (count != belief.shape[-1]) & (np.asarray(belief_mean_var) == 0)
    masks = {
        "all human answers are equal: no spread to test with": ~gap.known,
        "belief mean 0: decided by c alone": mu == 0,
        "n_digital is not the number of beliefs: their mean is taken as the crowd's": np.broadcast_to(other, mu.shape),
    }
    return {sentence: mask for sentence, mask in masks.items() if np.any(mask)}


def _why(
    labeled: int,
    given: int,
    noise: ArrayLike | None,
    reference: str,
    k: ArrayLike | None,
    level: float,
    sample: Sample | None,
) -> str:
    if noise is not None:
        source = f"{given} answer(s) of known variance (reference_noise_var), whose error is counted"
    elif given == 1:
        source = "one number, taken as the known expectation of the LLM (pass reference_noise_var if it is one answer)"
    else:
        source = f"{given} independent answers, whose error is counted (Welch)"
    if sample is None:
        trust = (
            "with means near normal. On a few skewed ratings up to 17% of ties are decided wrongly at level 0.95 (n = 5"
            " to 20): give bounds"
        )
    else:
        trust = (
            "on the arcsine scale with a floor under the variance, knowing the bounds. On a few skewed ratings still up"
            " to 11% of ties are decided wrongly at level 0.95 (n = 5 to 20)"
        )
    return (
        f"Student t on {labeled} human answers: random people whom the beliefs were not fitted to, {trust}."
        f" The reference is {source}. {margin_in_words(reference, k)} Delta is against the population's mean;"
        f" the N people mirrored differ from it by order 1/sqrt(N). Each one-sided test has level {level:g}; the"
        " interval of Delta is two-sided at that level, so it is the wider. eta, digital_noise_var and"
        " belief_mean_var are taken as given."
    )
