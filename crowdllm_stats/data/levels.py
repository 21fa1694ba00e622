"""A continuous scale read on levels: the list of answers that histograms, references and language models need."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from crowdllm_stats._base.shown import several
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.scale import ordinal

#: A scale of at most so many whole numbers can have them for levels; fewer than so many are too coarse for answers
#: between them. Other scales get this many levels.
_MOST, _LEAST, _LEVELS = 21, 5, 11


def even_levels(low: float, high: float) -> tuple[float, ...]:
    """Levels over a continuous scale: its whole numbers if there are 5 to 21, else 11 numbers at equal distances.

    Args:
        low: least answer.
        high: largest answer.

    Example:
        >>> even_levels(1, 5), even_levels(0, 100)[-2:]
        ((1.0, 2.0, 3.0, 4.0, 5.0), (90.0, 100.0))
    """
    whole = _whole(low, high)
    return whole if len(whole) >= _LEAST else tuple(np.linspace(low, high, _LEVELS).tolist())


def _whole(low: float, high: float) -> tuple[float, ...]:
    """The whole numbers of a scale that begins and ends with one; none where they are many."""
    if not (float(low).is_integer() and float(high).is_integer() and high - low < _MOST):
        return ()
    return tuple(float(number) for number in range(int(low), int(high) + 1))


class OnLevels(NamedTuple):
    """Answers on levels, and a sentence on those that were moved there; empty where none was."""

    data: CrowdData
    note: str


def on_levels(data: CrowdData, levels: Sequence[Any], name: str) -> OnLevels:
    """Every answer at the nearest of the levels, half-way ones at the lower, on the ordinal scale of these levels.

    Args:
        data: answers on a continuous scale.
        levels: rising numbers.
        name: of the answers, for the sentence.

    Example:
        >>> from crowdllm_stats import load_example
        >>> on_levels(load_example().human, [1, 3, 5], "humans.csv").note
        '37 of 96 answers of humans.csv lie between the 3 levels 1, 3 ... 5; each takes the nearest.'
    """
    values = data.responses["response"].to_numpy(dtype=np.float64)
    numbers = np.asarray(levels, dtype=np.float64)
    nearest = numbers[np.searchsorted((numbers[1:] + numbers[:-1]) / 2, values)]
    moved = int(np.count_nonzero(nearest != values))
    made = dataclasses.replace(data, responses=data.responses.assign(response=nearest), scale=ordinal(levels))
    words = f"{several(len(numbers), 'level')} {numbers[0]:g}, {numbers[1]:g} ... {numbers[-1]:g}"
    note = f"{moved} of {len(values)} answers of {name} lie between the {words}; each takes the nearest."
    return OnLevels(made, note if moved else "")


def whole_numbers(data: CrowdData) -> CrowdData:
    """Answers to "1:5" that are all whole numbers, on the ordinal scale of these numbers; other data as they are.

    Example:
        >>> from crowdllm_stats import CrowdData
        >>> import pandas as pd
        >>> rows = {"problem": [1, 2], "participant": ["ann", "bob"], "response": [4, 5]}
        >>> print(whole_numbers(CrowdData.from_frame(pd.DataFrame(rows), scale="1:5")).scale)
        ordinal 1, 2, 3, 4, 5
    """
    if data.scale.kind != "continuous" or data.scale.bounds is None:
        return data
    levels = _whole(*data.scale.bounds)
    if not levels or not data.responses["response"].isin(levels).all():
        return data
    return dataclasses.replace(data, scale=ordinal(levels))
