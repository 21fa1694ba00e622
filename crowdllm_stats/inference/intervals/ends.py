"""From an estimate and a half-width to the two ends, for two-sided and one-sided intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.intervals.sample import Sample


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
    sample: Sample, lower: FloatArray, upper: FloatArray, ends: tuple[Any, Any] = (-np.inf, np.inf)
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


def all_equal(sample: Sample) -> dict[str, Any]:
    """The flag for problems whose human answers are all the same.

    Returns:
        Sentence -> mask of batch shape, the form of :class:`~crowdllm_stats._base.result.Result` ``.flags``.
    """
    mask = np.all(sample.human == sample.human[..., :1], axis=-1)
    return {f"all {sample.n} human answers are equal": mask}
