"""Continuous profile columns given the discrete ones: a mean on the normal scale, and smoothed residuals about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import generator, uniforms

#: Draws from which the law of the scores is read off, and the points at which it is kept.
_DRAWS, _POINTS = 100_000, 999


@dataclass(frozen=True, eq=False)
class ContinuousColumns:
    """C continuous columns: ``z = c(discrete) + noise * (sqrt(1 - h^2) r_k + h s e)``, then each margin's quantiles.

    z are normal scores; c is linear in the discrete columns' one-hot coding; ``r_k`` are the residuals of person k of
    the pool, picked at random, ``s`` their standard deviations, e standard normal: Theorem 1's Gaussian smoothing, with
    the residuals drawn in so that their variance stays. ``z`` goes back through its own law under noise 1, so that
    margins are the pool's, on the pool's range.

    Attributes:
        slopes: shape (1 + P, C), a row of intercepts first.
        residuals: shape (people, C).
        width: h in (0, 1).
        grids: quantiles of z at evenly spaced shares under noise 1, shape (999, C).
        margins: the C columns' margins.
    """

    slopes: FloatArray
    residuals: FloatArray
    width: float
    grids: FloatArray
    margins: tuple[ContinuousMargin, ...]

    @classmethod
    def fit(
        cls,
        others: FloatArray,
        places: NDArray[np.int64],
        scores: FloatArray,
        margins: tuple[ContinuousMargin, ...],
    ) -> ContinuousColumns:
        """Least squares with a ridge of 1 on the slopes (one pretended person at the mean for each level).

        Args:
            others: one-hot codes of the discrete columns, shape (people, P).
            places: where the ones of ``others`` stand, shape (people, D).
            scores: normal scores, shape (people, C).
            margins: of the C columns.
        """
        design = np.column_stack([np.ones(len(scores)), others])
        penalty = np.eye(design.shape[1])
        penalty[0, 0] = 0.0
        slopes = np.asarray(np.linalg.solve(design.T @ design + penalty, design.T @ scores), dtype=np.float64)
        residuals = scores - design @ slopes
        width = bandwidth(len(scores), scores.shape[1])
        found = cls(slopes, residuals, width, np.empty((0, scores.shape[1])), margins)
        points = uniforms(0, "continuous columns", "margins", range(_DRAWS), 2 + scores.shape[1])
        people = np.minimum((points[:, -1] * len(places)).astype(np.int64), len(places) - 1)
        drawn = found.scores(places[people], points[:, :-1], 1.0)
        grids = np.quantile(drawn, np.arange(1, _POINTS + 1) / (_POINTS + 1), axis=0)
        return cls(slopes, residuals, width, grids, margins)

    def scores(self, places: NDArray[np.int64], points: FloatArray, noise: float) -> FloatArray:
        """z as a function of uniforms: the person k first, then one number per column, (n, 1 + C) to (n, C).

        Args:
            places: where the ones of the discrete columns' coding stand, shape (n, D).
            points: uniforms, shape (n, 1 + C).
            noise: scale of the noise.
        """
        people = np.minimum((points[:, 0] * len(self.residuals)).astype(np.int64), len(self.residuals) - 1)
        spread = self.residuals.std(axis=0)
        about = np.sqrt(1 - self.width**2) * self.residuals[people] + self.width * spread * ndtri(points[:, 1:])
        centres = np.repeat(self.slopes[:1], len(places), axis=0)
        for column in places.T:
            centres += self.slopes[1 + column]
        return np.asarray(centres + noise * about)

    def draw(self, places: NDArray[np.int64], points: FloatArray, noise: float) -> list[Any]:
        """Values of the C columns, each of shape (n,)."""
        scores = self.scores(places, points, noise)
        levels = ndtri(np.arange(1, _POINTS + 1) / (_POINTS + 1))
        found = []
        for place, margin in enumerate(self.margins):
            grid, raw = self.grids[:, place], scores[:, place]
            normal = np.interp(raw, grid, levels) + np.minimum(raw - grid[0], 0) + np.maximum(raw - grid[-1], 0)
            found.append(margin.quantiles(ndtr(normal)))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "slopes": self.slopes.tolist(),
            "residuals": self.residuals.tolist(),
            "width": self.width,
            "grids": self.grids.tolist(),
            "margins": [margin.to_dict() for margin in self.margins],
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ContinuousColumns:
        """Read what :meth:`to_dict` gave."""
        slopes, residuals, grids = (
            np.array(given[name], dtype=np.float64) for name in ("slopes", "residuals", "grids")
        )
        margins = tuple(ContinuousMargin.from_dict(margin) for margin in given["margins"])
        return cls(slopes, residuals, float(given["width"]), grids, margins)


def bandwidth(n: int, dimension: int) -> float:
    """Width of the Gaussian kernel in standard deviations, ``n^(-1 / (dimension + 4)) / 2``.

    Half the width that suits a normal density best: what is to be kept is association, whose correlations the kernel
    multiplies by ``1 - width^2``, more than the smoothness of a density.

    Example:
        >>> round(bandwidth(1000, 1), 3)
        0.126
    """
    return float(n ** (-1.0 / (dimension + 4))) / 2


@dataclass(frozen=True, eq=False)
class ContinuousMargin:
    """The quantile function of a sample whose every value is spread evenly over its cell.

    The cell of a value reaches half way to its neighbours; the lowest and highest end at themselves. A cell keeps the
    share its value has in the sample, so that the margin's shares are exact, nothing falls outside the sample's range,
    and, the law being continuous, no value of the sample is met again but with probability 0. Whole-number columns
    are rounded back to whole numbers; there, as in a column of one single value, values do recur.

    Attributes:
        edges: ends of the cells, from lowest to highest, one more than there are cells.
        cumulative: share of the sample below each end, from 0 to 1.
        whole: whether the values are whole numbers.

    Example:
        >>> margin = ContinuousMargin.of(np.array([1.0, 1.0, 2.0, 4.0]), whole=False)
        >>> margin.quantiles(np.array([0.0, 0.5, 0.75, 1.0])).tolist()
        [1.0, 1.5, 3.0, 4.0]
    """

    edges: FloatArray
    cumulative: FloatArray
    whole: bool

    @classmethod
    def of(cls, values: FloatArray, *, whole: bool) -> ContinuousMargin:
        """The margin of a sample, shape (n,), n at least 1."""
        distinct, counts = np.unique(values, return_counts=True)
        middle = distinct[:-1] + np.diff(distinct) / 2
        edges = np.concatenate([distinct[:1], middle, distinct[-1:]])
        return cls(edges, np.concatenate([[0.0], np.cumsum(counts) / values.size]), whole)

    def quantiles(self, shares: FloatArray) -> Any:
        """The values below which ``shares`` of people lie: floats, or integers for a whole-number column."""
        values = np.interp(shares, self.cumulative, self.edges)
        return np.rint(values).astype(np.int64) if self.whole else values

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"edges": self.edges.tolist(), "cumulative": self.cumulative.tolist(), "whole": self.whole}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ContinuousMargin:
        """Read what :meth:`to_dict` gave."""
        return cls(np.array(given["edges"], dtype=np.float64), np.array(given["cumulative"], dtype=np.float64),
                   bool(given["whole"]))  # fmt: skip


def normal_scores(values: FloatArray, name: str) -> FloatArray:
    """Ranks as standard normal quantiles with mean 0 and variance 1, shape (n,); ties in an order drawn from ``name``.

    Breaking ties keeps the scores normal where values heap; drawing the order keeps two columns' ties apart.

    Example:
        >>> normal_scores(np.array([3.0, 1.0, 2.0]), "income").round(4).tolist()
        [1.2247, -1.2247, 0.0]
    """
    order = np.lexsort([generator(0, "ties", name).random(values.size), values])
    scores = np.empty(values.size)
    scores[order] = ndtri((np.arange(values.size) + 0.5) / values.size)
    spread = float(scores.std())
    return scores / spread if spread > 0 else scores
