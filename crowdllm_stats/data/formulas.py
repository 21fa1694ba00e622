"""Texts that a spreadsheet would run as a formula, written with an apostrophe before them and read without it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pandas as pd

#: What begins a formula, and how a number looks, which is none.
_BEGIN = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text, and every column's name, that a spreadsheet would run.

    That is what begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return and is no number ("-1" stays); also
    such a text behind apostrophes, so that :func:`with_formulas` gives back all texts as they were.

    Example:
        >>> without_formulas(pd.DataFrame({"problem": ["=1+1", "-1", "q1"]}))["problem"].tolist()
        ["'=1+1", '-1', 'q1']
    """
    return _changed(frame, lambda text: f"'{text}" if _runs(text.lstrip("'")) else text)


def with_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """What :func:`without_formulas` was given; a table that holds a text which runs was not made by it, and stays.

    Example:
        >>> with_formulas(pd.DataFrame({"problem": ["'=1+1", "-1", "q1"]}))["problem"].tolist()
        ['=1+1', '-1', 'q1']
    """
    if holds_formulas(frame):
        return frame
    return _changed(frame, lambda text: text[1:] if text[:1] == "'" and _runs(text.lstrip("'")) else text)


def holds_formulas(frame: pd.DataFrame) -> bool:
    """Whether a spreadsheet would run a text of the table.

    Example:
        >>> holds_formulas(pd.DataFrame({"problem": ["-1", "'=1"]})), holds_formulas(pd.DataFrame({"=1": [2]}))
        (False, True)
    """
    return any(map(_runs, _texts(frame)))


def _runs(text: str) -> bool:
    return _BEGIN.match(text) is not None and not _NUMBER.fullmatch(text)


def _texts(frame: pd.DataFrame) -> Iterator[str]:
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
        yield from (text for text in (name, *(values if _wordy(values) else ())) if isinstance(text, str))


def _wordy(values: pd.Series | pd.Index) -> bool:
    return not (pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype))


def _changed(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with every text and column name changed; itself where nothing changes."""
    if all(change(text) == text for text in _texts(frame)):
        return frame

    def new(value: object) -> object:
        return change(value) if isinstance(value, str) else value

    columns = []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.cat.rename_categories([new(category) for category in column.cat.categories])
        elif _wordy(column):
            column = column.map(new)
        columns.append(column.rename(new(column.name)))
    return pd.concat(columns, axis=1)
