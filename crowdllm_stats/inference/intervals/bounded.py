"""What a bounded scale leaves possible: its step, and the range of the target."""

from __future__ import annotations

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.sample import Sample
from crowdllm_stats.inference.intervals.scale_notice import needs_bounds
from crowdllm_stats.inference.intervals.two_values import rating, two_valued

#: The flag for estimates that were moved.
MOVED = "the estimate fell outside the possible range and was moved to its end"


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


def feasible_range(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest possible target, batch shape each: the scale's ends, or what the answers leave open.

    In a finite population of m people the n answers are part of the target:
    ``(1 - n/m) low + (n/m) ybar`` to ``(1 - n/m) high + (n/m) ybar``.

    Raises:
        ValueError: on a sample without bounds.
    """
    if sample.bounds is None:
        raise needs_bounds("the ends of the answer scale are not known")
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
