"""What every baseline is: it fits on training answers, and then predicts a distribution of answers for any problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.histograms import Histograms, histograms
from crowdllm_stats.evaluation.protocols import Predictor


class FittedBaseline(Protocol):
    """A fitted baseline: anything with :meth:`predict`.

    Example:
        >>> import numpy as np
        >>> class Coin:
        ...     def predict(self, problems):
        ...         return np.full((len(problems), 2), 0.5)
        >>> fitted: FittedBaseline = Coin()
        >>> fitted.predict(["a", "b", "c"]).shape
        (3, 2)
    """

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """Probabilities of the answers to each problem.

        Args:
            problems: ids, T of them.

        Returns:
            Shape (T, A), the A answers in the order of the scale; every row adds up to 1.

        Raises:
            ValueError: on a problem that the baseline knows too little of.
        """
        ...


class Baseline(Protocol):
    """A way of predicting, with its settings, not yet fitted: anything with :meth:`fit`.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.evaluation.baselines import GlobalDistribution
        >>> baseline: Baseline = GlobalDistribution()
        >>> baseline.fit(load_example().human).predict(["q01", "q02"]).shape
        (2, 5)
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> FittedBaseline:
        """Learn from training answers.

        Args:
            train: human answers.
            features: numbers by problem id, of the training problems and of those to be predicted; baselines that use
                none ignore them.
        """
        ...


def predictor(baseline: Baseline, features: Features | None = None) -> Predictor:
    """A baseline as the function ``(train, problems) -> probabilities`` that :func:`evaluate` takes.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.evaluation.baselines import GlobalDistribution
        >>> from crowdllm_stats.evaluation import evaluate
        >>> result = evaluate(predictor(GlobalDistribution()), load_example().human, "paper", seeds=[0])
        >>> 0.4 < result.exact.mae < 0.9
        True
    """

    def predict(train: CrowdData, problems: tuple[str, ...]) -> FloatArray:
        return baseline.fit(train, features).predict(problems)

    return predict


def need_features(features: Features | None, name: str) -> Features:
    """Refuse a baseline that learns from features when there are none.

    Raises:
        ValueError: naming the baseline.

    Example:
        >>> need_features(None, "Ridge")
        Traceback (most recent call last):
        ...
        ValueError: Ridge learns from features of the problems; pass features=Features.of(problems, table)
    """
    if features is None:
        raise ValueError(f"{name} learns from features of the problems; pass features=Features.of(problems, table)")
    return features


def training_table(train: CrowdData) -> Histograms:
    """Counts of the training answers, of the problems that have any.

    Returns:
        Histograms: ``counts`` of shape (T, A), each row with at least one answer.

    Raises:
        ValueError: as ``crowdllm_stats.data.histograms.histograms``, for instance on a scale without listed answers.

    Example:
        >>> from crowdllm_stats import load_example
        >>> training_table(load_example().human).counts.shape
        (12, 5)
    """
    return histograms(train).answered()
