"""The driver of every function of two tables: one call of its calculator for all problems of one shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput, Message, said
from crowdllm_stats._base.result import Result
from crowdllm_stats.survey.result import Row


class _OfOneShape(Protocol):
    @property
    def problems(self) -> tuple[str, ...]: ...


BatchT = TypeVar("BatchT", bound=_OfOneShape)
AnswerT = TypeVar("AnswerT")


@dataclasses.dataclass(frozen=True, eq=False)
class Stack:
    """Problems of one shape, B of them: every array has shape (B, ...)."""

    problems: tuple[str, ...]
    arrays: tuple[FloatArray, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Gathered(Generic[BatchT, AnswerT]):
    """What the calculator gave for all problems.

    Attributes:
        rows: in the order of the problems; several rows of one problem in the order in which they were made.
        reasons: problem -> why it could not be computed.
        answers: every batch that could be computed, with the calculator's answer.
    """

    rows: list[Row]
    reasons: dict[str, str]
    answers: list[tuple[BatchT, AnswerT]]


def by_shape(
    batches: Iterable[BatchT],
    calculate: Callable[[BatchT], tuple[list[Row], AnswerT]],
    order: Sequence[str],
    *,
    others: Mapping[str, str],
    nothing: str,
) -> Gathered[BatchT, AnswerT]:
    """Run a calculator once per batch of problems, and gather its rows, its answers and its reasons not to.

    Args:
        batches: problems of one shape each.
        calculate: a batch -> its rows and the answer they come from; a ValueError is the reason why it has none.
        order: all problems, in the order wanted.
        others: problems that are in no batch -> why.
        nothing: the message where no problem could be computed; "{}" in it is the first reason.

    Raises:
        ValueError: if no problem could be computed.

    Example:
        >>> def mean(batch):
        ...     if batch.arrays[0].shape[1] < 2:
        ...         raise ValueError("a single answer")
        ...     means = batch.arrays[0].mean(axis=1).tolist()
        ...     return [{"problem": name, "mean": value} for name, value in zip(batch.problems, means)], means
        >>> batches = stacked({"q1": [np.array([4])], "q2": [np.array([1, 2])], "q3": [np.array([3, 5])]})
        >>> found = by_shape(batches, mean, ["q3", "q2", "q1"], others={}, nothing="no mean: {}")
        >>> found.rows, found.reasons
        ([{'problem': 'q3', 'mean': 4.0}, {'problem': 'q2', 'mean': 1.5}], {'q1': 'a single answer'})
    """
    rows: list[Row] = []
    reasons: dict[str, str] = {}
    answers: list[tuple[BatchT, AnswerT]] = []
    for batch in batches:
        try:
            made, answer = calculate(batch)
        except ValueError as reason:
            reasons |= dict.fromkeys(batch.problems, said(reason))
            continue
        rows += made
        answers.append((batch, answer))
    reasons |= others
    if not rows:
        raise BadInput(Message.filled(nothing, next(iter(reasons.values()))))
    place = {problem: number for number, problem in enumerate(order)}
    return Gathered(sorted(rows, key=lambda row: place[row["problem"]]), reasons, answers)


def stacked(cases: Mapping[str, Sequence[FloatArray]]) -> Iterator[Stack]:
    """Problems whose arrays have the same shapes, stacked: the shapes in the order in which they first occur."""
    groups: dict[tuple[tuple[int, ...], ...], list[str]] = {}
    for problem, arrays in cases.items():
        groups.setdefault(tuple(np.shape(array) for array in arrays), []).append(problem)
    for shapes, problems in groups.items():
        yield Stack(
            tuple(problems),
            tuple(np.stack([cases[problem][number] for problem in problems]) for number in range(len(shapes))),
        )


def rows_of(result: Result, problems: Sequence[str]) -> list[Row]:
    """A calculator's result as one row per problem."""
    rows: list[Row] = result.to_frame(index=list(problems)).reset_index().to_dict("records")
    return rows


def joined(*parts: str) -> str:
    """Remarks as one, the empty ones left out.

    Example:
        >>> joined("few answers", "", "no twin")
        'few answers; no twin'
    """
    return "; ".join(part for part in parts if part)
