"""When answers are of two values: where the scale says so, or where nothing between its ends was seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdllm_stats.inference.intervals.sample import Sample


def declared(sample: Sample) -> bool:
    """Whether ``step`` says that the two ends of the scale are all the answers there are."""
    if sample.step is None or sample.bounds is None:
        return False
    span = sample.bounds[1] - sample.bounds[0]
    return abs(sample.step - span) <= 1e-9 * span


def neighbours(bounds: tuple[float, float]) -> bool:
    """Whether the ends are whole numbers with none between, as 0 and 1 are.

    Example:
        >>> neighbours((0.0, 1.0)), neighbours((0.0, 100.0))
        (True, False)
    """
    low, high = bounds
    return float(low).is_integer() and float(high).is_integer() and high - low == 1.0


def rating(bounds: tuple[float, float], least: float = 2.0) -> bool:
    """Whether the ends are whole numbers from ``least`` to 10 apart, so that the whole numbers between are answers.

    Example:
        >>> rating((1.0, 5.0)), rating((0.0, 1.0)), rating((0.0, 100.0))
        (True, False, False)
    """
    low, high = bounds
    return float(low).is_integer() and float(high).is_integer() and least <= high - low <= 10.0


def two_valued(sample: Sample) -> NDArray[np.bool_]:
    """Mask of the problems whose answers are of two values, the ends of the scale; batch shape.

    So they are where ``step`` or whole bounds 1 apart leave no room between the ends and no human answer lies there.
    Without ``step``, on other scales, they count as such where every human and every digital answer lies at an end; on
    whole bounds 3 to 10 apart, which are mostly those of ratings, both ends must have been seen.

    Where a scale has answers in between that just were not given, the interval for two values errs on the safe side:
    no other answers with the same mean spread as much.
    """
    batch = sample.human.shape[:-1]
    if sample.bounds is None or (sample.step is not None and not declared(sample)):
        return np.zeros(batch, dtype=bool)
    low, high = sample.bounds
    at_ends = np.asarray(np.all((sample.human == low) | (sample.human == high), axis=-1))
    if declared(sample) or neighbours(sample.bounds) or not np.any(at_ends):
        return at_ends
    seen = [np.any(sample.human == end, axis=-1) for end in sample.bounds]
    for digital in (sample.twins, sample.crowd):
        if digital is not None:
            axes = tuple(range(len(batch), digital.ndim))
            at_ends = at_ends & np.all((digital == low) | (digital == high), axis=axes)
            seen = [one | np.any(digital == end, axis=axes) for one, end in zip(seen, sample.bounds, strict=True)]
    return np.asarray(at_ends & seen[0] & seen[1] if rating(sample.bounds, 3.0) else at_ends)
