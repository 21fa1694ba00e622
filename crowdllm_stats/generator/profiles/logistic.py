"""A discrete column given others: multinomial logistic regression with main effects, shrunk towards independence.

scikit-learn's ``LogisticRegression`` reaches the same solution (slopes within 3e-6 at precision 1e-8) once every column
is scaled by its own penalty and two classes are told apart from more, which takes as much code; over the hundreds of
small fits that choose the penalties it is about twice as slow, and where penalties are alike it chooses another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import generator

#: Ridges tried, strongest first; the strongest leaves hardly any association.
RIDGES = (1000.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
FOLDS = 5
#: People on whom the ridge is chosen; it is a prior precision, and does not grow with their number.
MOST = 2000
#: Weight of the margin in held-out probabilities, for levels that a fold's training people do not hold.
_MARGIN = 0.01


@dataclass(frozen=True, eq=False)
class Logistic:
    """``p(x | others) = softmax(intercepts + sum_l slopes_l[x_l])``.

    Attributes:
        intercepts: shape (L,); -inf for a level that nobody holds.
        slopes: one table for each other column, stacked, shape (P, L), P the number of all their levels.
        ridges: one penalty for each other column, ``ridge_l / 2 * sum(slopes_l^2)``.
    """

    intercepts: FloatArray
    slopes: FloatArray
    ridges: tuple[float, ...]

    def probabilities(self, places: NDArray[np.int64]) -> FloatArray:
        """Laws given the rows of ``slopes`` that hold for each person, one for each other column: (N, J) to (N, L)."""
        raw = np.repeat(self.intercepts[None, :], len(places), axis=0)
        for column in places.T:
            raw += self.slopes[column]  # added one by one, so that a row's result is the same in any company
        return np.asarray(np.exp(raw - logsumexp(raw, axis=1, keepdims=True)))


def fit_logistic(
    others: Sequence[FloatArray], codes: NDArray[np.int64], levels: int, *, ridge: float | None, name: str
) -> Logistic:
    """Maximum likelihood with a ridge on the slopes and none on the intercepts.

    So, averaged over the people it is fitted to, predicted shares of levels are the observed ones whatever the ridge,
    and as a ridge goes to 0 so is the pairwise table of the column with that other one.

    Args:
        others: the other columns, each one-hot of shape (N, levels); none is allowed.
        codes: the column, shape (N,), each in [0, levels).
        levels: L.
        ridge: positive; None chooses one for each other column, that of greatest 5-fold cross-validated likelihood
            with this column as the only predictor, on at most 2,000 people.
        name: the column's name, from which the folds are drawn.

    Example:
        >>> law = fit_logistic([], np.array([0, 1, 1, 1]), 2, ridge=1.0, name="gender")
        >>> law.probabilities(np.empty((1, 0), dtype=np.int64)).round(4).tolist()
        [[0.25, 0.75]]
    """
    if not others:
        with np.errstate(divide="ignore"):
            shares = np.log(np.bincount(codes, minlength=levels) / len(codes))
        return Logistic(shares, np.empty((0, levels)), ())
    sizes = [other.shape[1] for other in others]
    with threadpool_limits(limits=1, user_api="blas"):  # the steps are so small that threads only wait for each other
        chosen = [_choose(other, codes, levels, name) if ridge is None else float(ridge) for other in others]
        return _fit(np.column_stack(list(others)), codes, levels, chosen, sizes, None, 1e-6)


def _choose(other: FloatArray, codes: NDArray[np.int64], levels: int, name: str) -> float:
    order = generator(0, "folds", name).permutation(len(codes))[:MOST]
    if len(order) < 2 * FOLDS:
        return RIDGES[0]
    folds = np.arange(len(order)) % FOLDS
    margin = np.bincount(codes, minlength=levels) / len(codes)
    scores = np.zeros(len(RIDGES))
    for fold in range(FOLDS):
        train, test = order[folds != fold], order[folds == fold]
        fitted: Logistic | None = None
        for place, ridge in enumerate(RIDGES):
            fitted = _fit(other[train], codes[train], levels, [ridge], [other.shape[1]], fitted, 1e-4)
            law = (1 - _MARGIN) * fitted.probabilities(other[test].argmax(axis=1)[:, None]) + _MARGIN * margin
            scores[place] += np.log(law[np.arange(len(test)), codes[test]]).sum()
    return RIDGES[int(np.argmax(scores))]


def _fit(
    others: FloatArray,
    codes: NDArray[np.int64],
    levels: int,
    ridges: Sequence[float],
    sizes: Sequence[int],
    start: Logistic | None,
    precision: float,
) -> Logistic:
    """Fit the levels that occur; rows alike are counted together."""
    held, own = np.unique(codes, return_inverse=True)
    rows, inverse = np.unique(others, axis=0, return_inverse=True)
    counts = np.zeros((len(rows), len(held)))
    np.add.at(counts, (inverse.reshape(-1), own.reshape(-1)), 1.0)
    totals = counts.sum(axis=1, keepdims=True)
    shape = (others.shape[1] + 1, len(held))
    penalty = np.repeat(np.asarray(ridges, dtype=np.float64), sizes)[:, None]

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        table = flat.reshape(shape)
        raw = table[0] + rows @ table[1:]
        normal = logsumexp(raw, axis=1, keepdims=True)
        wrong = totals * np.exp(raw - normal) - counts
        slope = np.vstack([wrong.sum(axis=0), rows.T @ wrong + penalty * table[1:]])
        value = float((totals * normal).sum() - (counts * raw).sum() + (penalty * table[1:] ** 2).sum() / 2)
        return value / len(codes), slope.reshape(-1) / len(codes)

    first = np.zeros(shape)
    first[0] = np.log(counts.sum(axis=0) / len(codes))
    if start is not None:
        first = np.vstack([start.intercepts[held], start.slopes[:, held]])
    found = minimize(loss, first.reshape(-1), jac=True, method="L-BFGS-B",
                     options={"maxiter": 1000, "gtol": precision, "ftol": precision**2})  # fmt: skip
    table = found.x.reshape(shape)
    intercepts, slopes = np.full(levels, -np.inf), np.zeros((others.shape[1], levels))
    intercepts[held], slopes[:, held] = table[0], table[1:]
    return Logistic(intercepts, slopes, tuple(map(float, ridges)))
