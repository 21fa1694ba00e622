"""Error of the mean against the number of virtual workers behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.metrics import check_distributions, draw

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
        ``workers`` and ``mae``, one row a size.

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
