"""Statements in a study file that the results are held against, each with its verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .parameters import Value


@dataclasses.dataclass(frozen=True)
class Claim:
    """ "The measure of this method is at least (at most) so much in all these cells."

    Attributes:
        text: the statement in words.
        measure: name of a measure.
        method: the method it is about.
        at_least: bound from below, or None.
        at_most: bound from above, or None.
        where: factor -> levels; all cells where empty.
    """

    text: str
    measure: str
    method: str
    at_least: float | None
    at_most: float | None
    where: Mapping[str, tuple[Value, ...]]
