"""Codes for a missing answer, such as 99 or -9 beside a scale from 0 to 10: named by the caller, or asked about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.declining import declines
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import coded
from crowdllm_stats.data.answers import GivenAnswers, as_answers
from crowdllm_stats.data.ids import Ids
from crowdllm_stats.data.labels import folded
from crowdllm_stats.data.scale import Scale

#: Different answers in a column beyond which no code is looked for: measurements, not ratings.
DISTINCT = 400
#: Cells of the table of problems by answers, beyond which problems are looked at together.
CELLS = 20_000_000
#: Different codes a problem may have, and the least distance of a code, alone and in ranges of the other answers.
CODES, APART, RANGES = 5, 5.0, 2.0
#: Codes that follow a short scale after a gap (refused, don't know, no answer), the largest answer of such a scale, and
#: the times it was given: a thin upper tail has gaps by chance.
ONE_DIGIT, SHORT, SEEN = (7.0, 8.0, 9.0), 7.0, 8
#: Characters of the shortest sentence by which a language model declines; numbers are not searched for one.
_SENTENCE = 8
#: An option that questionnaires offer to people: --missing names it.
_OPTION = re.compile(r"\s*(i )?(would )?prefer not to (say|answer|disclose|respond)\.?\s*", re.IGNORECASE)
#: How files label a number that stands for no answer; not "does not apply", which may be a step of a scale.
_UNANSWERED = re.compile(
    r"keine (angabe|antwort)|wei(ß|ss) (ich )?nicht|k\.? ?a\.?|verweigert|(i )?(don't|dont|do not) know|dk|refusal"
    r"|refused( to (say|answer|respond))?|prefer(red)? not to (say|answer|disclose|respond)"
    r"|(no|non|not) (answer|response|answered|asked|stated)|not applicable|n[/.]?a\.?|missing|skipped|unknown"
    r"|ne sait pas|sans réponse|refus|no sabe|no contesta|ns/nc|weet (ik )?niet|geen antwoord|non so|non risponde"
)
#: Only codes beyond this are looked for in single problems: a few ratings up to 10 have wide gaps by chance.
TEN = 10.0


class LooksCoded(BadInput):
    """Answers that look like codes for a missing one.

    Attributes:
        codes: the numbers.
    """

    def __init__(self, problem: str, *, codes: Sequence[float] = (), python: str = "", command: str = "") -> None:
        super().__init__(problem, python=python, command=command)
        self.codes = tuple(codes)


def unanswered(means: Mapping[Any, str]) -> list[Any]:
    """The numbers of which a file says that they stand for no answer.

    Args:
        means: what each value of a column means.

    Example:
        >>> unanswered({5.0: "stimme voll zu", 9.0: "Don\u2019t know / refused", 99.0: "Keine Angabe"})
        [9.0, 99.0]
    """
    return [value for value, text in means.items() if isinstance(value, int | float) and _says_unanswered(folded(text))]


def _says_unanswered(label: str) -> bool:
    parts = [part.strip() for part in re.split("[/,;()]", label) if part.strip()]
    return bool(_UNANSWERED.fullmatch(label)) or bool(parts) and all(map(_UNANSWERED.fullmatch, parts))


def without_codes(
    column: pd.Series, codes: Sequence[float], scale: Scale, label: str
) -> tuple[pd.Series, NDArray[np.bool_]]:
    """The column of answers with missing cells in place of codes, and where these were.

    Raises:
        ValueError: on a code that is not a finite number, and on a scale of words.

    Example:
        >>> column, coded = without_codes(pd.Series(["3", "99", "7"]), [77, 99], Scale("continuous"), "response")
        >>> column.tolist(), coded.tolist()
        ([3.0, nan, 7.0], [False, True, False])
    """
    if not scale.numeric:
        raise BadInput(
            f"must be left out, as {label} has the scale {scale}, not numbers",
            argument="missing_codes",
            python="leave those cells empty",
        )
    if not all(isinstance(code, int | float | np.number) and np.isfinite(code) for code in codes):
        raise BadInput("must be finite numbers", argument="missing_codes", given=list(codes))
    free = as_answers(column, Scale("continuous"), label)
    at = ~free.missing & np.isin(free.given, np.array(codes, dtype=float))
    return pd.Series(np.where(at, np.nan, free.given)), at


def without_words(column: pd.Series, words: Sequence[str]) -> tuple[pd.Series, NDArray[np.bool_]]:
    """The column of answers with empty cells in place of words for a missing one, in any case, and where these were.

    Example:
        >>> without_words(pd.Series(["3", "Don't know"]), ["don't know"])[1].tolist()
        [False, True]
    """
    wanted = {word.strip().casefold() for word in words}
    return _emptied(column, lambda text: text.strip().casefold() in wanted)


def without_declined(column: pd.Series) -> tuple[pd.Series, NDArray[np.bool_]]:
    """The column with empty cells where a language model says that it does not answer, and where these were.

    Example:
        >>> without_declined(pd.Series(["3", "As an AI language model, I do not have opinions."]))[1].tolist()
        [False, True]
    """

    def gone(text: str) -> bool:
        return len(text) >= _SENTENCE and not text[:1].isdecimal() and not _OPTION.fullmatch(text) and declines(text)

    return _emptied(column, gone)


def _emptied(column: pd.Series, gone: Callable[[str], bool]) -> tuple[pd.Series, NDArray[np.bool_]]:
    try:
        codes, values = coded(column)
    except TypeError:  # lists, which are read or refused as ballots
        return column, np.zeros(len(column), dtype=bool)
    bad = [place for place, value in enumerate(values) if isinstance(value, str) and gone(value)]
    if not bad:
        return column, np.zeros(len(column), dtype=bool)
    rows = np.isin(codes, bad)
    return column.astype(object).where(~rows, ""), rows


def refuse_codes(answers: GivenAnswers, problem: Ids, label: str) -> None:
    """Ask about whole numbers that look like codes beside the other answers, and repeat.

    To all problems together, or (beyond 10) to one: numbers far outside all others, at least 5 and twice the range of
    the others beyond them. To all together: negative numbers beside others that are not, unless both make a scale about
    zero (-2 to 2); and 7, 8, 9 after a gap above whole numbers of a scale from 0 or 1 to 7 at most. Always at most 5
    different ones, fewer than the other answers.

    Raises:
        ValueError: naming the answers and the two remedies.

    Example:
        >>> given = np.array([3.0, 7, 0, 10, 99, 99])
        >>> sound = np.zeros(6, dtype=bool)
        >>> one = Ids(np.zeros(6, dtype=np.int64), np.array(["q"]))
        >>> refuse_codes(GivenAnswers(given, sound), one, "column 'response'")
        Traceback (most recent call last):
        ...
        crowdllm_stats...LooksCoded: column 'response' holds 2 answers (99) far outside all others (0 to 10); ...
    """
    values = np.asarray(answers.given[~answers.missing], dtype=float)
    rows = problem.codes[~answers.missing]
    places, found = pd.factorize(values, sort=True)
    count = len(problem.names)
    if not 2 <= len(found) <= DISTINCT or np.any(rows < 0):
        return
    together = np.bincount(places, minlength=len(found))
    for codes, how in (
        (_far(found, together), "far outside all others"),
        (_negative(found, together), "below all others"),
        (_one_digit(found, together), "after a gap above all others"),
    ):
        if codes is not None:
            _ask(found, together, codes, label, how)
    if count * len(found) > CELLS:
        return
    for one in np.bincount(rows * len(found) + places, minlength=count * len(found)).reshape(count, -1):
        codes = _far(found, one)
        if codes is not None and np.all(np.abs(found[codes]) > TEN):
            _ask(found, one, codes, label, "far outside all others to their problem")


def _ask(values: FloatArray, counts: NDArray[np.int64], codes: NDArray[np.bool_], label: str, how: str) -> None:
    others = values[(counts > 0) & ~codes]
    words = ",".join(f"{value:g}" for value in values[codes])
    mend = "if they stand for missing answers, say {}; if they are answers, declare the scale with {}"
    raise LooksCoded(
        f"{label} holds {int(counts[codes].sum())} answers ({words}) {how} ({others.min():g} to {others.max():g})",
        codes=values[codes].tolist(),
        python=mend.format(f"missing_codes=[{words}]", 'scale="LOW:HIGH"'),
        command=mend.format(f"--missing {words}", "--scale LOW:HIGH"),
    )


def _far(values: FloatArray, counts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Mask of the codes far above or below the other answers; None without any."""
    above = _beyond(values, counts)
    if above is not None:
        return above
    below = _beyond(-values[::-1], counts[::-1])
    return None if below is None else below[::-1]


