"""All interval methods side by side on the same answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from crowdllm_stats._base.messages import BadInput, Message, said
from crowdllm_stats.inference.intervals.dispatch import METHODS, compute, resolve
from crowdllm_stats.inference.intervals.interval_result import Interval, draw_bars
from crowdllm_stats.inference.intervals.same_law import law_of
from crowdllm_stats.inference.intervals.sample import read_sample


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
    chosen: str
    notices: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row a method and problem (methods in the order computed)."""
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
        """One bar a method, for one problem.

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


def compare_intervals(
    human: ArrayLike,
    digital_labeled: ArrayLike | None = None,
    digital_unlabeled: ArrayLike | None = None,
    *,
    methods: Sequence[str] | None = None,
    level: float = 0.95,
    alternative: str = "two-sided",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    step: float | None = None,
    folds: ArrayLike | None = None,
    population_size: ArrayLike | None = None,
    census: bool = False,
    beliefs: ArrayLike | None = None,
    eta: ArrayLike = 0.0,
    seed: int | None = None,
    check_law: bool = True,
) -> IntervalTable:
    """Every interval method that applies, on the same answers; those that do not are listed with the reason.

    Choosing the narrowest of them afterwards breaks the level; the table marks what "auto" would have used.

    Args:
        human: as in :func:`interval`, and so are all other arguments.
        digital_labeled: twins' answers, shape (..., n).
        digital_unlabeled: other digital answers, shape (..., N).
        methods: names to compute; all of them when None.
        level: confidence level in (0, 1).
        alternative: "two-sided", "larger" or "smaller".
        weights: survey weights of the humans.
        clusters: who gave each answer.
        bounds: (low, high) of the scale.
        step: distance between neighbouring answers.
        folds: fold of each human.
        population_size: m of a finite population.
        census: the crowd holds all m people's twins.
        beliefs: beliefs behind the crowd's answers.
        eta: variance of one reference answer.
        seed: order of the bets.
        check_law: test whether twins and crowd look like one digital population.

    Raises:
        ValueError: on bad input, or if no method applies.

    Example:
        >>> table = compare_intervals([1, 2, 2, 3, 5, 4], bounds=(1, 5))
        >>> list(table.intervals), table.chosen
        (['classical', 'classical-small', 'betting'], 'classical-small')
    """
    sample = read_sample(
        human,
        digital_labeled,
        digital_unlabeled,
        level=level,
        alternative=alternative,
        weights=weights,
        clusters=clusters,
        bounds=bounds,
        step=step,
        folds=folds,
        population_size=population_size,
        census=census,
        beliefs=beliefs,
        eta=eta,
        seed=seed,
        check_law=check_law,
    )
    wanted = list(METHODS) if methods is None else list(methods)
    unknown = [name for name in wanted if name not in METHODS]
    if unknown:
        raise ValueError(f"methods holds {unknown}; known are {', '.join(map(repr, METHODS))}")
    law = law_of(sample)
    intervals: dict[str, Interval] = {}
    skipped: dict[str, str] = {}
    for name in wanted:
        try:
            intervals[name] = compute(sample, name, law)
        except ValueError as reason:
            skipped[name] = said(reason)
    if not intervals:
        reasons = Message.joined((Message.filled("{}: {}", *one) for one in skipped.items()), "; ")
        raise BadInput(Message.filled("no method applies: {}", reasons))
    notices = (law.notice,) if law is not None and law.differs else ()
    return IntervalTable(intervals, skipped, resolve(sample, law), notices)
