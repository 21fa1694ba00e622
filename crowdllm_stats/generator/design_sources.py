"""Designed laws of profiles read from what a user gives: a table of weights, or published margins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_array
from crowdllm_stats.generator.columns import Kinds, ProfileColumn, read_columns
from crowdllm_stats.generator.design_law import MarginLaw, TableLaw
from crowdllm_stats.generator.pool_law import discrete_codes

#: How far shares may be from summing to 1 (published ones are rounded); they are then divided by their sum.
ROUNDING = 0.005


def law_of_table(table: pd.DataFrame, weight: str = "weight", kinds: Kinds | None = None) -> TableLaw:
    """The law that gives each row of a table its weight; nothing is smoothed, numbers are levels of their own.

    Args:
        table: a row a combination, the profile columns and a column of weights.
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
    kinds: Mapping[str, str] | None = None,
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
        shares.append(_shares(str(name), margin))
    latent = _cholesky([column.name for column in columns], correlation) if correlation else None
    return MarginLaw(tuple(columns), tuple(shares), latent)


def _shares(name: str, margin: Mapping[Any, float]) -> FloatArray:
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
