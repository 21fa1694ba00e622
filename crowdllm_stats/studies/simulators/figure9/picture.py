"""Figure 9 in the paper's layout: response noise by rows, belief diversity by columns, workers along, shades for Q."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

#: Inches of one panel.
PANEL = (3.2, 2.5)


def draw_figure9(table: pd.DataFrame, title: str) -> Any:
    """Mean MAE of every cell with its 95% Monte Carlo interval, and two reference lines.

    Args:
        table: one row per fit of one reading and length: columns noise, diversity, questions, workers, ``error``,
            ``error_untrained``, ``error_reference``.
        title: above the picture.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: if no fit has an error that is a number.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    if not np.isfinite(table["error"]).any():
        raise ValueError("no fit has an error that is a number; there is nothing to draw")
    rows, columns = (sorted(table[name].unique()) for name in ("noise", "diversity"))
    workers, questions = (sorted(table[name].unique()) for name in ("workers", "questions"))
    size = (PANEL[0] * len(columns) + 1.7, PANEL[1] * len(rows) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    shades = colormaps["Blues"](np.linspace(0.4, 1.0, len(questions)))
    for i, noise in enumerate(rows):
        for j, diversity in enumerate(columns):
            axis = axes[i, j]
            panel = table[(table["noise"] == noise) & (table["diversity"] == diversity)]
            axis.axhline(panel["error_reference"].mean(), color="black", linestyle="--", linewidth=1.0,
                         label="bare y_ref")  # fmt: skip
            untrained = panel.groupby("workers")["error_untrained"].mean()
            axis.plot(
                untrained.index, untrained, color="tab:red", linestyle=":", linewidth=1.3, label="untrained generator"
            )
            for shade, count in zip(shades, questions, strict=True):
                grouped = panel[panel["questions"] == count].groupby("workers")["error"]
                mean, reach = grouped.mean(), grouped.sem() * stats.t.ppf(0.975, grouped.count() - 1)
                axis.plot(mean.index, mean, "o-", color=shade, markersize=3, linewidth=1.3, label=f"Q = {count}")
                axis.fill_between(mean.index, mean - reach, mean + reach, color=shade, alpha=0.18, linewidth=0)
            axis.set_title(f"noise {noise:g}, epsilon {diversity:g}", fontsize=9)
            axis.set_xscale("log", base=2)
            axis.set_xticks(workers, [str(one) for one in workers])
            axis.minorticks_off()
            axis.grid(alpha=0.25)
    axes[0, 0].set_yscale("log")
    ticks = [one for one in (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5) if _within(one, *axes[0, 0].get_ylim())]
    axes[0, 0].set_yticks(ticks, [f"{one:g}" for one in ticks])
    for axis in axes.flat:
        axis.tick_params(axis="y", which="minor", left=False, labelleft=False)
    for axis in axes[-1]:
        axis.set_xlabel("workers W")
    for axis in axes[:, 0]:
        axis.set_ylabel("MAE")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def points_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The same figure as numbers, from a study's results of one reading and length.

    Args:
        frame: of :class:`~crowdllm_stats.studies.engine.results.Results`.

    Returns:
        As the points of :class:`~crowdllm_stats.studies.engine.results.Facets`; the lines of reference come last.
    """
    panel, found = ["noise", "diversity"], []
    for measure, by, color in (
        ("error", ["workers", "questions"], "Q = {questions}"),
        ("error_untrained", ["workers"], "untrained generator"),
        ("error_reference", ["workers"], "bare y_ref"),
    ):
        rows = frame[(frame["measure"] == measure) & frame["value"].notna()]
        for row in (
            rows.groupby([*panel, *by], sort=False)[["value", "lower", "upper"]].mean().reset_index().to_dict("records")
        ):
            ends = (row["lower"], row["upper"]) if measure == "error" else (None, None)
            found.append({
                "x": str(row["workers"]), "row": f"noise {row['noise']:g}", "column": f"diversity {row['diversity']:g}",
                "color": color.format(**row), "value": row["value"], "lower": ends[0], "upper": ends[1],
            })  # fmt: skip
    return found


def _within(value: float, low: float, high: float) -> bool:
    return bool(low <= value <= high)
