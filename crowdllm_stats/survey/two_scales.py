"""Are the answers of two tables on one scale? Different codings are refused, declared differences are said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats._base.words import several
from crowdllm_stats.survey.twin_tables import FloatArray

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData

#: How answers of two values are usually coded.
CODINGS = ((0.0, 1.0), (1.0, 2.0), (-1.0, 1.0), (0.0, 100.0), (0.0, 10.0))
#: Codes for a missing answer that a scale may run into.
CODES = (7.0, 8.0, 9.0)


def refuse_codings(human: CrowdData, digital: CrowdData) -> None:
    """Refuse two tables of answers of two values each, coded in two ways, unless a scale is declared for each.

    Args:
        human: answers of people, numbers.
        digital: answers of the digital population.

    Raises:
        ValueError: naming both codings and the remedies.

    Example:
        >>> import pandas as pd
        >>> from crowdllm_stats.data.crowd import CrowdData
        >>> frame = pd.DataFrame({"problem": ["a", "a"], "participant": ["x", "y"], "response": [0, 1]})
        >>> data, other = (CrowdData.from_frame(frame.assign(response=frame["response"] * by)) for by in (1, 100))
        >>> refuse_codings(data, other)
        Traceback (most recent call last):
        ...
        ValueError: the human answers are 0 and 1, the digital ones 0 and 100: code both alike, or declare ...
    """
    if not digital.scale.numeric or (human.scale.bounds is not None and digital.scale.bounds is not None):
        return
    codings = [tuple(_values(data).tolist()) for data in (human, digital)]
    if codings[0] != codings[1] and all(coding in CODINGS for coding in codings):
        ours, theirs = (f"{low:g} and {high:g}" for low, high in codings)
        raise ValueError(
            f"the human answers are {ours}, the digital ones {theirs}: code both alike, or declare a scale for each "
            "table if they mean different things"
        )


def two_scales(human: CrowdData, digital: CrowdData) -> list[str]:
    """Sentences where the two tables are on different scales, or human answers may hold codes for a missing answer.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> two_scales(example.human, example.digital)
        []
    """
    ours_ends, theirs_ends = human.scale.bounds, digital.scale.bounds
    if ours_ends is not None and theirs_ends is not None and ours_ends != theirs_ends and len(digital.responses):
        (low, high), (least, most) = ours_ends, theirs_ends
        return [
            f"The two tables are on different scales, {low:g} to {high:g} and {least:g} to {most:g}: differences "
            "between their means mean nothing; intervals with twins use them through a slope alone."
        ]
    if (
        (ours_ends, theirs_ends) != (None, None)
        or not len(digital.responses)
        or not (human.scale.numeric and digital.scale.numeric)
    ):
        return []
    ours, theirs = _values(human), _values(digital)
    top = float(theirs[-1])
    beyond = ours[ours > top]
    run = np.arange(top + 1.0, top + 1.0 + len(beyond))
    if not len(beyond) or not set(beyond.tolist()) <= set(CODES) or not np.array_equal(beyond, run):
        return []
    count = int(np.isin(human.responses["response"].to_numpy(dtype=float), beyond).sum())
    words = ",".join(f"{value:g}" for value in beyond)
    return [
        f"{several(count, 'human answer')} ({words}) beyond all digital ones ({theirs[0]:g} to {top:g}): if they stand "
        f"for missing answers, say missing_codes=[{words}]; if they are answers, declare the scale with "
        'scale="LOW:HIGH".'
    ]


def _values(data: CrowdData) -> FloatArray:
    """The different answers, rising."""
    return np.asarray(np.unique(data.responses["response"].to_numpy(dtype=float)))
