"""Tables in JSON: a list of objects, or one object a line; the keys are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from crowdllm_stats.data.files import check_number
from crowdllm_stats.data.formats.opened import Opened
from crowdllm_stats.data.formats.text import NotText, encoding_of


def read_json(content: bytes, source: str, *, lines: bool) -> Opened:
    """Read a table in JSON; an object within an object gives columns such as "persona.age".

    Texts stay as they are, numbers, true and false become texts as JSON writes them, null and what is absent an empty
    text.

    Args:
        content: the file.
        source: how messages name it.
        lines: whether it has one object a line.

    Raises:
        ValueError: in one line, on anything that is not such a table.

    Example:
        >>> read_json(b'{"problem": "q1", "response": 4}\\n', "a.jsonl", lines=True).frame.to_dict("list")
        {'problem': ['q1'], 'response': ['4']}
    """
    try:
        text = content.decode(encoding_of(content))
    except UnicodeDecodeError:
        raise ValueError(f"{source}: is not whole UTF-16 text, it may be cut off; save it as UTF-8") from None
    except NotText as error:
        raise ValueError(f"{source}: {error}") from None
    text = text.removeprefix("\ufeff")
    try:
        objects = list(_lines(text, source)) if lines else _listed(_value(text), source)
    except _Wrong as wrong:
        raise ValueError(f"{source}: {wrong}") from None
    rows: list[dict[str, str]] = []
    columns: dict[str, None] = {}
    for place, one in enumerate(objects, 1):
        if not isinstance(one, dict):
            raise ValueError(f"{source}: entry {place} is not an object with a key for each column: {str(one)[:40]!r}")
        row: dict[str, str] = {}
        try:
            _flatten(one, "", row)
        except _Wrong as wrong:
            raise ValueError(f"{source}: entry {place} {wrong}") from None
        columns.update(dict.fromkeys(row))
        check_number(len(columns), source)
        rows.append(row)
    if not rows:
        raise ValueError(f"{source}: there is no row in it; at least one is needed")
    frame = pd.DataFrame({name: pd.Series([row.get(name, "") for row in rows], dtype="str") for name in columns})
    return Opened(frame, "JSON, one object a line" if lines else "JSON")


class _Wrong(ValueError):
    """What is wrong with a text in JSON."""


def _value(text: str, where: str = "") -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        line = where or f"line {error.lineno}"
        raise _Wrong(f"{line} is not JSON ({error.msg}); the file may be cut off or damaged there") from None
    except RecursionError:
        raise _Wrong(f"{where or 'it'} holds objects within objects too deep; give one object a row") from None


def _constant(word: str) -> str:
    """NaN is no answer; Infinity stays a word and is refused where numbers are read."""
    return "" if word == "NaN" else word


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Wrong(f"an object has the key {twice!r} twice; keep one")
    return found


def _lines(text: str, source: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _value(line, f"line {number}")


def _listed(value: Any, source: str) -> list[Any]:
    """The list of objects: the value itself, or the only list of objects under a key of it."""
    if isinstance(value, list):
        return value
    lists = [one for one in value.values() if isinstance(one, list)] if isinstance(value, dict) else []
    if len(lists) == 1:
        return list(lists[0])
    raise _Wrong("must be a list of objects, one per row, or have one such list under a key")


def _flatten(one: Mapping[str, Any], before: str, row: dict[str, str]) -> None:
    for name, value in one.items():
        key = f"{before}{name}"
        if isinstance(value, dict):
            _flatten(value, f"{key}.", row)
        elif key in row:
            raise _Wrong(f"has {key!r} twice, as a key and as a key within a key; rename one")
        else:
            row[key] = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
