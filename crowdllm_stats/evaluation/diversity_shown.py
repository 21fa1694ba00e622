"""A diversity in words and as a picture."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

Measure = Literal["between people", "within people", "together", "energy distance"]
MEASURES: tuple[Measure, ...] = ("between people", "within people", "together", "energy distance")


def verdict(row: pd.Series) -> str:
    """A row of ``Diversity.table`` judged by its interval.

    Example:
        >>> verdict(pd.Series({"measure": "between people", "lower": 0.3, "upper": 0.8}))
        'too uniform'
    """
    if row["measure"] == "energy distance":
        return "apart" if row["lower"] > 0.0 else "no distance is shown"
    return "too uniform" if row["upper"] < 1.0 else "too varied" if row["lower"] > 1.0 else "no difference is shown"


def sentence(row: pd.Series) -> str:
    """A row of ``Diversity.table`` in words.

    Example:
        >>> row = {"part": "everyone", "measure": "between people", "human": 0.5, "digital": 0.2, "estimate": 0.4}
        >>> sentence(pd.Series({**row, "lower": 0.3, "upper": 0.56}))
        "everyone, between people: variance 0.2 against people's 0.5, ratio 0.4 [0.3, 0.56]: too uniform"
    """
    head = f"{row['part']}, {row['measure']}: "
    values = f"{row['estimate']:.3g} [{row['lower']:.3g}, {row['upper']:.3g}]: {verdict(row)}"
    if row["measure"] == "energy distance":
        return (
            f"{head}two answers to a problem differ by {row['digital']:.3g} against people's {row['human']:.3g}, "
            f"distance {values}"
        )
    return f"{head}variance {row['digital']:.3g} against people's {row['human']:.3g}, ratio {values}"


def picture(table: pd.DataFrame) -> Any:
    """Ratios of the variances between and within people, and energy distances, with intervals; one line per part.

    Args:
        table: as in :class:`Diversity`; ``part`` may name crowds instead.

    Returns:
        The matplotlib figure.

    Raises:
        ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
    """
    from matplotlib.figure import Figure

    parts = list(dict.fromkeys(table["part"]))
    heights = {name: len(parts) - 1 - place for place, name in enumerate(parts)}
    shown: tuple[Measure, ...] = ("between people", "within people", "energy distance")
    figure = Figure(figsize=(11.0, 1.4 + 0.26 * len(parts)), layout="constrained")
    for axis, measure in zip(figure.subplots(1, 3, sharey=True), shown, strict=True):
        rows = table[table["measure"] == measure]
        off = [not verdict(row).startswith("no ") for _, row in rows.iterrows()]
        places = rows["part"].map(heights)
        axis.hlines(places, rows["lower"], rows["upper"], color="#BBBBBB", linewidth=4)
        axis.scatter(rows["estimate"], places, color=np.where(off, "#C44E52", "#4C72B0"), zorder=3, s=22)
        axis.axvline(0.0 if measure == "energy distance" else 1.0, color="black", linewidth=0.8)
        axis.set_xlabel(measure if measure == "energy distance" else f"variance ratio {measure}")
        axis.set_yticks(list(heights.values()), parts, fontsize=8, parse_math=False)
    return figure
