"""The answer of every interval method: an interval that says what it is, what it needs and prints itself."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from crowdllm_stats._base.result import Result


@dataclasses.dataclass(frozen=True, eq=False)
class Interval(Result):
    """A confidence interval for the population mean of every problem.

    Each of the numeric fields is a float (one problem) or an array of the batch shape.

    Attributes:
        estimate: the point estimate.
        lower: lower end; ``-inf`` (or the scale's end) where ``alternative="smaller"``.
        upper: upper end; ``inf`` (or the scale's end) where ``alternative="larger"``.
        half_width: ``(upper - lower) / 2``; one-sided: the distance from the estimate to the finite end.
        level: nominal confidence, for instance 0.95.
        alternative: "two-sided", "larger" (a lower end) or "smaller" (an upper end).
        method: the method that was used ("auto" is resolved).
        n_labeled: human answers a problem, n.
        n_digital: unlabelled digital answers a problem, N (0 where none were given).
        lam: the PPI++ weight lambda on the digital answers; None for methods without one.
        effective_n: how many human answers alone would give this precision: ``n`` times the variance ratio of the
            human mean to this estimate (squared width ratio to Student's t for methods without a variance).
        why: which assumption the interval needs, and whether the data at hand can meet it.
        flags: sentence -> mask of the problems it holds for.

    Example:
        >>> from crowdllm_stats import interval
        >>> answer = interval([1.0, 2.0, 4.0, 5.0])
        >>> print(f"{answer.lower:.3f} to {answer.upper:.3f}, {answer.method}")
        0.095 to 5.905, classical
    """

    columns: ClassVar[tuple[str, ...]] = (
        "estimate",
        "lower",
        "upper",
        "half_width",
        "level",
        "method",
        "n_labeled",
        "n_digital",
        "lam",
        "effective_n",
    )

    estimate: Any
    lower: Any
    upper: Any
    half_width: Any
    level: float
    alternative: str
    method: str
    n_labeled: int
    n_digital: int
    lam: Any
    effective_n: Any

    def plot(self, ax: Any = None, labels: Any = None) -> Any:
        """Draw one horizontal bar a problem, with a dot at the estimate.

        Args:
            ax: matplotlib axes to draw on; a new figure when None.
            labels: names of the problems, one a bar.

        Returns:
            The matplotlib axes.

        Raises:
            ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
        """
        return draw_bars(
            np.atleast_1d(self.estimate).ravel(),
            np.atleast_1d(self.lower).ravel(),
            np.atleast_1d(self.upper).ravel(),
            labels,
            f"{self.method}, level {self.level:g}",
            ax,
        )


def draw_bars(estimate: Any, lower: Any, upper: Any, labels: Any, title: str, ax: Any = None) -> Any:
    """Dots with horizontal bars, the first on top; unlimited ends run to the edge of the picture.

    Returns:
        The matplotlib axes.
    """
    import matplotlib.pyplot as plt

    rows = len(estimate)
    if ax is None:
        _, ax = plt.subplots(figsize=(6.5, 0.9 + 0.32 * rows), layout="constrained")
    ends = np.concatenate([estimate, lower[np.isfinite(lower)], upper[np.isfinite(upper)]])
    pad = 0.05 * (ends.max() - ends.min() or 1.0)
    low = np.where(np.isfinite(lower), lower, ends.min() - pad)
    high = np.where(np.isfinite(upper), upper, ends.max() + pad)
    height = np.arange(rows)[::-1]
    ax.hlines(height, low, high, color="tab:blue", linewidth=2)
    ax.plot(estimate, height, "o", color="black", markersize=4)
    names = [str(label) for label in labels] if labels is not None else [str(row) for row in range(rows)]
    ax.set_yticks(height, names)
    ax.set_ylim(-0.7, rows - 0.3)
    ax.set_title(title, fontsize=10)
    ax.set_xlabel("population mean")
    return ax
