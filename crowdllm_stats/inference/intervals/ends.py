"""From an estimate to the two ends of an interval: symmetric ones, and those of a bounded scale.

On a bounded scale the ends are as if half an answer more, which nobody has given yet, lay at the end of the scale. The
half is a constant of the method, fitted to nobody's data: one whole answer makes the limit of Gaffke (2005), safe and
wide; for answers that lie at the two ends of the scale the ends are those of a Beta(x + 1/2, n - x) law, between the
mid-P and the Clopper-Pearson limit. What it reaches, beside eight other candidates, on made and on real margins, is in
reports/inference/small_sample_choice.md and reports/inference/levels.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.sample import Flags, Sample

#: The flag for estimates that were moved.
MOVED = "the estimate fell outside the possible range and was moved to its end"
#: The unseen answers that are put at the end of the scale.
UNSEEN = 0.5
#: Means this close to the end of a scale of length 1 lie at it.
NEAR = 1e-12
#: Largest sum of a Beta law's parameters for which its quantile is computed (a standard deviation of 5e-6).
LARGEST_SIZE = 1e10


def symmetric_ends(sample: Sample, estimate: FloatArray, half_width: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``estimate -+ half_width``; the far end of a one-sided interval is infinite.

    Args:
        sample: for its ``alternative``.
        estimate: batch shape.
        half_width: batch shape, not negative.

    Returns:
        Lower and upper ends, batch shape each.
    """
    return one_sided(sample, estimate - half_width, estimate + half_width)


def one_sided(
    sample: Sample,
    lower: FloatArray,
    upper: FloatArray,
    ends: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
) -> tuple[FloatArray, FloatArray]:
    """Replace the end that ``alternative`` leaves open by ``ends``.

    Args:
        sample: for its ``alternative``: "larger" opens the upper end, "smaller" the lower one.
        lower: batch shape.
        upper: batch shape.
        ends: what stands for an open end below and above; a scale's own ends where it has some.

    Returns:
        Lower and upper ends, batch shape each.
    """
    if sample.alternative == "larger":
        upper = np.broadcast_to(np.asarray(ends[1], dtype=float), lower.shape)
    elif sample.alternative == "smaller":
        lower = np.broadcast_to(np.asarray(ends[0], dtype=float), upper.shape)
    return np.asarray(lower), np.asarray(upper)


def all_equal(sample: Sample) -> Flags:
    """The flag for problems whose human answers are all the same.

    Returns:
        Sentence -> mask of batch shape, the form of :class:`~crowdllm_stats._base.result.Result` ``.flags``.
    """
    mask = np.all(sample.human == sample.human[..., :1], axis=-1)
    return {f"all {sample.n} human answers are equal": mask}


def feasible_range(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest possible target, batch shape each: the scale's ends, or what the answers leave open.

    In a finite population of m people the n answers are part of the target:
    ``(1 - n/m) low + (n/m) ybar`` to ``(1 - n/m) high + (n/m) ybar``.
    """
    low, high = sample.ends
    seen = sample.human.mean(axis=-1)
    share = sample.remaining
    return np.asarray(share * low + (1.0 - share) * seen), np.asarray(share * high + (1.0 - share) * seen)


def outside(sample: Sample, estimate: FloatArray) -> NDArray[np.bool_]:
    """Where the estimate lies outside the feasible range, by more than rounding.

    Args:
        sample: with bounds.
        estimate: batch shape.

    Returns:
        Mask of batch shape.
    """
    least, most = feasible_range(sample)
    room = 1e-9 * (most.max() - least.min() + np.abs(least).max())
    return np.asarray((estimate < least - room) | (estimate > most + room))


def upper_share(mean: FloatArray, variance: FloatArray, people: FloatArray, probability: float) -> FloatArray:
    """Upper limit for a mean on a scale from 0 to 1, ``UNSEEN`` answers added at 1.

    With ``c = 1/2``, n people of mean p and variance v (n in the denominator) and ``mu = (n p + c)/(n + c)``: the
    quantile of the Beta law of mean mu and variance ``(n v + n (p - mu)^2 + c (1 - mu)^2) / ((n + c) (n + c + 1))``.
    These are the moments of the Bayesian bootstrap of the n answers and the half one; for answers 0 and 1 the law is
    exact.

    Args:
        mean: p, any shape.
        variance: v, same shape.
        people: n, same shape, positive; need not be whole.
        probability: below the limit, 0.975 for the upper end of a two-sided 95% interval.

    Returns:
        Limits, same shape.

    Source: Rubin 1981, Annals of Statistics 9 (Bayesian bootstrap); Gaffke 2005 and Learned-Miller and Thomas 2019,
    arXiv 1905.06208 (one whole answer at the end).

    Example:
        >>> nobody = upper_share(np.array([0.0, 0.5]), np.array([0.0, 0.25]), np.array([10.0, 10.0]), 0.975)
        >>> nobody.round(3)  # Beta(0.5, 10) and Beta(5.5, 5)
        array([0.227, 0.801])
    """
    total = people + UNSEEN
    centre = (people * mean + UNSEEN) / total
    squares = people * (variance + (mean - centre) ** 2) + UNSEEN * (1.0 - centre) ** 2
    away = 1.0 - mean > NEAR
    own = np.where(away, centre * (1.0 - centre), 0.25)
    spread = np.where(away, squares / (total * (total + 1.0)), 0.25)
    # the sum of the two parameters; below 1 the law would be wider than that of a single answer
    size = np.clip(own / spread - 1.0, 1.0, LARGEST_SIZE)
    limit = betaincinv(centre * size, np.where(away, 1.0 - centre, 0.5) * size, probability)
    return np.asarray(np.where(away, np.maximum(limit, mean), 1.0))


def half_answer_ends(
    sample: Sample, estimate: FloatArray, variance: FloatArray, leverage: FloatArray, widen: FloatArray | float = 1.0
) -> tuple[FloatArray, FloatArray, FloatArray, Flags]:
    """Estimate and ends on the scale, each end by :func:`upper_share` (the lower one on the mirrored scale).

    Args:
        sample: with bounds.
        estimate: batch shape; moved to the nearest possible value where it lies outside.
        variance: of the estimate, batch shape.
        leverage: sum of squared weights of the independent people in the estimate (1/n for a plain mean): n is taken as
            ``1 / leverage`` people, the variance of one answer as ``variance / leverage``.
        widen: what the variance is multiplied by, for an estimate with fewer degrees of freedom than people less 1.

    Returns:
        Estimate, lower and upper end, and sentence -> mask of the estimates that were moved.
    """
    low, high = sample.ends
    least, most = feasible_range(sample)
    span = high - low
    moved = outside(sample, estimate)
    centre = np.clip(estimate, least, most)
    some = np.broadcast_to(leverage > 0.0, centre.shape)
    people = 1.0 / np.where(some, leverage, 1.0)
    units = sample.units
    one = np.asarray(widen * variance * people * (units - 1.0) / units / span**2)
    share = np.clip((centre - low) / span, 0.0, 1.0)
    upper = low + span * upper_share(share, one, people, sample.tail)
    lower = high - span * upper_share(1.0 - share, one, people, sample.tail)
    lower = np.clip(np.where(some, lower, centre), least, centre)
    upper = np.clip(np.where(some, upper, centre), centre, most)
    lower, upper = one_sided(sample, lower, upper, (least, most))
    return centre, lower, upper, {MOVED: moved}
