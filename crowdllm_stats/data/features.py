"""What is known of a problem beside its human answers: numbers by problem id, for baselines that learn from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.histograms import histograms
from crowdllm_stats.data.reference import Reference


@dataclass(frozen=True, eq=False)
class Features:
    """A row of d numbers for each of T problems.

    Attributes:
        problems: ids, T of them, all different.
        table: shape (T, d).
        n_missing: cells behind the table that were not there, such as answers an LLM refused (see the makers).
        source: what made the numbers, such as an embedder's name; empty where it is not known.

    Raises:
        ValueError: on another shape, NaN or infinities, repeated ids.

    Example:
        >>> text = Features.of(["a", "b"], [[0.1, 0.2], [0.3, 0.4]])
        >>> llm = Features.of(["b", "a"], [[5.0], [1.0]])
        >>> text.beside(llm).rows(["b"]).tolist()
        [[0.3, 0.4, 5.0]]
    """

    problems: tuple[str, ...]
    table: FloatArray
    n_missing: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or self.table.shape[0] != len(self.problems) or self.table.shape[1] == 0:
            raise ValueError(
                f"features has shape {self.table.shape} for {len(self.problems)} problems; expected one row per "
                "problem and at least one column"
            )
        if len(set(self.problems)) < len(self.problems):
            raise ValueError("problems must be different ids; a problem stands there twice")

    @classmethod
    def of(cls, problems: Iterable[Any], table: ArrayLike, *, source: str = "") -> Features:
        """Features from a table, for instance the embeddings of the problems' texts.

        Args:
            problems: ids, T of them.
            table: shape (T, d).
            source: what made the numbers.
        """
        return cls(tuple(str(one) for one in problems), check_array("features", table, least_ndim=2), source=source)

    @classmethod
    def of_reference(cls, reference: Reference) -> Features:
        """The probabilities of every answer under every profile as features, d = profiles x answers.

        Args:
            reference: probabilities of shape (T, P, A).

        Returns:
            Features of shape (T, P A), the answers of the first profile first.

        Example:
            >>> from crowdllm_stats import load_example
            >>> from crowdllm_stats.backbones import RecordedBackbone
            >>> example = load_example()
            >>> reference = RecordedBackbone(example.reference).reference(example.human.problems)
            >>> Features.of_reference(reference).table.shape
            (12, 5)
        """
        return cls(reference.problems, reference.probabilities.reshape(len(reference.problems), -1))

    @classmethod
    def of_answers(cls, digital: CrowdData) -> Features:
        """Recorded answers, one-hot: a column for every participant and admissible answer, d = participants x answers.

        A participant's columns are all 0 where it gave no answer; such cells are counted in ``n_missing``. With repeats
        a participant's columns hold shares.

        Raises:
            ValueError: as :func:`crowdllm_stats.data.histograms.histograms`.

        Example:
            >>> from crowdllm_stats import load_example
            >>> Features.of_answers(load_example().reference).table.shape
            (12, 5)
        """
        blocks, missing = [], 0
        for one in digital.participants["participant"]:
            if not (digital.responses["participant"] == one).any():
                raise ValueError(f"participant {one!r} gave no answer at all; leave it out with select()")
            table = histograms(digital.select(participants=[one]))
            missing += int(np.sum(table.totals == 0.0))
            blocks.append(table.counts / np.maximum(table.totals, 1.0)[:, None])
        return cls(tuple(digital.problems["problem"]), np.concatenate(blocks, axis=1), missing)

    def beside(self, *others: Features) -> Features:
        """These columns and those of ``others``, for the problems of this table in its order.

        Raises:
            ValueError: if another table lacks a problem.
        """
        tables = [self.table, *(other.rows(self.problems) for other in others)]
        missing = self.n_missing + sum(other.n_missing for other in others)
        return Features(self.problems, np.concatenate(tables, axis=1), missing)

    def rows(self, problems: Iterable[Any]) -> FloatArray:
        """The rows of some problems, in the order asked, shape (len(problems), d).

        Raises:
            ValueError: on problems without features.
        """
        place = {name: row for row, name in enumerate(self.problems)}
        names = [str(one) for one in problems]
        unknown = [name for name in names if name not in place]
        if unknown:
            raise ValueError(f"{len(unknown)} problem(s) have no features, for instance {unknown[0]!r}")
        return self.table[[place[name] for name in names]]
