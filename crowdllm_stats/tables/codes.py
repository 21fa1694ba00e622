"""Codes for a missing answer, such as 77, 88 and 99 beside a scale from 0 to 10: told, or asked about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats.inference.checks import FloatArray
from crowdllm_stats.scales import Scale
from crowdllm_stats.tables.answers import Answers, as_answers
from crowdllm_stats.tables.ids import Ids

#: Different answers in a column beyond which no code is looked for: measurements, not ratings.
DISTINCT = 400
#: Cells of the table of problems by answers, beyond which problems are looked at together.
CELLS = 20_000_000
#: Different codes a problem may have, and the least distance of a code, alone and in ranges of the other answers.
CODES, APART, RANGES = 5, 5.0, 2.0


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
        raise ValueError(f"missing_codes are numbers, but {label} has the scale {scale}; leave those cells empty")
    if not all(isinstance(code, int | float | np.number) and np.isfinite(code) for code in codes):
        raise ValueError(f"missing_codes must be finite numbers, got {list(codes)}")
    free = as_answers(column, Scale("continuous"), label)
    coded = ~free.missing & np.isin(free.given, np.array(codes, dtype=float))
    return pd.Series(np.where(coded, np.nan, free.given)), coded


def refuse_codes(answers: Answers, problem: Ids, label: str) -> None:
    """Ask about whole numbers that lie far outside all other answers to a problem, and repeat.

    Far: at least 5, and twice the range of the other answers, beyond them; at most 5 different ones a problem, and
    fewer than the other answers.

    Raises:
        ValueError: naming the answers and the two remedies.

    Example:
        >>> given = np.array([3.0, 7, 0, 10, 99, 99])
        >>> sound = np.zeros(6, dtype=bool)
        >>> refuse_codes(Answers(given, sound), Ids(np.zeros(6, dtype=np.int64), np.array(["q"])), "column 'response'")
        Traceback (most recent call last):
        ...
        ValueError: column 'response' holds 2 answers (99) far outside all others to their problem (0 to 10): ...
    """
    values = np.asarray(answers.given[~answers.missing], dtype=float)
    rows = problem.codes[~answers.missing]
    found, places = np.unique(values, return_inverse=True)
    count = len(problem.names)
    if not 3 <= len(found) <= DISTINCT or count * len(found) > CELLS or np.any(rows < 0):
        return
    table = np.bincount(rows * len(found) + places, minlength=count * len(found)).reshape(count, -1)
    for mirrored in (False, True):
        axis = -found[::-1] if mirrored else found
        for one in table[:, ::-1] if mirrored else table:
            codes = _beyond(axis, one)
            if codes is not None:
                number = int(one[codes].sum())
                shown = axis[codes] * (-1 if mirrored else 1)
                others = axis[(one > 0) & ~codes] * (-1 if mirrored else 1)
                words = ",".join(f"{value:g}" for value in sorted(shown))
                raise ValueError(
                    f"{label} holds {number} answers ({words}) far outside all others to their problem "
                    f"({others.min():g} to {others.max():g}): if they stand for missing answers, say "
                    f'missing_codes=[{words}]; if they are answers, declare the scale with scale="LOW:HIGH"'
                )


def _beyond(values: FloatArray, counts: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Mask of the codes above one problem's other answers; None without any."""
    there = np.flatnonzero(counts)
    for size in range(1, min(CODES, len(there) - 2) + 1):
        top, rest = there[-size:], there[:-size]
        gap = values[top[0]] - values[rest[-1]]
        if gap < max(APART, RANGES * (values[rest[-1]] - values[rest[0]])):
            continue
        whole = bool(np.all(values[top] == np.floor(values[top])))
        number = int(counts[top].sum())
        if whole and number >= 2 and number < counts[rest].sum():
            mask = np.zeros(len(values), dtype=bool)
            mask[top] = True
            return mask
    return None
