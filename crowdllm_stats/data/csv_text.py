"""What is special about texts in a CSV file: quotes that must close, and formulas that a spreadsheet would run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import pandas as pd

_QUOTED = rb'"(?:[^"]++|"")*+"'
#: Whole values with the comma or line break behind each; a quote inside an unquoted value is plain text.
_WHOLE = re.compile(rb"(?:(?:" + _QUOTED + rb'(?=[,\r\n])|[^",\r\n][^,\r\n]*+)?+[,\r\n]++)*+')
_CLOSED_EARLY = re.compile(_QUOTED + rb'[^",\r\n]')
_ENDED = re.compile(rb"(?:" + _QUOTED + rb'|[^"].*+)?+', re.DOTALL)

_BLOCK = 1 << 20
_MARK = b"\xef\xbb\xbf"


def quote_fault(raw: BinaryIO) -> str:
    """What is wrong with the quotes of a CSV file, or a zero byte in it, with the line; empty if nothing is.

    Args:
        raw: the file, at its beginning. It is read a megabyte at a time.

    Example:
        >>> import io
        >>> quote_fault(io.BytesIO(b'a,b\\n1,"x\\n2,"y"\\n'))
        'line 2 opens a quote that is closed before its value ends'
        >>> quote_fault(io.BytesIO(b'a,b\\n1,"x\\n'))
        'line 2 opens a quote that is never closed'
    """
    line, rest = 1, raw.read(_BLOCK).removeprefix(_MARK)
    while True:
        if (zero := rest.find(b"\0")) >= 0:  # some readers end a text there
            line += rest.count(b"\n", 0, zero)
            return f"line {line} holds a zero byte, which is not text"
        end = _whole_values(rest)
        line += rest.count(b"\n", 0, end)
        rest = rest[end:]
        if _CLOSED_EARLY.match(rest):
            return f"line {line} opens a quote that is closed before its value ends"
        block = raw.read(max(_BLOCK, len(rest)))  # as much again, so that a long value is not searched many times
        if not block:
            return "" if _ENDED.fullmatch(rest) else f"line {line} opens a quote that is never closed"
        rest += block


def _whole_values(rest: bytes) -> int:
    """Where the last whole value's comma or line break ends."""
    if b'"' not in rest:
        return max(rest.rfind(b","), rest.rfind(b"\n")) + 1
    found = _WHOLE.match(rest)
    return found.end() if found else 0


#: What begins a formula, and how a number looks, which is not one.
_BEGIN = re.compile(r"[=+\-@\t\r]")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text, and every column's name, that a spreadsheet would run.

    That is what begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return and is not a number ("-1" stays);
    also such a text behind apostrophes, so that :func:`with_formulas` gives back all texts as they were.

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
    return any(map(_runs, _suspects(frame)))


def _runs(text: str) -> bool:
    return _BEGIN.match(text) is not None and not _PLAIN_NUMBER.fullmatch(text)


def _suspects(frame: pd.DataFrame) -> Iterator[str]:
    """The texts of the table that begin as a formula does, apostrophes before it left aside."""
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
        texts = (name, *(_like_formulas(values) if _wordy(values) else ()))
        yield from (text for text in texts if isinstance(text, str))


def _like_formulas(values: pd.Series | pd.Index) -> Iterable[object]:
    """Those that begin as a formula does, found by Arrow where all are texts; everything else where they are not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = pa.array(values, type=pa.large_string(), from_pandas=True)
    except (pa.ArrowException, UnicodeEncodeError):  # other values too, or half a character
        return values
    found: list[object] = texts.filter(pc.match_substring_regex(texts, r"^'*[=+\-@\t\r]")).to_pylist()
    return found


def _wordy(values: pd.Series | pd.Index) -> bool:
    return not (pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype))


def _changed(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with every text and column name changed; itself where nothing changes."""
    if all(change(text) == text for text in _suspects(frame)):
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
