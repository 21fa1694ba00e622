"""Answers counted: how many people gave each answer to each problem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_array
from crowdllm_stats.data.crowd import CrowdData


@dataclass(frozen=True, eq=False)
class Histograms:
    """Counts of the A admissible answers to each of T problems.

    Attributes:
        problems: ids, T of them, all different.
        answers: the admissible answers in the order of the scale, A of them (numbers or words).
        counts: shape (T, A), not negative; a problem that nobody answered has a row of zeros.

    Raises:
        ValueError: on another shape, negative counts, repeated ids.

    Example:
        >>> table = Histograms(("a", "b"), (1.0, 2.0, 3.0), np.array([[2.0, 1.0, 1.0], [0.0, 0.0, 3.0]]))
        >>> table.totals.tolist(), table.shares[0].tolist()
        ([4.0, 3.0], [0.5, 0.25, 0.25])
    """

    problems: tuple[str, ...]
    answers: tuple[float, ...] | tuple[str, ...]
    counts: FloatArray

    def __post_init__(self) -> None:
        expected = (len(self.problems), len(self.answers))
        if self.counts.shape != expected:
            raise ValueError(f"counts has shape {self.counts.shape}; problems and answers say {expected}")
        check_array("counts", self.counts, nonnegative=True)
        if len(set(self.problems)) < expected[0]:
            raise ValueError("problems must be different ids; a problem stands there twice")

    @property
    def totals(self) -> FloatArray:
        """Answers per problem, shape (T,)."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def shares(self) -> FloatArray:
        """Counts over their total, shape (T, A).

        Raises:
            ValueError: if a problem has no answer.
        """
        empty = np.flatnonzero(self.totals == 0.0)
        if empty.size:
            raise ValueError(
                f"{empty.size} problem(s) have no answer, for instance {self.problems[empty[0]]!r}; leave them out "
                "with select() or answered()"
            )
        return np.asarray(self.counts / self.totals[:, None])

    @property
    def numbers(self) -> FloatArray:
        """The answers as numbers, shape (A,).

        Raises:
            ValueError: if they are words.
        """
        if any(isinstance(answer, str) for answer in self.answers):
            raise ValueError(f"the answers {self.answers!r} are words; this needs a numeric scale")
        return np.asarray(self.answers, dtype=np.float64)

    def select(self, problems: Iterable[Any]) -> Histograms:
        """The rows of some problems, in the order asked.

        Raises:
            ValueError: on problems that are not there.
        """
        names = tuple(str(one) for one in problems)
        place = {name: row for row, name in enumerate(self.problems)}
        unknown = [name for name in names if name not in place]
        if unknown:
            raise ValueError(f"problems: {len(unknown)} not in the table, for instance {unknown[0]!r}")
        return Histograms(names, self.answers, self.counts[[place[name] for name in names]])

    def answered(self) -> Histograms:
        """The rows of the problems with an answer."""
        return self.select(name for name, total in zip(self.problems, self.totals, strict=True) if total > 0.0)

    def to_frame(self) -> pd.DataFrame:
        """One row per problem: ``problem`` and one column per answer."""
        names = [f"{answer:g}" if isinstance(answer, float) else answer for answer in self.answers]
        frame = pd.DataFrame(self.counts, columns=pd.Index(names))
        frame.insert(0, "problem", list(self.problems))
        return frame


def histograms(data: CrowdData, problems: Iterable[Any] | None = None) -> Histograms:
    """Count the answers to every problem of ``data``; repeats of one person count each.

    Args:
        data: answers on an ordinal or categorical scale.
        problems: ids to count, in this order; without them all problems of ``data``, in its order. Problems without an
            answer are kept as rows of zeros.

    Raises:
        ValueError: on a continuous or approval scale; on ids that are not in ``data``.

    Example:
        >>> from crowdllm_stats import load_example
        >>> histograms(load_example().human, ["q01"]).counts.tolist()
        [[3.0, 1.0, 2.0, 1.0, 1.0]]
    """
    answers: tuple[float, ...] | tuple[str, ...]
    if data.scale.kind == "ordinal":
        answers = data.scale.levels
    elif data.scale.kind == "categorical":
        answers = data.scale.options
    else:
        raise ValueError(
            f"answers on the scale ({data.scale}) cannot be counted one by one; declare scale=ordinal([...]) or "
            "categorical([...])"
        )
    known = tuple(data.problems["problem"])
    rows = pd.Index(known).get_indexer(data.responses["problem"])
    columns = pd.Index(answers).get_indexer(data.responses["response"])
    counts = np.zeros((len(known), len(answers)))
    np.add.at(counts, (rows, columns), 1.0)
    table = Histograms(known, answers, counts)
    return table if problems is None else table.select(problems)
