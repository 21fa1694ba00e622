"""Laws of profiles that are given, not learned: a table of combinations with weights, or margins alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.chain import Codes, draw_codes, inside
from crowdllm_stats.generator.columns import ProfileColumn

#: Numbers held at once in a table of (combinations, rows).
_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class TableLaw:
    """Combinations with shares, emitted as they are.

    Attributes:
        columns: d categorical or ordered columns.
        rows: the combinations as codes, shape (A, d).
        shares: positive, sum 1, shape (A,).
    """

    columns: tuple[ProfileColumn, ...]
    rows: Codes
    shares: FloatArray

    @property
    def n_uniforms(self) -> int:
        """Uniform numbers a person takes."""
        return max(len(self.columns), 1)

    def draw(self, uniforms: FloatArray, noise: float) -> pd.DataFrame:
        """Profiles as a function of uniforms, shape (n, d); see :func:`crowdllm_stats.generator.chain.draw_codes`."""
        drawn = draw_codes(self.columns, self.conditional, uniforms, noise)
        return _table(self.columns, drawn.codes)

    def conditional(self, combinations: Codes) -> FloatArray:
        """Law of the next column given the first ones: shares of the rows that agree, shape (G, levels)."""
        place = combinations.shape[1]
        own = np.zeros((len(self.rows), len(self.columns[place].levels)))
        own[np.arange(len(self.rows)), self.rows[:, place]] = self.shares
        found = np.empty((len(combinations), own.shape[1]))
        step = max(1, _CELLS // len(self.rows))
        for start in range(0, len(combinations), step):
            some = combinations[start : start + step]
            agree = np.ones((len(some), len(self.rows)))
            for column in range(place):
                agree *= self.rows[:, column][None, :] == some[:, column][:, None]
            found[start : start + step] = agree @ own
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        columns = [column.to_dict() for column in self.columns]
        return {"kind": "table", "columns": columns, "rows": self.rows.tolist(), "shares": self.shares.tolist()}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> TableLaw:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: on a combination of levels that are not there, and on shares that are none.
        """
        columns = tuple(ProfileColumn.from_dict(column) for column in given["columns"])
        shares = _shares(given["shares"])
        rows = np.array(given["rows"], dtype=np.int64).reshape(len(shares), len(columns))
        if np.any((rows < 0) | (rows >= [len(column.levels) for column in columns])):
            raise ValueError("a combination of the law names a level that its column does not have")
        return cls(columns, rows, shares)


@dataclass(frozen=True, eq=False)
class MarginLaw:
    """Columns with given margins, independent or joined by a Gaussian copula.

    Attributes:
        columns: d categorical or ordered columns.
        margins: shares of each column's levels.
        latent: lower Cholesky factor of the copula's correlations, shape (d, d); None for independent columns.
    """

    columns: tuple[ProfileColumn, ...]
    margins: tuple[FloatArray, ...]
    latent: FloatArray | None = None

    @property
    def n_uniforms(self) -> int:
        """Uniform numbers a person takes."""
        return len(self.columns)

    def draw(self, uniforms: FloatArray, noise: float) -> pd.DataFrame:
        """Profiles as a function of uniforms, shape (n, d); see :func:`crowdllm_stats.generator.chain.draw_codes`."""
        if self.latent is not None:
            uniforms = inside(ndtr(ndtri(uniforms) @ self.latent.T))
        codes = np.empty(uniforms.shape, dtype=np.int64)
        for place, column in enumerate(self.columns):
            codes[:, place] = draw_codes([column], _alone(self.margins[place]), uniforms[:, [place]], noise).codes[:, 0]
        return _table(self.columns, codes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "kind": "margins",
            "columns": [column.to_dict() for column in self.columns],
            "margins": [margin.tolist() for margin in self.margins],
            "latent": None if self.latent is None else self.latent.tolist(),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> MarginLaw:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: on margins that are no shares of their columns' levels.
        """
        latent = given["latent"]
        columns = tuple(ProfileColumn.from_dict(column) for column in given["columns"])
        margins = tuple(_shares(margin) for margin in given["margins"])
        if [len(margin) for margin in margins] != [len(column.levels) for column in columns]:
            raise ValueError("the law's margins do not fit the levels of its columns")
        return cls(
            columns,
            margins,
            None if latent is None else np.array(latent, dtype=np.float64),
        )


def _shares(given: Sequence[float]) -> FloatArray:
    shares = np.array(given, dtype=np.float64)
    if shares.ndim != 1 or not np.all(shares >= 0) or not np.isclose(shares.sum(), 1.0):
        raise ValueError("the law's shares must be at least 0 and sum to 1")
    return shares


def _alone(margin: FloatArray) -> Callable[[Codes], FloatArray]:
    """The law of a column that depends on no other."""
    return lambda combinations: np.repeat(margin[None, :], len(combinations), axis=0)


def _table(columns: tuple[ProfileColumn, ...], codes: Codes) -> pd.DataFrame:
    made = {column.name: column.values(codes[:, place]) for place, column in enumerate(columns)}
    return pd.DataFrame(made, index=range(len(codes)))
