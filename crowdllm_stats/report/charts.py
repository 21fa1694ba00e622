"""Pictures as Vega-Lite specifications, made with Altair; colours of texts and axes are the page's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from crowdllm_stats._base.extras import naming_extras
from crowdllm_stats._base.shown import one_line
from crowdllm_stats.report.parts import Row, cut

#: Colours that can be told apart on white and on black, also by the colour-blind (Okabe and Ito 2008, darkened).
BLUE, ORANGE, GREEN, PURPLE, GREY = "#3182bd", "#d9740b", "#0a9372", "#b5679c", "#8a8a8a"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#b8a000", "#4aa8d8", "#c8503c", GREY)

#: Most rows of a picture; the table has the others.
DRAWN = 60

#: Most characters of an id beside a picture.
LABEL = 40


def altair() -> Any:
    """The library, loaded when a picture is made.

    Raises:
        ModuleNotFoundError: naming the extra that brings it.
    """
    with naming_extras():
        import altair as library

    return library


def finished(chart: Any) -> dict[str, Any]:
    """A chart as its specification, in the page's own font."""
    made = (
        chart.configure(font="system-ui, sans-serif", background="transparent")
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelLimit=240, gridOpacity=0.5)
        .configure_axisX(labelFlush=False, tickCount=8)
        .configure_legend(orient="top", columns=1, title=None, labelFontSize=12, labelLimit=320, symbolStrokeWidth=2)
        .configure_header(labelFontSize=12, titleFontSize=12, titleFontWeight="normal")
    )
    chart = made.to_dict(validate=False)
    chart.pop("$schema", None)  # vl-convert draws it, whose Vega-Lite need not be of the version that Altair names
    return chart  # type: ignore[no-any-return]  # Altair has no types here


def names_of(problems: Sequence[str]) -> dict[str, str]:
    """Ids as they stand beside a picture: cut, and still different from one another."""
    found: dict[str, str] = {}
    for problem in problems:
        line = one_line(problem)
        short = cut(line, LABEL)
        found[problem] = short if short not in found.values() else f"{cut(line, LABEL - 6)} ({len(found) + 1})"
    return found


def ends_of(rows: Sequence[Row], names: Sequence[str]) -> tuple[float, float]:
    """The smallest and the largest finite number of some columns."""
    values = [row[name] for row in rows for name in names if row.get(name) is not None and math.isfinite(row[name])]
    return min(values), max(values)


def endless(rows: Sequence[Row]) -> bool:
    """Whether an interval has no end on one side."""
    return any(not math.isfinite(_number(row[end], math.inf)) for row in rows for end in ("lower", "upper"))


def forest(
    rows: Sequence[Row],
    *,
    series: Mapping[str, str],
    label: str = "problem",
    title: str,
    points: Row | None = None,
    zero: bool = False,
    beside: bool = True,
) -> dict[str, Any]:
    """Intervals of several kinds, one line per label and kind; a missing or unlimited end runs to the picture's edge.

    Args:
        rows: with ``label``, ``kind``, ``estimate``, ``lower`` and ``upper``.
        series: kind -> colour, in order.
        label: the key that names a line.
        title: of the axis.
        points: label -> a single value that is marked with a cross, for instance the digital mean.
        zero: whether zero has a line.
        beside: whether the kinds of a label stand beside each other; False where each label has one kind.
    """
    alt = altair()
    marks = [] if points is None else [value for value in points.values() if value is not None]
    low, high = ends_of([*rows, *({"lower": mark} for mark in marks)], ("estimate", "lower", "upper"))
    names = names_of(list(dict.fromkeys(str(row[label]) for row in rows)))
    kinds = list(series)
    drawn = [
        {
            "label": names[str(row[label])],
            "kind": row["kind"],
            "estimate": row["estimate"],
            "lower": max(_number(row["lower"], low), low),
            "upper": min(_number(row["upper"], high), high),
        }
        for row in rows
        if row["estimate"] is not None
    ]
    y = alt.Y("label:N", sort=list(names.values()), title=None)
    legend = {} if len(kinds) > 1 else {"legend": None}
    color = alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=list(series.values())), **legend)
    shift = {"yOffset": alt.YOffset("kind:N", sort=kinds, scale=alt.Scale(paddingInner=0.4, paddingOuter=0.6))}
    scale = alt.Scale(domain=[low, high], nice=not endless(rows), zero=False)
    base = alt.Chart(alt.Data(values=drawn)).encode(y=y, color=color, **(shift if beside else {}))
    bars = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("lower:Q", scale=scale, title=title), x2="upper:Q")
    dots = base.mark_point(filled=True, size=55, opacity=1).encode(x=alt.X("estimate:Q", scale=scale))
    layers = [bars, dots]
    if points:
        crosses = [{"label": names[key], "value": value} for key, value in points.items() if value is not None]
        layers.append(
            alt.Chart(alt.Data(values=[one for one in crosses if one["label"] in names.values()]))
            .mark_point(shape="cross", filled=True, size=45, opacity=1, color=GREY)
            .encode(x=alt.X("value:Q", scale=scale), y=y)
        )
    if zero:
        layers.insert(
            0, alt.Chart(alt.Data(values=[{"x": 0.0}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="x:Q")
        )
    height = len(names) * (13 * (len(kinds) if beside else 1) + 10)
    return finished(alt.layer(*layers).properties(width="container", height=height))


def curves(
    rows: Sequence[Row], *, series: Mapping[str, str], x: str, y: str, wanted: float | None = None
) -> dict[str, Any]:
    """A line for each kind, and a dashed one at the height that is wanted.

    Args:
        rows: with ``kind``, ``x`` and ``y``.
        series: kind -> colour, in order.
        x: title of the axis below.
        y: title of the axis beside.
        wanted: a height.
    """
    alt = altair()
    color = alt.Color("kind:N", scale=alt.Scale(domain=list(series), range=list(series.values())))
    lines = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(strokeWidth=2.5)
        .encode(x=alt.X("x:Q", title=x, scale=alt.Scale(zero=False)), y=alt.Y("y:Q", title=y), color=color)
    )
    layers = [lines]
    if wanted is not None:
        rule = alt.Chart(alt.Data(values=[{"y": wanted}])).mark_rule(color=GREY, strokeDash=[4, 3])
        layers.append(rule.encode(y="y:Q"))
    return finished(alt.layer(*layers).properties(width="container", height=260))


def _number(value: float | None, instead: float) -> float:
    return instead if value is None or not math.isfinite(value) else value
