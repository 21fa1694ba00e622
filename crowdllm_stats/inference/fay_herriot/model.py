"""The Fay-Herriot model of many problems: regression, between-problem variance and its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.inference.fay_herriot.dispersion import VarianceFunction, fit_variance_function

#: The between-problem variance is proportional to the within-problem variance function to one of these powers.
POWERS: FloatArray = np.array([0.0, 0.5, 1.0])
#: Nodes for the between-problem variance.
NODES = 24
#: A straight line is kept this share of the scale away from its ends, where there are no answers to correct it.
MARGIN = 0.05


@dataclass(frozen=True)
class Prior:
    """What the other problems say about each of S problems before its own answers are looked at.

    ``mean`` (S,): regression on the digital side. ``within`` (S,): variance of one answer, ``within_error`` (S,): its
    squared relative standard error. ``var`` (S, K): variance of the problem's mean about ``mean`` for K values of
    the between-problem variance (regression error included), with posterior ``weight`` (S, K). ``between`` (S,): the
    posterior median of the between-problem variance. ``raised`` (S,): the variance of one answer was raised to its
    lower limit (empty: not known).
    """

    mean: FloatArray
    within: FloatArray
    within_error: FloatArray
    var: FloatArray
    weight: FloatArray
    between: FloatArray
    raised: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class FayHerriot:
    """A fitted model; :meth:`predict` applies it to other problems.

    Attributes:
        coefficients: beta, shape (p,).
        covariance: of beta, shape (p, p).
        within: variance of one answer as a function of the mean.
        within_typical: geometric mean of that variance over the fitted problems.
        nodes: values of the between-problem variance A, shape (K,), rising.
        posterior: of A and the power g, shape (K, 3), adding up to 1.
        median: posterior median of A.
        power: posterior mean of g.
    """

    coefficients: FloatArray
    covariance: FloatArray
    within: VarianceFunction
    within_typical: float
    nodes: FloatArray
    posterior: FloatArray
    median: float
    power: float

    def predict(self, design: FloatArray) -> Prior:
        """What the model says of problems before their own answers are looked at.

        Args:
            design: regression rows, shape (S, p), of the columns that the model was fitted with.

        Returns:
            Prior, its arrays of S problems.
        """
        mean = design @ self.coefficients
        within = self.within.value(mean)
        regression = np.einsum("ti,ij,tj->t", design, self.covariance, design)
        relative = within / self.within_typical
        spread = self.nodes[:, None] * relative[:, None, None] ** POWERS + regression[:, None, None]
        between = self.median * relative**self.power
        return Prior(
            mean=mean,
            within=within,
            within_error=self.within.relative_variance(mean),
            var=spread.reshape(len(mean), -1),
            weight=np.broadcast_to(self.posterior.ravel(), (len(mean), self.posterior.size)),
            between=between,
            raised=self.within.held(mean),
        )


def fit_fay_herriot(design: FloatArray, mean: FloatArray, var: FloatArray, count: FloatArray) -> FayHerriot:
    """Fit ``mean_t = x_t' beta + u_t + e_t`` with ``Var u_t = A s_t^g`` and ``Var e_t = v_t / n_t``.

    ``v_t`` is the smoothed variance function at the predicted mean, ``s_t`` is v_t over its geometric mean. A and the
    power g are not fixed at an estimate but carried as a posterior over nodes: restricted likelihood times a prior
    flat in A >= 0 (Morris 1983; Morris and Tang 2011), which never puts all mass at A = 0; g in {0, 1/2, 1} equally
    likely. ``beta`` is generalised least squares at the posterior median of A.

    Args:
        design: (T, p) regression rows, the constant included.
        mean, var, count: (T,) each problem's human mean, sample variance (ddof 1) and number of answers.

    Raises:
        ValueError: if all variances are zero.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> design = np.column_stack([np.ones(300), rng.normal(size=300)])
        >>> mean = design @ [2.0, 1.0] + rng.normal(size=300) + rng.normal(size=300) / 2
        >>> fit = fit_fay_herriot(design, mean, rng.chisquare(3, 300) / 3, np.full(300, 4.0))
        >>> 0.8 < fit.median < 1.2
        True
    """
    shift = float(mean.mean())  # the first column is the constant, so the shift only moves its coefficient
    centred = mean - shift
    beta, covariance = least_squares(design, centred, count)
    for _ in range(2):  # the second pass puts the better means into the variance function
        fitted = design @ beta + shift
        curve = fit_variance_function(fitted, var, count - 1.0, None)
        within = curve.value(fitted)
        typical = float(np.exp(np.mean(np.log(within))))
        sampling = within / count
        scatter = float(np.mean((centred - design @ beta) ** 2))
        nodes, posterior = between_posterior(design, centred, sampling, within / typical, scatter)
        reached = int(np.searchsorted(np.cumsum(posterior.sum(axis=1)), 0.5))
        median, power = float(nodes[min(reached, len(nodes) - 1)]), float(posterior.sum(axis=0) @ POWERS)
        beta, covariance = least_squares(design, centred, 1.0 / (median * (within / typical) ** power + sampling))
    beta = beta.copy()
    beta[0] += shift
    return FayHerriot(beta, covariance, curve, typical, nodes, posterior, median, power)


def keep_inside(mean: FloatArray, bounds: tuple[float, float] | None) -> FloatArray:
    """``mean`` moved at least 5% of the scale away from its ends (a regression line knows no ends).

    Example:
        >>> keep_inside(np.array([0.5, 3.0, 4.9]), (1.0, 5.0)).tolist()
        [1.2, 3.0, 4.8]
    """
    if bounds is None:
        return mean
    edge = MARGIN * (bounds[1] - bounds[0])
    return np.clip(mean, bounds[0] + edge, bounds[1] - edge)


def regression_rows(*columns: FloatArray) -> tuple[FloatArray, int]:
    """A constant and the principal directions of the columns, (T, p), and how many directions were left out.

    Constant and collinear columns carry nothing of their own; dropping null directions leaves every fitted value the
    same and the least squares well conditioned.

    Args:
        columns: arrays (T, k).

    Example:
        >>> rows, lost = regression_rows(np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]]))
        >>> rows.shape, lost
        ((3, 2), 1)
    """
    table = np.concatenate(columns, axis=1)
    centred = table - table.mean(axis=0)
    size = np.sqrt(np.mean(centred**2, axis=0))
    varies = size > 1e-10 * np.maximum(np.abs(table).max(axis=0), 1e-300)
    left, strength, _ = np.linalg.svd(centred[:, varies] / size[varies], full_matrices=False)
    kept = strength > 1e-8 * strength.max(initial=0.0)
    rows = np.concatenate([np.ones((len(table), 1)), left[:, kept] * np.sqrt(len(table))], axis=1)
    return rows, table.shape[1] - int(kept.sum())


def between_posterior(
    design: FloatArray, mean: FloatArray, sampling: FloatArray, relative: FloatArray, scatter: float
) -> tuple[FloatArray, FloatArray]:
    """Nodes (K,) of the between-problem variance and posterior weights (K, powers), on a grid refined once."""
    unit = max(scatter, 1.0 / float(np.mean(1.0 / sampling)))  # the scatter is A plus sampling variance
    width = 1.0 / NODES
    share = (np.arange(NODES) + 0.5) * width  # share = A / (A + unit), which maps A >= 0 to [0, 1)
    for refine in (True, False):
        nodes = unit * share / (1.0 - share)
        # A flat prior in A has the density (1 - share)^-2 in the share.
        log_weight = restricted(design, mean, sampling, relative, nodes) - 2.0 * np.log1p(-share)[:, None]
        if refine:
            held = np.flatnonzero(log_weight.max(axis=1) > log_weight.max() - 8.0)
            first = max(share[held[0]] - 1.5 * width, 0.0)
            last = min(share[held[-1]] + 1.5 * width, 1.0)
            share = first + (np.arange(NODES) + 0.5) / NODES * (last - first)
    weight = np.exp(log_weight - log_weight.max())
    return nodes, weight / weight.sum()


def restricted(
    design: FloatArray, mean: FloatArray, sampling: FloatArray, relative: FloatArray, nodes: FloatArray
) -> FloatArray:
    """Restricted log-likelihood at every node and power, (K, powers); all of them in a few matrix products."""
    count, columns = design.shape
    weight = 1.0 / (nodes[:, None, None] * relative ** POWERS[:, None] + sampling)
    flat = weight.reshape(-1, count)
    squares = (design[:, :, None] * design[:, None, :]).reshape(count, -1)
    information = (flat @ squares).reshape(-1, columns, columns) + _ridge(flat.sum(axis=1), columns)
    score = flat @ (design * mean[:, None])
    beta = np.linalg.solve(information, score[..., None])[..., 0]
    residual = flat @ (mean * mean) - np.sum(score * beta, axis=1)
    value = 0.5 * np.log(flat).sum(axis=1) - 0.5 * np.linalg.slogdet(information)[1] - 0.5 * residual
    table: FloatArray = value.reshape(len(nodes), len(POWERS))
    return table


def least_squares(design: FloatArray, mean: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted least squares: coefficients (p,) and their covariance (p, p), ``weight`` (T,) the inverse variances."""
    weighted = design * weight[:, None]
    information = weighted.T @ design + _ridge(weight.sum(), design.shape[1])
    covariance: FloatArray = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return covariance @ (weighted.T @ mean), covariance


def _ridge(total: FloatArray, columns: int) -> FloatArray:
    """Only for a column that is constant in one training fold: far too small to move anything else."""
    ridge: FloatArray = 1e-9 * np.asarray(total)[..., None, None] * np.eye(columns)
    return ridge
