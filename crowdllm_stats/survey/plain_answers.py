"""The LLM's plain answers, given without a persona: a table of their own, or one participant of the digital table."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.data.assemble import Wishes, assemble
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.layout import with_our_names
from crowdllm_stats.data.opening import open_table


def plain_answers(
    digital: CrowdData,
    reference: CrowdData | pd.DataFrame | str | os.PathLike[str] | None,
    reference_participant: str | None,
) -> dict[str, FloatArray]:
    """The plain answers by problem, shape (R,) each.

    Args:
        digital: answers of the digital population.
        reference: the plain answers, as CrowdData, or as a data frame or file with the columns ``problem`` and
            ``response``, one row per answer.
        reference_participant: the plain LLM's participant id in ``digital``, instead of ``reference``.

    Raises:
        ValueError: unless exactly one of the two is given; if a column is missing, an answer is not a number, or the
            participant has no answer.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> plain_answers(example.digital, example.reference, None)["q01"].shape
        (10,)
    """
    if reference is not None and reference_participant is not None:
        raise ValueError("reference and reference_participant both name the LLM's plain answers: give one, not both")
    if reference is None and reference_participant is None:
        raise ValueError("the LLM's plain answers are needed: give either reference or reference_participant")
    if isinstance(reference, pd.DataFrame):
        reference = from_table(reference, "reference")
    elif isinstance(reference, str | os.PathLike):
        reference = from_table(open_table(reference).frame, os.fspath(reference))
    if reference is not None:
        if not reference.scale.numeric:
            raise ValueError(f"reference answers must be numbers here, but their scale is {reference.scale}")
        return _by_problem(reference.responses)
    responses = digital.responses
    mine = responses[responses["participant"] == reference_participant]
    if mine.empty:
        raise BadInput(
            f"{reference_participant!r} has no answer in the digital table", argument="reference_participant"
        )
    return _by_problem(mine)


def from_table(frame: pd.DataFrame, source: str, wishes: Wishes | None = None) -> CrowdData:
    """A table with the columns ``problem`` and ``response`` as the answers of one participant, "reference".

    Args:
        frame: one row per answer; the two columns in any case, other columns are not used.
        source: how messages name the table.
        wishes: what becomes of missing answers, and how words and codes are read.

    Raises:
        ValueError: if a column is missing, or an answer is missing or not a number.

    Example:
        >>> from_table(pd.DataFrame({"problem": ["a", "a"], "response": [3, 4]}), "reference").responses.shape
        (2, 4)
    """
    answers = with_our_names(frame, None, ("problem", "response"), source)[["problem", "response"]]
    answers = answers.assign(participant="reference")
    return CrowdData(*assemble(answers, source, dataclasses.replace(wishes or Wishes(), repeats="keep")))


def without(digital: CrowdData, participant: str) -> CrowdData:
    """The digital table without one participant's answers.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> len(example.digital.responses) - len(without(example.digital, "d001").responses)
        12
    """
    rest = digital.responses[digital.responses["participant"] != participant]
    return dataclasses.replace(digital, responses=rest.reset_index(drop=True))


def _by_problem(responses: pd.DataFrame) -> dict[str, Any]:
    grouped = responses.groupby("problem", sort=False)["response"]
    return {str(problem): np.asarray(values.to_numpy(dtype=float)) for problem, values in grouped}
