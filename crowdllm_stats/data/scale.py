"""The scale that answers are given on: declared once, checked wherever answers come in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray, check_array, check_bounds, check_count

#: Joins the options of one approval ballot in a text cell.
BALLOT_MARK = "|"


@dataclass(frozen=True)
class Scale:
    """An answer scale; make one with :func:`continuous`, :func:`ordinal`, :func:`categorical` or :func:`approval`.

    Attributes:
        kind: one of "continuous", "ordinal", "categorical", "approval".
        low: least answer of a continuous scale, None if it has no ends.
        high: largest answer of a continuous scale, None if it has no ends.
        levels: the answers of an ordinal scale, rising.
        options: the options of a categorical or approval scale.
        k: the most options on one approval ballot.

    Example:
        >>> print(ordinal([1, 2, 3, 4, 5]))
        ordinal 1, 2, 3, 4, 5
        >>> ordinal([1, 2, 3, 4, 5]).bounds
        (1.0, 5.0)
    """

    kind: Literal["continuous", "ordinal", "categorical", "approval"]
    low: float | None = None
    high: float | None = None
    levels: tuple[float, ...] = ()
    options: tuple[str, ...] = ()
    k: int | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """``(low, high)`` of a numeric scale with ends, else None."""
        if self.kind == "ordinal":
            return self.levels[0], self.levels[-1]
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def numeric(self) -> bool:
        """Whether answers are numbers."""
        return self.kind in ("continuous", "ordinal")

    def admits(self, answers: FloatArray) -> NDArray[np.bool_]:
        """Which of the numbers lie on this numeric scale.

        Raises:
            ValueError: for a scale of words.

        Example:
            >>> continuous(0, 1).admits(np.array([0.5, 2.0])).tolist()
            [True, False]
        """
        if not self.numeric:
            raise ValueError(f"a {self.kind} scale has words for answers, not numbers")
        if self.kind == "ordinal":
            return np.isin(answers, self.levels)
        if self.bounds is None:
            return np.ones(np.shape(answers), dtype=bool)
        return np.asarray((answers >= self.bounds[0]) & (answers <= self.bounds[1]))

    @property
    def step(self) -> float | None:
        """Least distance between two levels of an ordinal scale; None for other scales.

        Example:
            >>> ordinal([0, 25, 50, 100]).step
            25.0
        """
        return float(np.min(np.diff(np.sort(self.levels)))) if self.kind == "ordinal" else None

    @staticmethod
    def parse(text: str) -> Scale:
        """Read a scale from a text: "1:5" is continuous, "1,2,3" ordinal, "yes,no" categorical.

        ``CrowdData.read(..., scale="1:5")`` and ``--scale 1:5`` on the command line both read it here. Ballots cannot
        be written so; use :func:`approval`.

        Raises:
            ValueError: on anything else, saying the three forms.

        Example:
            >>> print(Scale.parse("1:5"))
            continuous 1 to 5
            >>> print(Scale.parse("yes,no"))
            categorical yes, no
        """
        parts = [part.strip() for part in text.split(",")]
        ends = text.split(":")
        if len(parts) == 1 and len(ends) == 2:
            low, high = (_number(end) for end in ends)
            if low is not None and high is not None:
                if not low < high:
                    raise ValueError(f"scale {text!r} must have its lower end first, for instance 1:5")
                return continuous(low, high)
        if len(parts) < 2 or not all(parts):
            raise ValueError(f'scale {text!r} is not understood; write "1:5", "1,2,3,4,5" or "yes,no"')
        numbers = [_number(part) for part in parts]
        levels = [number for number in numbers if number is not None]
        return ordinal(levels) if len(levels) == len(parts) else categorical(parts)

    def __str__(self) -> str:
        if self.kind == "ordinal":
            return "ordinal " + ", ".join(f"{level:g}" for level in self.levels)
        if self.kind == "continuous":
            return "continuous, no ends" if self.bounds is None else f"continuous {self.low:g} to {self.high:g}"
        several = f" of at most {self.k} of" if self.kind == "approval" else ""
        return f"{self.kind}{several} {', '.join(self.options)}"


def as_scale(scale: Scale | str | None) -> Scale:
    """A scale as callers may give it: a :class:`Scale`, a text for :meth:`Scale.parse`, or None for any number.

    Raises:
        ValueError: on a text that is not a scale, and on anything else.

    Example:
        >>> print(as_scale("1,2,3"))
        ordinal 1, 2, 3
        >>> as_scale((1, 5))
        Traceback (most recent call last):
        ...
        ValueError: scale must be a text such as "1:5", ...; got (1, 5)
    """
    if scale is None:
        return continuous()
    if isinstance(scale, str):
        return Scale.parse(scale)
    if not isinstance(scale, Scale):
        raise ValueError(
            'scale must be a text such as "1:5", "1,2,3,4,5" or "yes,no", or a Scale (continuous(1, 5), ...); '
            f"got {scale!r}"
        )
    return scale


def continuous(low: float | None = None, high: float | None = None) -> Scale:
    """A scale on which every number from ``low`` to ``high`` is an answer; without ends, every number.

    Raises:
        ValueError: if only one end is given, or ``low`` is not below ``high``.

    Example:
        >>> continuous(0, 10).bounds
        (0.0, 10.0)
    """
    if low is None and high is None:
        return Scale("continuous")
    if low is None or high is None:
        raise ValueError(f"a continuous scale needs both ends or none; got low={low!r}, high={high!r}")
    ends = check_bounds((low, high))
    return Scale("continuous", low=ends[0], high=ends[1])


def ordinal(levels: Iterable[float]) -> Scale:
    """A scale of ordered numbers, such as 1 to 5.

    Raises:
        ValueError: on fewer than two levels, repeated levels or levels that are not numbers.

    Example:
        >>> ordinal(range(1, 6)).levels
        (1.0, 2.0, 3.0, 4.0, 5.0)
    """
    given = list(levels)
    if any(isinstance(level, str) for level in given):
        raise ValueError(
            f"ordinal levels must be numbers, got {given!r}; number the words, or use categorical(options)"
        )
    array = check_array("levels", given, least_ndim=1)
    rising = np.unique(array)
    if array.ndim != 1 or rising.size != array.size or array.size < 2:
        raise ValueError(f"levels must be at least two different numbers; got {given!r}")
    return Scale("ordinal", levels=tuple(rising.tolist()))


def categorical(options: Iterable[Any]) -> Scale:
    """A scale of words without order; one answer is one option.

    Raises:
        ValueError: on fewer than two options, repeated or empty ones, or surrounding whitespace.

    Example:
        >>> categorical(["yes", "no"]).options
        ('yes', 'no')
    """
    return Scale("categorical", options=_options(options))


def approval(options: Iterable[Any], k: int | None = None) -> Scale:
    """A ballot: one answer is one to ``k`` different options (all, if ``k`` is not given).

    Raises:
        ValueError: as :func:`categorical`; on an option with "|" in it; on ``k`` below 1 or beyond the options.

    Example:
        >>> print(approval(["park", "school", "bridge"], k=2))
        approval of at most 2 of park, school, bridge
    """
    words = _options(options)
    marked = [word for word in words if BALLOT_MARK in word]
    if marked:
        raise ValueError(f"option {marked[0]!r} holds {BALLOT_MARK!r}, which joins the options of a ballot; rename it")
    most = len(words) if k is None else check_count("k", k)
    if most > len(words):
        raise ValueError(f"k is {most} but there are only {len(words)} options")
    return Scale("approval", options=words, k=most)


def _options(options: Iterable[Any]) -> tuple[str, ...]:
    if isinstance(options, str):
        raise ValueError(f"options must be a list of words, not the one text {options!r}")
    given = list(options)
    # Whole floats read as whole numbers, as they do in ids and answers.
    words = tuple(str(int(one)) if isinstance(one, float) and one.is_integer() else str(one) for one in given)
    if any(word != word.strip() or not word for word in words):
        raise ValueError(f"options must not be empty or begin or end with whitespace; got {given!r}")
    if len(set(words)) < len(words) or len(words) < 2:
        raise ValueError(f"options must be at least two different words; got {given!r}")
    return words


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
