"""A table as it came out of a file, with what had to be found out about the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from crowdllm_stats.data.files import check_number
from crowdllm_stats.data.layout import OURS


@dataclass(frozen=True, eq=False)
class Opened:
    """A table, its values as texts or numbers.

    Attributes:
        frame: one row per row of the file.
        kind: what the file is, for instance "Excel".
        notes: sentences on what was found out about the file; none for plain CSV and Parquet.
        texts: what a column asks, where the file says so, by column.
        labels: what a value means, where the file says so, by column.
    """

    frame: pd.DataFrame
    kind: str
    notes: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)

    def noting(self, *notes: str) -> Opened:
        """The same with further sentences; empty ones are left out."""
        return replace(self, notes=(*self.notes, *(note for note in notes if note)))


def table_of(rows: Sequence[Sequence[str]], source: str, kind: str) -> Opened:
    """A table of texts from rows, the first of which names the columns.

    Blank rows do not count, nor do columns that are blank from top to bottom. A column without a name is called by its
    place. Of columns of one name that hold the same, one is kept; others are numbered ("Q1", "Q1 (2)").

    Args:
        rows: as long as the first.
        source: how messages name the file.
        kind: what the file is.

    Raises:
        ValueError: on a table without rows or with more than 10,000 columns, and on two different columns of one of our
            names.

    Example:
        >>> table_of([["id", "Q1", "Q1"], ["a", "4", "4"], ["", "", ""]], "a.csv", "CSV").frame.to_dict("list")
        {'id': ['a'], 'Q1': ['4']}
    """
    rows = [row for row in rows if any(row)]
    if not rows:
        raise ValueError(f"{source}: there is nothing in it")
    if len(rows) == 1:
        raise ValueError(f"{source}: there is a header but no rows; at least one row is needed")
    columns = [list(column) for column in zip(*rows, strict=True) if any(column)]
    check_number(len(columns), source)
    names = [column[0].strip() or f"column {place}" for place, column in enumerate(columns, 1)]
    kept: dict[str, list[str]] = {}
    doubled: list[str] = []
    times: Counter[str] = Counter()
    for name, column in zip(names, columns, strict=True):
        values = column[1:]
        times[name] += 1
        if times[name] == 1:
            kept[name] = values
            continue
        if values == kept[name]:
            doubled.append(f"{name!r} (the same twice, read once)")
            continue
        if name.casefold() in OURS:
            raise ValueError(f"{source}: column {name!r} is there {names.count(name)} times; rename or remove one")
        other = f"{name} ({times[name]})"
        while other in kept:
            other += "'"
        doubled.append(f"{name!r} (the other is now {other!r})")
        kept[other] = values
    frame = pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in kept.items()})
    note = f"Columns of one name: {', '.join(doubled[:3])}{', ...' if len(doubled) > 3 else ''}." if doubled else ""
    return Opened(frame, kind).noting(note)
