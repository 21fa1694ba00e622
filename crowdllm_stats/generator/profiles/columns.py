"""What the columns of a profile table are: categorical, ordered or continuous, and their values as codes or numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray

Kind = Literal["categorical", "ordered", "continuous"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: What a caller may say of a column: one of ``KINDS``, or the levels of an ordered column from lowest to highest.
Kinds = Mapping[str, str | Sequence[Any]]

ID = "participant"


@dataclass(frozen=True)
class ProfileColumn:
    """One column of a profile table.

    Attributes:
        name: as in the table.
        kind: "categorical", "ordered" or "continuous".
        levels: the values that may occur, lowest first if ordered; () if continuous.

    Example:
        >>> age = ProfileColumn("age", "ordered", ("18-24", "25-29", "30-34"))
        >>> age.codes(pd.Series(["30-34", "18-24"]), "profiles").tolist()
        [2, 0]
    """

    name: str
    kind: Kind
    levels: tuple[Any, ...] = ()

    def codes(self, values: pd.Series, what: str) -> NDArray[np.int64]:
        """Place of each value among the levels, shape (N,).

        Args:
            values: the column.
            what: how messages name the table.

        Raises:
            ValueError: on missing values and on values that are not among the levels.
        """
        refuse_missing(values, self.name, what)
        index = pd.Index(np.array(self.levels, dtype=object), dtype=object)
        own, distinct = pd.factorize(values)
        places = index.get_indexer(pd.Index(np.asarray(distinct, dtype=object), dtype=object))
        strange = [value for value, place in zip(distinct, places, strict=True) if place < 0]
        if strange:
            rows = int(np.isin(own, np.flatnonzero(places < 0)).sum())
            raise ValueError(
                f"{what}: column {self.name!r} holds {_word(strange[0])} ({len(strange)} unknown value(s) in {rows} "
                f"row(s)); known are {_some(self.levels)}. Correct the values, or fit again on a table that holds them"
            )
        return np.asarray(places[own], dtype=np.int64)

    def numbers(self, values: pd.Series, what: str) -> FloatArray:
        """The values of a continuous column, shape (N,).

        Raises:
            ValueError: on missing values, infinities and values that are not numbers.
        """
        refuse_missing(values, self.name, what)
        if not _numeric(values):
            raise ValueError(
                f"{what}: column {self.name!r} is continuous, but holds {_word(values.iloc[0])} "
                f"(type {values.dtype}); give numbers, or say kinds={{{self.name!r}: 'categorical'}}"
            )
        numbers: FloatArray = values.to_numpy(dtype=np.float64)
        if np.isinf(numbers).any():
            raise ValueError(f"{what}: column {self.name!r} holds {int(np.isinf(numbers).sum())} infinite numbers; "
                             "correct them or leave these people out")  # fmt: skip
        return numbers

    def values(self, codes: NDArray[np.int64]) -> pd.Series:
        """The levels that ``codes`` stand for, as a plain column (text, numbers or booleans)."""
        return pd.Series(pd.Index(list(self.levels)).take(codes), name=self.name)

    def to_dict(self) -> dict[str, Any]:
        """Name, kind and levels, ready for JSON."""
        return {"name": self.name, "kind": self.kind, "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ProfileColumn:
        """Read what :meth:`to_dict` gave.

        Raises:
            ValueError: on another kind than the three, or levels that do not fit it.
        """
        column = cls(str(given["name"]), given["kind"], tuple(given["levels"]))
        if column.kind not in KINDS or bool(column.levels) == (column.kind == "continuous"):
            raise ValueError(f"column {column.name!r}: kind {column.kind!r} with {len(column.levels)} levels; kind "
                             f"must be one of {', '.join(KINDS)}, with levels unless continuous")  # fmt: skip
        return column


def read_columns(
    profiles: pd.DataFrame, kinds: Kinds | None = None, *, what: str = "profiles"
) -> tuple[ProfileColumn, ...]:
    """The profile columns of a table: all but ``participant``.

    A column that ``kinds`` does not name is ordered if it is an ordered pandas Categorical, continuous if it holds
    numbers, categorical otherwise. Levels of a Categorical are its categories; of any other column its values, sorted.

    Args:
        profiles: one row per person.
        kinds: "categorical", "ordered" or "continuous" by column, or for an ordered column its levels, lowest first.
        what: how messages name the table.

    Raises:
        ValueError: on kinds of columns that are not there, missing values (NaN, None or empty text), an order that
            cannot be known, levels that repeat, values outside given levels.

    Example:
        >>> table = pd.DataFrame({"participant": ["p1", "p2"], "age": ["18-24", ">65"], "income": [1.5, 3.0]})
        >>> [column.kind for column in read_columns(table, {"age": ["18-24", "25-64", ">65"]})]
        ['ordered', 'continuous']
    """
    if not isinstance(profiles, pd.DataFrame):
        raise ValueError(f"{what} must be a pandas DataFrame, one row per person; got {type(profiles).__name__}")
    names = [name for name in profiles.columns if name != ID]
    if len(set(map(str, names))) < len(names):
        raise ValueError(f"{what}: a column name stands twice in {list(map(str, names))}; rename one")
    wishes = dict(kinds or {})
    unknown = [name for name in wishes if name not in names]
    if unknown:
        raise ValueError(f"kinds names {unknown[0]!r}, which {what} lacks; its profile columns are {_some(names)}")
    return tuple(_read(profiles[name], wishes.get(name), what) for name in names)


def refuse_missing(values: pd.Series, name: str, what: str) -> None:
    """Refuse NaN, None and empty text.

    Raises:
        ValueError: naming column, count and remedy.

    Example:
        >>> refuse_missing(pd.Series([1.0, 2.0]), "age", "profiles")
    """
    count = (
        int((values.isna() | (values.astype(object) == "")).sum()) if not _numeric(values) else int(values.isna().sum())
    )
    if count:
        raise ValueError(
            f"{what}: column {name!r} has {count} missing value(s) of {len(values)}; fill them with a value of "
            "their own such as 'not stated', or leave these people or the column out"
        )


def _read(values: pd.Series, wish: str | Sequence[Any] | None, what: str) -> ProfileColumn:
    name = str(values.name)
    refuse_missing(values, name, what)
    if wish is not None and not isinstance(wish, str):
        levels = _plain(list(wish))
        if not levels or len(set(levels)) < len(levels):
            raise ValueError(
                f"kinds: the levels of {name!r} must be different values, lowest first; got {list(wish)!r}"
            )
        column = ProfileColumn(name, "ordered", levels)
        column.codes(values, what)
        return column
    categorical = isinstance(values.dtype, pd.CategoricalDtype)
    kind = next((one for one in KINDS if one == wish), None)
    if wish is None and categorical:
        kind = "ordered" if values.cat.ordered else "categorical"
    elif wish is None:
        kind = "continuous" if _numeric(values) else "categorical"
    if kind is None:
        raise ValueError(f"kinds: {name!r} must be one of {', '.join(KINDS)} or a list of levels, lowest first; "
                         f"got {wish!r}")  # fmt: skip
    if kind == "continuous":
        column = ProfileColumn(name, kind)
        column.numbers(values, what)
        return column
    if len(values) == 0 and not categorical:
        raise ValueError(f"{what}: column {name!r} holds no value, so its levels are unknown; give at least one person")
    if kind == "ordered" and not (categorical and values.cat.ordered) and not _numeric(values):
        raise ValueError(f"kinds: the order of {name!r} cannot be known from text; give its levels, lowest "
                         f"first: kinds={{{name!r}: {_plain(sorted(map(str, values.unique())))[:3]!r}}}")  # fmt: skip
    found = list(values.cat.categories) if categorical else list(values.unique())
    levels = _plain(found if categorical else sorted(found, key=lambda value: (isinstance(value, str), value)))
    return ProfileColumn(name, kind, levels)


def _numeric(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype))


def _plain(values: Sequence[Any]) -> tuple[Any, ...]:
    """Values as plain Python text, numbers and booleans."""
    plain = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    strange = [value for value in plain if not isinstance(value, str | int | float)]
    if strange:
        raise ValueError(f"a profile value is one text, number or boolean; got {strange[0]!r} of type "
                         f"{type(strange[0]).__name__}")  # fmt: skip
    return plain


def _word(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def _some(values: Sequence[Any], most: int = 8) -> str:
    shown = ", ".join(_word(value) for value in values[:most])
    return f"{shown} and {len(values) - most} more" if len(values) > most else shown or "none"


#: Allowed values by column (for a continuous column the pair lowest, highest), or table -> one boolean per row.
Qualified = Mapping[str, Sequence[Any]] | Callable[[pd.DataFrame], Any]


def check_rule(rule: Qualified | None, columns: Sequence[ProfileColumn] | None) -> Qualified | None:
    """Return ``rule`` if its columns and values can occur.

    Args:
        rule: None for everybody.
        columns: the profile columns, None where they are not known beforehand.

    Raises:
        ValueError: on a rule of another type, a column that is not there, a value that is not among its levels, a
            continuous column without a pair (lowest, highest).

    Example:
        >>> adults = {"age": ["25-29", "30-34"]}
        >>> check_rule(adults, [ProfileColumn("age", "ordered", ("18-24", "25-29", "30-34"))]) == adults
        True
    """
    if rule is None or callable(rule):
        return rule
    if not isinstance(rule, Mapping) or not rule:
        raise ValueError("qualified must be a function of the table or allowed values by column, for instance "
                         f"{{'gender': ['Woman']}}; got {rule!r}")  # fmt: skip
    plain: dict[str, list[Any]] = {}
    for name, allowed in rule.items():
        if isinstance(allowed, str) or not isinstance(allowed, Sequence | set | frozenset | np.ndarray | pd.Series):
            raise ValueError(f"qualified: {name!r} needs a list of allowed values; got {allowed!r}")
        values = [value.item() if isinstance(value, np.generic) else value for value in allowed]
        plain[str(name)] = sorted(values, key=str) if isinstance(allowed, set | frozenset) else values
        if columns is not None:
            _check_column(str(name), plain[str(name)], columns)
    return plain


def qualifies(rule: Qualified | None, profiles: pd.DataFrame, continuous: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows fulfil the rule, shape (n,).

    Args:
        rule: as :func:`check_rule` returned it.
        profiles: one row per person.
        continuous: names of the continuous columns, whose rule is a pair (lowest, highest), both included.

    Raises:
        ValueError: if a function returns anything but one boolean per row; on a column that is not there.

    Example:
        >>> people = pd.DataFrame({"gender": ["Man", "Woman"], "income": [10.0, 20.0]})
        >>> qualifies({"income": [15.0, 99.0]}, people, ["income"]).tolist()
        [False, True]
    """
    if rule is None:
        return np.ones(len(profiles), dtype=np.bool_)
    if callable(rule):
        answer = np.asarray(rule(profiles.copy()))
        if answer.shape != (len(profiles),) or answer.dtype != np.bool_:
            raise ValueError(f"qualified must return one boolean per row, shape ({len(profiles)},); got shape "
                             f"{answer.shape} of type {answer.dtype}")  # fmt: skip
        return answer
    found = np.ones(len(profiles), dtype=np.bool_)
    for name, allowed in rule.items():
        if name not in profiles.columns:
            raise ValueError(f"qualified names the column {name!r}; profiles have "
                             f"{', '.join(map(repr, profiles.columns)) or 'none'}")  # fmt: skip
        column = profiles[name]
        found &= (column.between(*allowed) if name in continuous else column.isin(list(allowed))).to_numpy(dtype=bool)
    return found


def _check_column(name: str, allowed: list[Any], columns: Sequence[ProfileColumn]) -> None:
    known = {column.name: column for column in columns}
    if name not in known:
        raise ValueError(f"qualified names the column {name!r}; profiles have {', '.join(map(repr, known)) or 'none'}")
    column = known[name]
    if column.kind == "continuous":
        numbers = len(allowed) == 2 and all(isinstance(one, int | float) for one in allowed)
        if not numbers or not allowed[0] <= allowed[1]:
            raise ValueError(f"qualified: {name!r} is continuous and needs a pair (lowest, highest); got {allowed!r}")
        return
    strange = [value for value in allowed if value not in column.levels]
    if strange or not allowed:
        got = repr(strange[0]) if strange else "an empty list"
        raise ValueError(f"qualified: {name!r} allows {got}; its values are {', '.join(map(repr, column.levels))}")
