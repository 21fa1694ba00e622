"""Profiles as numbers, for networks and distances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_choice
from crowdllm_stats.generator.profiles.columns import Kinds, ProfileColumn, read_columns

Ordered = Literal["score", "score and one-hot"]
ORDERED: tuple[Ordered, ...] = get_args(Ordered)


@dataclass(frozen=True)
class ProfileEncoder:
    """A fixed coding of profile tables as P numbers per person.

    - categorical: one-hot, one coordinate per level;
    - ordered with L levels: the score ``rank / (L - 1)`` in [0, 1] (0 if L = 1), and on request one-hot beside it;
    - continuous: ``(x - centre) / spread``, mean and standard deviation of the table it was fitted to (a column
      that is constant there has spread 1).

    Attributes:
        columns: the profile columns, in the table's order.
        centres: one number per column, 0 unless continuous.
        spreads: one positive number per column, 1 unless continuous.
        ordered: "score" or "score and one-hot".

    Example:
        >>> table = pd.DataFrame({"gender": ["Man", "Woman"], "age": ["18-24", ">65"], "income": [1.0, 3.0]})
        >>> encoder = ProfileEncoder.fit(table, {"age": ["18-24", "25-64", ">65"]})
        >>> encoder.names
        ('gender=Man', 'gender=Woman', 'age', 'income')
        >>> encoder.transform(table).tolist()
        [[1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 1.0, 1.0]]
    """

    columns: tuple[ProfileColumn, ...]
    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    ordered: Ordered = "score"

    @classmethod
    def fit(cls, profiles: pd.DataFrame, kinds: Kinds | None = None, *, ordered: Ordered = "score") -> ProfileEncoder:
        """Learn levels, centres and spreads from a table.

        Args:
            profiles: one row per person; ``participant`` is left aside. Without any other column P = 0.
            kinds: "categorical", "ordered", "continuous" or an ordered column's levels, by column; see
                :func:`crowdllm_stats.generator.profiles.columns.read_columns` for the columns it does not name.
            ordered: "score", or "score and one-hot" to let a network bend the scale.

        Returns:
            ProfileEncoder.

        Raises:
            ValueError: as ``read_columns``; on a continuous column without rows; on another ``ordered``.
        """
        check_choice("ordered", ordered, ORDERED)
        columns = read_columns(profiles, kinds)
        centres, spreads = [], []
        for column in columns:
            centre, spread = 0.0, 1.0
            if column.kind == "continuous":
                numbers = column.numbers(profiles[column.name], "profiles")
                if numbers.size == 0:
                    raise ValueError(f"profiles: column {column.name!r} holds no value to learn its scale from; "
                                     "give at least one person")  # fmt: skip
                centre = float(numbers.mean())
                spread = float(numbers.std()) if np.ptp(numbers) > 0 else 1.0
            centres.append(centre)
            spreads.append(spread)
        return cls(columns, tuple(centres), tuple(spreads), ordered)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the P coordinates: "column=level" where one-hot, else the column's name."""
        found: list[str] = []
        for column in self.columns:
            if column.kind != "categorical":
                found.append(column.name)
            if self._one_hot(column):
                found += [f"{column.name}={level}" for level in column.levels]
        return tuple(found)

    @property
    def width(self) -> int:
        """P, the number of coordinates."""
        return len(self.names)

    def transform(self, profiles: pd.DataFrame) -> FloatArray:
        """Profiles as numbers, shape (N, P); columns that the encoder was not fitted to are left aside.

        Raises:
            ValueError: on a lacking column, a missing value, a value not among a column's levels, text among numbers.
        """
        lacking = [column.name for column in self.columns if column.name not in profiles.columns]
        if lacking:
            raise ValueError(f"profiles lacks the column(s) {', '.join(map(repr, lacking))} that the encoder was "
                             "fitted to; add them, or fit again without them")  # fmt: skip
        table = np.zeros((len(profiles), self.width))
        rows, at = np.arange(len(profiles)), 0
        for column, centre, spread in zip(self.columns, self.centres, self.spreads, strict=True):
            values = profiles[column.name]
            if column.kind == "continuous":
                table[:, at] = (column.numbers(values, "profiles") - centre) / spread
                at += 1
                continue
            codes = column.codes(values, "profiles")
            if column.kind == "ordered":
                table[:, at] = codes / max(len(column.levels) - 1, 1)
                at += 1
            if self._one_hot(column):
                table[rows, at + codes] = 1.0
                at += len(column.levels)
        return table

    def far(self, profiles: pd.DataFrame, known: pd.DataFrame) -> list[str]:
        """A sentence for each numeric column where people lie far outside what is known: there it is extrapolated.

        Far is more than one standard deviation beyond the least or the largest known value.

        Args:
            profiles: people asked about.
            known: profiles of the people learned from.

        Raises:
            ValueError: on a value that is missing or not a number.

        Example:
            >>> known = pd.DataFrame({"age": [20, 30, 40]})
            >>> ProfileEncoder.fit(known).far(pd.DataFrame({"age": [45, 90]}), known)
            ["1 of 2 people have 'age' far outside 20 to 40, as it was in the fit (90 at most): extrapolated."]
        """
        found = []
        for column, spread in zip(self.columns, self.spreads, strict=True):
            if column.kind != "continuous" or column.name not in profiles.columns:
                continue
            values = column.numbers(profiles[column.name], "profiles")
            low, high = known[column.name].min(), known[column.name].max()
            count = int(((values < low - spread) | (values > high + spread)).sum())
            if count:
                end = (
                    f"{values.max():g} at most"
                    if values.max() - high >= low - values.min()
                    else f"{values.min():g} at least"
                )
                found.append(
                    f"{count} of {len(values)} people have {column.name!r} far outside {low:g} to {high:g}, as it was "
                    f"in the fit ({end}): extrapolated."
                )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON."""
        return {
            "columns": [column.to_dict() for column in self.columns],
            "centres": list(self.centres),
            "spreads": list(self.spreads),
            "ordered": self.ordered,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ProfileEncoder:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: on a dictionary that is not a whole encoder.
        """
        try:
            columns = tuple(ProfileColumn.from_dict(column) for column in given["columns"])
            centres, spreads = (tuple(float(one) for one in given[name]) for name in ("centres", "spreads"))
            ordered = check_choice("ordered", given["ordered"], ORDERED)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is not a whole profile encoder: {error!r}; write it with to_dict()") from None
        if not len(columns) == len(centres) == len(spreads) or not all(one > 0 for one in spreads):
            raise ValueError(f"this is not a whole profile encoder: {len(columns)} columns with {len(centres)} centres "
                             f"and {len(spreads)} spreads, which must be positive")  # fmt: skip
        return cls(columns, centres, spreads, ordered)

    def _one_hot(self, column: ProfileColumn) -> bool:
        return column.kind == "categorical" or (column.kind == "ordered" and self.ordered == "score and one-hot")
