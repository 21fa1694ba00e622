"""Nested-loop plot: every cell of a study side by side, one line a method, the factors' levels as steps below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats.studies.engine.design import Picture, levels_text
from crowdllm_stats.studies.engine.parameters import Value
from crowdllm_stats.studies.engine.results import Results


def draw_nested_loop(picture: Picture, results: Results, frame: pd.DataFrame) -> Any:
    """Draw it; the first factor turns slowest.

    Returns:
        The matplotlib figure.

    Source: Ruecker and Schwarzer 2014, Presenting simulation results in a nested loop plot, BMC Medical Research
    Methodology 14.
    """
    from matplotlib.figure import Figure

    design = results.design
    varied = [name for name, levels in design.factors.items() if len(picture.where.get(name, levels)) > 1]
    shown = results.frame[results.frame["measure"] == picture.measure]
    for name, levels in picture.where.items():
        shown = shown[shown[name].isin(list(levels))]
    places = {cell: spot for spot, cell in enumerate(dict.fromkeys(_keys(shown, [*design.factors])))}
    count = len(places)
    figure = Figure(figsize=(max(7.0, min(16.0, 0.06 * count + 4.0)), 5.6), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 0.5 + 0.35 * len(varied)])
    palette = colors()
    for number, method in enumerate(design.methods):
        rows = frame[frame["method"] == method]
        if rows.empty:
            continue
        values = np.full((3, count), np.nan)
        spots = [places[key] for key in _keys(rows, [*design.factors])]
        values[:, spots] = rows[["value", "lower", "upper"]].to_numpy().T
        edges, color = np.arange(count + 1) - 0.5, palette[number % len(palette)]
        top.stairs(values[0], edges, baseline=None, color=color, label=method, linewidth=1.1)
        band = values[1:].repeat(2, axis=1)
        x = edges.repeat(2)[1:-1]
        top.fill_between(x, band[0], band[1], color=color, alpha=0.15, linewidth=0)
    nominal = next(spec.nominal for spec in design.measures if spec.name == picture.measure)
    if nominal is not None:
        top.axhline(nominal, color="grey", linestyle="--", linewidth=0.9)
    top.set_ylabel(picture.measure.replace("_", " "))
    top.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
    for height, name in enumerate(reversed(varied)):
        shown_levels = levels_of(name, picture, results)
        steps = np.array([shown_levels.index(dict(zip(design.factors, cell, strict=True))[name]) for cell in places])
        below.stairs(height + 0.7 * steps / max(len(shown_levels) - 1, 1), np.arange(count + 1) - 0.5, baseline=None)
        below.text(count, height + 0.2, f" {name}: {levels_text(shown_levels)}", fontsize=7, va="center")
    below.set_yticks([])
    below.set_xticks([])
    for side in ("top", "right", "left", "bottom"):
        below.spines[side].set_visible(False)
    below.set_xlabel(
        f"{count} cells; " + ", ".join(f"{n} {levels_text(v)}" for n, v in picture.where.items() if len(v) == 1)
    )  # noqa: E501
    figure.suptitle(picture.title or design.title, fontsize=10)
    return figure


def levels_of(name: str, picture: Picture, results: Results) -> Sequence[Value]:
    """The drawn levels of a factor, or the drawn methods."""
    every: Sequence[Value] = results.design.methods if name == "method" else results.design.factors[name]
    return [level for level in every if level in picture.where.get(name, every)]


def _keys(frame: pd.DataFrame, names: list[str]) -> list[tuple[Any, ...]]:
    return list(frame[names].itertuples(index=False, name=None))


def colors() -> tuple[Any, ...]:
    """Eighteen colours that can be told apart.

    Example:
        >>> len(colors())
        18
    """
    from matplotlib import colormaps

    return (*colormaps["tab10"].colors, *colormaps["Dark2"].colors)  # type: ignore[attr-defined]  # listed colour maps
