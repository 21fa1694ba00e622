"""Whether predicted spreads are right: the variance among people regressed on the predicted one."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_level
from crowdllm_stats._base.result import Result
from crowdllm_stats.data.histograms import Histograms

#: Predicted variances that differ by less than this are taken as equal.
_LEAST_SPREAD = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class SpreadCheck(Result):
    """Slope of the human within-problem variance on the predicted one; see :func:`spread_check`.

    Attributes:
        slope: 1 for a right prediction; None where all predicted variances are equal.
        lower: lower end of its interval, or None.
        upper: upper end, or None.
        intercept: 0 for a right prediction, or None.
        human_variance: mean over problems, ddof 1.
        predicted_variance: mean over problems.
        n_problems: that entered.
        n_left_out: with fewer than two human answers.
        level: of the interval.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "slope", "lower", "upper", "intercept", "human_variance", "predicted_variance", "n_problems", "n_left_out",
    )  # fmt: skip

    slope: float | None
    lower: float | None
    upper: float | None
    intercept: float | None
    human_variance: float
    predicted_variance: float
    n_problems: int
    n_left_out: int
    level: float


def human_variances(truth: Histograms) -> FloatArray:
    """Variance of the answers to each problem with n - 1 in the denominator, shape (T,); NaN for a single answer.

    Example:
        >>> table = Histograms(("a", "b"), (1.0, 2.0), np.array([[2.0, 2.0], [0.0, 1.0]]))
        >>> human_variances(table).round(3).tolist()
        [0.333, nan]
    """
    values, n = truth.numbers, truth.totals
    squares = truth.shares @ values**2 - (truth.shares @ values) ** 2
    return np.asarray(np.divide(squares * n, n - 1.0, out=np.full(len(n), np.nan), where=n > 1.0))


def spread_check(
    problems: ArrayLike, human_variance: ArrayLike, predicted_variance: ArrayLike, *, level: float = 0.95
) -> SpreadCheck:
    """Ordinary least squares of the human variance on the predicted one, errors clustered by problem.

    The human variance with n - 1 is unbiased for what a right prediction says, so a right prediction gives slope 1 and
    intercept 0. A slope below 1 says that predicted spreads differ more between problems than the true ones do.

    Args:
        problems: id of each row, shape (n,); a problem tested in several splits stands there several times.
        human_variance: shape (n,), NaN for a problem with a single answer: left out and counted.
        predicted_variance: shape (n,).
        level: of the interval of the slope.

    Returns:
        SpreadCheck; slope, interval and intercept are None where all predicted variances are equal.

    Raises:
        ValueError: on arrays of different lengths, a predicted variance that is negative or not finite, fewer than
            three problems with two answers.

    Example:
        >>> found = spread_check(["a", "b", "c", "d"], [0.4, 1.1, 1.4, 2.1], [0.5, 1.0, 1.5, 2.0])
        >>> round(found.slope, 3)
        1.08
    """
    ids, human = np.asarray(problems, dtype=str), np.asarray(human_variance, dtype=np.float64)
    predicted = check_array("predicted_variance", predicted_variance, least_ndim=1, nonnegative=True)
    if not ids.shape == human.shape == predicted.shape or ids.ndim != 1:
        raise ValueError(
            f"problems {ids.shape}, human_variance {human.shape} and predicted_variance {predicted.shape} must be of "
            "one length, a row per problem"
        )
    kept = ~np.isnan(human)
    groups = np.unique(ids[kept], return_inverse=True)[1]
    clusters = int(groups.max()) + 1 if groups.size else 0
    if clusters < 3:
        raise ValueError(f"the spread check needs three problems with two human answers or more; there are {clusters}")
    given: dict[str, Any] = {
        "why": "Least squares over problems and splits; the interval takes a problem's rows as one cluster. Problems"
        " with a single human answer have no variance and are left out.",
        "flags": {},
        "human_variance": float(human[kept].mean()),
        "predicted_variance": float(predicted[kept].mean()),
        "n_problems": clusters,
        "n_left_out": int(np.sum(~kept)),
        "level": check_level(level),
    }
    if float(np.ptp(predicted[kept])) < _LEAST_SPREAD:
        return SpreadCheck(slope=None, lower=None, upper=None, intercept=None, **given)
    import statsmodels.api as sm

    design = sm.add_constant(predicted[kept], has_constant="add")
    fit = sm.OLS(human[kept], design).fit(cov_type="cluster", cov_kwds={"groups": groups})
    lower, upper = fit.conf_int(1.0 - given["level"])[1]
    return SpreadCheck(
        slope=float(fit.params[1]), lower=float(lower), upper=float(upper), intercept=float(fit.params[0]), **given
    )
