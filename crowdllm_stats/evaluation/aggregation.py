"""One answer per problem out of many: mean, median, majority vote, Dawid-Skene, GLAD."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.histograms import histograms
from crowdllm_stats.evaluation.metrics import check_distributions, draw
from crowdllm_stats.evaluation.scores import Scores

Numeric = Literal["mean", "median"]
Labels = Literal["majority", "dawid-skene", "glad"]
How = Literal[Numeric, Labels]
NUMERIC, LABELS, METHODS = get_args(Numeric), get_args(Labels), get_args(How)


@dataclass(frozen=True, eq=False)
class Aggregate:
    """The crowd's one answer to every problem; see :func:`aggregate`.

    Attributes:
        how: the method.
        problems: ids of the problems with an answer, in the order of the data.
        answers: the aggregated answers, one per problem (numbers, or words on a scale of words).
        n_answers: how many answers each rests on.
        unanswered: ids of the problems that nobody answered; they have no aggregate.
    """

    how: How
    problems: tuple[str, ...]
    answers: Any
    n_answers: Any
    unanswered: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per problem: ``problem``, ``answer``, ``n_answers``."""
        return pd.DataFrame({"problem": list(self.problems), "answer": self.answers, "n_answers": self.n_answers})

    def __str__(self) -> str:
        lines = [f"Aggregate ({self.how}) of {len(self.problems)} problems, {int(np.sum(self.n_answers))} answers"]
        lines += [f"  {line}" for line in self.to_frame().head(10).to_string(index=False).splitlines()]
        if len(self.problems) > 10:
            lines.append(f"  ... and {len(self.problems) - 10} more (to_frame() has them all)")
        if self.unanswered:
            lines.append(f"  left out: {len(self.unanswered)} problem(s) without an answer")
        return "\n".join(lines)


def aggregate(data: CrowdData, how: How = "mean") -> Aggregate:
    """Join the answers to every problem into one.

    Ties of a majority vote, and equal posterior probabilities of Dawid-Skene and GLAD, go to the answer that comes
    first on the scale: the lowest level of an ordinal one, the first option of a categorical one. The median of an even
    number of answers is the mean of the middle two.

    Args:
        data: human or digital answers; repeats of one person count each.
        how: "mean" or "median" on a numeric scale; "majority", "dawid-skene" or "glad" on an ordinal scale (its levels
            taken as labels without order) or a categorical one, all three computed by Crowd-Kit.

    Returns:
        Aggregate. Problems without an answer are listed in ``unanswered``.

    Raises:
        ValueError: on another ``how``; for a mean or median of words; for labels on a continuous scale; on ballots.
        ModuleNotFoundError: if Crowd-Kit is needed and not installed.

    Source: CrowdLLM, section 5.1.1; Dawid and Skene 1979, Maximum likelihood estimation of observer error-rates using
    the EM algorithm, Applied Statistics 28; Whitehill et al. 2009, Whose vote should count more, NeurIPS.

    Example:
        >>> from crowdllm_stats import load_example
        >>> aggregate(load_example().human).to_frame().head(2)
          problem  answer  n_answers
        0     q01     2.5          8
        1     q02     2.5          8
    """
    check_choice("how", how, METHODS)
    _refuse_scale(data, how)
    groups = data.responses.groupby("problem", sort=False)["response"]
    sizes = groups.size()
    known = data.problems["problem"].tolist()
    answered = [name for name in known if name in sizes.index]
    found = _labels(data, how) if how in LABELS else groups.agg(how)
    answers = found.loc[answered].to_numpy()
    return Aggregate(
        how,
        tuple(answered),
        answers.astype(np.float64) if data.scale.numeric else answers,
        sizes.loc[answered].to_numpy(),
        tuple(name for name in known if name not in sizes.index),
    )


def _refuse_scale(data: CrowdData, how: How) -> None:
    kind = data.scale.kind
    if kind == "approval":
        raise ValueError(
            f"how={how!r} joins single answers, and these are ballots ({data.scale}); count the votes of every option"
        )
    if how in NUMERIC and not data.scale.numeric:
        raise ValueError(
            f"how={how!r} needs numbers, and the answers are words ({data.scale}); use {', '.join(LABELS)}"
        )
    if how in LABELS and kind == "continuous":
        raise ValueError(
            f"how={how!r} needs a scale of single answers, got {data.scale}; declare scale=ordinal([...]), or use "
            "'mean' or 'median'"
        )


def _labels(data: CrowdData, how: How) -> pd.Series:
    """Crowd-Kit's most probable answer of every problem with an answer."""
    order = list(data.scale.levels or data.scale.options)
    labels = data.to_crowdkit()
    # Whole numbers in the order of the scale: Crowd-Kit then needs no order of its own for words.
    labels["label"] = pd.Index(order).get_indexer(labels["label"])
    labels["task"], labels["worker"] = labels["task"].astype(object), labels["worker"].astype(object)
    if len(pd.unique(labels["label"])) == 1:  # GLAD divides by the number of other labels
        place: Any = pd.Series(int(labels["label"].iloc[0]), index=pd.unique(labels["task"]))
    else:
        with warnings.catch_warnings():  # Crowd-Kit calls pandas in ways that pandas 3 wants changed
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"crowdkit\.")
            chances = _aggregator(how).fit_predict_proba(labels)
        # Rounding would decide between equal probabilities.
        place = chances.sort_index(axis=1).round(9).idxmax(axis=1)
    return place.map(lambda index: order[int(index)])


def _aggregator(how: How) -> Any:
    try:
        from crowdkit.aggregation import GLAD, DawidSkene, MajorityVote
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"how={how!r} needs Crowd-Kit: pip install 'crowdllm-stats[generator]'", name="crowdkit"
        ) from None
    return {"majority": MajorityVote, "dawid-skene": DawidSkene, "glad": GLAD}[how]()


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
    human: CrowdData, digital: CrowdData, how: Sequence[How] = ("dawid-skene", "glad"), *, split: int = 0
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
