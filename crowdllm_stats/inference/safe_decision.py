"""Is the crowd no worse than the bare LLM? Decided from a few human answers that the beliefs were not fitted to."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats.inference.belief_terms import check_whole, margin_in_words, safety_margin
from crowdllm_stats.inference.checks import FloatArray, check_array, check_level, check_same_batch
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
    """Delta's estimate, standard error and degrees of freedom; ``known`` is False where people show no spread."""

    estimate: FloatArray
    error: FloatArray
    freedom: FloatArray
    known: Any


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
    level: float = 0.95,
) -> SafeDecision:
    """Test whether the crowd's risk is at most that of one LLM answer; no bound kappa on Delta is needed.

    The exact condition ``mu (mu - 2 Delta) <= c`` is linear in ``Delta = y* - y_ref``: for mu > 0 it is
    ``Delta >= (mu^2 - c) / (2 mu)``, for mu < 0 ``<=``, and for mu = 0 it is ``c >= 0`` whatever Delta. Two
    one-sided tests, each at ``level``, decide it; as only one of "safe" and "unsafe" can be wrong, a decision is
    wrong with probability at most ``1 - level``. Delta is estimated by the human mean less the mean reference, with
    Student's t (Welch's degrees of freedom where the reference is estimated too).

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
        level: confidence level of each one-sided test, and of the two-sided interval of Delta.

    Returns:
        SafeDecision; scalars for one problem, else arrays of the batch shape. Over many problems,
        ``decision_adjusted`` keeps the expected share of wrong ones among the decisions at ``1 - level`` or less
        (Benjamini-Hochberg over the smaller one-sided p-values; problems with mu = 0 need no test and stay out).
        Where all human answers are equal, t has no spread to work with: undetermined, Delta's interval unlimited.

    Raises:
        ValueError: for n < 2, N < 2, different problems, negative variances, or a ``k`` that does not go with
            ``reference``.

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
    gap = _gap(y, answers, reference_noise_var)
    mu = belief.mean(axis=-1)
    excess = mu * (mu - 2 * gap.estimate) - margin
    p_safe, p_unsafe = _p_values(excess, 2 * np.abs(mu) * gap.error, gap, mu == 0)
    tested = (mu != 0) & gap.known
    p_value = np.minimum(p_safe, p_unsafe)
    p_adjusted = _adjust(p_value, tested)
    reach = _quantile((1 + level) / 2, gap.freedom) * gap.error
    unlimited = np.where(gap.known, 0.0, np.inf)
    with np.errstate(divide="ignore", over="ignore"):
        threshold = np.where(mu != 0, (mu * mu - margin) / np.where(mu != 0, 2 * mu, 1.0),
                             np.where(margin >= 0, -np.inf, np.inf))  # fmt: skip
    return SafeDecision(
        why=_why(y.shape[-1], answers.shape[-1], reference_noise_var, reference, k, level),
        flags=_flags(belief, count, belief_mean_var, gap, mu),
        decision=unbatch(_decide(p_value, p_safe, level)),
        p_value=unbatch(p_value),
        p_safe=unbatch(p_safe),
        p_unsafe=unbatch(p_unsafe),
        delta=unbatch(gap.estimate),
        delta_lower=unbatch(gap.estimate - reach - unlimited),
        delta_upper=unbatch(gap.estimate + reach + unlimited),
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


def _gap(y: FloatArray, answers: FloatArray, reference_noise_var: ArrayLike | None) -> _Gap:
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
    share = first / np.where(some, first + second, 1.0)  # in ratios, so that no square under- or overflows
    inverse = share**2 / (labeled - 1) + ((1 - share) ** 2 / (given - 1) if estimated else 0.0)
    freedom = 1.0 / np.where(some, inverse, 1.0)
    return _Gap(y.mean(axis=-1) - answers.mean(axis=-1), np.sqrt(first + second), freedom, some)


def _quantile(probability: float, freedom: FloatArray) -> FloatArray:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, probability))


def _p_values(excess: FloatArray, error: FloatArray, gap: _Gap, certain: Any) -> tuple[FloatArray, FloatArray]:
    """One-sided p-values of "safe" (the excess risk is small) and of "unsafe"."""
    from scipy.special import stdtr

    certain = certain | (gap.known & (error == 0))  # no estimate enters, or its error is below rounding
    ratio = excess / np.where(error == 0, 1.0, error)
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


def _why(labeled: int, given: int, noise: ArrayLike | None, reference: str, k: ArrayLike | None, level: float) -> str:
    if noise is not None:
        source = f"{given} answer(s) of known variance (reference_noise_var), whose error is counted"
    elif given == 1:
        source = "one number, taken as the known expectation of the LLM (pass reference_noise_var if it is one answer)"
    else:
        source = f"{given} independent answers, whose error is counted (Welch)"
    return (
        f"Student t on {labeled} human answers: random people whom the beliefs were not fitted to, with means near"
        f" normal. The reference is {source}. {margin_in_words(reference, k)} Delta is against the population's mean;"
        f" the N people mirrored differ from it by order 1/sqrt(N). Each one-sided test has level {level:g}; the"
        " interval of Delta is two-sided at that level, so it is the wider. eta, digital_noise_var and"
        " belief_mean_var are taken as given."
    )
