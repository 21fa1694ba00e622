"""The admissible answers: their values, the words the model reads, and the order in which it reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Options:
    """A admissible answers as a prompt lists them.

    Attributes:
        answers: in the order of the scale, A of them, all numbers or all words.
        labels: what each answer means, A texts; () where the answers speak for themselves.
        order: the places of the answers in the order in which the prompt lists them, a permutation of 0..A-1.

    Raises:
        ValueError: on fewer than two answers, repeated or empty ones, numbers mixed with words, labels of another
            number, an order that is not a permutation.

    Example:
        >>> scale = Options.of([1, 2, 3], {1: "mild", 2: "middling", 3: "strong"})
        >>> scale.text
        '1 = mild, 2 = middling, 3 = strong'
        >>> scale.reversed_meaning().text
        '1 = strong, 2 = middling, 3 = mild'
        >>> scale.reversed_order().text
        '3 = strong, 2 = middling, 1 = mild'
    """

    answers: tuple[float, ...] | tuple[str, ...]
    labels: tuple[str, ...] = ()
    order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        words = self.texts
        if len(words) < 2:
            raise ValueError(f"answers must be two or more; got {list(self.answers)!r}")
        if len({isinstance(answer, str) for answer in self.answers}) > 1:
            raise ValueError(f"answers must be all numbers or all words; got {list(self.answers)!r}")
        if len(set(words)) < len(words) or not all(word.strip() == word and word for word in words):
            raise ValueError(
                f"answers must be different texts without spaces at an end; got {list(words)!r}: "
                "the model is scored on exactly these texts"
            )
        if self.labels and len(self.labels) != len(words):
            raise ValueError(f"labels: {len(self.labels)} for {len(words)} answers; give every answer one, or none")
        if not self.order:
            object.__setattr__(self, "order", tuple(range(len(words))))
        if sorted(self.order) != list(range(len(words))):
            raise ValueError(f"order must list the places 0 to {len(words) - 1} once each; got {self.order!r}")

    @classmethod
    def of(cls, answers: Iterable[Any], labels: Mapping[Any, str] | None = None) -> Options:
        """Build from answers and, with ``labels``, what each means.

        Raises:
            ValueError: if a label is missing or belongs to no answer, and as the class.
        """
        given = [answer if isinstance(answer, str) else float(answer) for answer in answers]
        values: Any = tuple(given)
        if not labels:
            return cls(values)
        meaning = {_word(key if isinstance(key, str) else float(key)): str(label) for key, label in labels.items()}
        words = [_word(answer) for answer in given]
        odd = sorted(set(meaning) ^ set(words))
        if odd:
            raise ValueError(f"options and answers differ in {', '.join(map(repr, odd))}; give every answer one label")
        return cls(values, tuple(meaning[word] for word in words))

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are scored, A of them: a whole number without a point."""
        return tuple(_word(answer) for answer in self.answers)

    @property
    def text(self) -> str:
        """What stands in the slot ``{options}``."""
        words = self.texts
        full = [f"{word} = {self.labels[place]}" if self.labels else word for place, word in enumerate(words)]
        return ", ".join(full[place] for place in self.order)

    def reversed_meaning(self) -> Options:
        """The same answers with their labels the other way round: 1 means what 5 meant.

        Raises:
            ValueError: without labels, for then nothing says what an answer means.
        """
        if not self.labels:
            raise ValueError("the scale cannot be reversed: its answers have no labels; pass options={answer: label}")
        return Options(self.answers, self.labels[::-1], self.order)

    def reversed_order(self) -> Options:
        """The same answers with the same meaning, listed the other way round."""
        return Options(self.answers, self.labels, self.order[::-1])


def _word(answer: float | str) -> str:
    return answer if isinstance(answer, str) else f"{answer:g}"


def answers_of(words: Sequence[str]) -> list[float] | list[str]:
    """Answers read from a file: numbers if all are, else the words.

    Example:
        >>> answers_of(["1", "2"]), answers_of(["yes", "no"])
        ([1.0, 2.0], ['yes', 'no'])
    """
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return list(words)
    return numbers
