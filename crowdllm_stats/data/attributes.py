"""What else is known about people and problems: one value each, found in the answers' table or in one of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import coded, some, word
from crowdllm_stats.data.ids import Ids, as_ids

#: People whose values vary in a column that belongs to single answers, at least.
_FEW = 3
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)


def plain(column: pd.Series, label: str) -> pd.Series:
    """An attribute column in its one form, whatever it came from: whole numbers, numbers, or text.

    Numbers stay numbers. Text whose every value is a plain number ("35", "0.5") becomes numbers, text such as "007"
    does not, and whole numbers that would lose digits, beyond 2^53 beside a missing value, stay text. Everything else
    is text; in text a missing value is "" (not stated), among numbers it is NaN.

    Raises:
        ValueError: on infinite numbers and on values that are not single ones.

    Example:
        >>> plain(pd.Series(["35", "41"]), "column 'age'").tolist()
        [35, 41]
        >>> plain(pd.Series(["Woman", None]), "column 'gender'").tolist()
        ['Woman', '']
    """
    column = column.reset_index(drop=True)
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return _numbers(column, label)
    try:
        codes, values = coded(column)
    except TypeError:
        raise ValueError(f"{label} holds lists; an attribute is one number or one text") from None
    texts = [_text(value) for value in values]
    as_number = _plain_numbers([text for text in texts if text])
    if as_number is not None and not _keeps(as_number.values(), bool((codes < 0).any() or "" in texts)):
        as_number = None
    if as_number is None:
        return pd.Series(np.array([*texts, ""], dtype=object)[codes]).astype(str)
    numbers = np.array([as_number[text] if text else np.nan for text in texts] + [np.nan])[codes]
    whole = not np.isnan(numbers).any() and all(isinstance(number, int) for number in as_number.values())
    # Whole numbers beyond 2^53 would lose digits as floats, so they are built from the text's own integers.
    return pd.Series([as_number[texts[code]] for code in codes] if whole else numbers)


def _numbers(column: pd.Series, label: str) -> pd.Series:
    if pd.api.types.is_integer_dtype(column.dtype):
        known = column.dropna()
        ends = [int(known.min()), int(known.max())] if len(known) else []
        if not _keeps(ends, len(known) < len(column)):
            return pd.Series(["" if pd.isna(value) else str(value) for value in column]).astype(str)
        if len(known) == len(column):
            return column.astype(np.int64)
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(numbers).any():
        raise ValueError(
            f"{label} holds {int(np.isinf(numbers).sum())} infinite numbers; correct them or leave them empty"
        )
    return pd.Series(numbers)


def _keeps(numbers: Collection[float], beside_missing: bool) -> bool:
    """Whether a column keeps every digit: as 64-bit integers, or as floats where one is missing or not whole."""
    whole = [number for number in numbers if isinstance(number, int)]
    as_floats = beside_missing or len(whole) < len(numbers)
    return all(abs(number) <= 2**53 if as_floats else -(2**63) <= number < 2**63 for number in whole)


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return repr(float(value))
    text = word(value)
    return str(value) if text is None else text


def _plain_numbers(texts: list[str]) -> dict[str, float] | None:
    """The number behind each text, or None unless every text is how that number is written."""
    result: dict[str, float] = {}
    for text in texts:
        if _WHOLE.fullmatch(text) and text != "-0":
            result[text] = int(text)
            continue
        try:
            number = float(text)
        except ValueError:
            return None
        if repr(number) != text or not np.isfinite(number):
            return None
        result[text] = number
    return result or None


def varying(column: pd.Series, ids: Ids) -> NDArray[np.int64]:
    """Rows whose value differs from the first one given for the same id.

    Example:
        >>> ids = as_ids(pd.Series(["a", "a", "b"]), "column 'participant'")
        >>> varying(pd.Series(["x", "y", "z"]), ids).tolist()
        [1]
    """
    codes, _ = coded(column)
    return np.flatnonzero(codes != codes[_first_rows(ids)[ids.codes]])


def _first_rows(ids: Ids) -> NDArray[np.int64]:
    first = np.zeros(len(ids.names), dtype=np.int64)
    first[ids.codes[::-1]] = np.arange(len(ids.codes))[::-1]  # of repeated targets the last assignment stays
    return first


class Sorted(NamedTuple):
    """Names of columns: one value per participant, one per problem, and those that belong to single answers."""

    profile: list[str]
    of_problem: list[str]
    of_answers: list[str]


def sort_columns(frame: pd.DataFrame, problem: Ids, participant: Ids, label: str) -> Sorted:
    """Separate profile columns (one value per participant), problem columns (one value per problem) and others.

    A column that is constant both ways is a profile column, unless it takes several values and some problem has more
    than one participant: then people are nested in problems and it belongs to the problem. A column belongs to single
    answers, such as a reaction time, where three people at least, at least half of the people with several answers, and
    of the problems with several, have several values. (A profile with a slip has them for few people, and is refused.)

    Raises:
        ValueError: naming a column that is constant neither way.

    Example:
        >>> frame = pd.DataFrame({"age": [30, 40, 30], "text": ["x", "x", "y"]})
        >>> ids = [as_ids(pd.Series(list(names)), "ids") for names in ("ppq", "aba")]
        >>> sort_columns(frame, *ids, "responses")
        Sorted(profile=['age'], of_problem=['text'], of_answers=[])
    """
    profile: list[str] = []
    of_problem: list[str] = []
    of_answers: list[str] = []
    shared = bool((participant.codes != participant.codes[_first_rows(problem)[problem.codes]]).any())
    for name in frame.columns:
        try:
            by_person = not len(varying(frame[name], participant))
            by_problem = not len(varying(frame[name], problem))
        except TypeError:
            raise ValueError(f"{label}: column {name!r} holds lists; an attribute is one number or one text") from None
        if by_person and not (by_problem and shared and len(np.unique(coded(frame[name])[0])) > 1):
            profile.append(name)
        elif by_problem:
            of_problem.append(name)
        elif _of_answers(frame[name], problem, participant):
            of_answers.append(name)
        else:
            raise BadInput(
                f"{label}: column {name!r} has one value neither for every participant "
                f"({_conflict(frame[name], participant)}) nor for every problem",
                python="correct it, or name the columns to keep with profile_columns=[...] and problem_columns=[...]",
                command="correct it, or leave it out",
            )
    return Sorted(profile, of_problem, of_answers)


def _of_answers(column: pd.Series, problem: Ids, participant: Ids) -> bool:
    people = len(np.unique(participant.codes[varying(column, participant)]))
    return people >= _FEW and min(_several(column, ids) for ids in (problem, participant)) >= 0.5


def _several(column: pd.Series, ids: Ids) -> float:
    """Share of the ids with several rows that have several values; 0 where no id has several rows."""
    repeated = np.count_nonzero(np.bincount(ids.codes) > 1)
    return len(np.unique(ids.codes[varying(column, ids)])) / repeated if repeated else 0.0


def _conflict(column: pd.Series, ids: Ids) -> str:
    rows = varying(column, ids)
    code = ids.codes[rows[0]]
    values = column[ids.codes == code].unique().tolist()
    people = len(np.unique(ids.codes[rows]))
    return f"{people} have several, for instance {ids.names[code]!r}: {some(values, 2)}"


def attribute_table(frame: pd.DataFrame, names: Sequence[str], ids: Ids, key: str, label: str) -> pd.DataFrame:
    """One row per id, ``key`` first, from columns that repeat the value on every row of the id.

    Raises:
        ValueError: naming a column with two different values for one id.
    """
    table = {key: pd.Series(ids.names).astype(str)}
    first = _first_rows(ids)
    for name in names:
        try:
            rows = varying(frame[name], ids)
        except TypeError:
            rows = np.empty(0, dtype=np.int64)  # lists; `plain` says so below
        if len(rows):
            raise ValueError(
                f"{label}: column {name!r} should have one value for every {key}, but {_conflict(frame[name], ids)}; "
                "correct the rows or leave the column out"
            )
        table[name] = plain(frame[name].iloc[first], f"{label}: column {name!r}")
    return pd.DataFrame(table)


def given_table(frame: pd.DataFrame, key: str, needed: Ids, label: str) -> pd.DataFrame:
    """A table of people or problems that came on its own: ids checked, every id of the answers in it.

    Raises:
        ValueError: on missing or repeated ids, and on ids in the answers that the table lacks.
    """
    ids = as_ids(frame[key], f"{label}: column {key!r}")
    if ids.missing.any():
        raise ValueError(f"{label}: {int(ids.missing.sum())} of {len(frame)} rows have no {key}; fill or remove them")
    if len(ids.names) < len(frame):
        counts = np.bincount(ids.codes)
        raise ValueError(
            f"{label}: {key} {ids.names[int(counts.argmax())]!r} has {int(counts.max())} rows; "
            f"keep one row for every {key}"
        )
    lacking = sorted(set(needed.names.tolist()) - set(ids.names.tolist()))
    if lacking:
        raise ValueError(f"{label}: no row for {len(lacking)} {key}(s) of the responses: {some(lacking)}; add them")
    table = {key: ids.column()}
    for name in frame.columns:
        if name != key:
            table[name] = plain(frame[name], f"{label}: column {name!r}")
    return pd.DataFrame(table)
