"""Checks that every calculator makes first: bad input is refused, naming argument, value and remedy."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crowdllm_stats._base.messages import BadInput

FloatArray = NDArray[np.float64]

Alternative = Literal["two-sided", "larger", "smaller"]
ALTERNATIVES: tuple[Alternative, ...] = get_args(Alternative)

_Choice = TypeVar("_Choice", bound=str)

#: Largest magnitude whose squares, summed over any array that fits in memory, stay finite.
LARGEST = 1e140


def check_level(level: float) -> float:
    """Return ``level`` as a float if it lies strictly between 0 and 1.

    Raises:
        ValueError: if ``level`` is not a number in (0, 1); 95 is answered with "did you mean 0.95?".

    Example:
        >>> check_level(0.95)
        0.95
    """
    try:
        value = float(level)
    except (TypeError, ValueError):
        raise BadInput("must be a number between 0 and 1, for instance 0.95", argument="level", given=level) from None
    if not 0.0 < value < 1.0:
        hint = f"did you mean {value / 100:g}?" if 1.0 < value < 100.0 else ""
        raise BadInput("must lie strictly between 0 and 1", argument="level", given=level, python=hint)
    return value


def check_choice(name: str, value: str, allowed: tuple[_Choice, ...]) -> _Choice:
    """Return the one of ``allowed`` that ``value`` is.

    Raises:
        ValueError: naming the argument, the value and what is allowed.

    Example:
        >>> check_choice("alternative", "larger", ALTERNATIVES)
        'larger'
    """
    for one in allowed:
        if value == one:
            return one
    raise BadInput(f"must be one of {', '.join(map(repr, allowed))}", argument=name, given=value)


def check_count(name: str, value: Any, least: int = 1) -> int:
    """Return ``value`` as an int if it is a whole number of at least ``least``.

    Raises:
        ValueError: naming the argument and the value.

    Example:
        >>> check_count("k", 3)
        3
    """
    try:
        number = int(value) if isinstance(value, int | np.integer) else float(value)  # a float rounds beyond 2^53
    except (TypeError, ValueError):
        raise BadInput(f"must be a whole number of at least {least}", argument=name, given=value) from None
    if (isinstance(number, float) and not number.is_integer()) or number < least:
        raise BadInput(f"must be a whole number of at least {least}", argument=name, given=value)
    return int(number)


def as_numbers(name: str, values: ArrayLike, *, least_ndim: int = 0) -> FloatArray:
    """Return ``values`` as a float64 array, not yet searched for NaN and infinities (see :func:`check_array`).

    Raises:
        ValueError: on text, rows of unequal length, too few axes, no values at all.

    Example:
        >>> as_numbers("human", [1, 2, 4])
        array([1., 2., 4.])
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(
            f"must be a rectangular array of numbers; could not read {type(values).__name__} as one "
            "(rows of unequal length, or text?)",
            argument=name,
        ) from None
    if array.ndim < least_ndim:
        raise BadInput(f"must have at least {least_ndim} axis; got shape {array.shape}", argument=name)
    if array.size == 0 and array.ndim > 0:
        raise BadInput(f"is empty (shape {array.shape})", argument=name)
    return array


def check_array(name: str, values: ArrayLike, *, least_ndim: int = 0, nonnegative: bool = False) -> FloatArray:
    """Return ``values`` as a float64 array of finite numbers.

    Args:
        name: the argument's name, for the message.
        values: anything NumPy can read as numbers.
        least_ndim: the smallest number of axes allowed.
        nonnegative: refuse values below zero.

    Raises:
        ValueError: on text, NaN, infinities, magnitudes beyond 1e140 (their squares overflow), too few axes.

    Example:
        >>> check_array("human", [1, 2, 4], least_ndim=1)
        array([1., 2., 4.])
    """
    array = as_numbers(name, values, least_ndim=least_ndim)
    with np.errstate(over="ignore", invalid="ignore"):
        biggest = max(-float(np.min(array)), float(np.max(array)))
    if not biggest <= LARGEST:  # also true when a NaN came through
        bad = int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise BadInput(
                f"holds {bad} value(s) that are NaN or infinite, of {array.size}",
                argument=name,
                python="remove these answers or record them as missing before calling",
                command="remove these answers or leave them empty",
            )
        raise BadInput(
            f"holds values up to {biggest:.3g}, whose squares overflow",
            argument=name,
            python=f"rescale to magnitudes below {LARGEST:g}",
        )
    if nonnegative and float(np.min(array)) < 0.0:
        raise BadInput(f"must not be negative; smallest value is {float(np.min(array)):g}", argument=name)
    return array


def check_bounds(bounds: ArrayLike) -> tuple[float, float]:
    """Return ``(low, high)`` of the answer scale.

    Raises:
        ValueError: unless ``bounds`` is two finite numbers with low < high.

    Example:
        >>> check_bounds((1, 5))
        (1.0, 5.0)
    """
    pair = check_array("bounds", bounds, least_ndim=1)
    if pair.shape != (2,) or not pair[0] < pair[1]:
        raise BadInput("must be two numbers (low, high) with low < high", argument="bounds", given=bounds)
    return float(pair[0]), float(pair[1])


def check_inside(name: str, array: FloatArray, bounds: tuple[float, float]) -> None:
    """Refuse answers off the scale.

    Raises:
        ValueError: naming the argument, how many answers lie outside and the extremes.

    Example:
        >>> check_inside("human", np.array([1.0, 5.0]), (1.0, 5.0))
    """
    low, high = bounds
    outside = int(np.count_nonzero((array < low) | (array > high)))
    if outside:
        raise BadInput(
            f"holds {outside} answer(s) outside the bounds [{low:g}, {high:g}] "
            f"(range {float(array.min()):g} to {float(array.max()):g})",
            argument=name,
            python="correct the answers or the bounds",
        )


def check_same_batch(**arrays: FloatArray | None) -> tuple[int, ...]:
    """Return the common batch shape (all axes but the last) of the named arrays.

    Raises:
        ValueError: naming the two arguments whose batch shapes differ.

    Example:
        >>> check_same_batch(human=np.ones((4, 3)), digital_unlabeled=np.ones((4, 20)))
        (4,)
    """
    first: tuple[str, tuple[int, ...]] | None = None
    for name, array in arrays.items():
        if array is None:
            continue
        batch = array.shape[:-1]
        if first is None:
            first = (name, batch)
        elif batch != first[1]:
            raise BadInput(
                f"has batch shape {batch} but {first[0]} has {first[1]}: "
                "every argument needs the same leading axes (one entry per problem)",
                argument=name,
            )
    if first is None:
        raise ValueError("no array given")
    return first[1]
