"""Identifiers of problems and participants: text, exact, never missing by accident."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats.tables.words import coded, rows_text, some, word

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


def _whole(texts: list[str]) -> list[str]:
    """Texts of whole numbers without their ".0", where all are; blank ones do not count."""
    if not any(text.endswith(".0") for text in texts) or not all(_NUMBER.fullmatch(text) for text in texts if text):
        return texts
    return [text.partition(".")[0] for text in texts]
