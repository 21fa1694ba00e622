"""The coverage study over Figure 9's grid in one picture: coverage, width, and what is said about safety."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from crowdllm_stats.studies.report.plots import colors
from crowdllm_stats.studies.simulators.figure9_coverage.judging import INTERVALS

#: As the methods are called in the picture.
NAMES = {"classical": "Student's t", "crowdllm": "Theorem 5, published", "auto": "auto"}
#: Intervals whose lines are drawn; "ppi" with the normal quantile has the width of its small-sample form at best.
WIDTHS = ("crowdllm", "ppi", "ppi++", "ppi-small", "ppi++-small", "auto")


def draw_coverage(table: pd.DataFrame, level: float = 0.95) -> Any:
    """Three panels: coverage by people; width over Student's t by training responses; the safe interval likewise.

    Bars and bands are 95% Monte Carlo intervals over replicates, all runs of the table (readings, training lengths)
    together.

    Args:
        table: of :func:`~crowdllm_stats.studies.simulators.figure9_coverage.coverage_verdicts.judged_fits`.
        level: nominal.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: if the table is empty.
    """
    from matplotlib.figure import Figure

    if table.empty:
        raise ValueError("no fit was judged; there is nothing to draw")
    figure = Figure(figsize=(15.5, 4.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.25, 1.0, 1.0])
    _coverage(left, table, level)
    fresh = table[table["people"] == "fresh"].assign(answers=lambda rows: rows["workers"] * rows["questions"])
    n = _middle(fresh["n"])
    _widths(middle, fresh[fresh["n"] == n], n)
    _safety(right, fresh[fresh["n"] == n], n, level)
    return figure


def _coverage(axis: Any, table: pd.DataFrame, level: float) -> None:
    ways = table[["people", "n"]].drop_duplicates()
    ways = ways.sort_values(["people", "n"]).reset_index(drop=True)
    palette, shown = colors(), [method for method in INTERVALS if method in set(table["method"])]
    drawn = []
    for number, method in enumerate(shown):
        own = table[table["method"] == method]
        points = []
        for place, (people, n) in enumerate(ways.itertuples(index=False)):
            rates = own[(own["people"] == people) & (own["n"] == n)].groupby("replicate")["covered"].mean()
            if len(rates):
                shift = (number - 0.5 * (len(shown) - 1)) * 0.8 / len(shown)
                points.append((place + shift, rates.mean(), _reach(rates)))
                drawn.append(place)
        x, y, reach = (np.array(values) for values in zip(*points, strict=True))
        axis.errorbar(x, y, reach, fmt="o", markersize=4, color=palette[number], label=NAMES.get(method, method))
    axis.axhline(level, color="grey", linestyle="--", linewidth=0.9)
    words = [f"{n} {'new' if people == 'fresh' else 'of its own'}" for people, n in ways.itertuples(index=False)]
    kept = sorted(set(drawn))
    axis.set_xticks(kept, [words[place].replace(" ", "\n", 1) for place in kept])
    axis.set_xlabel("people per question who judge")
    axis.set_title(f"Coverage of the population's mean answer (nominal {level:g})", fontsize=10)
    axis.grid(axis="y", alpha=0.25)
    axis.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0.37, 0.0))


def _widths(axis: Any, fresh: pd.DataFrame, n: int) -> None:
    palette = colors()
    for number, method in enumerate(INTERVALS):
        own = fresh[fresh["method"] == method]
        if method in WIDTHS and len(own):
            _line(axis, own, "breadth_over_t", palette[number], NAMES.get(method, method))
    axis.axhline(1.0, color="grey", linestyle="--", linewidth=0.9)
    _responses(axis)
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    ticks = [one for one in (0.25, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 5, 8) if low <= one <= high]
    axis.set_yticks(ticks, [f"{one:g}" for one in ticks])
    axis.minorticks_off()
    axis.set_title(f"Mean width over Student's t, {n} new people per question", fontsize=10)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(0.0, 0.62))


def _safety(axis: Any, fresh: pd.DataFrame, n: int, level: float) -> None:
    published, decision = (fresh[fresh["method"] == name] for name in ("safe-published", "safe-decision"))
    if len(published):
        _line(axis, published, "no_worse", "black", "crowd truly no worse than the bare LLM")
        _line(axis, published, "called", "tab:orange", "inside Theorem 3's interval")
        inside = published[published["called"] > 0].assign(kept=lambda rows: rows["right"] / rows["called"])
        if len(inside):
            _line(axis, inside, "kept", "tab:red", f"of those truly no worse (promised {level:g})")
    if len(decision):
        _line(axis, decision, "called", "tab:blue", f"said to be safe from {n} people")
        _line(axis, decision, "wrong", "tab:green", f"said wrongly from {n} people (allowed {1.0 - level:.2g})")
    axis.axhline(level, color="grey", linestyle="--", linewidth=0.9)
    axis.axhline(1.0 - level, color="grey", linestyle=":", linewidth=0.9)
    _responses(axis)
    axis.set_ylim(-0.02, 1.02)
    axis.set_title("Is the crowd safe? Share of held-out questions", fontsize=10)
    axis.legend(frameon=False, fontsize=7.5, loc="center left", bbox_to_anchor=(0.0, 0.505))


def _line(axis: Any, rows: pd.DataFrame, outcome: str, color: Any, label: str) -> None:
    each = rows.groupby(["answers", "replicate"])[outcome].mean().groupby("answers")
    mean, reach = each.mean(), each.apply(_reach)
    axis.plot(mean.index, mean, "o-", markersize=3, linewidth=1.3, color=color, label=label)
    axis.fill_between(mean.index, mean - reach, mean + reach, color=color, alpha=0.15, linewidth=0)


def _responses(axis: Any) -> None:
    axis.set_xscale("log")
    axis.set_xticks([5, 20, 80, 400, 1600], ["5", "20", "80", "400", "1600"])
    axis.minorticks_off()
    axis.set_xlabel("human responses that the generator was fitted to")
    axis.grid(alpha=0.25)


def _middle(values: pd.Series) -> int:
    levels = sorted(values.unique())
    return int(levels[len(levels) // 2])


def _reach(values: pd.Series) -> float:
    """Half the width of Student's 95% interval; 0 for a single value, which has none."""
    if len(values) < 2:
        return 0.0
    return float(values.sem() * stats.t.ppf(0.975, len(values) - 1))
