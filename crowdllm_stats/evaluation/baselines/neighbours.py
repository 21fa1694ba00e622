"""The mean histogram of the training problems nearest in features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.baselines.base import need_features, training_table


@dataclass(frozen=True, eq=False)
class FittedNeighbours:
    """A fitted :class:`NearestNeighbours`: training histograms and where their problems lie.

    Attributes:
        table: of the training problems.
        features: of the training problems and of those to be predicted.
        k: neighbours.
    """

    table: Histograms
    features: Features
    k: int

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """Mean histogram of the k training problems at the least Euclidean distance; ties go to the earlier problem.

        Args:
            problems: ids, T of them.

        Returns:
            Shape (T, A).

        Raises:
            ValueError: on problems without features.
        """
        here, there = self.features.rows(problems), self.features.rows(self.table.problems)
        squared = (here**2).sum(axis=1)[:, None] - 2.0 * here @ there.T + (there**2).sum(axis=1)
        nearest = np.argsort(squared, axis=1, kind="stable")[:, : self.k]
        return np.asarray(self.table.shares[nearest].mean(axis=1))


@dataclass(frozen=True)
class NearestNeighbours:
    """k nearest neighbours on the features; each neighbour's histogram counts alike.

    A problem that is itself among the training problems (protocol "paper") is its own nearest neighbour.

    Attributes:
        k: neighbours.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human
        >>> features = Features.of(human.problems["problem"], [[float(place)] for place in range(12)])
        >>> NearestNeighbours(k=2).fit(human, features).predict(["q01"]).tolist()
        [[0.4375, 0.0625, 0.25, 0.0625, 0.1875]]
    """

    k: int = 20

    def fit(self, train: CrowdData, features: Features | None = None) -> FittedNeighbours:
        """Keep the training histograms.

        Raises:
            ValueError: without features, on a training problem without them, or if k exceeds the training problems.
        """
        given, table, k = need_features(features, "NearestNeighbours"), training_table(train), check_count("k", self.k)
        if k > len(table.problems):
            raise ValueError(f"k is {k} but there are only {len(table.problems)} training problems; lower k")
        given.rows(table.problems)
        return FittedNeighbours(table, given, k)
