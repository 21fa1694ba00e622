"""Families of answers with a known mean and spread, made from standard normal numbers so that twins can be joined."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray

FAMILIES = ("normal", "heavy-tailed", "ordinal", "binary")


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """A population of answers.

    Attributes:
        mean: of the population.
        sd: its standard deviation.
        bounds: ends of the scale, None where there are none.
        answers: maps standard normal numbers to answers, rising.
    """

    mean: float
    sd: float
    bounds: tuple[float, float] | None
    answers: Callable[[FloatArray], FloatArray]


def family(name: str, probabilities: tuple[float, ...], share: float) -> Family:
    """One of :data:`FAMILIES`.

    Args:
        name: "normal" (mean 0, variance 1), "heavy-tailed" (Student t with 4 degrees of freedom, scaled to variance 1:
            its fourth moment is infinite), "ordinal" (1, 2, ... with ``probabilities``), "binary" (1 with probability
            ``share``, else 0).
        probabilities: of the ordinal answers, adding up to 1.
        share: of ones.

    Raises:
        ValueError: if the probabilities do not add up to 1.

    Example:
        >>> round(family("ordinal", (0.5, 0.25, 0.25), 0.2).mean, 6)
        1.75
    """
    if name == "normal":
        return Family(0.0, 1.0, None, lambda z: z)
    if name == "heavy-tailed":
        return Family(0.0, 1.0, None, heavy_tailed)
    chances = np.array([1.0 - share, share] if name == "binary" else probabilities)
    first = 0.0 if name == "binary" else 1.0
    if abs(chances.sum() - 1.0) > 1e-9 or len(chances) < 2 or np.any(chances < 0.0):
        raise ValueError(f"probabilities must be at least two, none negative, and add up to 1; got {probabilities}")
    values = first + np.arange(len(chances))
    mean = float(chances @ values)
    sd = float(np.sqrt(chances @ (values - mean) ** 2))
    with np.errstate(divide="ignore"):
        cuts = ndtri(np.clip(np.cumsum(chances)[:-1], 0.0, 1.0))
    return Family(mean, sd, (first, float(values[-1])), lambda z: first + np.searchsorted(cuts, z).astype(np.float64))


def heavy_tailed(z: FloatArray) -> FloatArray:
    """Standard normal numbers as Student t with 4 degrees of freedom over sqrt(2), by its closed quantile function.

    ``t = 2 sqrt(q - 1)``, ``q = cos(arccos(sqrt(a)) / 3) / sqrt(a)``, ``a = 4 u (1 - u)``; source: Shaw 2006, Sampling
    Student's T distribution, Journal of Computational Finance 9.

    Example:
        >>> from scipy.stats import norm, t
        >>> z = np.array([-2.0, 0.5, 3.0])
        >>> bool(np.allclose(heavy_tailed(z), t(4).ppf(norm.cdf(z)) / np.sqrt(2)))
        True
    """
    below = ndtr(-np.abs(z))
    root = np.sqrt(4.0 * below * (1.0 - below))
    ratio = np.cos(np.arccos(np.minimum(root, 1.0)) / 3.0) / root
    return np.asarray(np.sign(z) * np.sqrt(2.0 * np.maximum(ratio - 1.0, 0.0)))


def family_of(cell: Mapping[str, Any]) -> Family:
    """The family that a cell names.

    Args:
        cell: with ``family``, ``probabilities`` and ``share``, as :func:`family` takes them.

    Raises:
        ValueError: if the probabilities do not add up to 1.

    Example:
        >>> law = family_of({"family": "binary", "probabilities": (), "share": 0.2})
        >>> law.mean, law.bounds
        (0.2, (0.0, 1.0))
    """
    return family(cell["family"], cell["probabilities"], cell["share"])
