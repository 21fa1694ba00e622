"""A virtual crowd in the place of the human one, answer for answer, and aggregates that need to know who answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.histograms import histograms
from crowdllm_stats.evaluation.aggregation import aggregate
from crowdllm_stats.evaluation.metrics import check_distributions, draw
from crowdllm_stats.evaluation.scores import Scores


def virtual_crowd(human: CrowdData, predicted: ArrayLike, problems: Sequence[str], *, seed: int) -> CrowdData:
    """Replace every human answer by one drawn from the distribution predicted for its problem.

    Who answers what stays as it is, so that Dawid-Skene and GLAD meet virtual workers with as many answers as real ones
    have. The draws of a problem are those of ``score(..., how="sampled")`` with the same seed.

    Args:
        human: answers on an ordinal or categorical scale.
        predicted: probabilities, shape (T, A), in the order of ``problems``.
        problems: ids, all that ``human`` has answers to, each once.
        seed: of the draws.

    Raises:
        ValueError: if an answered problem has no prediction, on repeated ids, and as
            :func:`crowdllm_stats.evaluation.metrics.score`.

    Example:
        >>> from crowdllm_stats import load_example
        >>> human = load_example().human.select(problems=["q01"])
        >>> virtual_crowd(human, [[0.0, 0.0, 0.0, 1.0, 0.0]], ["q01"], seed=1).responses["response"].unique().tolist()
        [4.0]
    """
    table = histograms(human, problems)
    made = check_distributions(predicted, table.counts.shape)
    absent = sorted(set(human.responses["problem"]) - set(table.problems))
    if absent:
        raise ValueError(f"problems: {len(absent)} answered problem(s) have no prediction, for instance {absent[0]!r}")
    places = human.responses.groupby("problem", sort=False).indices
    answers = np.asarray(table.answers)
    responses = human.responses.copy()
    filled = np.empty(len(responses), dtype=answers.dtype)
    for name, indices in zip(table.problems, draw(made, table.totals, table.problems, seed), strict=True):
        if len(indices):
            filled[places[name]] = answers[indices]
    responses["response"] = filled
    return dataclasses.replace(human, responses=responses)


def aggregate_scores(
    human: CrowdData, digital: CrowdData, how: Sequence[str] = ("dawid-skene", "glad"), *, split: int = 0
) -> Scores:
    """Errors of aggregates: the digital crowd's less the human crowd's, each aggregated by itself.

    With a :func:`virtual_crowd` this is the paper's protocol for its columns Mean, Median, MV, DS and GLAD.

    Args:
        human: human answers on a numeric scale.
        digital: digital answers to the same problems on the same scale.
        how: methods of :func:`crowdllm_stats.aggregate`.
        split: written into the rows.

    Returns:
        Scores with a column ``error_METHOD`` each.

    Raises:
        ValueError: on scales that differ or hold words, on problems answered by only one of the two.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> round(aggregate_scores(example.human, example.digital, ["mean", "majority"]).mae, 3)
        0.333
    """
    if human.scale != digital.scale:
        raise ValueError(f"the scales differ: human {human.scale}, digital {digital.scale}; declare one scale for both")
    if not human.scale.numeric:
        raise ValueError(f"errors of aggregates need numbers, and the answers are words ({human.scale})")
    rows = pd.DataFrame()
    for method in how:
        truth, made = aggregate(human, method), aggregate(digital, method)
        apart = set(truth.problems) ^ set(made.problems)
        if apart:
            raise ValueError(
                f"{len(apart)} problem(s) were answered by only one crowd, for instance {min(apart)!r}; select() the "
                "problems that both answered"
            )
        if rows.empty:
            rows = pd.DataFrame({"problem": list(truth.problems), "split": split})
        found = pd.Series(made.answers, index=list(made.problems)).loc[list(truth.problems)]
        rows[f"error_{method}"] = found.to_numpy() - truth.answers
    return Scores(rows, "sampled")
