"""All profiles of a population whose law of profiles is discrete: its sums over people are exact, its draws quick."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.profiles.design_law import TableLaw
from crowdllm_stats.generator.profiles.pool_law import PoolLaw
from crowdllm_stats.studies.simulators.population import RealPopulation


@dataclass(frozen=True, eq=False)
class EveryProfile:
    """All profiles that a law can give.

    Attributes:
        coded: shape (C, P).
        shares: positive, sum 1, (C,).
    """

    coded: FloatArray
    shares: FloatArray

    def draw(self, size: int, rng: np.random.Generator) -> FloatArray:
        """So many people from the law, coded, (size, P).

        Example:
            >>> two = EveryProfile(np.array([[0.0], [1.0]]), np.array([0.25, 0.75]))
            >>> bool(abs(two.draw(4000, np.random.default_rng(1)).mean() - 0.75) < 0.03)
            True
        """
        ends = np.cumsum(self.shares)
        return np.asarray(self.coded[np.searchsorted(ends[:-1], rng.random(size), side="right")])


@functools.lru_cache(maxsize=2)
def every_profile(population: RealPopulation) -> EveryProfile:
    """All profiles of the population's law with their shares, by the chain rule over its columns.

    Raises:
        ValueError: if the law has continuous columns, or is one of margins.
    """
    law = population.law
    if not isinstance(law, PoolLaw | TableLaw) or any(column.kind == "continuous" for column in law.columns):
        raise ValueError(
            f"every profile can be listed for a pool's or a table's law of discrete columns; the population's is a "
            f"{type(law).__name__} with columns {', '.join(column.name for column in law.columns)}"
        )
    import pandas as pd

    codes, shares = np.empty((1, 0), dtype=np.int64), np.ones(1)
    for _ in law.columns:
        chances = law.conditional(codes)
        chances = chances / chances.sum(axis=1, keepdims=True)
        levels = chances.shape[1]
        codes = np.column_stack([np.repeat(codes, levels, axis=0), np.tile(np.arange(levels), len(codes))])
        shares = (shares[:, None] * chances).reshape(-1)
        codes, shares = codes[shares > 0.0], shares[shares > 0.0]
    table = pd.DataFrame({column.name: column.values(codes[:, at]) for at, column in enumerate(law.columns)})
    return EveryProfile(population.coder.transform(table), shares / shares.sum())
