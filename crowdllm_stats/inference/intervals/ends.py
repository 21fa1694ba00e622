"""From an estimate and a half-width to the two ends, for two-sided and one-sided intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import FloatArray
from .sample import Sample


def symmetric_ends(sample: Sample, estimate: FloatArray, half_width: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``estimate -+ half_width``; the far end of a one-sided interval is infinite."""
    return one_sided(sample, estimate - half_width, estimate + half_width)


def one_sided(
    sample: Sample, lower: FloatArray, upper: FloatArray, ends: tuple[Any, Any] = (-np.inf, np.inf)
) -> tuple[FloatArray, FloatArray]:
    """Replace the end that ``alternative`` leaves open by ``ends``."""
    if sample.alternative == "larger":
        upper = np.broadcast_to(np.asarray(ends[1], dtype=float), lower.shape)
    elif sample.alternative == "smaller":
        lower = np.broadcast_to(np.asarray(ends[0], dtype=float), upper.shape)
    return np.asarray(lower), np.asarray(upper)


def all_equal(sample: Sample) -> dict[str, Any]:
    """The flag for problems whose human answers are all the same."""
    mask = np.all(sample.human == sample.human[..., :1], axis=-1)
    return {f"all {sample.n} human answers are equal": mask}
