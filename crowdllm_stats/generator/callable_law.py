"""A law of profiles that the user wrote as a function, drawn in fixed blocks so that people keep their profiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.random import generator
from crowdllm_stats.generator.columns import ID, refuse_missing

#: People drawn by one call of the function, always the same number.
BLOCK = 1024


@dataclass(frozen=True)
class CallableLaw:
    """``function(rng, n)`` gives a table of n profiles; it must draw from ``rng`` alone.

    It is always asked for whole blocks of 1,024 people, block b from a random generator of its own, so that person i's
    profile depends on the seed and i alone.
    """

    function: Callable[[np.random.Generator, int], pd.DataFrame]

    def draw(self, seed: int, rows: NDArray[np.int64], attempts: NDArray[np.int64]) -> pd.DataFrame:
        """The profiles of some people at some attempts, in the order asked, both of shape (n,).

        Raises:
            ValueError: if the function returns no table of ``n`` rows with one set of columns and no missing values.

        Example:
            >>> law = CallableLaw(lambda rng, n: pd.DataFrame({"age": rng.integers(18, 90, size=n)}))
            >>> one, many = (law.draw(1, rows, 0 * rows) for rows in (np.array([5000]), np.arange(6000)))
            >>> bool(one["age"][0] == many["age"][5000])
            True
        """
        calls = np.column_stack([rows // BLOCK, attempts])
        distinct, inverse = np.unique(calls, axis=0, return_inverse=True)
        order = np.argsort(inverse.reshape(-1), kind="stable")
        ends = np.searchsorted(inverse.reshape(-1)[order], np.arange(len(distinct) + 1))
        parts: list[pd.DataFrame] = []
        for call, (block, attempt) in enumerate(distinct.tolist()):
            table = self.function(generator(seed, "profiles", str(block), str(attempt)), BLOCK)
            self._check(table, parts[0] if parts else None)
            parts.append(table.iloc[rows[order[ends[call] : ends[call + 1]]] - block * BLOCK])
        back = np.empty(len(rows), dtype=np.int64)
        back[order] = np.arange(len(rows))
        return pd.concat(parts, ignore_index=True).iloc[back].reset_index(drop=True)

    @staticmethod
    def _check(table: pd.DataFrame, first: pd.DataFrame | None) -> None:
        if not isinstance(table, pd.DataFrame) or len(table) != BLOCK:
            got = f"{len(table)} rows" if isinstance(table, pd.DataFrame) else type(table).__name__
            raise ValueError(f"law(rng, n) must return a DataFrame of n = {BLOCK} rows; got {got}")
        if ID in table.columns:
            raise ValueError(f"law(rng, n) returned a column {ID!r}; ids are given out by sample(), leave it out")
        if first is not None and list(table.columns) != list(first.columns):
            raise ValueError(f"law(rng, n) returned columns {list(table.columns)} after {list(first.columns)}; "
                             "they must always be the same")  # fmt: skip
        for name in table.columns:
            refuse_missing(table[name], str(name), "law(rng, n)")
