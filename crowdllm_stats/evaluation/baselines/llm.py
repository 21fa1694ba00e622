"""What an LLM says by itself, as a crowd: zero-shot, multi-persona, self-consistency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np
from scipy.special import gammaln

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.features import Features
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.evaluation.baselines.base import training_table

#: Most ways in which K votes can fall that are still listed one by one.
_MOST_WAYS = 2_000_000


@dataclass(frozen=True, eq=False)
class FromReference:
    """Distributions that are read off a reference, shape (T, A); nothing was learnt from the training answers."""

    problems: tuple[str, ...]
    distributions: FloatArray

    def predict(self, problems: Sequence[str]) -> FloatArray:
        """The rows of some problems.

        Raises:
            ValueError: on a problem without a reference.
        """
        place = {name: row for row, name in enumerate(self.problems)}
        unknown = [name for name in problems if name not in place]
        if unknown:
            raise ValueError(f"{len(unknown)} problem(s) have no reference, for instance {unknown[0]!r}")
        return self.distributions[[place[name] for name in problems]]


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """The LLM asked without a persona: every digital worker draws from its distribution at one temperature.

    Attributes:
        reference: answer distributions without profiles (P = 1).
        temperature: relative to the reference's own; at 0 all workers give the likeliest answer.

    Example:
        >>> from crowdllm_stats import load_example
        >>> reference = Reference.from_probabilities(["q01"], range(1, 6), [[0.1, 0.2, 0.4, 0.2, 0.1]])
        >>> ZeroShot(reference, temperature=0.0).fit(load_example().human).predict(["q01"]).tolist()
        [[0.0, 0.0, 1.0, 0.0, 0.0]]
    """

    reference: Reference
    temperature: float = 1.0

    def fit(self, train: CrowdData, features: Features | None = None) -> FromReference:
        """Nothing is learnt; the scale is compared.

        Raises:
            ValueError: if the reference has profiles, or other answers than the scale.
        """
        return FromReference(self.reference.problems, _alone(self.reference, self.temperature, train, "ZeroShot"))


@dataclass(frozen=True, eq=False)
class MultiPersona:
    """The LLM asked as many personas: the digital crowd is the even mixture of their distributions.

    Attributes:
        reference: answer distributions of P profiles.
        temperature: relative to the reference's own.

    Example:
        >>> from crowdllm_stats import load_example
        >>> table = [[[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]]]
        >>> reference = Reference.from_probabilities(["q01"], range(1, 6), table, profiles=("ann", "bob"))
        >>> MultiPersona(reference).fit(load_example().human).predict(["q01"]).tolist()
        [[0.5, 0.0, 0.0, 0.5, 0.0]]
    """

    reference: Reference
    temperature: float = 1.0

    def fit(self, train: CrowdData, features: Features | None = None) -> FromReference:
        """Nothing is learnt; the scale is compared.

        Raises:
            ValueError: if the reference has other answers than the scale.
        """
        _same_answers(self.reference, train)
        mixed = self.reference.at_temperature(self.temperature).probabilities.mean(axis=1)
        return FromReference(self.reference.problems, mixed)


@dataclass(frozen=True, eq=False)
class SelfConsistency:
    """Every digital worker is the majority vote of K answers of the LLM, drawn without a persona.

    The vote's distribution is computed exactly, over all ways in which K votes can fall. A tie goes to the answer that
    comes first on the scale.

    Attributes:
        reference: answer distributions without profiles (P = 1).
        k: answers a vote.
        temperature: relative to the reference's own, 0.5 in the paper.

    Example:
        >>> from crowdllm_stats import load_example
        >>> reference = Reference.from_probabilities(["q01"], range(1, 6), [[0.1, 0.2, 0.4, 0.2, 0.1]])
        >>> SelfConsistency(reference).fit(load_example().human).predict(["q01"]).round(3).tolist()
        [[0.004, 0.062, 0.908, 0.025, 0.001]]
    """

    reference: Reference
    k: int = 8
    temperature: float = 0.5

    def fit(self, train: CrowdData, features: Features | None = None) -> FromReference:
        """Nothing is learnt; the scale is compared.

        Raises:
            ValueError: if the reference has profiles, or other answers than the scale; if k votes over the answers can
                fall in more than two million ways.
        """
        table = _alone(self.reference, self.temperature, train, "SelfConsistency")
        return FromReference(self.reference.problems, majority_distribution(table, self.k))


def majority_distribution(probabilities: FloatArray, k: int) -> FloatArray:
    """Distribution of the majority vote of k independent answers; a tie goes to the first of the tied answers.

    Args:
        probabilities: shape (T, A).
        k: votes.

    Returns:
        Shape (T, A).

    Raises:
        ValueError: unless k is a whole number of at least 1; if the votes can fall in more than two million ways.

    Example:
        >>> majority_distribution(np.array([[0.5, 0.5]]), 2).tolist()
        [[0.75, 0.25]]
    """
    votes, answers = check_count("k", k), probabilities.shape[1]
    ways = comb(votes + answers - 1, answers - 1)
    if ways > _MOST_WAYS:
        raise ValueError(f"k={votes} votes over {answers} answers can fall in {ways} ways, too many to list; lower k")
    falls = _ways(votes, answers)
    chance = np.exp(gammaln(votes + 1.0) - gammaln(falls + 1.0).sum(axis=1))
    winner = np.argmax(falls, axis=1)
    result = np.zeros(probabilities.shape)
    for row, each in enumerate(probabilities):
        np.add.at(result[row], winner, chance * np.prod(each**falls, axis=1))
    return np.asarray(result / result.sum(axis=1, keepdims=True))


@lru_cache(maxsize=4)
def _ways(votes: int, answers: int) -> FloatArray:
    """All ways to spread votes over answers, shape (ways, answers)."""
    if answers == 1:
        return np.array([[float(votes)]])
    parts = []
    for first in range(votes + 1):
        rest = _ways(votes - first, answers - 1)
        parts.append(np.column_stack([np.full(len(rest), float(first)), rest]))
    return np.concatenate(parts)


def _alone(reference: Reference, temperature: float, train: CrowdData, name: str) -> FloatArray:
    _same_answers(reference, train)
    if len(reference.profiles) != 1:
        raise ValueError(
            f"{name} asks the LLM without a persona, but the reference has {len(reference.profiles)} profiles; use "
            "MultiPersona, or a reference made without profiles"
        )
    return np.asarray(reference.at_temperature(temperature).probabilities[:, 0])


def _same_answers(reference: Reference, train: CrowdData) -> None:
    answers = training_table(train).answers
    if tuple(reference.answers) != tuple(answers):
        raise ValueError(f"the reference's answers {reference.answers!r} are not those of the scale, {answers!r}")
