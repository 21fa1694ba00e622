"""Combinations of profile values that would give a real person of a small group away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats.generator.columns import ProfileColumn
from crowdllm_stats.generator.pool_law import PoolLaw


def rare_combinations(profiles: pd.DataFrame, law: PoolLaw, k: int) -> pd.DataFrame:
    """Combinations of all but real-number columns that at least one and fewer than k people of the pool hold.

    Example:
        >>> pool = pd.DataFrame({"job": ["Student", "Student", "Pilot"]})
        >>> rare_combinations(pool, PoolLaw.fit(pool), 2)["job"].tolist()
        ['Pilot']
    """
    names = [column.name for column in law.columns if column.kind != "continuous" or column.name in law.whole]
    plain = as_emitted(law.columns, profiles[names])
    if not names:
        return plain
    counts = plain.groupby(names, sort=True).size().reset_index(name="_people")
    return counts.loc[counts["_people"] < k, names].reset_index(drop=True)


def as_emitted(columns: Sequence[ProfileColumn], table: pd.DataFrame) -> pd.DataFrame:
    """The table with columns of the types that a law emits, so that they can be compared."""
    made: dict[str, Any] = {}
    for column in columns:
        if column.name in table.columns:
            values = table[column.name]
            whole = column.kind == "continuous"
            made[column.name] = (
                values.astype(np.int64) if whole else column.values(column.codes(values, "profiles")).to_numpy()
            )
    return pd.DataFrame(made, index=range(len(table)))
