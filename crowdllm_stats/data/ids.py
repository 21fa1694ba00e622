"""Identifiers of problems and participants: text, exact, never missing by accident."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.words import distinct, rows_text, some, word

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
        if not self.missing.any():
            return pd.Series(pd.Series(self.names).astype(str).array.take(self.codes))
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
        codes, found = distinct(column)
    except TypeError:
        raise ValueError(
            f"{label} holds values that are not ids, such as lists; ids are text or whole numbers"
        ) from None
    if _plainly_written(found):
        return _by_appearance(codes, found.to_numpy(dtype=object))
    values = found.tolist()
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
    return _by_appearance(np.append(order.astype(np.int64), -1)[codes], names)


def _plainly_written(values: pd.Index) -> bool:
    """Whether different values are ids as they stand: texts, printable ASCII at both ends, ".0" at none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pd.api.types.infer_dtype(values, skipna=False) != "string":
        return False
    try:
        texts = pa.array(values, type=pa.large_string())
    except (pa.ArrowException, UnicodeEncodeError):  # half a character, which no file holds
        return False
    sound = pc.match_substring_regex(texts, r"^[!-~]((?s:.*)[!-~])?$")
    return bool(pc.all(sound).as_py()) and not pc.any(pc.ends_with(texts, ".0")).as_py()


def _by_appearance(codes: NDArray[np.int64], names: NDArray[Any]) -> Ids:
    """Ids with the names renumbered by first appearance; those that do not occur are left out."""
    if len(codes) and _rising(codes) == len(names):
        return Ids(codes, names)
    first = np.full(len(names) + 1, len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of repeated targets the last assignment stays
    first = first[:-1]  # the last one is that of missing ids
    order = np.argsort(first, kind="stable")
    order = order[: np.count_nonzero(first < len(codes))]
    place = np.full(len(names) + 1, -1)
    place[order] = np.arange(len(order))
    return Ids(place[codes], names[order])


def _rising(codes: NDArray[np.int64]) -> int:
    """How many different codes there are, if they are 0, 1, ... by first appearance; else -1. Missing ones are -1."""
    most = np.maximum.accumulate(codes)
    return int(most[-1]) + 1 if codes[0] <= 0 and np.all(codes[1:] <= most[:-1] + 1) else -1


#: Numbers up to so many times their count are looked for in a table of bits, larger ones by hashing.
_DENSE = 8


def repeated(keys: NDArray[np.int64]) -> bool:
    """Whether any number, none negative, occurs twice.

    Example:
        >>> repeated(np.array([3, 0, 3])), repeated(np.array([3, 10**12, 0]))
        (True, False)
    """
    if not len(keys):
        return False
    most = int(keys.max())
    if most >= _DENSE * len(keys):
        return bool(pd.Series(keys).duplicated().any())
    seen = np.zeros(most + 1, dtype=bool)
    seen[keys] = True
    return int(np.count_nonzero(seen)) < len(keys)


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
