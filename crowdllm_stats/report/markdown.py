"""Markdown for the reports: tables."""

from __future__ import annotations

import pandas as pd


def markdown_table(frame: pd.DataFrame, digits: int = 3) -> str:
    """A GitHub-style table of a data frame's columns; floats with a fixed number of digits.

    Args:
        frame: the rows; its index is left out.
        digits: digits after the point of float columns.

    Returns:
        Lines joined by newlines, without one at the end.

    Example:
        >>> print(markdown_table(pd.DataFrame({"n": [5], "coverage": [0.95]})))
        | n | coverage |
        |---|---|
        | 5 | 0.950 |
    """

    def word(value: object) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:.{digits}f}"
        return str(value)

    lines = ["| " + " | ".join(map(str, frame.columns)) + " |", "|" + "---|" * len(frame.columns)]
    lines += [
        "| " + " | ".join(word(value) for value in row) + " |" for row in frame.itertuples(index=False, name=None)
    ]
    return "\n".join(lines)
