"""The picture of a calibration: PIT and rank histograms with their bands, means and spreads by part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_TITLES = {
    "answers": "PIT of the answers",
    "people": "ranks of people's mean answers",
    "problems": "ranks of problems' mean answers",
}
_BAR, _BAND, _OFF = "#4C72B0", "#BBBBBB", "#C44E52"


def picture(checks: pd.DataFrame, histograms: pd.DataFrame, level: float) -> Any:
    """Three histograms above; below, for everyone and each part, people against the draws.

    All bars of a histogram lie between its dashed lines in a share ``level`` of the draws; a grey line is the middle
    share ``level`` of the draws' means or spreads. Red is what lies outside, or is flagged.

    Args:
        checks: the tables of a :class:`crowdllm_stats.evaluation.calibration.Calibration`.
        histograms: likewise.
        level: likewise.

    Returns:
        The matplotlib figure.

    Raises:
        ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
    """
    from matplotlib.figure import Figure

    parts = list(dict.fromkeys(checks["part"]))
    figure = Figure(figsize=(11.0, 4.2 + 0.24 * len(parts)), layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=[3.0, 1.2 + 0.24 * len(parts)])
    for place, unit in enumerate(_TITLES):
        axis = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        _bars(axis, histograms[histograms["unit"] == unit], unit)
    axes = [figure.add_subplot(grid[1, 3 * place : 3 * place + 3]) for place in range(2)]
    _parts(axes[0], checks, level, "location", "mean answer less the population's")
    _parts(axes[1], checks, level, "spread", "spread of answers over the population's")
    axes[1].set_yticklabels([])
    return figure


def _bars(axis: Any, table: pd.DataFrame, unit: str) -> None:
    edges = np.append(table["from"].to_numpy(), 1.0)
    off = (table["share"] < table["lower"]) | (table["share"] > table["upper"])
    axis.bar(edges[:-1], table["share"], np.diff(edges), align="edge", color=np.where(off, _OFF, _BAR), alpha=0.85)
    for end in ("lower", "upper"):
        axis.stairs(table[end], edges, baseline=None, color="#555555", linestyle="--", linewidth=1.2)
    axis.axhline(1.0 / len(table), color="black", linewidth=0.8)
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(bottom=0.0)
    axis.set_title(_TITLES[unit], fontsize=10)
    if unit == "answers":
        axis.set_ylabel("share")


def _parts(axis: Any, checks: pd.DataFrame, level: float, check: str, label: str) -> None:
    table = checks[checks["check"] == check]
    middle = table["expected"].to_numpy()
    values = [table[name].to_numpy() for name in ("observed", "lower", "upper")]
    shown = [one - middle for one in values] if check == "location" else [one / middle for one in values]
    heights = np.arange(len(table))[::-1]
    axis.hlines(heights, shown[1], shown[2], color=_BAND, linewidth=4)
    flagged = table["p_value"].to_numpy() <= 1.0 - level
    axis.scatter(shown[0], heights, color=np.where(flagged, _OFF, _BAR), zorder=3, s=22)
    axis.axvline(0.0 if check == "location" else 1.0, color="black", linewidth=0.8)
    axis.set_yticks(heights, [str(name) for name in table["part"]], fontsize=8, parse_math=False)
    axis.set_xlabel(label)
