"""Pictures of results: a dot and a bar for each question, and pairs of dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crowdllm_stats._base.shown import cut, one_line
from crowdllm_stats.survey.result import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Rows that are drawn at most.
DRAWN = 60

#: Most characters of a question's id beside the axis.
ID_WIDTH = 40


def panel(rows: Sequence[Row], title: str, label: str) -> tuple[Figure, Axes]:
    """A figure with one line for each of the first rows, named by their questions, the first on top.

    Args:
        rows: with the key problem.
        title: of the picture.
        label: of the horizontal axis.
    """
    from matplotlib.figure import Figure

    shown = rows[:DRAWN]
    figure = Figure(figsize=(7.0, 1.3 + 0.3 * len(shown)), layout="constrained")
    axis = figure.subplots()
    axis.set_yticks(heights(shown), [cut(one_line(str(row["problem"])), ID_WIDTH) for row in shown])
    for text in axis.get_yticklabels():
        text.set_parse_math(False)
    axis.set_ylim(-0.7, len(shown) - 0.3)
    left = len(rows) - len(shown)
    axis.set_title(f"{title}{f' (the first {len(shown)} of {len(rows)})' if left else ''}", fontsize=10)
    axis.set_xlabel(label)
    return figure, axis


def heights(rows: Sequence[Row]) -> Any:
    """Where the lines of the first rows stand."""
    return np.arange(min(len(rows), DRAWN), dtype=float)[::-1]


def column(rows: Sequence[Row], name: str) -> Any:
    """A number of the first rows; not-a-number, which is not drawn, where a row has none."""
    return np.array([np.nan if row.get(name) is None else row[name] for row in rows[:DRAWN]], dtype=float)


def forest(rows: Sequence[Row], title: str, label: str) -> Figure:
    """A dot at each estimate and a bar from lower to upper; human answers alone, where they are known, as a grey bar.

    Args:
        rows: with problem, estimate, lower, upper, and half_width_alone where that is known.
        title: of the picture.
        label: of the horizontal axis.
    """
    figure, axis = panel(rows, title, label)
    place, estimate = heights(rows), column(rows, "estimate")
    ends = [column(rows, "lower"), column(rows, "upper")]
    finite = np.concatenate([estimate, *(end[np.isfinite(end)] for end in ends)])
    pad = 0.05 * (float(np.nanmax(finite) - np.nanmin(finite)) or 1.0)
    low, high = (
        np.where(np.isinf(end), edge, end)
        for end, edge in zip(ends, (np.nanmin(finite) - pad, np.nanmax(finite) + pad), strict=True)
    )
    alone = column(rows, "half_width_alone")
    if np.isfinite(alone).any():
        axis.hlines(
            place - 0.22, estimate - alone, estimate + alone, color="0.7", linewidth=2,
            label="width from the human answers alone",
        )  # fmt: skip
    axis.hlines(place, low, high, color="tab:blue", linewidth=2, label="interval")
    axis.plot(estimate, place, "o", color="black", markersize=4)
    if np.isfinite(alone).any():
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False, fontsize=8)
    return figure


def pairs(rows: Sequence[Row], names: dict[str, str], title: str, label: str) -> Figure:
    """Two or more dots on each line.

    Args:
        rows: with problem and the keys of ``names``.
        names: key of a number -> what it is called.
        title: of the picture.
        label: of the horizontal axis.
    """
    figure, axis = panel(rows, title, label)
    place = heights(rows)
    for mark, (name, word) in zip("osD^v", names.items(), strict=False):
        axis.plot(column(rows, name), place, mark, markersize=5, label=word, fillstyle="none")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(names), frameon=False, fontsize=8)
    return figure
