"""Kinds of answers, and of residuals: whom the twins' generator has seen."""

from __future__ import annotations

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_choice

FAMILIES = ("normal", "ordinal")
RESIDUALS = ("in-sample", "cross-fitted", "fresh")

#: The scale that ordinal answers are rounded and clipped to: that of the shipped population.
LOWEST, HIGHEST = 1.0, 5.0


def as_answers(values: FloatArray, family: str) -> FloatArray:
    """Continuous answers as the family has them: as they are, or rounded and clipped to the scale.

    Args:
        values: any shape.
        family: "normal" or "ordinal".

    Raises:
        ValueError: on another family.

    Example:
        >>> as_answers(np.array([-0.3, 2.6, 7.0]), "ordinal").tolist()
        [1.0, 3.0, 5.0]
    """
    if check_choice("family", family, FAMILIES) == "normal":
        return values
    return np.asarray(np.clip(np.rint(values), LOWEST, HIGHEST))
