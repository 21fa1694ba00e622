"""Identifiers of problems and participants: text, exact, never missing by accident."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.words import coded, rows_text, some, word

#: A whole number as text, with or without decimals that are all zero.
_NUMBER = re.compile(r"\d+(\.0+)?")


@dataclass(frozen=True, eq=False)
class Ids:
    """A column of ids, taken apart.

    Attributes:
        codes: place of each row's id in ``names``, shape (rows,); -1 where it is missing.
        names: the different ids, text, by first appearance.
    """

    codes: NDArray[np.int64]
    names: NDArray[Any]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Rows without an id."""
        return self.codes < 0

    def kept(self, rows: NDArray[np.bool_]) -> Ids:
        """The ids of some rows, names renumbered by first appearance."""
        codes, seen = pd.factorize(self.codes[rows])
        return Ids(codes.astype(np.int64), self.names[seen])

    def column(self) -> pd.Series:
        """The ids as a text column."""
        return pd.Series(pd.Categorical.from_codes(self.codes, categories=pd.Index(self.names))).astype(str)


def as_ids(column: pd.Series, label: str) -> Ids:
    """Read a column of ids: text without whitespace at its ends, whole numbers as text (1 and 1.0 give "1").

    Where all ids of a column are texts of whole numbers, "1.0" is "1" too: programs write such ids as 1.0 once one is
    missing. Other text is not changed: "007" keeps its zeros and Unicode its form. An empty text is a missing id.

    Args:
        column: the ids.
        label: how messages name the column, for instance "responses: column 'problem'".

    Raises:
        ValueError: on ids that are neither text nor whole numbers.

    Example:
        >>> as_ids(pd.Series([7.0, 8.0]), "column 'problem'").names.tolist()
        ['7', '8']
        >>> as_ids(pd.Series(["7.0", " 8.0"]), "column 'problem'").names.tolist()
        ['7', '8']
    """
    try:
        codes, values = coded(column)
    except TypeError:
        raise ValueError(
            f"{label} holds values that are not ids, such as lists; ids are text or whole numbers"
        ) from None
    words = [word(value) for value in values]
    bad = [place for place, text in enumerate(words) if text is None]
    if bad:
        raise ValueError(
            f"{label} holds {some([values[place] for place in bad])} in {rows_text(np.isin(codes, bad))}; "
            "ids must be text or whole numbers"
        )
    texts = [(text or "").strip() for text in words]
    texts = _whole(texts)
    # Different values may give one word (1 and "1"); a blank id is a missing one.
    order, names = pd.factorize(np.array([text or None for text in texts], dtype=object))
    to_name = np.append(order.astype(np.int64), -1)
    renamed = to_name[codes]
    present, seen = pd.factorize(renamed[renamed >= 0])
    result = np.full(len(renamed), -1, dtype=np.int64)
    result[renamed >= 0] = present
    return Ids(result, names[seen])


#: Ways in which one id may be written, and how each is undone.
_FORMS: dict[str, Callable[[str], str]] = {
    "leading zeros": lambda text: re.sub(r"(?<!\d)0+(?=\d)", "", text),
    "upper and lower case": str.casefold,
    "blanks": lambda text: re.sub(r"\s+", "", text),
}


def written_otherwise(ones: Iterable[str], others: Iterable[str]) -> str:
    """Why ids of two tables do not pair that would if they were written alike; empty where that is not the reason.

    Args:
        ones: ids that are not among the others.
        others: ids of the other table.

    Example:
        >>> written_otherwise(["01", "02"], ["1", "2"])
        "they differ in leading zeros alone ('01' and '1')"
        >>> written_otherwise(["ann"], ["bob"])
        ''
    """
    mine, theirs = list(ones), list(others)
    for names in [*([name] for name in _FORMS), list(_FORMS)]:
        known = {_undone(text, names): text for text in theirs}
        for text in mine:
            other = known.get(_undone(text, names))
            if other is not None:
                what = f"{names[0]} alone" if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}"
                return f"they differ in {what} ({str(text)!r} and {str(other)!r})"
    return ""


def _undone(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = _FORMS[name](text)
    return text


def _whole(texts: list[str]) -> list[str]:
    """Texts of whole numbers without their ".0", where all are; blank ones do not count."""
    if not any(text.endswith(".0") for text in texts) or not all(_NUMBER.fullmatch(text) for text in texts if text):
        return texts
    return [text.partition(".")[0] for text in texts]
