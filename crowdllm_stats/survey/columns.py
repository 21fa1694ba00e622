"""The profile columns that twins are built from, as given by the caller."""

from __future__ import annotations

from collections.abc import Sequence


def match_columns(match: Sequence[str]) -> list[str]:
    """The names as a list.

    Raises:
        ValueError: on one text, whose letters would be taken for names.

    Example:
        >>> match_columns(("gender", "age_group"))
        ['gender', 'age_group']
        >>> match_columns("gender")
        Traceback (most recent call last):
        ...
        ValueError: match must be a list of column names, not the one text 'gender'; write match=['gender']
    """
    if isinstance(match, str):
        raise ValueError(f"match must be a list of column names, not the one text {match!r}; write match=[{match!r}]")
    return list(match)
