"""Scores of one predictor: kept a problem at a time, averaged on demand, each with its standard error."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_choice, check_count, check_level
from crowdllm_stats._base.result import Result

#: An absolute error of the mean below this counts as resolved.
RESOLVED = 0.5

_ERRORS = ("mean", "median", "majority", "dawid-skene", "glad")

#: Metrics that average a column as it stands.
_COLUMNS = {"cs": "cosine", "wd": "wasserstein", "wd of probabilities": "wasserstein_of_probabilities"}


#: Of the predicted distribution itself, or of as many answers drawn from it as people gave.
Way = Literal["exact", "sampled"]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of a predictor on problems, over one split or several.

    The metrics, as far as the columns are there: "mae", "rmse" and "resolution" (share of problems whose mean is missed
    by less than 0.5) of the mean; "mae median", "rmse median" and so on for the other aggregates; "cs", the mean
    cosine; "wd", the mean Wasserstein distance; "wd of probabilities", that between the two sets of probabilities.
    Each averages over all rows, so splits of equal size count alike.

    Attributes:
        per_problem: one row per problem and split: ``problem``, ``split``, ``error_AGGREGATE`` (prediction less truth),
            ``cosine``, ``wasserstein``, ``wasserstein_of_probabilities``.
        how: "exact" or "sampled", see :func:`crowdllm_stats.evaluation.metrics.score`.

    Raises:
        ValueError: if no row is there, a (problem, split) stands there twice, or a value is missing.

    Example:
        >>> rows = pd.DataFrame({"problem": ["a", "b", "c"], "split": 0, "error_mean": [0.2, -0.4, 1.2]})
        >>> print(Scores(rows, "exact"))
        Scores (exact) of 3 problems
          mae         0.6 (standard error 0.306)
          rmse        0.739 (standard error 0.303)
          resolution  0.667 (standard error 0.333)
    """

    per_problem: pd.DataFrame
    how: Way

    def __post_init__(self) -> None:
        if self.per_problem.empty:
            raise ValueError("there is no problem to score")
        if self.per_problem.duplicated(["problem", "split"]).any():
            raise ValueError("a problem stands twice in one split; score every problem once per split")
        if self.per_problem.isna().to_numpy().any():
            raise ValueError("per_problem holds missing values; a problem without an answer cannot be scored")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics at hand."""
        names: list[str] = []
        for kind in _ERRORS:
            if f"error_{kind}" in self.per_problem:
                names += ["mae", "rmse", "resolution"] if kind == "mean" else [f"mae {kind}", f"rmse {kind}"]
        names += [short for short, column in _COLUMNS.items() if column in self.per_problem]
        return tuple(names)

    def contributions(self, metric: str) -> FloatArray:
        """What each row adds to the metric, one value per row; "rmse" is the root of their mean, the others their mean.

        Raises:
            ValueError: on a metric that is not at hand.
        """
        check_choice("metric", metric, self.metrics)
        if metric in _COLUMNS:
            return np.asarray(self.per_problem[_COLUMNS[metric]], dtype=np.float64)
        name, _, kind = metric.partition(" ")
        error = self.per_problem[f"error_{kind or 'mean'}"].to_numpy(dtype=np.float64)
        if name == "resolution":
            return np.asarray(np.abs(error) < RESOLVED, dtype=np.float64)
        return np.asarray(np.abs(error) if name == "mae" else error**2)

    def value(self, metric: str) -> float:
        """The metric over all rows.

        Raises:
            ValueError: on a metric that is not at hand.
        """
        mean = float(self.contributions(metric).mean())
        return float(np.sqrt(mean)) if metric.startswith("rmse") else mean

    def standard_error(self, metric: str) -> float:
        """Standard error of :meth:`value` over problems: one problem's rows in several splits are one cluster.

        For "rmse" by the delta method, the error of the mean square over twice the root. NaN for a single problem.

        Raises:
            ValueError: on a metric that is not at hand.
        """
        each = self.contributions(metric)
        sums = pd.Series(each - each.mean()).groupby(self.per_problem["problem"].to_numpy()).sum().to_numpy()
        clusters = len(sums)
        if clusters < 2:
            return float("nan")
        error = float(np.sqrt(np.sum(sums**2) * clusters / (clusters - 1)) / len(each))
        if not metric.startswith("rmse"):
            return error
        return error / (2.0 * self.value(metric)) if error > 0.0 else 0.0

    @property
    def mae(self) -> float:
        """Mean absolute error of the mean answer."""
        return self.value("mae")

    @property
    def rmse(self) -> float:
        """Root mean square error of the mean answer."""
        return self.value("rmse")

    @property
    def cs(self) -> float:
        """Mean cosine similarity of the histograms."""
        return self.value("cs")

    @property
    def wd(self) -> float:
        """Mean Wasserstein distance of the histograms."""
        return self.value("wd")

    @property
    def resolution(self) -> float:
        """Share of the problems whose mean answer is missed by less than 0.5."""
        return self.value("resolution")

    def to_frame(self) -> pd.DataFrame:
        """One row per metric: ``metric``, ``value``, ``standard_error``, ``n_problems``, ``n_splits``."""
        return pd.DataFrame(
            {
                "metric": list(self.metrics),
                "value": [self.value(metric) for metric in self.metrics],
                "standard_error": [self.standard_error(metric) for metric in self.metrics],
                "n_problems": self.per_problem["problem"].nunique(),
                "n_splits": self.per_problem["split"].nunique(),
            }
        )

    def __str__(self) -> str:
        splits = self.per_problem["split"].nunique()
        over = f" over {splits} splits" if splits > 1 else ""
        width = max(map(len, self.metrics))
        lines = [f"Scores ({self.how}) of {self.per_problem['problem'].nunique()} problems{over}"]
        lines += [
            f"  {metric:<{width}}  {self.value(metric):.3g} (standard error {self.standard_error(metric):.3g})"
            for metric in self.metrics
        ]
        return "\n".join(lines)


def pooled(parts: Sequence[Scores]) -> Scores:
    """The rows of several scores, for instance those of the splits of a protocol, as one.

    Raises:
        ValueError: on none, on different ways of scoring, on different columns, on rows that are there twice.

    Example:
        >>> rows = pd.DataFrame({"problem": ["a", "b"], "split": 0, "error_mean": [0.0, 1.0]})
        >>> pooled([Scores(rows, "exact"), Scores(rows.assign(split=1), "exact")]).mae
        0.5
    """
    if not parts:
        raise ValueError("parts is empty; nothing to pool")
    if len({part.how for part in parts}) > 1 or len({tuple(part.per_problem.columns) for part in parts}) > 1:
        raise ValueError("parts were scored in different ways (how, or columns); pool scores of one kind")
    return Scores(pd.concat([part.per_problem for part in parts], ignore_index=True), parts[0].how)


#: With fewer problems than this a percentile bootstrap is too sure: at level 0.95 it misses 0.10 of equal predictors at
#: 10 problems, 0.06 at 30.
FEW = 30

#: Metrics of which more is better.
_MORE = ("cs", "resolution")


@dataclasses.dataclass(frozen=True, eq=False)
class PairedDifference(Result):
    """A metric of predictor a less that of b, with a bootstrap interval and p-value; see :func:`paired_difference`."""

    columns: ClassVar[tuple[str, ...]] = (
        "metric", "difference", "lower", "upper", "p_value", "n_problems", "n_better",
    )  # fmt: skip

    metric: str
    difference: float
    lower: float
    upper: float
    p_value: float
    n_problems: int
    n_better: int
    n_splits: int
    level: float


def paired_difference(
    a: Scores, b: Scores, metric: str = "mae", *, level: float = 0.95, n_boot: int = 4_000, seed: int = 0
) -> PairedDifference:
    """Compare two predictors that were scored on the same problems of the same splits.

    A problem's contributions are averaged over the splits it was tested in, for a and for b; the difference is that of
    their means over problems (for "rmse" of the roots of the means). Problems, not splits, are the independent units,
    so the bootstrap draws problems: percentile interval, and as p-value twice the smaller share of bootstrap
    differences on one side of 0, a share counted as (k + 1) / (n_boot + 1). T problems cannot tell more than T tosses
    of a coin: the p-value is never below ``2^(1 - T)``, and with fewer than 30 problems a flag says that interval and
    p-value are too sure.

    Args:
        a: scores of one predictor.
        b: scores of the other, the same (problem, split) rows in any order.
        metric: a metric of both, see :class:`crowdllm_stats.evaluation.scores.Scores`.
        level: of the interval.
        n_boot: bootstrap draws.
        seed: of the bootstrap.

    Returns:
        PairedDifference; below 0 means a is better in errors and distances, worse in "cs" and "resolution". On
        ``n_better`` of the problems a is better.

    Raises:
        ValueError: if the rows differ, on fewer than two problems, on a metric that one does not have.

    Example:
        >>> rows = pd.DataFrame({"problem": ["a", "b", "c", "d"], "split": 0, "error_mean": [0.2, 0.4, 0.1, 0.5]})
        >>> other = rows.assign(error_mean=[0.5, 0.8, 0.3, 0.7])
        >>> round(paired_difference(Scores(rows, "exact"), Scores(other, "exact")).difference, 4)
        -0.275
    """
    level, draws = check_level(level), check_count("n_boot", n_boot, least=100)
    first, second = _by_row(a, metric), _by_row(b, metric)
    if len(first) != len(second) or not first.index.equals(second.index):
        apart = len(first.index.symmetric_difference(second.index))
        raise ValueError(
            f"a and b were not scored on the same problems of the same splits ({apart} row(s) differ); score both "
            "with the same protocol and seeds"
        )
    each = pd.DataFrame({"a": first, "b": second}).groupby(level="problem").mean().to_numpy()
    problems = len(each)
    if problems < 2:
        raise ValueError("a paired difference needs at least two problems, got 1")
    boot = _bootstrap(each, metric, draws, np.random.default_rng(check_count("seed", seed, least=0)))
    lower, upper = np.quantile(boot, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    tail = min(int(np.sum(boot <= 0.0)), int(np.sum(boot >= 0.0)))
    p_value = min(1.0, max(2.0 * (tail + 1) / (draws + 1), 2.0 ** (1 - problems)))
    return PairedDifference(
        why="Problems are a random sample of the problems that the comparison speaks of. The bootstrap holds the chance"
        " of drawing these problems; that of splits and of fitting only as far as it is averaged over the splits.",
        flags={f"fewer than {FEW} problems: interval too short, p-value too small": problems < FEW},
        metric=metric,
        difference=float(_difference(each.mean(axis=0), metric)),
        lower=float(lower),
        upper=float(upper),
        p_value=p_value,
        n_problems=problems,
        n_better=int(np.sum(each[:, 0] > each[:, 1] if metric in _MORE else each[:, 0] < each[:, 1])),
        n_splits=int(a.per_problem["split"].nunique()),
        level=level,
    )


def _by_row(scores: Scores, metric: str) -> pd.Series:
    index = pd.MultiIndex.from_frame(scores.per_problem[["problem", "split"]])
    return pd.Series(scores.contributions(metric), index=index).sort_index()


def _bootstrap(each: FloatArray, metric: str, draws: int, rng: np.random.Generator) -> FloatArray:
    """Differences of resampled problems, some million cells at a time."""
    at_once = max(1, 1_000_000 // len(each))
    parts = []
    for start in range(0, draws, at_once):
        rows = rng.integers(len(each), size=(min(at_once, draws - start), len(each)))
        parts.append(_difference(each[rows].mean(axis=1), metric))
    return np.concatenate(parts)


def _difference(means: FloatArray, metric: str) -> FloatArray:
    """Of the mean contributions of a and b, on the last axis."""
    metrics = np.sqrt(means) if metric.startswith("rmse") else means
    return np.asarray(metrics[..., 0] - metrics[..., 1])
