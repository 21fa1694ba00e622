"""The answers of the interval methods: an interval, and several side by side, that say what they need."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import Alternative
from crowdllm_stats._base.result import Result
from crowdllm_stats._base.shown import percent, span

if TYPE_CHECKING:
    from crowdllm_stats.inference.intervals.methods import MethodName


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
        n_labeled: human answers per problem, n.
        n_digital: unlabelled digital answers per problem, N (0 where none were given).
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
        >>> print(str(interval([1.5, 2.0, 4.0, 5.0])).splitlines()[0])
        The mean is between 0.5 and 5.8 (95% confidence), from 4 human answers.
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
    alternative: Alternative
    method: MethodName
    n_labeled: int
    n_digital: int
    lam: Any
    effective_n: Any

    def _title(self) -> str:
        """The answer of one problem as a sentence; of several, the name."""
        if np.ndim(self.estimate):
            return super()._title()
        low, high = span(self.lower, self.upper)
        ends = {"two-sided": f"between {low} and {high}", "larger": f"at least {low}", "smaller": f"at most {high}"}
        digital = f" and {self.n_digital} digital ones" if self.n_digital else ""
        return (
            f"The mean is {ends[self.alternative]} ({percent(self.level)} confidence), from {self.n_labeled} human "
            f"answers{digital}."
        )

    def plot(self, ax: Any = None, labels: Any = None) -> Any:
        """Draw one horizontal bar per problem, with a dot at the estimate.

        Args:
            ax: matplotlib axes to draw on; a new figure when None.
            labels: names of the problems, one per bar.

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


@dataclasses.dataclass(frozen=True, eq=False)
class IntervalTable:
    """Several methods' intervals for the same answers.

    Attributes:
        intervals: method -> its :class:`Interval`.
        skipped: method -> why it does not apply to these answers.
        chosen: the method that "auto" stands for, by n, N, scale and pairing, and by whether twins and crowd look like
            one digital population.
        notices: sentences that a reader must see before the numbers; printed first.
    """

    intervals: dict[str, Interval]
    skipped: dict[str, str]
    chosen: MethodName
    notices: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per method and problem (methods in the order computed)."""
        frames = []
        for method, answer in self.intervals.items():
            frame = answer.to_frame().drop(columns="method")
            frame.insert(0, "method", method)
            frame.insert(1, "problem", range(len(frame)))
            frames.append(frame.astype({"lam": float}))
        return pd.concat(frames, ignore_index=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON."""
        return {
            "notices": list(self.notices),
            "chosen": self.chosen,
            "intervals": {method: answer.to_dict() for method, answer in self.intervals.items()},
            "skipped": dict(self.skipped),
        }

    def __str__(self) -> str:
        frame = self.to_frame()
        table = frame.groupby("method", sort=False)[["estimate", "lower", "upper", "half_width", "effective_n"]].mean()
        table.index = [f"{name} *" if name == self.chosen else str(name) for name in table.index]
        count = int(frame["problem"].max()) + 1
        title = "Intervals" if count == 1 else f"Intervals, means over {count} problems"
        lines = [
            *self.notices,
            title,
            *("  " + line for line in table.to_string(float_format=lambda v: f"{v:.3f}").splitlines()),
        ]
        lines.append("  * what 'auto' uses here, whatever the widths")
        lines += [f"  not applicable: {method} ({reason})" for method, reason in self.skipped.items()]
        return "\n".join(lines)

    def plot(self, ax: Any = None, problem: int = 0) -> Any:
        """One bar per method, for one problem.

        Args:
            ax: matplotlib axes; a new figure when None.
            problem: which problem (position in the flattened batch).

        Raises:
            IndexError: if there is no such problem.
        """
        rows = self.to_frame()
        rows = rows[rows["problem"] == problem]
        if rows.empty:
            raise IndexError(f"there is no problem {problem} in this table")
        labels = [f"{name} *" if name == self.chosen else name for name in rows["method"]]
        level = next(iter(self.intervals.values())).level
        return draw_bars(
            rows["estimate"].to_numpy(),
            rows["lower"].to_numpy(),
            rows["upper"].to_numpy(),
            labels,
            f"level {level:g}",
            ax,
        )
