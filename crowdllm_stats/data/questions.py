"""Which columns of a table with a row per person are its questions: as they are named, or as their answers tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import coded, some
from crowdllm_stats.data.labels import SETS, known_as, label_numbers

#: "Q1", "q03_2", "item 12a": a name that ends in a number.
_NUMBERED = re.compile(r"(.*?)[ _.\-]*\d+(?:[ _.\-]\d+)*[a-z]?", re.IGNORECASE | re.DOTALL)
#: Stems of questions of which there may be one alone.
QUESTION = {"q", "qid", "question", "item", "frage", "f", "v", "var"}
#: Names that tools for surveys give to what is no answer: order, time and clicks.
_NO_QUESTION = re.compile(
    r"_DO(_|\b)|_TEXT\b|click|submit|\b(rt|time|timer|timing|duration|latency|seconds?|msecs?|ms)(_|\b|\d)|_(rt|time|ms)\b",
    re.IGNORECASE,
)
#: Different answers beyond which a column of numbers is a measurement: in general, and to what is called a question.
_MOST_ANSWERS, _SLIDER = 21, 101


def named_questions(names: Sequence[str], wanted: Sequence[str], source: str) -> list[str]:
    """The columns that a caller names, or patterns such as "Q*".

    Args:
        names: of all columns.
        wanted: names and patterns; brackets in a column's own name are no pattern.
        source: how messages name the table.

    Raises:
        ValueError: where one of them is none of the columns.

    Example:
        >>> named_questions(["id", "Q1 [a]", "Q2"], ["Q1 [a]", "Q2*"], "a.csv")
        ['Q1 [a]', 'Q2']
    """
    meant = {one: [name for name in names if name == one or fnmatchcase(name, one)] for one in wanted}
    idle = [one for one, found in meant.items() if not found]
    if idle:
        raise BadInput(f"{idle[0]!r}: {source} has no such column; it has {some(names, 12)}", argument="questions")
    return [name for name in names if any(name in found for found in meant.values())]


def questions_told(frame: pd.DataFrame, words: set[str], id_column: str | None) -> list[str]:
    """The columns that their names and their few answers tell to be questions; none where nothing does.

    They are families of names that differ in a number alone. Without any, they are the columns whose every answer is
    one of the labels that the caller gave.

    Args:
        frame: the table, a row per person.
        words: labels that the caller gave.
        id_column: the column of the people's ids, where the caller named it.

    Example:
        >>> table = pd.DataFrame({"id": ["ann", "bob"], "Q1": ["4", "5"], "Q2": ["2", ""], "mood": ["good", "bad"]})
        >>> questions_told(table, set(), None), questions_told(table[["id", "mood"]], {"good", "bad"}, None)
        (['Q1', 'Q2'], ['mood'])
    """
    names = [name for name in map(str, frame.columns) if name != id_column]
    families: dict[str, list[str]] = {}
    for name in names:
        if (stem := stem_of(name)) is not None:
            families.setdefault(stem, []).append(name)
    chosen: set[str] = set()
    for stem, members in families.items():
        most = _SLIDER if stem in QUESTION else _MOST_ANSWERS
        answers = [name for name in members if _holds_answers(frame[name], words, most)]
        if len(answers) >= 2 or (answers and stem in QUESTION):
            chosen.update(answers)
    chosen -= boxes_among([name for name in names if name in chosen], frame)
    return [name for name in names if name in chosen] or [name for name in names if _all_labelled(frame[name], words)]


def _all_labelled(column: pd.Series, words: set[str]) -> bool:
    codes, values = coded(column)
    texts = [str(values[place]).strip() for place in np.unique(codes[codes >= 0])]
    filled = [text for text in texts if text]
    return bool(filled and words) and all(known_as(text, words) is not None for text in filled)


def boxes_among(chosen: list[str], frame: pd.DataFrame) -> set[str]:
    """Columns that look like boxes to tick: several of one stem ("Q7_1", "Q7_2"), each one value or empty.

    An empty cell there is an answer, "no", which only the questionnaire tells from a question that was not asked.
    """
    groups: dict[str, list[str]] = {}
    for name in chosen:
        if found := re.fullmatch(r"(.*\d)[ _.\-]\d+", name):
            groups.setdefault(found[1], []).append(name)
    boxes: set[str] = set()
    for members in groups.values():
        texts = [{str(value).strip() for value in frame[name].astype("object").fillna("")} for name in members]
        if len(members) > 1 and all(len(found - {""}) == 1 and "" in found for found in texts):
            boxes.update(members)
    return boxes


def stem_of(name: str) -> str | None:
    """What stands before the number at the end of a question's name; None for other names."""
    found = _NUMBERED.fullmatch(name)
    return None if found is None or _NO_QUESTION.search(name) else found[1].casefold()


def _holds_answers(column: pd.Series, words: set[str], most: int) -> bool:
    """Whether most cells hold one of few numbers, or labels that are known: those given, or steps of agreement."""
    codes, values = coded(column)
    texts = [str(value).strip().removesuffix("%") for value in values]
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    filled = int(sum(count for text, count in zip(texts, counts, strict=True) if text))
    numbers = pd.to_numeric(pd.Series(texts, dtype="str"), errors="coerce").notna().to_numpy()
    for known in (words, *map(set, map(label_numbers, SETS))):
        good = numbers | np.array([known_as(text, known) is not None for text in texts], dtype=bool)
        if filled and good.sum() <= most and 2 * counts[good].sum() > filled:
            return True
    return False
