"""What a bounded scale tells a small sample: a floor under the variance, and ends on the arcsine scale.

The constants are fixed, not fitted to any user's data. They were set on the required margins of
``simulations/small_sample_coverage.toml``; what they reach there, against five other candidates, and where they end on
other margins is enumerated by ``benchmarks/small_sample_choice.py`` (``reports/inference/small_sample_choice.md``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import FloatArray
from .ends import one_sided
from .sample import Sample
from .two_values import rating, two_valued

#: The flag for estimates that were moved.
MOVED = "the estimate fell outside the possible range and was moved to its end"
#: Floor under the variance of one answer at n answers: FLOOR * sqrt(n) squared steps for n = 10 to 50,
#: constant below, fading as 1/n above.
FLOOR = 0.016


def unit(sample: Sample) -> FloatArray:
    """The distance that counts as one step, a problem: the scale's own, but at least a tenth of its range.

    Without ``step`` it follows from the bounds: 1 for whole bounds up to 10 apart (1 to 5, 0 to 10), a tenth of the
    range otherwise. Answers of two values (:func:`~.two_values.two_valued`) are a whole range apart.
    """
    if sample.bounds is None:
        return np.zeros(())
    low, high = sample.bounds
    tenth = (high - low) / 10.0
    if sample.step is not None:
        return np.asarray(max(sample.step, tenth))
    return np.where(two_valued(sample), high - low, 1.0 if rating(sample.bounds) else tenth)


def variance_floor(n: FloatArray | float) -> FloatArray:
    """Floor under the variance of one answer of n independent people, in squared steps.

    Example:
        >>> variance_floor(np.array([5.0, 10.0, 20.0, 50.0, 500.0])).round(3)
        array([0.051, 0.051, 0.072, 0.113, 0.011])
    """
    return np.asarray(FLOOR * np.sqrt(np.clip(n, 10, 50)) * np.minimum(1.0, 50.0 / np.asarray(n)))


def floored_variance(sample: Sample, variance: FloatArray, leverage: FloatArray) -> FloatArray:
    """Raise the variance of a mean, ``max(variance + leverage step^2/n^2, leverage floor(n) step^2)``.

    ``leverage`` is the sum of squared weights of the independent people in the estimate (1/n for a plain mean), so that
    ``variance / leverage`` is the variance of one person's answer, and n their effective number. Without bounds nothing
    is raised.
    """
    square = unit(sample) ** 2
    people = sample.units
    return np.asarray(np.maximum(variance + leverage * square / people**2, leverage * variance_floor(people) * square))


def feasible_range(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest possible target, batch shape each: the scale's ends, or what the answers leave open.

    In a finite population of m people the n answers are part of the target:
    ``(1 - n/m) low + (n/m) ybar`` to ``(1 - n/m) high + (n/m) ybar``.

    Raises:
        ValueError: on a sample without bounds.
    """
    if sample.bounds is None:
        raise ValueError("the range of the scale is unknown: give bounds=(low, high)")
    low, high = sample.bounds
    seen = sample.human.mean(axis=-1)
    share = sample.remaining
    return np.asarray(share * low + (1.0 - share) * seen), np.asarray(share * high + (1.0 - share) * seen)


def outside(sample: Sample, estimate: FloatArray) -> FloatArray:
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


def bounded_ends(
    sample: Sample, estimate: FloatArray, variance: FloatArray, quantile: FloatArray, leverage: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, dict[str, Any]]:
    """Estimate and ends on the arcsine scale, kept inside the feasible range; straight where all answers are equal.

    The slope of the transformation uses ``max(p (1-p), variance of one answer / range^2)``, at most 1/4: on a scale of
    range R the variance of one answer cannot exceed ``p (1-p) R^2``.
    """
    if sample.bounds is None:
        raise ValueError("a bounded interval needs bounds=(low, high)")
    low, high = sample.bounds
    span = high - low
    least, most = feasible_range(sample)
    moved = outside(sample, estimate)
    centre = np.clip(estimate, least, most)
    p = (centre - low) / span
    with np.errstate(invalid="ignore", divide="ignore"):
        one_answer = np.where(leverage > 0.0, variance / leverage, 0.0) / span**2
    slope = 2.0 * span * np.sqrt(np.maximum(p * (1.0 - p), np.minimum(one_answer, 0.25)))
    half = quantile * np.sqrt(variance)
    same = np.all(sample.human == sample.human[..., :1], axis=-1) | (slope == 0.0)
    angle = np.arcsin(np.sqrt(np.clip(p, 0.0, 1.0)))
    turn = half / np.where(slope == 0.0, 1.0, slope)
    bent_low = low + span * np.sin(np.maximum(angle - turn, 0.0)) ** 2
    bent_high = low + span * np.sin(np.minimum(angle + turn, np.pi / 2)) ** 2
    lower = np.clip(np.where(same, centre - half, bent_low), least, most)
    upper = np.clip(np.where(same, centre + half, bent_high), least, most)
    lower, upper = one_sided(sample, lower, upper, (least, most))
    return centre, lower, upper, {MOVED: moved}
