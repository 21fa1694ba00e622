"""Intervals from the human answers alone: Student's t, and its version for bounded scales and few answers."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats.inference.intervals.ends import all_equal, half_answer_ends, symmetric_ends
from crowdllm_stats.inference.intervals.sample import Core, Sample

#: What the level on real answers is, in every result's ``why``.
LEVELS = (
    "On 194 real questions a 95% interval covered at least 0.94 in each for n = 5 to 100, and 0.88 at n = 3 "
    "(reports/inference/levels.md, by number of points and level)."
)
#: The same with weights.
LEVELS_WITH_WEIGHTS = (
    "With weights that rise with the answers a 95% interval covered as little as 0.88 (reports/inference/limits.md)."
)
#: The same for the regression on twins.
LEVELS_WITH_TWINS = (
    "With twins biased by up to one standard deviation a 95% interval covered at least 0.94 for n = 8 to 50 on four "
    "made margins (reports/inference/levels.md), and as little as 0.87 where nine in ten people give one answer or "
    "answers lie on three values far apart (reports/inference/limits.md)."
)


def classical(sample: Sample) -> Core:
    """Student's t interval, ``ybar +- t_{n-1} s / sqrt(n)``; digital answers are not used.

    With weights the Hajek mean and its linearised variance; with clusters the between-cluster variance; the degrees
    of freedom are the effective number of independent people less 1; with ``population_size`` m the factor ``1 - n/m``.
    """
    estimate = sample.human_mean
    variance = sample.human_variance
    quantile = stdtrit(sample.units - 1.0, sample.tail)
    lower, upper = symmetric_ends(sample, estimate, quantile * np.sqrt(variance))
    why = (
        "Student's t: exact for normal answers of a random sample, approximate otherwise; with few answers on a "
        "bounded scale that lean to one end it covers too rarely (method 'classical-small' corrects for this)."
    )
    flags = all_equal(sample)
    if any(np.any(mask) for mask in flags.values()):
        why += (
            " Where all answers are equal its width is 0, which says nothing about the others in the population: give "
            "the scale's bounds and use 'classical-small'."
        )
    return Core(estimate, lower, upper, variance, None, why, flags)


def classical_small(sample: Sample) -> Core:
    """The mean of few answers on a bounded scale: half an answer more is put at the end that a limit looks to.

    Each end is the quantile of a Beta law with the moments of the n answers and that half one
    (:func:`~crowdllm_stats.inference.intervals.ends.upper_share`); for answers at the two ends of the scale, x
    of n at the upper one, the upper limit is the quantile of Beta(x + 1/2, n - x). It needs no assumption about the
    steps between answers, and where all answers are equal it still has a width.

    Chosen among eight candidates: ``reports/inference/small_sample_choice.md``; its level on 173 real questions, by
    number of points, of people and of level: ``reports/inference/levels.md``.
    """
    estimate, variance = sample.human_mean, sample.human_variance
    estimate, lower, upper, flags = half_answer_ends(sample, estimate, variance, sample.remaining / sample.units)
    why = (
        "Half an unseen answer at each end of the scale: needs bounds that answers can really reach, and a random "
        "sample. " + (LEVELS if sample.weights is None else LEVELS_WITH_WEIGHTS) + unanimity_note(sample)
    )
    return Core(estimate, lower, upper, variance, None, why, {**all_equal(sample), **flags})


def unanimity_note(sample: Sample) -> str:
    """What can be guaranteed, scale known, for people who all gave the end answer: ``R (1 - (1 - tail)^(1/n))``."""
    if sample.bounds is None or not any(np.any(mask) for mask in all_equal(sample).values()):
        return ""
    people = sample.whole_units
    reach = (sample.bounds[1] - sample.bounds[0]) * (1.0 - (1.0 - sample.tail) ** (1.0 / people))
    return (
        f" Where all {sample.n} answers are equal, the width rests on the half answer alone: over 194 real questions "
        "such samples were covered 0.87 to 0.99 of the time at n = 3 and 5 by number of points, in the worst question "
        f"0.57; without any assumption the mean may lie up to {reach:.2f} from them."
    )
