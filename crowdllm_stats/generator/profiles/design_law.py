"""Laws of profiles that are given, not learned: a table of combinations with weights, or margins alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray, check_array
from crowdllm_stats._base.random import generator
from crowdllm_stats.generator.profiles.columns import ID, Kinds, ProfileColumn, read_columns, refuse_missing
from crowdllm_stats.generator.profiles.pool_law import Codes, discrete_codes, draw_codes, inside

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
        """Profiles as a function of uniforms, shape (n, d); see ``draw_codes``."""
        return _table(self.columns, draw_codes(self.columns, self.conditional, uniforms, noise))

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
            ValueError: on a combination of unknown levels, and on shares that are negative or do not sum to 1.
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
        """Profiles as a function of uniforms, shape (n, d); see ``draw_codes``."""
        if self.latent is not None:
            uniforms = inside(ndtr(ndtri(uniforms) @ self.latent.T))
        codes = np.empty(uniforms.shape, dtype=np.int64)
        for place, column in enumerate(self.columns):
            codes[:, place] = draw_codes([column], _alone(self.margins[place]), uniforms[:, [place]], noise)[:, 0]
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
            ValueError: on margins that are not shares of their columns' levels.
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


#: What a column with given margins can be.
Discrete = Literal["categorical", "ordered"]

#: How far shares may be from summing to 1 (published ones are rounded); they are then divided by their sum.
ROUNDING = 0.005


def law_of_table(table: pd.DataFrame, weight: str = "weight", kinds: Kinds | None = None) -> TableLaw:
    """The law that gives each row of a table its weight; nothing is smoothed, numbers are levels of their own.

    Args:
        table: one row per combination, the profile columns and a column of weights.
        weight: name of that column; weights are at least 0 and divided by their sum.
        kinds: "categorical" or "ordered" or levels, by column; numbers are ordered otherwise.

    Raises:
        ValueError: on a lacking or impossible weight, a continuous column, and as ``read_columns``.

    Example:
        >>> law = law_of_table(pd.DataFrame({"gender": ["Man", "Woman"], "weight": [1, 3]}))
        >>> law.shares.tolist()
        [0.25, 0.75]
    """
    if weight not in table.columns:
        raise ValueError(f"the table of the law lacks the column {weight!r}; name the column of weights with weight=")
    if len(table) == 0:
        raise ValueError("the table of the law holds no row; give at least one combination")
    profiles = table.drop(columns=weight)
    if profiles.shape[1] == 0:
        raise ValueError("the table of the law holds no profile column beside the weights; give at least one")
    wishes: dict[str, Any] = dict(kinds or {})
    for name in profiles.columns:
        numeric = pd.api.types.is_numeric_dtype(profiles[name].dtype)
        if numeric and not pd.api.types.is_bool_dtype(profiles[name].dtype):
            wishes.setdefault(name, "ordered")
    columns = read_columns(profiles, wishes, what="the table of the law")
    if any(column.kind == "continuous" for column in columns):
        raise ValueError("kinds: in a table of combinations every number is a level, so no column can be continuous; "
                         "give a function (rng, n) -> table for continuous profiles")  # fmt: skip
    weights = check_array(f"column {weight!r}", table[weight].to_numpy(), nonnegative=True)
    if not weights.sum() > 0:
        raise ValueError(f"column {weight!r} sums to 0; give at least one combination a positive weight")
    rows, inverse = np.unique(discrete_codes(profiles, columns), axis=0, return_inverse=True)
    shares = np.bincount(inverse.reshape(-1), weights=weights) / weights.sum()
    return TableLaw(columns, rows[shares > 0], shares[shares > 0])


def law_of_margins(
    margins: Mapping[str, Mapping[Any, float]],
    correlation: Mapping[tuple[str, str], float] | None = None,
    kinds: Mapping[str, Discrete] | None = None,
) -> MarginLaw:
    """Columns with given margins, independent or joined by a Gaussian copula.

    With a correlation, ``x_j`` is the level in which ``Phi(z_j)`` falls when the levels' shares are laid end to end in
    the order given, ``z ~ N(0, R)``: R holds polychoric correlations, which mean something for ordered columns and for
    columns of two levels.

    Args:
        margins: share of every level, by column.
        correlation: R's entries, by pair of columns; others are 0.
        kinds: "ordered" for columns whose levels are given lowest first, "categorical" otherwise.

    Raises:
        ValueError: on shares that are negative or do not sum to 1, unknown columns, kinds or pairs, correlations that
            are not all possible together.

    Example:
        >>> law_of_margins({"gender": {"Woman": 0.52, "Man": 0.48}}).margins[0].tolist()
        [0.52, 0.48]
    """
    if not isinstance(margins, Mapping) or not margins:
        raise ValueError(f"margins must hold the shares of levels by column, for instance {{'gender': {{'Woman': 0.5, "
                         f"'Man': 0.5}}}}; got {margins!r}")  # fmt: skip
    wishes = dict(kinds or {})
    for name, kind in wishes.items():
        if name not in margins or kind not in ("ordered", "categorical"):
            raise ValueError(f"kinds: {name!r} is {kind!r}; margins have the columns {', '.join(map(repr, margins))}, "
                             "each 'ordered' or 'categorical'")  # fmt: skip
    columns, shares = [], []
    for name, margin in margins.items():
        columns.append(ProfileColumn(str(name), wishes.get(name, "categorical"), tuple(margin)))
        shares.append(_margin_shares(str(name), margin))
    latent = _cholesky([column.name for column in columns], correlation) if correlation else None
    return MarginLaw(tuple(columns), tuple(shares), latent)


def _margin_shares(name: str, margin: Mapping[Any, float]) -> FloatArray:
    strange = [level for level in margin if not isinstance(level, str | int | float) or level == ""]
    if strange or not margin:
        raise ValueError(f"margins: the levels of {name!r} must be texts or numbers, at least one; got {list(margin)}")
    shares = check_array(f"margins[{name!r}]", list(margin.values()), nonnegative=True)
    total = math.fsum(shares)
    if abs(total - 1) > ROUNDING:
        hint = "; these look like percent, divide by 100" if abs(total - 100) < 1 else ""
        raise ValueError(f"margins: the shares of {name!r} sum to {total:g}, not to 1 (within {ROUNDING:g}){hint}")
    return np.asarray(shares / total)


def _cholesky(names: Sequence[str], correlation: Mapping[tuple[str, str], float]) -> FloatArray:
    matrix = np.eye(len(names))
    seen: set[frozenset[str]] = set()
    for pair, value in correlation.items():
        known = isinstance(pair, tuple) and len(pair) == 2 and set(pair) <= set(names) and pair[0] != pair[1]
        if not known or frozenset(pair) in seen:
            raise ValueError(f"correlation: {pair!r} must be a pair of two columns of margins, once; columns are "
                             f"{', '.join(map(repr, names))}")  # fmt: skip
        if not -1.0 < float(value) < 1.0:
            raise ValueError(f"correlation of {pair!r} must lie strictly between -1 and 1; got {value!r}")
        seen.add(frozenset(pair))
        one, two = names.index(pair[0]), names.index(pair[1])
        matrix[one, two] = matrix[two, one] = float(value)
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < 1e-10:
        raise ValueError(f"correlation: these values cannot hold together (least eigenvalue {least:.3g}, must be "
                         "positive); bring them closer to 0")  # fmt: skip
    return np.asarray(np.linalg.cholesky(matrix))


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
