"""A continuous profile column: its values as normal scores, and the way back through a smoothed quantile function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.random import generator


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