def _negative(values: FloatArray, counts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Mask of negative codes beside whole answers that are not negative; None without any.

    None where both make a scale about zero: -1, -2, ... down to an end nearly as far from zero as the upper one; and
    where no negative number repeats.
    """
    codes = values < 0.0
    low, high = values[codes], values[~codes]
    if not 1 <= len(low) <= CODES or len(high) < 2 or np.any(values != np.floor(values)) or counts[codes].max() < 2:
        return None
    reach, top = -float(low[0]), float(high[-1])
    about_zero = len(low) == reach and (reach >= top or (reach >= 2.0 and high[0] == 0.0 and reach >= top - 1.0))
    return None if about_zero else _minority(codes, counts)


def _one_digit(values: FloatArray, counts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Mask of 7, 8 or 9 after a gap above the whole numbers of a short scale; None without any."""
    if values[0] not in (0.0, 1.0) or values[-1] not in ONE_DIGIT[1:]:
        return None
    for size in range(1, len(ONE_DIGIT) + 1):
        rest = values[:-size]
        if len(rest) < 2 or values[-size] not in ONE_DIGIT:
            return None
        if values[-size] - rest[-1] >= 2.0:  # everything up to the gap must have been given
            whole = len(rest) == rest[-1] - rest[0] + 1.0 and rest[-1] <= SHORT and counts[len(rest) - 1] >= SEEN
            return _minority(values > rest[-1], counts) if whole else None
    return None


def _minority(codes: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """The mask, if the codes repeat and are fewer than the others."""
    number = int(counts[codes].sum())
    return codes if 2 <= number < counts[~codes].sum() else None


def _beyond(values: FloatArray, counts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Mask of the codes far above the other answers; None without any."""
    there = np.flatnonzero(counts)
    for size in range(1, min(CODES, len(there) - 2) + 1):
        top, rest = there[-size:], there[:-size]
        gap = values[top[0]] - values[rest[-1]]
        if gap < max(APART, RANGES * (values[rest[-1]] - values[rest[0]])):
            continue
        if np.all(values[top] == np.floor(values[top])):
            mask = np.zeros(len(values), dtype=bool)
            mask[top] = True
            found = _minority(mask, counts)
            if found is not None:
                return found
    return None
