"""Pictures of a study's results: lines with bands, coverage dots, heat maps; each says how sure its numbers are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats.studies.engine.compute import layout_of
from crowdllm_stats.studies.engine.design import Picture, levels_text
from crowdllm_stats.studies.engine.parameters import Value
from crowdllm_stats.studies.engine.results import Results
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import runs_by_cell

#: Inches of one panel.
PANEL = (3.4, 2.6)


def draw(picture: Picture, results: Results) -> Any:
    """Draw one picture of a study.

    Returns:
        The matplotlib figure.

    Raises:
        ModuleNotFoundError: without matplotlib (``crowdllm-stats[plot]``).
        ValueError: if nothing is left to draw.
    """
    if picture.kind == "zip":
        return draw_zip(picture, results)
    frame = results.part(picture.measure, where=picture.where)
    if frame["value"].notna().sum() == 0:
        raise ValueError(f"picture {picture.file!r}: no value of {picture.measure!r} is left to draw")
    if picture.kind == "nested-loop":
        return draw_nested_loop(picture, results, frame)
    return _panels(picture, results, frame, {"lines": _lines, "coverage": _dots, "map": _map}[picture.kind])


def save_all(results: Results, folder: Path) -> list[Path]:
    """Draw every picture of the design into ``folder`` as PNG.

    Returns:
        The files, in the design's order.
    """
    files = []
    for picture in results.design.pictures:
        figure = draw(picture, results)
        file = folder / f"{picture.file}.png"
        figure.savefig(file, dpi=110, metadata={"Software": None})
        files.append(file)
    return files


def _panels(picture: Picture, results: Results, frame: pd.DataFrame, fill: Callable[..., None]) -> Any:
    from matplotlib.figure import Figure

    rows = _shown(picture.row, picture, results)
    columns = _shown(picture.column, picture, results)
    size = (PANEL[0] * len(columns) + 1.6, PANEL[1] * len(rows) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            part = _only(_only(frame, picture.row, row), picture.column, column)
            fill(axes[i, j], picture, results, part)
            words = [f"{name} {levels_text([level])}" for name, level in ((picture.row, row), (picture.column, column))
                     if name is not None and level is not None]  # fmt: skip
            axes[i, j].set_title(", ".join(words), fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel(str(picture.x))
    for axis in axes[:, 0]:
        axis.set_ylabel(str(picture.y) if picture.kind == "map" else picture.measure.replace("_", " "))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8, title=picture.color)
    figure.suptitle(picture.title or results.design.title, fontsize=10)
    return figure


def _shown(name: str | None, picture: Picture, results: Results) -> Sequence[Value | None]:
    """Levels of an axis in their order; one panel where there is none."""
    return [None] if name is None else levels_of(name, picture, results)


def _only(frame: pd.DataFrame, name: str | None, level: Value | None) -> pd.DataFrame:
    if name is None or level is None:
        return frame
    return frame[[value == level for value in frame[name]]]


def _positions(levels: Sequence[Value]) -> Mapping[Value, float]:
    """Where levels stand on an axis: numbers at their value, words side by side."""
    if all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        return {level: float(level) for level in levels}  # type: ignore[arg-type]
    return {level: float(place) for place, level in enumerate(levels)}


def _axis(axis: Any, picture: Picture, results: Results) -> Mapping[Value, float]:
    levels = levels_of(str(picture.x), picture, results)
    place = _positions(levels)
    if picture.log:
        axis.set_xscale("log")
    axis.set_xticks([place[level] for level in levels], [levels_text([level]) for level in levels], minor=False)
    axis.minorticks_off()
    return place


def _nominal(axis: Any, picture: Picture, results: Results) -> None:
    nominal = next(spec.nominal for spec in results.design.measures if spec.name == picture.measure)
    if nominal is not None:
        axis.axhline(nominal, color="grey", linestyle="--", linewidth=0.9)


def _series(picture: Picture, results: Results, part: pd.DataFrame) -> list[tuple[Value, pd.DataFrame, str]]:

    palette = colors()
    every: Sequence[Value] = (
        results.design.methods if picture.color == "method" else results.design.factors[picture.color]
    )
    found = []
    for place, level in enumerate(every):
        if level in picture.where.get(picture.color, every):
            found.append((level, _only(part, picture.color, level), palette[place % len(palette)]))
    return found


def _lines(axis: Any, picture: Picture, results: Results, part: pd.DataFrame) -> None:
    place = _axis(axis, picture, results)
    _nominal(axis, picture, results)
    for level, rows, color in _series(picture, results, part):
        x = np.array([place[value] for value in rows[picture.x]])
        order = np.argsort(x)
        x, rows = x[order], rows.iloc[order]
        axis.plot(x, rows["value"], "o-", color=color, markersize=3, linewidth=1.2, label=levels_text([level]))
        axis.fill_between(x, rows["lower"], rows["upper"], color=color, alpha=0.2, linewidth=0)
    axis.grid(alpha=0.25)


def _dots(axis: Any, picture: Picture, results: Results, part: pd.DataFrame) -> None:
    levels = levels_of(str(picture.x), picture, results)
    place = {level: float(spot) for spot, level in enumerate(levels)}
    axis.set_xticks(range(len(levels)), [levels_text([level]) for level in levels])
    _nominal(axis, picture, results)
    series = _series(picture, results, part)
    for number, (level, rows, color) in enumerate(series):
        shift = (number - 0.5 * (len(series) - 1)) * 0.8 / max(len(series), 1)
        x = np.array([place[value] for value in rows[picture.x]]) + shift
        ends = np.abs(np.stack([rows["value"] - rows["lower"], rows["upper"] - rows["value"]]))
        axis.errorbar(
            x, rows["value"], ends, fmt="o", color=color, markersize=3, linewidth=1, label=levels_text([level])
        )
    axis.grid(axis="y", alpha=0.25)


def _map(axis: Any, picture: Picture, results: Results, part: pd.DataFrame) -> None:
    across, up = levels_of(str(picture.x), picture, results), levels_of(str(picture.y), picture, results)
    values = np.full((len(up), len(across)), np.nan)
    for x, y, value in zip(part[picture.x], part[picture.y], part["value"], strict=True):
        values[up.index(y), across.index(x)] = value
    whole = results.part(picture.measure, where=picture.where)["value"]
    mesh = axis.pcolormesh(values, cmap="RdYlBu", vmin=float(whole.min()), vmax=float(whole.max()))
    for (row, column), value in np.ndenumerate(values):
        words = "none" if np.isnan(value) else f"{value:.2f}"
        light = np.isnan(value) or float(np.dot(mesh.to_rgba(value)[:3], (0.3, 0.6, 0.1))) > 0.5
        ink = "black" if light else "white"
        axis.text(column + 0.5, row + 0.5, words, ha="center", va="center", fontsize=7, color=ink)
    axis.set_xticks(np.arange(len(across)) + 0.5, [levels_text([level]) for level in across])
    axis.set_yticks(np.arange(len(up)) + 0.5, [levels_text([level]) for level in up])


def draw_zip(picture: Picture, results: Results) -> Any:
    """One panel a method, for the one cell that ``where`` leaves.

    Intervals are ranked by the distance of the truth from the estimate over that of the interval's end on its side; the
    height is the rank in percent, so that a method of coverage 0.95 turns red at 95.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: if ``where`` leaves several cells, or none that was run.

    Source: Morris, White and Crowther 2019, Statistics in Medicine 38, figure 6.
    """
    from matplotlib.figure import Figure

    design = results.design
    plan = layout_of(design)
    left = [cell for cell in plan.grid if all(cell.levels[n] in v for n, v in picture.where.items() if n != "method")]
    if len(left) != 1:
        raise ValueError(f"picture {picture.file!r}: a zip plot shows one cell; where leaves {len(left)}")
    store = Store(results.folder, design)
    runs = next((runs for cell, runs in runs_by_cell(plan, store) if cell.number == left[0].number), {})
    wanted = picture.where.get("method", design.methods)
    shown = {method: run.sound() for method, run in runs.items() if method in wanted}
    if not shown:
        raise ValueError(f"picture {picture.file!r}: no method was run in the cell {left[0].text}")
    figure = Figure(figsize=(2.3 * len(shown) + 0.8, 4.2), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axis, method in zip(axes, [name for name in design.methods if name in shown], strict=True):
        _panel(axis, shown[method])
        axis.set_title(method, fontsize=9)
    nominal = next((spec.nominal for spec in design.measures if spec.kind == "coverage"), None)
    for axis in axes:
        if nominal is not None:
            axis.axhline(100 * nominal, color="grey", linestyle="--", linewidth=0.9)
    axes[0].set_ylabel("rank of the distance from the truth, percent")
    figure.suptitle(picture.title or left[0].text, fontsize=10)
    return figure


def _panel(axis: Any, run: dict[str, Any]) -> None:
    off = run["truth"] - run["estimate"]
    reach = np.where(off > 0.0, run["upper"] - run["estimate"], run["estimate"] - run["lower"])
    far = np.divide(np.abs(off), reach, out=np.where(off != 0.0, np.inf, 0.0), where=reach > 0.0)
    order = np.argsort(far, kind="stable")
    height = 100.0 * (np.arange(order.size) + 0.5) / order.size
    lower, upper, truth = (run[name][order] for name in ("lower", "upper", "truth"))
    missed = (truth < lower) | (truth > upper)
    for mask, color in ((~missed, "tab:blue"), (missed, "tab:red")):
        axis.hlines(height[mask], lower[mask] - truth[mask], upper[mask] - truth[mask], color=color, linewidth=0.3)
    axis.axvline(0.0, color="black", linewidth=0.8)
    axis.set_xlabel("interval less the truth", fontsize=8)


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
