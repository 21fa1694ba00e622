"""What the scale of the answers says: its ends, its step, and whether answers are of two values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats.inference.intervals.sample import Sample

#: Answers that span more than this are not ratings; with more people per problem Student's t does well enough.
LONGEST, FEW = 100.0, 100
#: How the ends are named where answers are arrays.
BOUNDS = Message("bounds=(low, high)", "--scale LOW:HIGH")


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


def unit(sample: Sample) -> FloatArray:
    """The distance that counts as one step, for each problem: the scale's own, but at least a tenth of its range.

    Without ``step`` it follows from the bounds: 1 for whole bounds up to 10 apart (1 to 5, 0 to 10), a tenth of the
    range otherwise. Answers of two values (:func:`two_valued`) are a whole range apart.
    """
    if sample.bounds is None:
        return np.zeros(())
    low, high = sample.bounds
    tenth = (high - low) / 10.0
    if sample.step is not None:
        return np.asarray(max(sample.step, tenth))
    return np.where(two_valued(sample), high - low, 1.0 if rating(sample.bounds) else tenth)


def refuse_more_values(sample: Sample, method: str) -> None:
    """Refuse a sample whose human answers are not all at the two ends of the scale, or need not be.

    Raises:
        ValueError: naming the method and what stands against it.
    """
    low, high = sample.ends
    between = int(np.count_nonzero((sample.human != low) & (sample.human != high)))
    if between:
        raise ValueError(
            f"method {method!r} is for answers of two values, {low:g} and {high:g}; human holds {between} between them "
            "(use 'classical-small', or 'betting', which holds its level for any answers within bounds)"
        )
    if sample.step is not None and not declared(sample):
        raise ValueError(
            f"method {method!r} is for answers of two values, but step={sample.step:g} leaves room for others between "
            f"{low:g} and {high:g} (use 'classical-small', or 'betting', which holds its level for any of them)"
        )


def needs_bounds(problem: str) -> BadInput:
    """The error of a method that cannot do without the ends of the scale.

    Example:
        >>> print(needs_bounds("method 'betting' needs the ends of the answer scale"))
        method 'betting' needs the ends of the answer scale; give bounds=(low, high)
    """
    return BadInput(Message.filled("{}; give {}", problem, BOUNDS))


def scale_notice(answers: FloatArray, n: int, remedy: str = BOUNDS) -> str:
    """What to say of answers whose scale nobody named; empty where they do not look like answers on a scale.

    Args:
        answers: of people, any shape, finite.
        n: the fewest answers to one problem.
        remedy: how to name the ends, as it stands in the sentence.

    Example:
        >>> scale_notice(np.array([1.0, 1.0, 2.0, 4.0]), 4)[:61]
        'The human answers are whole numbers from 1 to 4 and came with'
        >>> scale_notice(np.array([1.0, 2.5]), 2)
        ''
    """
    low, high = float(answers.min()), float(answers.max())
    if n > FEW or high - low > LONGEST or max(-low, high) > 1e6 or not np.all(answers == np.floor(answers)):
        return ""
    return Message.filled(
        f"The human answers are whole numbers from {low:.0f} to {high:.0f} and came without the ends of their scale, "
        "so the interval cannot use them: if they are ratings, give {}. Without it a 95% interval from 5 or 6 "
        "people who lean to one end covers as little as 80%.",
        remedy,
    )
