"""How far people are from people: half of a problem's raters against the other half."""

from __future__ import annotations

import numpy as np

from crowdllm_stats._base.random import generator
from crowdllm_stats.data.histograms import Histograms
from crowdllm_stats.evaluation.metrics import score
from crowdllm_stats.evaluation.scores import Scores


def noise_floor(truth: Histograms, *, seed: int, distance: str = "scale", split: int = 0) -> Scores:
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
