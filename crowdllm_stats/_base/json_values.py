"""Values as JSON knows them: JSON has no infinity and no NaN, so such a number is null and named beside."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: The key that names the numbers of an object that JSON cannot hold.
NOT_FINITE = "not_finite"


def json_object(content: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping in plain Python values that every JSON reader takes (RFC 8259: no infinity, no NaN).

    A number that is not finite becomes None, so that the field holds numbers and null only. The object that holds it
    gets a key ``not_finite``, which maps the field's name to "inf", "-inf" or "nan": an interval open above reads
    ``"upper": null`` and ``"not_finite": {"upper": "inf"}``, a number that is absent for another reason null alone. In
    an array of numbers, ``not_finite`` maps to a list of the same shape, None where the number is finite. Objects
    without such a number have no such key.

    Args:
        content: values may be NumPy ones, dataclasses, mappings, lists and tuples, nested.

    Returns:
        dict of str, bool, int, float, None, list and dict.

    Raises:
        ValueError: if ``content`` uses the key ``not_finite`` itself and holds a number that is not finite.

    Example:
        >>> json_object({"lower": 1.5, "upper": float("inf")})
        {'lower': 1.5, 'upper': None, 'not_finite': {'upper': 'inf'}}
        >>> json_object({"rows": [{"upper": 2.0, "lam": None}]})
        {'rows': [{'upper': 2.0, 'lam': None}]}
    """
    made: dict[str, Any] = {}
    missing: dict[str, Any] = {}
    for name, value in content.items():
        made[str(name)], words = _ready(value)
        if words is not None:
            missing[str(name)] = words
    if not missing:
        return made
    if NOT_FINITE in made:
        raise ValueError(f"the key {NOT_FINITE!r} is taken, and {', '.join(missing)} must be named there; rename it")
    return {**made, NOT_FINITE: missing}


def table_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as mappings; a missing value (None, NaN, NA) becomes None.

    Example:
        >>> import pandas as pd
        >>> table_rows(pd.DataFrame({"method": ["ppi", "set"], "width": [0.5, float("nan")]}))
        [{'method': 'ppi', 'width': 0.5}, {'method': 'set', 'width': None}]
    """
    rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return rows


def json_text(content: Mapping[str, Any]) -> str:
    """:func:`json_object` as indented JSON text, in plain ASCII.

    Raises:
        TypeError: on a value that is not a number, text, list or mapping.

    Example:
        >>> print(json_text({"kappa": float("inf")}))
        {
          "kappa": null,
          "not_finite": {
            "kappa": "inf"
          }
        }
    """
    return json.dumps(json_object(content), indent=2, allow_nan=False)


def _ready(value: Any) -> tuple[Any, Any]:
    """The value for JSON, and what ``not_finite`` says of it (None: nothing)."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return json_object(value), None
    if isinstance(value, list | tuple):
        parts = [_ready(item) for item in value]
        words = [word for _, word in parts]
        return [plain for plain, _ in parts], (None if all(word is None for word in words) else words)
    if isinstance(value, float) and not math.isfinite(value):
        return None, str(value)
    return value, None
