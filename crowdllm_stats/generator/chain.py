"""Discrete profile columns drawn in turn, each given those before it, with the noise scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.generator.columns import ProfileColumn

Codes = NDArray[np.int64]

#: Uniforms are kept this far off 0 and 1 after scaling, so that quantiles stay finite.
_LEAST = 2.0**-53


@dataclass(frozen=True, eq=False)
class Drawn:
    """Codes of n people in D columns, and the G different combinations among them.

    Attributes:
        codes: shape (n, D).
        groups: which combination each person holds, shape (n,).
        combinations: shape (G, D).
    """

    codes: Codes
    groups: Codes
    combinations: Codes


def draw_codes(
    columns: Sequence[ProfileColumn],
    conditional: Callable[[Codes], FloatArray],
    uniforms: FloatArray,
    noise: float,
) -> Drawn:
    """Draw column after column as a function of uniforms.

    Args:
        columns: D categorical or ordered columns.
        conditional: from codes of the first j columns, shape (G, j), to the law of column j, shape (G, levels).
        uniforms: in (0, 1), shape (n, D).
        noise: scale of the noise. A categorical column takes level x with probability proportional to
            ``p(x)^(1 / noise)`` (the likeliest at 0), an ordered one the level at share ``Phi(noise * Phi^-1(u))``.

    Returns:
        Drawn.

    Example:
        >>> gender = ProfileColumn("gender", "categorical", ("Man", "Woman"))
        >>> shares = lambda before: np.tile([0.4, 0.6], (len(before), 1))
        >>> draw_codes([gender], shares, np.array([[0.3], [0.5]]), 1.0).codes.tolist()
        [[0], [1]]
        >>> draw_codes([gender], shares, np.array([[0.3], [0.5]]), 0.0).codes.tolist()
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
    return Drawn(codes, groups, combinations)


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
