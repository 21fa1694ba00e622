"""Results in words and tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .design import Picture, levels_text

if TYPE_CHECKING:
    from .results import Results


def overview(results: Results) -> pd.DataFrame:
    """One row a method and measure: its values over the cells that were run.

    Returns:
        Columns ``method``, ``measure``, ``cells``, ``mean``, ``smallest``, ``largest``, ``largest_mcse`` (Monte Carlo
        standard error), ``failed`` (replicates, over all cells); in the order of the study's measures and methods.
    """
    part = results.frame[results.frame["note"] == ""]
    grouped = part.groupby(["method", "measure"], sort=False)
    table = grouped.agg(
        cells=("value", "size"),
        mean=("value", "mean"),
        smallest=("value", "min"),
        largest=("value", "max"),
        largest_mcse=("mcse", "max"),
        failed=("failed", "sum"),
    ).reset_index()
    for name, order in (("method", results.design.methods), ("measure", [s.name for s in results.design.measures])):
        table[name] = pd.Categorical(table[name], list(order), ordered=True)
    return table.sort_values(["measure", "method"]).astype({"method": str, "measure": str}).reset_index(drop=True)


def wide(results: Results, measure: str) -> pd.DataFrame:
    """One row a cell, one column a method: the value and its standard error as text, a dash where skipped.

    Args:
        results: of a study.
        measure: name of one of its measures.

    Returns:
        The factors' columns, then the methods' in the study's order.
    """
    rows = results.frame[results.frame["measure"] == measure]
    words = [
        "-" if note else f"{_number(value)} ({_number(error, 2)})"
        for value, error, note in zip(rows["value"], rows["mcse"], rows["note"], strict=True)
    ]
    table = rows.assign(words=words)
    axes = list(results.design.factors)
    order = {method: place for place, method in enumerate(results.design.methods)}
    pivot = table.pivot_table(index=axes, columns="method", values="words", aggfunc="first", sort=False)
    return pivot[sorted(pivot.columns, key=order.__getitem__)].reset_index()


def drawn(results: Results, picture: Picture) -> pd.DataFrame:
    """What a picture of lines or dots shows, over its panels: mean value, and in brackets the smallest to largest.

    Args:
        results: of a study.
        picture: of kind "lines" or "coverage", with a factor on its horizontal axis.

    Returns:
        One row a line of the picture, one column a level on its axis, all cells text; a dash where nothing was run.
    """
    rows = results.part(picture.measure, where=picture.where)
    rows = rows[rows["value"].notna()]
    columns = [level for level in results.design.factors[str(picture.x)] if level in set(rows[str(picture.x)])]
    every = results.design.methods if picture.color == "method" else results.design.factors[picture.color]
    made = []
    for level in every:
        part = rows[[value == level for value in rows[picture.color]]]
        if part.empty:
            continue
        line: dict[str, str] = {picture.color: levels_text([level])}
        for column in columns:
            values = part.loc[[value == column for value in part[str(picture.x)]], "value"]
            words = f"{_number(values.mean())} ({_number(values.min())} to {_number(values.max())})"
            line[f"{picture.x} {levels_text([column])}"] = "-" if values.empty else words
        made.append(line)
    return pd.DataFrame(made)


def _number(value: float, digits: int = 4) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.{digits}g}"


def table_words(results: Results) -> str:
    """The overview as text, the study's title above.

    Returns:
        Lines without a newline at the end; numbers with four digits.

    Example:
        >>> from pathlib import Path
        >>> from crowdllm_stats.studies.design_file import make_design
        >>> from crowdllm_stats.studies.results import Results
        >>> content = {"title": "Mine", "simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"],
        ...            "measures": ["coverage"], "replicates": 100, "seed": 1}
        >>> frame = pd.DataFrame({"n": [5, 10], "method": "classical", "measure": "coverage", "value": [0.72, 0.95],
        ...                       "mcse": [0.045, 0.022], "successes": [72.0, 95.0], "replicates": 100, "failed": 0,
        ...                       "note": ""})
        >>> results = Results(make_design(content, "mine"), frame, pd.DataFrame(), Path("out/mine"))
        >>> print(table_words(results))
        Mine
           method  measure  cells  mean  smallest  largest  largest_mcse  failed
        classical coverage      2 0.835      0.72     0.95         0.045       0
    """
    return f"{results.design.title}\n{overview(results).to_string(index=False, float_format=lambda v: f'{v:.4g}')}"
