"""Conditions on rows, such as "country=DE", "age>=18" or "day<2026-03-01": read, never run."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import NO_NUMBER, coded, some, word
from crowdllm_stats.data.layout import column_named

_CONDITION = re.compile(r"([^<>=!]+)(!=|>=|<=|==|=|<|>)(.*)", re.DOTALL)
#: A value that a caller put between quotes.
_QUOTED = re.compile(r"^(['\"])(.+)\1$", re.DOTALL)
#: A date such as 2026-01-31, alone or with a time behind it.
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}.*)?")
_DAY = len("2026-01-31")
#: Signs that put numbers and dates in order.
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Condition(NamedTuple):
    """One condition: a column, one of = != < <= > >=, and the values, of which any will do."""

    column: str
    sign: str
    wanted: tuple[str, ...]


def condition(text: str) -> Condition:
    """Read "country=DE", "country=DE|AT", "age>=18", "day<2026-03-01" or "status!=test".

    Raises:
        ValueError: on anything else.

    Example:
        >>> condition("country = DE|AT")
        Condition(column='country', sign='=', wanted=('DE', 'AT'))
        >>> condition("country != 'DE'")
        Condition(column='country', sign='!=', wanted=('DE',))
    """
    found = _CONDITION.fullmatch(text.strip())
    values = tuple(_QUOTED.sub(r"\2", part.strip()) for part in found[3].split("|")) if found else ()
    if not found or not found[1].strip() or not all(values):
        raise BadInput(f"{text!r} is not COLUMN=VALUE; write for instance country=DE, country=DE|AT or age>=18",
                       argument="where")  # fmt: skip
    one = Condition(found[1].strip(), "=" if found[2] == "==" else found[2], values)
    if one.sign in _ORDER and (len(values) > 1 or (_number(values[0]) is None and _date(values[0]) is None)):
        raise BadInput(
            f"{text!r}: {one.sign} needs one number or one date, for instance age>=18 or day<2026-03-01",
            argument="where",
        )
    return one


def rows_where(
    frame: pd.DataFrame, conditions: Sequence[str], labels: Mapping[str, Mapping[Any, str]], source: str
) -> NDArray[np.bool_]:
    """Which rows meet all conditions; an empty cell meets none.

    Dates are compared where the condition names one: a day with the days of all cells, a time with their times.

    Args:
        frame: the table.
        conditions: texts for :func:`condition`.
        labels: what values mean, by column; a value may be named by its label.
        source: how messages name the table.

    Raises:
        ValueError: on a column that is not there, or that holds anything but dates where days are asked for.

    Example:
        >>> table = pd.DataFrame({"country": ["DE", "AT", "", "FR"], "age": ["17", "40", "30", "50"]})
        >>> rows_where(table, ["country=DE|AT", "age>=18"], {}, "a.csv").tolist()
        [False, True, False, False]
    """
    keep = np.ones(len(frame), dtype=bool)
    for text, one in zip(conditions, map(condition, conditions), strict=True):
        name = column_named(one.column, list(map(str, frame.columns)))
        if name is None:
            raise BadInput(
                f"{text!r}: {source} has no column {one.column!r}; it has {some(list(frame.columns), 12)}",
                argument="where",
            )
        codes, values = _cells(frame[name])
        means = labels.get(name, {})
        _refuse_undated(values, one, f"{text!r}: column {name!r} of {source}")
        keep &= np.array([*(_meets(value, means.get(value, ""), one) for value in values), False], dtype=bool)[codes]
    return keep


def absent(
    frame: pd.DataFrame, conditions: Sequence[str], labels: Mapping[str, Mapping[Any, str]], source: str
) -> list[str]:
    """A sentence for each value of the conditions that no row has, which may be misspelt, and for text among numbers.

    Args:
        frame: the table; the columns of all conditions are there.
        conditions: texts for :func:`condition`.
        labels: what values mean, by column.
        source: how messages name the table.

    Example:
        >>> absent(pd.DataFrame({"country": ["DE", "AT"]}), ["country!=de"], {}, "a.csv")
        ["No row of a.csv has 'de' in country."]
    """
    sentences = []
    for one in map(condition, conditions):
        name = column_named(one.column, list(map(str, frame.columns)))
        if name is None:
            continue
        _, values = _cells(frame[name])
        if one.sign in _ORDER:
            shown = [text for text in map(_shown, values) if text.casefold() not in NO_NUMBER]
            odd = [text for text in shown if _number(text) is None]
            if odd and _number(one.wanted[0]) is not None:
                sentences.append(f"In {name} of {source}, {some(odd)} is not a number and meets no condition on one.")
            continue
        there = [(value, labels.get(name, {}).get(value, "")) for value in values]
        for wanted in one.wanted:
            if not any(_meets(value, label, Condition(name, "=", (wanted,))) for value, label in there):
                sentences.append(f"No row of {source} has {wanted!r} in {name}.")
    return sentences


def applicable(conditions: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The conditions whose column is there.

    Example:
        >>> applicable(["country=DE", "age>=18"], ["Age", "response"])
        ['age>=18']
    """
    return [one for one in conditions if column_named(condition(one).column, columns) is not None]


def _cells(column: pd.Series) -> tuple[NDArray[np.int64], list[Any]]:
    """Row codes into the different values that occur, -1 where missing: a column of categories may list others."""
    codes, values = coded(column)
    used = np.flatnonzero(np.bincount(codes + 1, minlength=len(values) + 1)[1:])
    place = np.full(len(values) + 1, -1)
    place[used] = np.arange(len(used))
    return place[codes], [values[one] for one in used]


def _meets(cell: Any, label: str, one: Condition) -> bool:
    text = _shown(cell)
    if not text:
        return False
    number = _number(text)
    if one.sign not in _ORDER:
        same = any(
            value in (text, label) or (number is not None and number == _number(value)) or _same_day(text, value)
            for value in one.wanted
        )
        return same == (one.sign == "=")
    order, limit = _ORDER[one.sign], _number(one.wanted[0])
    if limit is not None:
        return number is not None and order(number, limit)
    if text.casefold() in NO_NUMBER:
        return False
    if len(one.wanted[0]) == _DAY:
        return order(text[:_DAY], one.wanted[0])
    return order(_date(text), _date(one.wanted[0]))


def _shown(cell: Any) -> str:
    text = word(cell)
    return str(cell) if text is None else text.strip()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _date(text: str) -> datetime | None:
    """The moment that 2026-01-31 or 2026-01-31 14:05 names; None for any other text."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _same_day(text: str, wanted: str) -> bool:
    return len(wanted) == _DAY and text[:_DAY] == wanted and _date(text) is not None


def _refuse_undated(values: Sequence[Any], one: Condition, where: str) -> None:
    """Refuse a column that does not hold dates alone where they are put in order, or times of other zones."""
    limit = _date(one.wanted[0])
    if one.sign not in _ORDER or limit is None:
        return
    for text in map(_shown, values):
        if text.casefold() in NO_NUMBER:
            continue
        found = _date(text)
        if found is None:
            raise BadInput(f"{where} holds {text[:40]!r}, which is not a date such as 2026-01-31", argument="where")
        if len(one.wanted[0]) > _DAY and (found.tzinfo is None) != (limit.tzinfo is None):
            raise BadInput(
                f"{where} holds {text!r}: give both with a time zone, or neither, or a day alone", argument="where"
            )
