"""A table of answers as a caller gives it: read already, a data frame, or a file."""

from __future__ import annotations

import dataclasses
import os
from typing import TypeAlias

import pandas as pd

from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.scale import Scale, as_scale

#: What the functions of two tables take: one row per answer, columns problem, participant, response.
Answers: TypeAlias = CrowdData | pd.DataFrame | str | os.PathLike[str]


def as_crowd(given: Answers, name: str, scale: Scale | str | None = None) -> CrowdData:
    """The answers as CrowdData; several answers of one person to one problem are kept.

    Args:
        given: CrowdData, a data frame, or the path of a .csv, .csv.gz or .parquet file, the last two with the columns
            problem, participant, response (in any case) and any profile columns.
        name: of the argument, for messages.
        scale: what answers can be, as ``CrowdData.read`` takes it; None keeps that of CrowdData, and lets answers of a
            frame or file be any number.

    Raises:
        ValueError: on any other type, a table that cannot be read, or answers off the scale.
        FileNotFoundError: if there is no such file.

    Example:
        >>> frame = pd.DataFrame({"Problem": ["a", "a"], "Participant": ["ann", "bob"], "Response": [4, 5]})
        >>> print(as_crowd(frame, "human", "1:5").scale)
        continuous 1 to 5
    """
    if isinstance(given, CrowdData):
        return given if scale is None else on_scale(given, as_scale(scale), name)
    if not isinstance(given, pd.DataFrame | str | os.PathLike):
        raise ValueError(
            f"{name} must be CrowdData, a pandas DataFrame or the path of a .csv or .parquet file, "
            f"got {type(given).__name__}; arrays of answers go into crowdllm_stats.interval"
        )
    try:
        if isinstance(given, pd.DataFrame):
            return CrowdData.from_frame(given, scale=scale, repeats="keep")
        return CrowdData.read(given, scale=scale, repeats="keep")
    except ValueError as error:
        reader = "from_frame" if isinstance(given, pd.DataFrame) else "read"
        raise ValueError(f"{name}: {error} (or give CrowdData.{reader}(...), which takes such options)") from None


def on_scale(data: CrowdData, scale: Scale, name: str) -> CrowdData:
    """The same answers on another scale.

    Raises:
        ValueError: if answers are off the scale.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.data.scale import as_scale
        >>> on_scale(load_example().human, as_scale("1:3"), "human")
        Traceback (most recent call last):
        ...
        ValueError: human: 35 of 96 answers are off the scale (continuous 1 to 3)
    """
    answers = data.responses["response"].to_numpy()
    off = ~scale.admits(answers)
    if off.any():
        raise ValueError(f"{name}: {int(off.sum())} of {len(answers)} answers are off the scale ({scale})")
    return dataclasses.replace(data, scale=scale)
