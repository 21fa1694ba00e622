"""What a backbone is asked about: the tables of problems and of profiles, checked."""

from __future__ import annotations

import pandas as pd

from crowdllm_stats._base.words import rows_text
from crowdllm_stats.data.ids import as_ids


def ids_of(table: pd.DataFrame, column: str, name: str) -> tuple[str, ...]:
    """The ids in a column of a table, each present and different.

    Args:
        table: a row an id.
        column: "problem" or "participant".
        name: how messages name the table.

    Raises:
        ValueError: if it is no table, is empty, has no such column, or an id is missing or repeated.

    Example:
        >>> ids_of(pd.DataFrame({"problem": [3, 1]}), "problem", "problems")
        ('3', '1')
    """
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"{name} must be a pandas DataFrame with a column {column!r}, got {type(table).__name__}")
    if column not in table.columns:
        have = ", ".join(map(str, table.columns)) or "none"
        raise ValueError(f"{name} has no column {column!r}; the columns there are {have}")
    if table.empty:
        raise ValueError(f"{name} has no rows; give at least one {column}")
    ids = as_ids(table[column].reset_index(drop=True), f"{name}: column {column!r}")
    if ids.missing.any():
        raise ValueError(f"{name}: column {column!r} is empty in {rows_text(ids.missing)}; give every row an id")
    names = ids.column()
    repeated = names.duplicated().to_numpy()
    if repeated.any():
        raise ValueError(
            f"{name}: {int(repeated.sum())} {column}(s) stand there twice, for instance "
            f"{names[repeated].iloc[0]!r}; keep one row each"
        )
    return tuple(names.tolist())
