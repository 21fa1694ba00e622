"""The law of profiles learned from a pool: a chain of regressions, discrete columns first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.profiles.columns import Kinds, ProfileColumn, read_columns
from crowdllm_stats.generator.profiles.logistic import Logistic, fit_logistic
from crowdllm_stats.generator.profiles.residuals import ContinuousColumns, ContinuousMargin, normal_scores


@dataclass(frozen=True, eq=False)
class PoolLaw:
    """``p(x) = prod_j p(x_j | discrete columns before) p(continuous | discrete)``.

    Discrete columns follow multinomial logistic regressions with main effects only
    (``Logistic``), continuous ones linear regressions on normal scores with
    smoothed residuals (``ContinuousColumns``). All is a function of one
    point of ``(0, 1)^(d + 1)``, d columns, as in Theorem 1: a number for each column, and one that picks a residual.

    Attributes:
        columns: all d columns in the table's order.
        steps: one regression for each discrete column, on those before it.
        continuous: the continuous columns together; None if there are none.
    """

    columns: tuple[ProfileColumn, ...]
    steps: tuple[Logistic, ...]
    continuous: ContinuousColumns | None

    @classmethod
    def fit(cls, profiles: pd.DataFrame, kinds: Kinds | None = None, ridge: float | None = None) -> PoolLaw:
        """Learn from a pool.

        Args:
            profiles: one row per person.
            kinds: as :func:`crowdllm_stats.generator.profiles.columns.read_columns`.
            ridge: strength of shrinking towards independence, positive; None for cross-validation, pair by pair.

        Raises:
            ValueError: on an empty pool, a ridge that is not positive, and as ``read_columns``.

        Example:
            >>> law = PoolLaw.fit(pd.DataFrame({"gender": ["Man", "Woman", "Woman"]}))
            >>> law.draw(np.array([[0.2, 0.5], [0.6, 0.5]]), 1.0)["gender"].tolist()
            ['Man', 'Woman']
        """
        columns = read_columns(profiles, kinds)
        if len(profiles) == 0:
            raise ValueError("profiles has no row; a pool needs at least one person")
        if ridge is not None and not 0.0 < float(ridge) < np.inf:
            raise ValueError(f"ridge must be a positive number, small to keep all association; got {ridge!r}")
        discrete = [column for column in columns if column.kind != "continuous"]
        codes = discrete_codes(profiles, discrete)
        steps = []
        for place, column in enumerate(discrete):
            before = [_one_hot([other], codes[:, [at]]) for at, other in enumerate(discrete[:place])]
            steps.append(fit_logistic(before, codes[:, place], len(column.levels), ridge=ridge, name=column.name))
        numeric = [column for column in columns if column.kind == "continuous"]
        scores, margins = np.empty((len(profiles), len(numeric))), []
        for place, column in enumerate(numeric):
            numbers = column.numbers(profiles[column.name], "profiles")
            scores[:, place] = normal_scores(numbers, column.name)
            whole = bool(pd.api.types.is_integer_dtype(profiles[column.name].dtype))
            margins.append(ContinuousMargin.of(numbers, whole=whole))
        fitted = None
        if numeric:
            others, places = _one_hot(discrete, codes), _places(discrete, codes)
            fitted = ContinuousColumns.fit(others, places, scores, tuple(margins))
        return cls(columns, tuple(steps), fitted)

    @property
    def discrete(self) -> tuple[ProfileColumn, ...]:
        """The categorical and ordered columns."""
        return tuple(column for column in self.columns if column.kind != "continuous")

    @property
    def whole(self) -> tuple[str, ...]:
        """Names of the continuous columns that hold whole numbers."""
        numeric = [column.name for column in self.columns if column.kind == "continuous"]
        margins = () if self.continuous is None else self.continuous.margins
        return tuple(name for name, margin in zip(numeric, margins, strict=True) if margin.whole)

    @property
    def n_uniforms(self) -> int:
        """Uniform numbers a person takes, d + 1."""
        return len(self.columns) + 1

    def draw(self, uniforms: FloatArray, noise: float) -> pd.DataFrame:
        """Profiles as a function of uniforms: the generator ``G_u`` itself.

        Args:
            uniforms: in (0, 1), shape (n, d + 1): discrete columns, the person of the residuals, continuous columns.
            noise: scale of the noise, at least 0; 1 for the law itself.
        """
        count = len(self.discrete)
        codes = draw_codes(self.discrete, self.conditional, uniforms[:, :count], noise)
        made: dict[str, Any] = {
            column.name: column.values(codes[:, place]) for place, column in enumerate(self.discrete)
        }
        if self.continuous is not None:
            numeric = [column.name for column in self.columns if column.kind == "continuous"]
            places = _places(self.discrete, codes)
            made |= dict(zip(numeric, self.continuous.draw(places, uniforms[:, count:], noise), strict=True))
        return pd.DataFrame({column.name: made[column.name] for column in self.columns}, index=range(len(uniforms)))

    def conditional(self, combinations: Codes) -> FloatArray:
        """Law of the next discrete column given codes of the first j ones, (G, j) to (G, levels)."""
        place = combinations.shape[1]
        return self.steps[place].probabilities(_places(self.discrete[:place], combinations))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; of continuous columns it holds the pool's residuals and values."""
        steps = []
        for column, step in zip(self.discrete, self.steps, strict=True):
            held = np.flatnonzero(np.isfinite(step.intercepts))
            steps.append({
                "held": [column.levels[level] for level in held],
                "intercepts": step.intercepts[held].tolist(),
                "slopes": step.slopes[:, held].tolist(),
                "ridges": list(step.ridges),
            })  # fmt: skip
        return {
            "kind": "pool",
            "columns": [column.to_dict() for column in self.columns],
            "steps": steps,
            "continuous": None if self.continuous is None else self.continuous.to_dict(),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> PoolLaw:
        """Read what :meth:`to_dict` gave."""
        columns = tuple(ProfileColumn.from_dict(column) for column in given["columns"])
        discrete = [column for column in columns if column.kind != "continuous"]
        steps, coordinates = [], 0
        for column, step in zip(discrete, given["steps"], strict=True):
            held = [column.levels.index(level) for level in step["held"]]
            intercepts = np.full(len(column.levels), -np.inf)
            slopes = np.zeros((coordinates, len(column.levels)))
            intercepts[held] = step["intercepts"]
            slopes[:, held] = np.array(step["slopes"], dtype=np.float64).reshape(coordinates, len(held))
            steps.append(Logistic(intercepts, slopes, tuple(map(float, step["ridges"]))))
            coordinates += len(column.levels)
        continuous = None if given["continuous"] is None else ContinuousColumns.from_dict(given["continuous"])
        return cls(columns, tuple(steps), continuous)


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


def discrete_codes(profiles: pd.DataFrame, columns: Sequence[ProfileColumn]) -> Codes:
    """Codes of categorical and ordered columns, shape (N, D)."""
    codes = np.empty((len(profiles), len(columns)), dtype=np.int64)
    for place, column in enumerate(columns):
        codes[:, place] = column.codes(profiles[column.name], "profiles")
    return codes


def _one_hot(columns: Sequence[ProfileColumn], codes: Codes) -> FloatArray:
    """One-hot coding of all levels of all columns, shape (N, P)."""
    table = np.zeros((len(codes), sum(len(column.levels) for column in columns)))
    table[np.arange(len(codes))[:, None], _places(columns, codes)] = 1.0
    return table


def _places(columns: Sequence[ProfileColumn], codes: Codes) -> Codes:
    """Where the ones of that coding stand, shape (N, D)."""
    starts = np.cumsum([0, *(len(column.levels) for column in columns)])[:-1]
    return np.asarray(codes + starts.astype(np.int64), dtype=np.int64)


Codes = NDArray[np.int64]

#: Uniforms are kept this far off 0 and 1 after scaling, so that quantiles stay finite.
_LEAST = 2.0**-53


def draw_codes(
    columns: Sequence[ProfileColumn],
    conditional: Callable[[Codes], FloatArray],
    uniforms: FloatArray,
    noise: float,
) -> Codes:
    """Draw column after column as a function of uniforms.

    Args:
        columns: D categorical or ordered columns.
        conditional: from codes of the first j columns, shape (G, j), to the law of column j, shape (G, levels).
        uniforms: in (0, 1), shape (n, D).
        noise: scale of the noise. A categorical column takes level x with probability proportional to
            ``p(x)^(1 / noise)`` (the likeliest at 0), an ordered one the level at share ``Phi(noise * Phi^-1(u))``.

    Returns:
        Codes of n people, shape (n, D).

    Example:
        >>> gender = ProfileColumn("gender", "categorical", ("Man", "Woman"))
        >>> shares = lambda before: np.tile([0.4, 0.6], (len(before), 1))
        >>> draw_codes([gender], shares, np.array([[0.3], [0.5]]), 1.0).tolist()
        [[0], [1]]
        >>> draw_codes([gender], shares, np.array([[0.3], [0.5]]), 0.0).tolist()
        [[1], [1]]
    """
    people = len(uniforms)
    codes = np.empty((people, len(columns)), dtype=np.int64)
    groups, combinations = np.zeros(people, dtype=np.int64), np.empty((1, 0), dtype=np.int64)
    for place, column in enumerate(columns):
        law = conditional(combinations)
        codes[:, place] = _pick(law, groups, uniforms[:, place], column.kind, noise)
        found, keys = pd.factorize(groups * law.shape[1] + codes[:, place])
        before, last = np.divmod(keys, law.shape[1])
        groups, combinations = np.asarray(found, dtype=np.int64), np.column_stack([combinations[before], last])
    return codes


def inside(uniforms: FloatArray) -> FloatArray:
    """Uniforms kept off 0 and 1, where rounding may have put them.

    Example:
        >>> bool(inside(np.array([1.0]))[0] < 1.0)
        True
    """
    return np.asarray(np.clip(uniforms, _LEAST, 1 - _LEAST))


def _pick(law: FloatArray, groups: Codes, uniforms: FloatArray, kind: str, noise: float) -> Codes:
    """A level for everybody: a quantile of the group's law."""
    if kind == "ordered":
        uniforms = uniforms if noise == 1 else inside(ndtr(noise * ndtri(uniforms)))
    elif noise == 0:
        return np.asarray(np.argmax(law, axis=1)[groups], dtype=np.int64)
    elif noise != 1:
        with np.errstate(divide="ignore"):
            law = np.exp(np.log(law / law.max(axis=1, keepdims=True)) / noise)
    cumulative = np.cumsum(law, axis=1)
    cumulative /= cumulative[:, -1:]
    # The first level whose cumulative share reaches the uniform, so that a level of share 0 is never met.
    found = np.zeros(len(groups), dtype=np.int64)
    for level in range(law.shape[1] - 1):
        found += cumulative[:, level][groups] < uniforms
    return found
