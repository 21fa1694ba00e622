"""Intervals drawn with letters, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crowdllm_stats.cli.output import Row


def bars(rows: Sequence[Row], label: str, width: int = 60) -> str:
    """One line a row: its label, and a bar from lower to upper with a dot at the estimate, all on one axis.

    Args:
        rows: with the keys estimate, lower, upper and ``label``; rows without an estimate are left out.
        label: the key that names a row.
        width: letters of the axis.

    Returns:
        The lines and the axis; an end that is unlimited, or off the picture, is drawn as an arrow.

    Example:
        >>> print(bars([{"m": "t", "estimate": 2.0, "lower": 1.0, "upper": 3.0}], "m", width=11))
        t |----o----|
          1         3
    """
    drawn = [row for row in rows if row.get("estimate") is not None]
    ends = [row[name] for row in drawn for name in ("estimate", "lower", "upper") if math.isfinite(row[name])]
    low, high = min(ends), max(ends)
    step = (high - low) / (width - 1) or 1.0
    names = max(len(str(row[label])) for row in drawn)
    lines = [f"{row[label]!s:<{names}} {_bar(row, low, step, width)}" for row in drawn]
    left, right = f"{low:.4g}", f"{high:.4g}"
    return "\n".join([*lines, f"{'':<{names}} {left}{right:>{width - len(left)}}"])


def _bar(row: Row, low: float, step: float, width: int) -> str:
    first = round((row["lower"] - low) / step) if math.isfinite(row["lower"]) else -1
    last = round((row["upper"] - low) / step) if math.isfinite(row["upper"]) else width
    cells = [" "] * width
    for place in range(max(first, 0), min(last, width - 1) + 1):
        cells[place] = "-"
    cells[max(first, 0)] = "|" if first >= 0 else "<"
    cells[min(last, width - 1)] = "|" if last < width else ">"
    cells[round((row["estimate"] - low) / step)] = "o"
    return "".join(cells).rstrip()
