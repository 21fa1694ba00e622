"""Second and third header rows, as tools for surveys export them: a question's text under its name."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from crowdllm_stats.data.formats.opened import Opened

#: How Qualtrics begins the cells of its last header row.
_IMPORT = '{"ImportId"'
#: What SurveyMonkey writes under a question with one column of answers.
_ONE_COLUMN = ("response", "open-ended response", "")
#: How a column without a name is called.
_NAMELESS = "column "


def with_one_header(opened: Opened) -> Opened:
    """The table without the header rows that follow the first one; the questions' texts are kept beside it.

    Three ways are known: names, texts and ``{"ImportId": ...}`` (Qualtrics); questions with options under them, whose
    names stand over the first of their columns (SurveyMonkey); and names with texts under them over columns of numbers.

    Example:
        >>> rows = {"Q1": ["How much?", '{"ImportId":"QID1"}', "4"], "id": ["Id", '{"ImportId":"_i"}', "a"]}
        >>> found = with_one_header(Opened(pd.DataFrame(rows), "CSV"))
        >>> found.frame.to_dict("list"), found.texts["Q1"]
        ({'Q1': ['4'], 'id': ['a']}, 'How much?')
    """
    frame = opened.frame
    if not len(frame) or any(pd.api.types.is_numeric_dtype(frame[name].dtype) for name in frame.columns):
        return opened
    first = [str(value).strip() for value in frame.iloc[0]]
    names = list(map(str, frame.columns))
    for place in range(min(3, len(frame))):
        cells = [str(value).strip() for value in frame.iloc[place] if str(value).strip()]
        if cells and sum(cell.startswith(_IMPORT) for cell in cells) * 2 > len(cells):
            texts = dict(zip(names, first, strict=True)) if place else {}
            return _below(opened, place + 1, texts)
    if any(name.startswith(_NAMELESS) and cell for name, cell in zip(names, first, strict=True)):
        return _options_joined(opened, names, first)
    if _texts_over_numbers(frame, first):
        return _below(opened, 1, dict(zip(names, first, strict=True)))
    return opened


def _below(opened: Opened, rows: int, texts: dict[str, str]) -> Opened:
    kept = opened.frame.iloc[rows:].reset_index(drop=True)
    given = {name: text for name, text in texts.items() if text and text != name}
    note = f"The first {rows + 1} rows are headers{'; the questions have texts' if given else ''}."
    return replace(opened, frame=kept, texts={**opened.texts, **given}).noting(note)


def _options_joined(opened: Opened, names: list[str], first: list[str]) -> Opened:
    question, joined = "", []
    for name, option in zip(names, first, strict=True):
        question = question if name.startswith(_NAMELESS) else name
        joined.append(question if option.casefold() in _ONE_COLUMN else f"{question}: {option}")
    if len(set(joined)) < len(joined):
        return opened
    return _below(replace(opened, frame=opened.frame.set_axis(joined, axis=1)), 1, {})


def _texts_over_numbers(frame: pd.DataFrame, first: list[str]) -> bool:
    """Whether the first row is text over numbers in two columns at least, and over nothing but text elsewhere."""
    if len(frame) < 3 or not all(first):
        return False
    numbers = [_numeric(frame[name].iloc[1:]) for name in frame.columns]
    over = [cell for cell, number in zip(first, numbers, strict=True) if number]
    texts = [cell.casefold() for cell in over if cell.casefold() not in _ONE_COLUMN]
    if len(set(texts)) < len(texts):  # "Refused" twice is somebody who did not answer
        return False
    return len(over) >= 2 and not any(_numeric(pd.Series([cell])) for cell in over)


def _numeric(column: pd.Series) -> bool:
    values = [str(value).strip() for value in column.unique()]
    values = [value for value in values if value]
    return bool(values) and bool(pd.to_numeric(pd.Series(values), errors="coerce").notna().all())
