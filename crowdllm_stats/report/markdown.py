"""Markdown for the reports: tables, and the line that says which command and commit made them."""

from __future__ import annotations

import subprocess
from pathlib import Path

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


def made_by(command: str, root: Path) -> str:
    """One line naming the command and the commit of the working tree (marked where it had changes).

    Args:
        command: what a reader types to make the report again.
        root: the repository's folder.
    """

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    changed = " with uncommitted changes" if git("status", "--porcelain", "--", "crowdllm_stats", "simulations") else ""
    return f"Made by `{command}` at commit {commit}{changed}."
