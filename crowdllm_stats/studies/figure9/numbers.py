"""The sizes that a cell of Figure 9's study stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crowdllm_stats.studies.parameters import Value


def number(cell: Mapping[str, Value], name: str) -> float:
    """A parameter of a cell as a float.

    Args:
        cell: value of every parameter.
        name: of a parameter that is a number.

    Raises:
        KeyError: if the cell has no such parameter.

    Example:
        >>> number({"noise": 2}, "noise")
        2.0
    """
    value: Any = cell[name]
    return float(value)


def whole(cell: Mapping[str, Value], name: str) -> int:
    """A parameter of a cell as an int; arguments and errors as :func:`number`.

    Example:
        >>> whole({"workers": 40.0}, "workers")
        40
    """
    return int(number(cell, name))


def sizes(cell: Mapping[str, Value]) -> tuple[int, int]:
    """Questions of the pool, and those held out.

    Example:
        >>> sizes({"pool": 200, "held_out": 0.2})
        (200, 40)
    """
    pool = whole(cell, "pool")
    return pool, round(number(cell, "held_out") * pool)


def steps_wanted(cell: Mapping[str, Value]) -> int:
    """Gradient steps of the cell's fits: so many epochs of ``ceil(W Q / batch)`` steps, or the number given.

    Example:
        >>> steps_wanted({"workers": 2, "questions": 20, "length": "epochs", "epochs": 100, "batch": 32})
        200
    """
    n = whole(cell, "workers") * whole(cell, "questions")
    if cell["length"] == "steps":
        return whole(cell, "steps")
    return whole(cell, "epochs") * -(-n // whole(cell, "batch"))
