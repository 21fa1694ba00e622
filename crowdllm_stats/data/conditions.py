"""Conditions on rows, such as "country=DE" or "age>=18": read, never run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import coded, some, word
from crowdllm_stats.data.layout import column_named

_CONDITION = re.compile(r"([^<>=!]+)(!=|>=|<=|==|=|<|>)(.*)", re.DOTALL)
#: A value that a caller put between quotes.
_QUOTED = re.compile(r"^(['\"])(.+)\1$", re.DOTALL)


class Condition(NamedTuple):
    """One condition: a column, one of = != < <= > >=, and the values, of which any will do."""

    column: str
    sign: str
    wanted: tuple[str, ...]


def condition(text: str) -> Condition:
    """Read "country=DE", "country=DE|AT", "age>=18" or "status!=test".

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
    if one.sign not in ("=", "!=") and (len(values) > 1 or _number(values[0]) is None):
        raise BadInput(f"{text!r}: {one.sign} needs one number, for instance age>=18", argument="where")
    return one


def rows_where(
    frame: pd.DataFrame, conditions: Sequence[str], labels: Mapping[str, Mapping[Any, str]], source: str
) -> NDArray[np.bool_]:
    """Which rows meet all conditions; an empty cell meets none.

    Args:
        frame: the table.
        conditions: texts for :func:`condition`.
        labels: what values mean, by column; a value may be named by its label.
        source: how messages name the table.

    Raises:
        ValueError: on a column that is not there.

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
        codes, values = coded(frame[name])
        means = labels.get(name, {})
        keep &= np.array([*(_meets(value, means.get(value, ""), one) for value in values), False], dtype=bool)[codes]
    return keep


def absent(
    frame: pd.DataFrame, conditions: Sequence[str], labels: Mapping[str, Mapping[Any, str]], source: str
) -> list[str]:
    """A sentence for each value of the conditions that no row has: it may be misspelt.

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
        if name is None or one.sign not in ("=", "!="):
            continue
        codes, values = coded(frame[name])
        there = [
            (value, labels.get(name, {}).get(value, "")) for value in (values[place] for place in set(codes) - {-1})
        ]
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


def _meets(cell: Any, label: str, one: Condition) -> bool:
    text = str(cell) if (found := word(cell)) is None else found.strip()
    if not text:
        return False
    number = _number(text)
    if one.sign in ("=", "!="):
        same = any(
            text == value or label == value or (number is not None and number == _number(value)) for value in one.wanted
        )
        return same == (one.sign == "=")
    limit = _number(one.wanted[0])
    if number is None or limit is None:
        return False
    return {"<": number < limit, "<=": number <= limit, ">": number > limit, ">=": number >= limit}[one.sign]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
