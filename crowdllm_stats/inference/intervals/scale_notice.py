"""What is said of answers that came without the ends of their scale: a method's refusal, and a notice."""

from __future__ import annotations

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput, Message

#: Methods whose intervals would use the ends of the scale.
USE_BOUNDS = ("auto", "ppi-small", "ppi++-small", "cross-fitted-small")
#: Answers that span more than this are no ratings; with more people a problem Student's t does well enough.
LONGEST, FEW = 100.0, 100


#: How the ends are named where answers are arrays.
BOUNDS = Message("bounds=(low, high)", "--scale LOW:HIGH")


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
