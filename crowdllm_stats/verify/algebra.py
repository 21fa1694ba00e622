"""Exact arithmetic that the checks share: expectations over independent noises, means and variances in fractions."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

from crowdllm_stats.verify.check import Check, identity


def expectation(expression: Any, variances: Mapping[Any, Any]) -> Any:
    """Expectation of a polynomial of degree at most 2 in independent noises of mean 0.

    Args:
        expression: element of a polynomial ring (``sympy.ring``).
        variances: the variance, a ring element, of each noise, a generator of the ring.

    Raises:
        ValueError: on a term of a higher degree in the noises.

    Example:
        >>> import sympy
        >>> ring, a, e, s = sympy.ring("a e s", sympy.QQ)
        >>> expectation((a + e) ** 2, {e: s})
        a**2 + s
    """
    ring = expression.ring
    places = {ring.gens.index(noise): variance for noise, variance in variances.items()}
    total = ring.zero
    for powers, coefficient in expression.terms():
        degrees = {place: powers[place] for place in places if powers[place]}
        if sum(degrees.values()) > 2:
            raise ValueError(f"degree {sum(degrees.values())} in the noises")
        if 1 in degrees.values():
            continue
        rest = tuple(0 if place in degrees else power for place, power in enumerate(powers))
        term = ring.from_dict({rest: coefficient})
        total += functools.reduce(operator.mul, (places[place] for place in degrees), term)
    return total


def ring_mean(values: Iterable[Any]) -> Any:
    """Mean of elements of one polynomial ring over the rationals."""
    first, *rest = values
    return sum(rest, first) * first.ring.domain(1, 1 + len(rest))


def same(name: str, left: Any, right: Any, says: str) -> Check:
    """Symbolic: two elements of a polynomial ring are the same polynomial."""
    return identity(name, left.as_expr(), right.as_expr(), says)


def average(values: Iterable[Any]) -> Fraction:
    """Exact mean of numbers.

    Example:
        >>> average([1, 2.5])
        Fraction(7, 4)
    """
    exact = [Fraction(value) for value in values]
    return sum(exact, Fraction(0)) / len(exact)


def variance(values: Iterable[Any], ddof: int = 0) -> Fraction:
    """Exact variance of numbers.

    Example:
        >>> variance([1, 3], ddof=1)
        Fraction(2, 1)
    """
    exact = [Fraction(value) for value in values]
    centre = average(exact)
    return sum(((value - centre) ** 2 for value in exact), Fraction(0)) / (len(exact) - ddof)


def all_answers(means: Sequence[Fraction], noises: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """All equally likely vectors of answers: each person's mean plus one of the equally likely values of their noise.

    Example:
        >>> len(all_answers([Fraction(1), Fraction(2)], [[Fraction(-1), Fraction(1)], [Fraction(0)]]))
        2
    """
    return [[mean + noise for mean, noise in zip(means, draw, strict=True)] for draw in product(*noises)]
