"""Intervals from the human answers alone: Student's t, and its version for bounded scales and few answers."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from .bounded import bounded_ends, floored_variance
from .ends import all_equal, symmetric_ends
from .sample import Core, Sample


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
    """Student's t on the arcsine scale of a bounded answer, with a floor under the variance.

    With ``p = (ybar - low)/(high - low)`` and ``u = arcsin(sqrt(p))`` the ends are
    ``low + (high - low) sin^2(u +- t_{n-1} se_u)``, ``se_u = se / (2 (high - low) sqrt(p (1-p)))``: the transformation
    that makes the variance of a bounded mean constant, and so bends the interval away from the near end of the scale.
    The variance of one answer is raised to at least a floor (see :func:`floored_variance`). Where all answers are equal
    the arcsine has no slope, and the floor alone makes the width.

    Chosen among six candidates by enumeration of all samples: ``reports/inference/small_sample_choice.md``.
    """
    estimate = sample.human_mean
    leverage = sample.remaining / sample.units
    variance = floored_variance(sample, sample.human_variance, leverage)
    quantile = stdtrit(sample.units - 1.0, sample.tail)
    estimate, lower, upper, flags = bounded_ends(sample, estimate, variance, quantile, leverage)
    why = (
        "Student's t on the arcsine scale, knowing the bounds: needs a random sample. Its level at n = 5 to 50 is "
        "tabled "
        "for skewed, U-shaped and nearly unanimous answers (reports/inference/coverage.md); no interval can be "
        "short and safe where all answers are equal." + unanimity_note(sample)
    )
    return Core(estimate, lower, upper, variance, None, why, {**all_equal(sample), **flags})


def unanimity_note(sample: Sample) -> str:
    """What can be guaranteed, scale known, for people who all gave the end answer: ``R (1 - (1 - tail)^(1/n))``."""
    if sample.bounds is None or not any(np.any(mask) for mask in all_equal(sample).values()):
        return ""
    people = sample.whole_units
    reach = (sample.bounds[1] - sample.bounds[0]) * (1.0 - (1.0 - sample.tail) ** (1.0 / people))
    return (
        f" Where all {sample.n} answers are equal, the width rests on the assumption that answers differ by at least "
        f"a fraction of a step; without any assumption the mean may lie up to {reach:.2f} from them."
    )
