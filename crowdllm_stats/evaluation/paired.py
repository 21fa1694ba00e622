"""Two predictors on the same problems: the difference of a metric, paired problem by problem."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_count, check_level
from crowdllm_stats._base.result import Result
from crowdllm_stats.evaluation.scores import Scores

#: With fewer problems than this a percentile bootstrap is too sure: at level 0.95 it misses 0.10 of equal predictors at
#: 10 problems, 0.06 at 30.
FEW = 30


@dataclasses.dataclass(frozen=True, eq=False)
class PairedDifference(Result):
    """A metric of predictor a less that of b, with a bootstrap interval and p-value; see :func:`paired_difference`."""

    columns: ClassVar[tuple[str, ...]] = ("metric", "difference", "lower", "upper", "p_value", "n_problems")

    metric: str
    difference: float
    lower: float
    upper: float
    p_value: float
    n_problems: int
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
        PairedDifference; below 0 means a is better in errors and distances, worse in "cs" and "resolution".

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
