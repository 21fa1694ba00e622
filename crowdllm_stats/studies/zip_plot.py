"""Zip plot: every interval of a cell, the farthest from the truth on top; those that miss show in red."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compute import plan_of
from .design import Picture
from .results import Results
from .store import Store
from .summarise import runs_by_cell


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
    plan = plan_of(design)
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
