"""Baselines that learn from features of the problems: ridge and logistic regression, the nearest training problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax

from crowdllm_stats._base.checks import FloatArray, check_array, check_count
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.baselines.base import need_features, training_table

#: Penalties tried, three per decade, times the answers and the mean variance of a feature.
_GRID = np.logspace(-4.0, 3.0, 22)

#: The same of the logistic regression, four per decade, and the folds that choose among them.
_LOGISTIC_GRID, _FOLDS = np.logspace(-2.0, 1.0, 13), 5

#: Least logarithm of a probability that a held-out answer is given.
_LEAST_LOG = -30.0


@dataclass(frozen=True, eq=False)
class FittedRidge:
    """A fitted :class:`Ridge`: coefficients, and the penalty that cross-validation chose.

    Attributes:
        features: of the training problems and of those to be predicted, d numbers each.
        intercept: b, shape (A,).
        coefficients: W, shape (A, d).
        penalty: on ``|W|^2``.
    """

    features: Features
    intercept: FloatArray
    coefficients: FloatArray
    penalty: float

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """``b + W x_t``, projected to the nearest probabilities.

        Args:
            problems: ids, T of them.

        Returns:
            Shape (T, A).

        Raises:
            ValueError: on problems without features.
        """
        return on_simplex(self.intercept + self.features.rows(problems) @ self.coefficients.T)


@dataclass(frozen=True)
class Ridge:
    """Linear regression of the shares of the A answers on d features, penalised, then projected to the simplex.

    It minimises ``sum_t n_t |h_t - b - W x_t|^2 + penalty |W|^2`` (n_t answers with shares h_t, intercept free) and
    takes the penalty with the least leave-one-problem-out error among 22 values, all inside the training answers. The
    predictions go to the nearest point of the probability simplex.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human
        >>> features = Features.of(human.problems["problem"], [[float(place)] for place in range(12)])
        >>> fitted = Ridge().fit(human, features)
        >>> bool(abs(fitted.predict(["q01", "q05"]).sum() - 2.0) < 1e-9)
        True
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> FittedRidge:
        """Choose the penalty and fit.

        Raises:
            ValueError: without features, on a training problem without them, on fewer than three training problems, or
                if all have the same features.
            ModuleNotFoundError: without scikit-learn.
        """
        given, table = need_features(features, "Ridge"), training_table(train)
        rows = given.rows(table.problems)
        penalties = _GRID * _spread(rows, "Ridge") * table.totals.sum()
        found = _linear_model("RidgeCV", "Ridge")(alphas=penalties).fit(rows, table.shares, sample_weight=table.totals)
        return FittedRidge(given, np.asarray(found.intercept_), np.asarray(found.coef_), float(found.alpha_))


def on_simplex(points: ArrayLike) -> FloatArray:
    """The nearest probability vector to each row, in Euclidean distance.

    Our own, for ``optax.projections.projection_simplex`` takes one vector at a time, in JAX's single precision.

    Source: Duchi et al. 2008, Efficient projections onto the l1-ball for learning in high dimensions, ICML, figure 1.

    Example:
        >>> on_simplex([[0.5, 0.7, -0.4]]).round(3).tolist()
        [[0.4, 0.6, 0.0]]
    """
    table = check_array("points", points, least_ndim=2)
    falling = -np.sort(-table, axis=1)
    excess = np.cumsum(falling, axis=1) - 1.0
    kept = (falling - excess / np.arange(1, table.shape[1] + 1) > 0.0).sum(axis=1)
    shift = excess[np.arange(len(table)), kept - 1] / kept
    return np.asarray(np.maximum(table - shift[:, None], 0.0))


def _spread(rows: FloatArray, name: str) -> float:
    """Mean variance of a feature over the training problems, which are enough and differ."""
    if len(rows) < 3:
        raise ValueError(f"{name} needs at least three training problems to choose its penalty, got {len(rows)}")
    spread = float(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean() / rows.shape[1])
    if spread == 0.0:
        raise ValueError("all training problems have the same features; there is nothing to regress on")
    return spread


