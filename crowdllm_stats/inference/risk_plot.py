"""Picture of the risk decomposition: two waterfalls, as published and exact, with the risk itself as a line."""

from __future__ import annotations

from typing import Any


def plot_decomposition(values: dict[str, float], n_person: int) -> Any:
    """Draw both sums as waterfalls.

    Args:
        values: name -> value of every part of the decomposition.
        n_person: number of people N.

    Returns:
        The matplotlib figure.

    Example:
        >>> parts = dict(zip(("L", "L1", "L2", "L3", "L4", "L5", "alignment"), (1.0,) * 7))
        >>> len(plot_decomposition({**parts, "exact": 1.0, "published": 3.0}, 4).axes)
        2
    """
    from matplotlib.figure import Figure

    shrink = 1 - 2 / n_person
    published = [("L1", values["L1"]), ("+ L2", values["L2"]), ("+ L3", values["L3"]), ("+ L4", values["L4"]),
                 ("- L5", -values["L5"])]  # fmt: skip
    exact = [("L1", values["L1"]), ("- (1-2/N) L2", -shrink * values["L2"]), ("+ L3", values["L3"]),
             ("+ L4", values["L4"]), ("- L5", -values["L5"]), ("+ 2 X", 2 * values["alignment"])]  # fmt: skip
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, title, steps, total in (
        (axes[0], "as published", published, values["published"]),
        (axes[1], "exact", exact, values["exact"]),
    ):
        _waterfall(axis, steps, total)
        axis.axhline(values["L"], color="black", linewidth=1.0, linestyle="--", label=f"risk L = {values['L']:.3g}")
        axis.set_title(f"{title}: sum {total:.3g}")
        axis.legend(frameon=False)
    axes[0].set_ylabel("squared answer units")
    return figure


def _waterfall(axis: Any, steps: list[tuple[str, float]], total: float) -> None:
    level = 0.0
    for place, (_, step) in enumerate(steps):
        axis.bar(place, step, bottom=level, color="#4C72B0" if step >= 0 else "#DD8452", width=0.7)
        level += step
    axis.bar(len(steps), total, color="#555555", width=0.7)
    axis.axhline(0.0, color="grey", linewidth=0.6)
    axis.set_xticks(range(len(steps) + 1), [name for name, _ in steps] + ["sum"], rotation=45, ha="right")
