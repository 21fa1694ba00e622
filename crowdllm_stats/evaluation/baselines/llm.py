"""What an LLM says by itself, as a crowd: zero-shot, multi-persona, self-consistency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb

import numpy as np
from scipy.special import gammaln

from crowdllm_stats._base.checks import FloatArray, check_count
from crowdllm_stats._base.random import generator
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

    def replicates(self, data: CrowdData, n: int, *, seed: int = 0) -> FloatArray:
        """Draw n times what a crowd of the personas would have answered in the place of people.

        A person whose id is among the reference's profiles is that persona; in every draw any other person is one of
        the personas at random, who they remain over problems.

        Args:
            data: who answered what; the answers are not looked at.
            n: draws.
            seed: of all draws.

        Returns:
            Shape (n, answers), columns in the order of ``data.responses``, as
            :func:`crowdllm_stats.generator.replicates.replicates`.

        Raises:
            ValueError: if the reference has other answers than the scale, or no numbers, or lacks a problem.

        Example:
            >>> from crowdllm_stats import load_example
            >>> human = load_example().human.select(problems=["q01"])
            >>> table = [[[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0, 0.0]]]
            >>> reference = Reference.from_probabilities(["q01"], range(1, 6), table, profiles=("ann", "bob"))
            >>> np.unique(MultiPersona(reference).replicates(human, 9)).tolist()
            [1.0, 4.0]
        """
        _same_answers(self.reference, data)
        if not data.scale.numeric:
            raise ValueError(f"replicates need answers that are numbers; the scale is {data.scale}")
        asked = data.responses
        known = self.reference.select(list(dict.fromkeys(asked["problem"]))).at_temperature(self.temperature)
        row = asked["problem"].map({name: place for place, name in enumerate(known.problems)}).to_numpy()
        people = list(dict.fromkeys(asked["participant"]))
        column = asked["participant"].map({name: place for place, name in enumerate(people)}).to_numpy()
        place = {name: number for number, name in enumerate(known.profiles)}
        own = np.array([place.get(name, -1) for name in people])
        shares, answers = np.cumsum(known.probabilities, axis=2), np.asarray(known.answers, dtype=np.float64)
        rng, found = generator(seed, "personas"), np.empty((check_count("n", n), len(asked)))
        for draw in range(n):
            persona = np.where(own >= 0, own, rng.integers(len(known.profiles), size=len(people)))
            below = shares[row, persona[column]] <= rng.random(len(asked))[:, None]
            found[draw] = answers[np.minimum(below.sum(axis=1), len(answers) - 1)]
        return found


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
