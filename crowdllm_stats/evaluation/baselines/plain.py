"""Baselines without a model: even chances, the global distribution, the problem's own raters, half of the raters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import generator
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.baselines.base import training_table
from crowdllm_stats.evaluation.metrics import Distance, score
from crowdllm_stats.evaluation.scores import Scores


@dataclass(frozen=True, eq=False)
class SameForAll:
    """One distribution for every problem.

    Attributes:
        distribution: shape (A,), in the order of the scale.

    Example:
        >>> SameForAll(np.array([0.25, 0.75])).predict(["a", "b", "c"]).shape
        (3, 2)
    """

    distribution: FloatArray

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """The distribution, once per problem: shape (T, A). Any id will do."""
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
        """Only the scale is used: 1/A for each of its A answers; ``features`` is ignored."""
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
        """Count the training answers, over all problems together; ``features`` is ignored."""
        counts = training_table(train).counts.sum(axis=0)
        return SameForAll(np.asarray(counts / counts.sum()))


@dataclass(frozen=True)
class MedianHistogram:
    """For each answer, the median over training problems of the share of answers up to it; the same for every problem.

    It is made for the Wasserstein distance to histograms of few people, which lack rare answers; it is no population.

    Example:
        >>> from crowdllm_stats import load_example
        >>> MedianHistogram().fit(load_example().human).predict(["any"]).round(3).tolist()
        [[0.125, 0.188, 0.312, 0.25, 0.125]]
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> SameForAll:
        """Take the medians over the problems with an answer; ``features`` is ignored."""
        cumulative = np.median(np.cumsum(training_table(train).shares, axis=1), axis=0)
        return SameForAll(np.diff(cumulative, prepend=0.0))


@dataclass(frozen=True, eq=False)
class OwnHistograms:
    """The training histogram of each problem; :class:`OwnRaters` makes it.

    Attributes:
        table: counts of the training answers, of the problems that have any.

    Example:
        >>> from crowdllm_stats import load_example
        >>> fitted = OwnHistograms(training_table(load_example().human))
        >>> fitted.predict(["q03", "q01"]).shape
        (2, 5)
        >>> fitted.predict(["q99"])
        Traceback (most recent call last):
        ...
        ValueError: 1 problem(s) have no training rater, for instance 'q99'; OwnRaters predicts problems ...
    """

    table: Histograms

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """Shares of the training answers to each problem.

        Args:
            problems: ids, T of them.

        Returns:
            Shape (T, A), the A answers in the order of the scale; every row adds up to 1.

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
        """Count the training answers to every problem; ``features`` is ignored."""
        return OwnHistograms(training_table(train))


def noise_floor(truth: Histograms, *, seed: int, distance: Distance = "scale", split: int = 0) -> Scores:
    """Split each problem's answers at random into halves and score the first as a prediction of the second.

    What another crowd of half the size would score; a generator that knew the true distributions would score better,
    since its own distribution would carry no noise. With an odd number the second half, the truth, is the larger one.

    Args:
        truth: counts of human answers, every problem with at least two.
        seed: of the halves; a problem's depend on it and on the problem's id alone.
        distance: see :func:`crowdllm_stats.evaluation.metrics.score`.
        split: written into the rows.

    Raises:
        ValueError: on a problem with fewer than two answers.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.data.histograms import histograms
        >>> 0.3 < noise_floor(histograms(load_example().human), seed=1).mae < 1.2
        True
    """
    few = np.flatnonzero(truth.totals < 2)
    if few.size:
        raise ValueError(
            f"{few.size} problem(s) have fewer than two answers, for instance {truth.problems[few[0]]!r}; halves need "
            "two; leave them out with select()"
        )
    first = np.empty_like(truth.counts)
    for row, (name, counts) in enumerate(zip(truth.problems, truth.counts.astype(np.int64), strict=True)):
        first[row] = generator(seed, name).multivariate_hypergeometric(counts, int(counts.sum()) // 2)
    second = Histograms(truth.problems, truth.answers, truth.counts - first)
    return score(second, first / first.sum(axis=1, keepdims=True), distance=distance, split=split)
