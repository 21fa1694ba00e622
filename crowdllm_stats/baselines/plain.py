"""Baselines without a model: even chances, the global distribution, the problem's own raters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdllm_stats.baselines.base import training_table
from crowdllm_stats.baselines.features import Features
from crowdllm_stats.crowd import CrowdData
from crowdllm_stats.histograms import Histograms
from crowdllm_stats.inference.checks import FloatArray


@dataclass(frozen=True, eq=False)
class SameForAll:
    """One distribution for every problem, shape (A,)."""

    distribution: FloatArray

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """The distribution, once a problem."""
        return np.tile(self.distribution, (len(problems), 1))


@dataclass(frozen=True)
class Random:
    """Every admissible answer with the same chance: the paper's row Random.

    Example:
        >>> from crowdllm_stats import load_example
        >>> Random().fit(load_example().human).predict(["any"]).tolist()
        [[0.2, 0.2, 0.2, 0.2, 0.2]]
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> SameForAll:
        """Only the scale is used."""
        answers = len(training_table(train).answers)
        return SameForAll(np.full(answers, 1.0 / answers))


@dataclass(frozen=True)
class GlobalDistribution:
    """The distribution of all training answers, the same for every problem.

    Example:
        >>> from crowdllm_stats import load_example
        >>> GlobalDistribution().fit(load_example().human).predict(["any"]).round(2).tolist()
        [[0.15, 0.2, 0.29, 0.19, 0.18]]
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> SameForAll:
        """Count the training answers."""
        counts = training_table(train).counts.sum(axis=0)
        return SameForAll(np.asarray(counts / counts.sum()))


@dataclass(frozen=True, eq=False)
class OwnHistograms:
    """The training histogram of each problem."""

    table: Histograms

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """Shares of the training answers to each problem.

        Raises:
            ValueError: on a problem without training answers.
        """
        unknown = set(problems) - set(self.table.problems)
        if unknown:
            raise ValueError(
                f"{len(unknown)} problem(s) have no training rater, for instance {min(unknown)!r}; OwnRaters predicts "
                "problems that training people answered (protocol 'paper')"
            )
        return self.table.select(problems).shares


@dataclass(frozen=True)
class OwnRaters:
    """The histogram of the problem's own training raters; only for problems that training people answered.

    Example:
        >>> from crowdllm_stats import load_example
        >>> OwnRaters().fit(load_example().human).predict(["q01"]).tolist()
        [[0.375, 0.125, 0.25, 0.125, 0.125]]
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> OwnHistograms:
        """Count the training answers to every problem."""
        return OwnHistograms(training_table(train))
