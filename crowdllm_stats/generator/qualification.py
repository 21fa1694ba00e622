"""Who qualifies: a rule on profiles, as allowed values by column or as a function of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats.generator.columns import ProfileColumn

#: Allowed values by column (for a continuous column the pair lowest, highest), or table -> one boolean a row.
Qualified = Mapping[str, Sequence[Any]] | Callable[[pd.DataFrame], Any]


def check_rule(rule: Qualified | None, columns: Sequence[ProfileColumn] | None) -> Qualified | None:
    """Return ``rule`` if its columns and values can occur.

    Args:
        rule: None for everybody.
        columns: the profile columns, None where they are not known beforehand.

    Raises:
        ValueError: on a rule of another type, a column that is not there, a value that is not among its levels, a pair
            (lowest, highest) that is none.

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
        profiles: a row a person.
        continuous: names of the continuous columns, whose rule is a pair (lowest, highest), both included.

    Raises:
        ValueError: if a function returns anything but one boolean a row; on a column that is not there.

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
            raise ValueError(f"qualified must return one boolean a row, shape ({len(profiles)},); got shape "
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
