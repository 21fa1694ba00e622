"""Markdown for the reports: tables.

pandas' own ``to_markdown`` is not used: it needs tabulate, leaves bars and line breaks in cells as they are, and pads
every column, so that one longer cell changes all lines of a report.
"""

from __future__ import annotations

import re

import pandas as pd

from crowdllm_stats._base.shown import one_line


def markdown_table(frame: pd.DataFrame, digits: int = 3) -> str:
    """A GitHub-style table of a data frame's columns; floats with a fixed number of digits, texts in one line.

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
        return in_table(str(value))

    lines = ["| " + " | ".join(in_table(str(name)) for name in frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    lines += [
        "| " + " | ".join(word(value) for value in row) + " |" for row in frame.itertuples(index=False, name=None)
    ]
    return "\n".join(lines)


def in_table(text: str) -> str:
    """A text as it stands in one cell of a table: without line breaks, and no end of the cell within it.

    Example:
        >>> print(in_table("|z| below 4\\nin all cells"))
        \\|z\\| below 4 in all cells
    """
    return re.sub(r"\\*\|", lambda found: "&#92;" * (len(found[0]) - 1) + "\\|", one_line(text))