def _linear_model(kind: str, name: str) -> Any:
    try:
        from sklearn import linear_model
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{name} needs scikit-learn: pip install 'crowdllm-stats[generator]'", name="sklearn"
        ) from None
    return getattr(linear_model, kind)


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


@dataclass(frozen=True, eq=False)
class FittedLogistic:
    """A fitted :class:`Logistic`: coefficients, and the penalty that cross-validation chose.

    Attributes:
        features: of the training problems and of those to be predicted, d numbers each.
        intercept: b, shape (A,); minus infinity for an answer that nobody gave in training.
        coefficients: W, shape (A, d).
        penalty: on ``|W|^2 / 2``.
    """

    features: Features
    intercept: FloatArray
    coefficients: FloatArray
    penalty: float

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """``softmax(b + W x_t)``.

        Args:
            problems: ids, T of them.

        Returns:
            Shape (T, A).

        Raises:
            ValueError: on problems without features.
        """
        return np.asarray(softmax(self.intercept + self.features.rows(problems) @ self.coefficients.T, axis=1))


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression of single answers on d features, penalised.

    It minimises ``-sum_i log softmax(b + W x_t(i))_{y_i} + penalty |W|^2 / 2`` (intercept free) and takes the penalty
    under which held-out answers are likeliest, of 13, by 5-fold cross-validation over the training problems. With two
    different answers in training ``|W|^2`` is that of the difference of their rows.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human
        >>> features = Features.of(human.problems["problem"], [[float(place)] for place in range(12)])
        >>> fitted = Logistic().fit(human, features)
        >>> bool(abs(fitted.predict(["q01", "q05"]).sum() - 2.0) < 1e-9)
        True
    """

    def fit(self, train: CrowdData, features: Features | None = None) -> FittedLogistic:
        """Choose the penalty and fit.

        Raises:
            ValueError: without features, on a training problem without them, on fewer than three training problems, or
                if all have the same features.
            ModuleNotFoundError: without scikit-learn.
        """
        given, table = need_features(features, "Logistic"), training_table(train)
        rows = given.rows(table.problems)
        penalties = _LOGISTIC_GRID * _spread(rows, "Logistic") * table.totals.sum()
        losses = [_held_out_loss(rows, table.counts, penalty) for penalty in penalties]
        penalty = float(penalties[int(np.argmin(losses))])
        return FittedLogistic(given, *_logistic(rows, table.counts, penalty), penalty)


def _logistic(rows: FloatArray, counts: FloatArray, penalty: float) -> tuple[FloatArray, FloatArray]:
    """Intercept (A,) and coefficients (A, d) of problems with features (T, d) and counted answers (T, A)."""
    problem, answer = np.nonzero(counts)
    given = np.unique(answer)
    intercept, coefficients = np.full(counts.shape[1], -np.inf), np.zeros((counts.shape[1], rows.shape[1]))
    intercept[given] = 0.0
    if len(given) == 1:
        return intercept, coefficients
    found = _linear_model("LogisticRegression", "Logistic")(C=1.0 / penalty, max_iter=1000)
    found.fit(rows[problem], answer, sample_weight=counts[problem, answer])
    fitted = given[-len(found.coef_) :]  # of two answers the second alone has a row, its difference from the first
    intercept[fitted], coefficients[fitted] = found.intercept_, found.coef_
    return intercept, coefficients


def _held_out_loss(rows: FloatArray, counts: FloatArray, penalty: float) -> float:
    """Minus the log-likelihood of all answers, each from the fit to the other folds' problems."""
    fold, total = np.arange(len(rows)) % _FOLDS, 0.0
    for number in np.unique(fold):
        out = fold == number
        intercept, coefficients = _logistic(rows[~out], counts[~out], penalty)
        logs = log_softmax(intercept + rows[out] @ coefficients.T, axis=1)
        total -= float((counts[out] * np.maximum(logs, _LEAST_LOG)).sum())
    return total
