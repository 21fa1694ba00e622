"""The two protocols of the case studies: workers held out (the paper's), or whole problems held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pandas as pd
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.histograms import Histograms, histograms
from crowdllm_stats.evaluation.metrics import Distance, score
from crowdllm_stats.evaluation.scores import Scores, Way, pooled

Protocol = Literal["paper", "new-problems"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

#: Anything that learns from answers and returns a distribution a problem: (train, ids of T problems) -> (T, A).
Predictor = Callable[[CrowdData, tuple[str, ...]], ArrayLike]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One split of a protocol; see :func:`held_out`.

    Attributes:
        protocol: "paper" or "new-problems".
        seed: of the split.
        train: the answers that a predictor may see.
        truth: counts of all raters' answers to the problems that it is scored on.
        unanswered: how many of these problems nobody answered; they are not scored.
    """

    protocol: Protocol
    seed: int
    train: CrowdData
    truth: Histograms
    unanswered: int

    def __str__(self) -> str:
        left_out = f"; {self.unanswered} without any answer left out" if self.unanswered else ""
        return (
            f"HeldOut ({self.protocol}, seed {self.seed}): {len(self.train.responses)} answers of "
            f"{self.train.responses['participant'].nunique()} people to train on, {len(self.truth.problems)} problems "
            f"to score{left_out}"
        )


def held_out(data: CrowdData, protocol: Protocol, *, seed: int, fraction: float = 0.2) -> HeldOut:
    """Split the answers as a protocol says.

    "paper": a share of the people is held out with all their answers; the truth of *every* problem is the histogram of
    *all* its raters, so a predictor has seen most raters of the very problems that it is scored on. This reading is the
    one under which random answers score as published.
    "new-problems": that share of the people and that share of the problems are held out whole; scored are the held-out
    problems, of which no answer was seen, against all their raters.

    Args:
        data: human answers on an ordinal or categorical scale.
        protocol: "paper" or "new-problems".
        seed: of the split.
        fraction: share held out.

    Raises:
        ValueError: on another protocol, a share outside (0, 1), or a side left without answers.

    Source: CrowdLLM, section 5.2 (80% of the distinct workers train).

    Example:
        >>> from crowdllm_stats import load_example
        >>> print(held_out(load_example().human, "new-problems", seed=1, fraction=0.25))
        HeldOut (new-problems, seed 1): 52 answers of 32 people to train on, 3 problems to score
    """
    check_choice("protocol", protocol, PROTOCOLS)
    people = data.split_participants(fraction, seed).train.participants["participant"]
    if protocol == "paper":
        tested, train = data.problems["problem"], data.select(participants=people)
    else:
        sides = data.split_problems(fraction, seed)
        tested = sides.test.problems["problem"]
        train = data.select(problems=sides.train.problems["problem"], participants=people)
    table = histograms(data, tested)
    truth = table.answered()
    return HeldOut(protocol, seed, train, truth, len(table.problems) - len(truth.problems))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A predictor's scores over the splits of a protocol, in both ways of scoring.

    Attributes:
        protocol: "paper" or "new-problems".
        exact: scores of the predicted distributions themselves.
        sampled: scores of as many drawn answers as each problem has raters.
        unanswered: problems without any answer, left out, summed over splits.
    """

    protocol: Protocol
    exact: Scores
    sampled: Scores
    unanswered: int = 0

    def to_frame(self) -> pd.DataFrame:
        """The rows of both :meth:`Scores.to_frame`, after columns ``protocol`` and ``how``."""
        both = []
        for scores in (self.exact, self.sampled):
            frame = scores.to_frame()
            frame.insert(0, "protocol", self.protocol)
            frame.insert(1, "how", scores.how)
            both.append(frame)
        return pd.concat(both, ignore_index=True)

    def __str__(self) -> str:
        left_out = f"\n{self.unanswered} problem(s) without any answer left out" if self.unanswered else ""
        return f"Evaluation, protocol {self.protocol}\n{self.exact}\n{self.sampled}{left_out}"


def evaluate(
    predictor: Predictor,
    data: CrowdData,
    protocol: Protocol = "new-problems",
    *,
    seeds: Iterable[Any] = range(5),
    fraction: float = 0.2,
    distance: Distance = "scale",
) -> Evaluation:
    """Fit and score a predictor on every split of a protocol.

    Args:
        predictor: called with the training answers and the ids of T problems, returns probabilities (T, A). What else
            it knows of problems (texts, embeddings, reference answers) it brings along.
        data: human answers.
        protocol: see :func:`held_out`.
        seeds: one per split; they seed the split and the drawn answers.
        fraction: share held out.
        distance: see :func:`crowdllm_stats.evaluation.metrics.score`.

    Returns:
        Evaluation.

    Raises:
        ValueError: as :func:`held_out` and :func:`crowdllm_stats.evaluation.metrics.score`; on no or repeated seeds.

    Example:
        >>> import numpy as np
        >>> from crowdllm_stats import load_example
        >>> def even(train, problems):
        ...     return np.full((len(problems), 5), 0.2)
        >>> evaluate(even, load_example().human, seeds=[0, 1]).exact.to_frame()["metric"].tolist()[:3]
        ['mae', 'rmse', 'resolution']
    """
    chosen = [int(seed) for seed in seeds]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds must be at least one whole number and all different; got {chosen}")
    ways: dict[Way, list[Scores]] = {"exact": [], "sampled": []}
    unanswered = 0
    for seed in chosen:
        split = held_out(data, protocol, seed=seed, fraction=fraction)
        made = predictor(split.train, split.truth.problems)
        unanswered += split.unanswered
        for how, parts in ways.items():
            parts.append(score(split.truth, made, how=how, distance=distance, seed=seed, split=seed))
    return Evaluation(protocol, pooled(ways["exact"]), pooled(ways["sampled"]), unanswered)
