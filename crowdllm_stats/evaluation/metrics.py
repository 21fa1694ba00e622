"""How near a digital crowd comes to a human one: MAE, RMSE, cosine similarity, Wasserstein distance, resolution rate.

Everything starts from two tables over the same T problems and A answers: how many people gave each answer, and the
predicted distribution of answers. Values come a problem first, so that two predictors can be compared problem by
problem; :class:`crowdllm_stats.evaluation.scores.Scores` averages them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import wasserstein_distance

from crowdllm_stats._base.checks import FloatArray, check_array, check_choice, check_count
from crowdllm_stats._base.random import generator
from crowdllm_stats._base.result import Result
from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.scores import Scores, Way

Distance = Literal["scale", "probabilities"]
WAYS: tuple[Way, ...] = get_args(Way)
DISTANCES: tuple[Distance, ...] = get_args(Distance)

#: Halves and ties are recognised up to this much rounding.
_ROUNDING = 1e-9


def score(
    truth: Histograms,
    predicted: ArrayLike,
    *,
    how: Way = "exact",
    distance: Distance = "scale",
    seed: int = 0,
    split: int = 0,
) -> Scores:
    """Score predicted distributions against what people answered, a problem at a time.

    Truth of a problem are the mean, median and majority vote of all its answers, and its histogram. The prediction's
    are those of the distribution itself ("exact": a crowd as large as you like) or of as many answers drawn from it as
    the problem has human ones ("sampled": the paper's Table 1).

    Args:
        truth: counts of the human answers, every problem with at least one.
        predicted: probabilities, shape (T, A), rows in the order of ``truth.problems``.
        how: "exact" or "sampled".
        distance: "scale" for the Wasserstein-1 distance between the two distributions on the answer scale (Tables 1,
            2); "probabilities" for that between the two sets of A probabilities, each taken as a sample of A numbers
            (Tables 3, 4: it does not see which answer has which probability).
        seed: of the drawn answers; a problem's draws depend on it and on the problem's id alone.
        split: written into the rows, to tell the splits of a protocol apart.

    Returns:
        Scores with the columns error_mean, error_median, error_majority (prediction minus truth), cosine, wasserstein.

    Raises:
        ValueError: on another shape, rows that do not sum to 1, negative probabilities, a problem without human
            answers, answers that are words.

    Source: CrowdLLM, section 5.1.1 and Table 1. The paper leaves the protocol open; "sampled" with truth from all
    raters gives its Random row on the offensiveness data.

    Example:
        >>> truth = Histograms(("a", "b"), (1.0, 2.0, 3.0), np.array([[2.0, 1.0, 1.0], [0.0, 0.0, 3.0]]))
        >>> scores = score(truth, [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
        >>> round(scores.mae, 4), round(scores.wd, 4)
        (0.625, 0.625)
    """
    check_choice("how", how, WAYS)
    check_choice("distance", distance, DISTANCES)
    shares, values = truth.shares, truth.numbers
    made = check_distributions(predicted, shares.shape)
    if how == "sampled":
        counts = _counts(draw(made, truth.totals, truth.problems, seed), made.shape[1])
        made = counts / counts.sum(axis=1, keepdims=True)
    wasserstein = wasserstein_on_scale(shares, made, values) if distance == "scale" else wasserstein_of_probabilities(
        shares, made
    )  # fmt: skip
    rows = pd.DataFrame(
        {
            "problem": list(truth.problems),
            "split": split,
            "error_mean": (made - shares) @ values,
            "error_median": medians(made, values) - medians(shares, values),
            "error_majority": majorities(made, values) - majorities(shares, values),
            "cosine": cosine(shares, made),
            "wasserstein": wasserstein,
        }
    )
    return Scores(rows, how)


def medians(table: ArrayLike, values: ArrayLike) -> FloatArray:
    """Median of each row's distribution over ``values``; where just half lies below, the middle of the two neighbours.

    Args:
        table: counts or probabilities, shape (T, A).
        values: the answers in rising order, shape (A,).

    Example:
        >>> medians([[2, 1, 1], [1, 2, 0]], [1, 2, 3]).tolist()
        [1.5, 2.0]
    """
    weights, answers = np.asarray(table, dtype=np.float64), np.asarray(values, dtype=np.float64)
    below = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    lower = np.argmax(below >= 0.5 - _ROUNDING, axis=1)
    upper = np.argmax(below > 0.5 + _ROUNDING, axis=1)
    return np.asarray((answers[lower] + answers[upper]) / 2.0)


def majorities(table: ArrayLike, values: ArrayLike) -> FloatArray:
    """The answer with the most weight in each row; a tie goes to the lowest answer.

    Example:
        >>> majorities([[2, 1, 2], [1, 2, 0]], [1, 2, 3]).tolist()
        [1.0, 2.0]
    """
    weights = np.asarray(table, dtype=np.float64)
    tied = weights >= weights.max(axis=1, keepdims=True) - _ROUNDING
    return np.asarray(np.asarray(values, dtype=np.float64)[np.argmax(tied, axis=1)])


def cosine(truth: ArrayLike, predicted: ArrayLike) -> FloatArray:
    """Cosine between the two histograms of each row, ``t.p / (|t| |p|)``, shape (T,).

    Example:
        >>> cosine([[3, 4]], [[0.5, 0.5]]).round(4).tolist()
        [0.9899]
    """
    first, second = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(np.sum(first * second, axis=1) / lengths)


def wasserstein_on_scale(truth: ArrayLike, predicted: ArrayLike, values: ArrayLike) -> FloatArray:
    """Wasserstein-1 distance of each row's two distributions, ``sum_a |F_a - G_a| (v_(a+1) - v_a)``, shape (T,).

    Args:
        truth: probabilities, shape (T, A).
        predicted: probabilities, shape (T, A).
        values: the answers in rising order, shape (A,).

    Example:
        >>> wasserstein_on_scale([[1, 0, 0]], [[0, 0.5, 0.5]], [1, 2, 3]).tolist()
        [1.5]
    """
    gap = np.cumsum(np.asarray(predicted, dtype=np.float64) - np.asarray(truth, dtype=np.float64), axis=1)
    return np.asarray(np.abs(gap[:, :-1]) @ np.diff(np.asarray(values, dtype=np.float64)))


def wasserstein_of_probabilities(truth: ArrayLike, predicted: ArrayLike) -> FloatArray:
    """Wasserstein-1 distance between each row's two sets of A probabilities, the mean gap after sorting, shape (T,).

    It is 0 for any permutation of the answers: a published measure of evenness, not of agreement.

    Example:
        >>> wasserstein_of_probabilities([[1, 0, 0]], [[0, 0, 1]]).tolist()
        [0.0]
    """
    first, second = (np.sort(np.asarray(table, dtype=np.float64), axis=1) for table in (truth, predicted))
    return np.asarray(np.abs(first - second).mean(axis=1))


def draw(predicted: FloatArray, sizes: ArrayLike, problems: Sequence[str], seed: int) -> list[NDArray[np.int64]]:
    """Answers drawn from each row's distribution, as indices of the answers; see :func:`score` for the seeding.

    Args:
        predicted: probabilities, shape (T, A).
        sizes: how many answers to draw for each problem, shape (T,).
        problems: ids, T of them.
        seed: a whole number of at least 0.

    Returns:
        T arrays; one problem's array begins like the longer one that a larger size would give.

    Example:
        >>> [len(one) for one in draw(np.array([[0.5, 0.5], [0.0, 1.0]]), [3, 2], ["a", "b"], seed=1)]
        [3, 2]
    """
    cumulative = np.cumsum(predicted, axis=1)
    cumulative /= cumulative[:, -1:]
    return [
        np.searchsorted(row, generator(seed, name).random(int(size)), side="right").astype(np.int64)
        for row, name, size in zip(cumulative, problems, np.asarray(sizes), strict=True)
    ]


def check_distributions(predicted: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Predicted distributions as an array, refused unless they are some.

    Raises:
        ValueError: on another shape than ``shape``, NaN, negative values, rows that do not sum to 1 within 1e-6.

    Example:
        >>> check_distributions([[0.25, 0.75]], (1, 2)).sum()
        np.float64(1.0)
    """
    table = check_array("predicted", predicted, nonnegative=True)
    if table.shape != tuple(shape):
        raise ValueError(
            f"predicted has shape {table.shape}, expected {tuple(shape)}: a row per problem, a column per answer"
        )
    off = np.abs(table.sum(axis=1) - 1.0)
    if off.max() > 1e-6:
        row = int(np.argmax(off))
        raise ValueError(
            f"predicted: {int(np.sum(off > 1e-6))} row(s) do not sum to 1, for instance row {row + 1} to "
            f"{table[row].sum():.6g}; divide each row by its sum"
        )
    return table


def _counts(draws: list[NDArray[np.int64]], answers: int) -> FloatArray:
    return np.stack([np.bincount(one, minlength=answers) for one in draws]).astype(np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class VoteScores(Result):
    """How near predicted counts come to the real ones, in votes; see :func:`vote_scores`."""

    columns: ClassVar[tuple[str, ...]] = ("mae", "mae_error", "rmse", "cs", "wd")

    mae: float
    mae_error: float
    rmse: float
    cs: float
    wd: float
    n_projects: int


def vote_scores(truth: ArrayLike, predicted: ArrayLike) -> VoteScores:
    """Score predicted counts of votes, one a project.

    ``mae`` and ``rmse`` are over projects, ``cs`` is the cosine between the two vectors of counts, and ``wd`` the
    Wasserstein-1 distance between the two sets of counts, each taken as a sample: it sees whether votes are spread over
    projects alike, not which project got them. ``mae_error`` is the standard error of ``mae`` over projects.

    Args:
        truth: votes of the people, shape (P,), at least two projects.
        predicted: votes of as many digital people, shape (P,).

    Returns:
        VoteScores.

    Raises:
        ValueError: on other shapes, negative counts, no vote at all.

    Source: CrowdLLM, section 5.4 and Table 5, on the reading that random voting reproduces.

    Example:
        >>> scores = vote_scores([10, 4, 1], [7, 4, 4])
        >>> scores.mae, scores.wd
        (2.0, 2.0)
    """
    real = check_array("truth", truth, least_ndim=1, nonnegative=True)
    made = check_array("predicted", predicted, least_ndim=1, nonnegative=True)
    if real.ndim != 1 or real.shape != made.shape or real.size < 2:
        raise ValueError(
            f"truth {real.shape} and predicted {made.shape} must be one count a project, at least two projects"
        )
    lengths = float(np.linalg.norm(real) * np.linalg.norm(made))
    if lengths == 0.0:
        raise ValueError("truth or predicted holds no vote at all; the cosine is not defined")
    error = np.abs(made - real)
    return VoteScores(
        why="All projects in one comparison; the distance ignores which project has which count.",
        flags={},
        mae=float(error.mean()),
        mae_error=float(error.std(ddof=1) / np.sqrt(error.size)),
        rmse=float(np.sqrt(np.mean(error**2))),
        cs=float(real @ made) / lengths,
        wd=float(wasserstein_distance(real, made)),
        n_projects=real.size,
    )


SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def error_by_size(
    truth: Histograms, predicted: FloatArray, *, sizes: Sequence[int] = SIZES, seed: int = 0
) -> pd.DataFrame:
    """MAE of the mean of n virtual workers a problem, for several n; the workers of a small crowd are in the larger.

    Args:
        truth: counts of the human answers.
        predicted: probabilities, shape (T, A).
        sizes: numbers of workers.
        seed: of the draws; a problem's depend on it and its id alone.

    Returns:
        ``workers`` and ``mae``, one row per size.

    Raises:
        ValueError: on a size below 1, as :func:`crowdllm_stats.evaluation.metrics.score`.

    Example:
        >>> truth = Histograms(("a", "b"), (1.0, 3.0), np.array([[2.0, 2.0], [0.0, 3.0]]))
        >>> error_by_size(truth, np.array([[1.0, 0.0], [0.0, 1.0]]), sizes=[1, 5])["mae"].tolist()
        [0.5, 0.5]
    """
    chosen = [check_count("sizes", size) for size in sizes]
    values, made = truth.numbers, check_distributions(predicted, truth.counts.shape)
    largest = np.full(len(truth.problems), max(chosen))
    answers = values[np.stack(draw(made, largest, truth.problems, seed))]
    means = np.cumsum(answers, axis=1) / np.arange(1, answers.shape[1] + 1)
    goal = truth.shares @ values
    mae = [float(np.mean(np.abs(means[:, size - 1] - goal))) for size in chosen]
    return pd.DataFrame({"workers": chosen, "mae": mae})
