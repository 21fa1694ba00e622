"""Answers as token sequences: which next-token probabilities they need, and how these join to answer probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class AnswerTree:
    """A answers, each a sequence of tokens.

    The probability of an answer is that the model's text begins with it and with no longer admissible answer:
    ``log p(a_1, ..., a_n) = sum_j log p(a_j | prompt, a_1..a_(j-1))``, and where "10" is admissible as well as "1", the
    text "10" counts for the longer one: ``p("1") - p("10")``.

    Attributes:
        answers: token sequences, A of them, all different.

    Raises:
        ValueError: on an empty or repeated sequence.

    Example:
        >>> tree = AnswerTree(((5,), (5, 0), (7,)))
        >>> tree.children
        {(): (5, 7), (5,): (0,)}
        >>> tree.deepest
        ((5,),)
    """

    answers: tuple[Tokens, ...]

    def __post_init__(self) -> None:
        if not all(self.answers) or len(set(self.answers)) < len(self.answers):
            raise ValueError(
                f"the tokenizer gives {list(self.answers)!r} for the answers: they must be different and not empty; "
                "choose other answers"
            )

    @property
    def children(self) -> dict[Tokens, tuple[int, ...]]:
        """The tokens that can follow each beginning of an answer."""
        found: dict[Tokens, dict[int, None]] = {}
        for answer in self.answers:
            for place, token in enumerate(answer):
                found.setdefault(answer[:place], {})[token] = None
        return {node: tuple(tokens) for node, tokens in found.items()}

    @property
    def deepest(self) -> tuple[Tokens, ...]:
        """The longest beginnings: reading the model along these sees every other one on the way; () if none."""
        nodes = [node for node in self.children if node]
        return tuple(node for node in nodes if not any(other[: len(node)] == node != other for other in nodes))

    def log_likelihoods(self, edge: Mapping[tuple[Tokens, int], float]) -> FloatArray:
        """Log-probability of each answer, shape (A,), from ``log p(token | prompt, beginning)``."""
        raw = {answer: sum(edge[answer[:j], token] for j, token in enumerate(answer)) for answer in self.answers}
        return np.array([_less(raw[answer], [raw[longer] for longer in self._next(answer)]) for answer in self.answers])

    def _next(self, answer: Tokens) -> list[Tokens]:
        """The shortest answers that go on where this one ends."""
        longer = [other for other in self.answers if other != answer and other[: len(answer)] == answer]
        return [other for other in longer if not any(one != other and other[: len(one)] == one for one in longer)]


def _less(whole: float, parts: Sequence[float]) -> float:
    """``log(exp(whole) - sum exp(parts))``; -inf where rounding leaves nothing."""
    if not parts or np.isneginf(whole):
        return whole
    rest = 1.0 - float(np.sum(np.exp(np.asarray(parts) - whole)))
    return whole + float(np.log(rest)) if rest > 0.0 else -np.inf
