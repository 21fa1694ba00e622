"""The risk of the crowd's mean as a part of a report: the paper's Figure 2 drawn to scale, and the sum of its parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from crowdllm_stats._base.shown import several
from crowdllm_stats.report.charts import BLUE, DRAWN, GREEN, GREY, ORANGE, PURPLE, altair, finished, names_of
from crowdllm_stats.report.interval_parts import level_of
from crowdllm_stats.report.parts import Figure, Part, Row, Table, part_of, said, text_of, whole_rows

#: Key of a part -> what it is.
MEANINGS = {
    "L": "Squared gap of the two means",
    "L1": "Human answers about their mean (L1)",
    "L2": "Noise of a human answer (L2)",
    "L3": "A person and their twin (L3)",
    "L4": "Noise of a twin's answer (L4)",
    "L5": "Twins' answers about their mean (L5)",
    "alignment": "Alignment (X)",
    "exact": "Exact sum",
    "published": "Sum as published",
    "llm_exact": "Bare LLM, exact",
    "llm_published": "Bare LLM, as published",
}

#: The corners of Figure 2 in the order of its sides, and the side that begins at each.
_CORNERS = ("mean of the humans", "a person's answer", "the person", "the twin", "a twin's answer", "mean of the twins")
_SIDES = ("L1", "L2", "L3", "L4", "L5", "L")

_CIRCLE = 72


def risk_part(content: Mapping[str, Any]) -> Part:
    """Theorem 2 and Proposition 1 in pictures."""
    rows, summary = content["results"], content["summary"]
    whole = next((row for row in summary if row["problem"] == "mean"), rows[0])
    where = f"over {several(len(rows), 'question')}" if len(rows) > 1 else "for this question"
    methods = (
        "The squared difference between the mean answers of people and of their digital twins was decomposed by "
        f"Theorem 2 of CrowdLLM [crowdllm], in its exact form, on {several(len(rows), 'question')}"
        + (f"; averages over questions have Student t intervals of level {level_of(content)}." if summary else ".")
    )
    figures = [_to_scale(whole, where), _sum(whole), _questions(rows, summary)]
    return part_of(content, "How far the digital twins' mean is from the humans'", figures, methods)


def _to_scale(row: Row, where: str) -> Figure:
    """Figure 2 of the paper with the root of each part as a length; the table has parts and lengths."""
    lengths = {name: math.sqrt(row[name]) if (row.get(name) or -1.0) >= 0.0 else None for name in _SIDES}
    lengths["L"] = math.sqrt(max(row["L"], 0.0))
    sides = [lengths[name] for name in _SIDES]
    closed = None if any(side is None for side in sides) else polygon([side or 0.0 for side in sides])
    missing = [name for name in _SIDES if lengths[name] is None]
    if closed is not None:
        reading = "Every side has the length that it has in the answers' own units."
    elif missing:
        reading = (
            f"Each circle has its radius in the answers' own units. {', '.join(missing)} cannot be drawn: "
            "the answers do not identify them, or their unbiased estimates are below zero."
        )
    else:
        reading = "The circles are to scale; the estimated sides do not meet, as estimates from few answers may not."
    rows = [
        {"part": MEANINGS[name], "value": row.get(name), "length": lengths[name]} for name in _SIDES if name in lengths
    ]
    return Figure(
        title="The paper's Figure 2, drawn to scale",
        says=(
            f"Averages {where}: human answers lie {_word(lengths['L1'])} from their mean, the twins' answers "
            f"{_word(lengths['L5'])} from theirs, and the two means {_word(lengths['L'])} from each other (root mean "
            "squares)."
        ),
        chart=_drawing(lengths, closed),
        alt=(
            "A circle of human answers about their mean and a circle of twins' answers about theirs, with the radii "
            f"{_word(lengths['L1'])} and {_word(lengths['L5'])} and their centres {_word(lengths['L'])} apart."
        ),
        reading=reading,
        table=Table({"part": "Part", "value": "Squared units", "length": "Length drawn"}, rows),
    )


def _word(value: float | None) -> str:
    return "an unknown length" if value is None else said(value)


def _drawing(lengths: Mapping[str, float | None], closed: Sequence[tuple[float, float]] | None) -> dict[str, Any]:
    alt = altair()
    points = {_CORNERS[0]: (0.0, 0.0), _CORNERS[-1]: (lengths["L"] or 0.0, 0.0)}
    if closed is not None:
        points = dict(zip(_CORNERS, closed, strict=True))
    colors = {"human answers": ORANGE, "the twins' answers": PURPLE}
    rings = [
        {"ring": ring, "place": turn, "x": x + radius * math.cos(angle), "y": y + radius * math.sin(angle)}
        for ring, (x, y), radius in zip(
            colors,
            (points[_CORNERS[0]], points[_CORNERS[-1]]),
            (lengths["L1"] or 0.0, lengths["L5"] or 0.0),
            strict=True,
        )
        for turn in range(_CIRCLE + 1)
        for angle in [2.0 * math.pi * turn / _CIRCLE]
    ]
    dots = [{"name": name, "x": at[0], "y": at[1]} for name, at in points.items()]
    sides = _sides(points, closed is not None)
    middles = [{"side": one["side"], "x": one["mx"], "y": one["my"]} for one in sides]
    x, y = _equal_axes([*rings, *dots])
    color = alt.Color("ring:N", scale=alt.Scale(domain=list(colors), range=list(colors.values())))

    def chart(rows: Sequence[Row], **others: Any) -> Any:
        return alt.Chart(alt.Data(values=list(rows))).encode(x=x, y=y, **others)

    layers = [
        chart(rings, order="place:Q", color=color).mark_line(strokeDash=[5, 4], strokeWidth=1.5),
        chart(sides, x2="x2:Q", y2="y2:Q").mark_rule(color=GREY),
        chart(dots).mark_point(filled=True, size=70, opacity=1, color=GREY),
        chart(middles, text="side:N").mark_text(fontSize=13, dy=-8),
    ]
    for own, align, away in ((_CORNERS[:3], "right", -8), (_CORNERS[3:], "left", 8)):
        names = [dot for dot in dots if dot["name"] in own]
        layers.append(chart(names, text="name:N").mark_text(fontSize=12, align=align, dx=away))
    return finished(alt.layer(*layers).properties(width=420, height=420))


def _equal_axes(points: Sequence[Row]) -> tuple[Any, Any]:
    """Axes on which a unit is as long one way as the other, with room for all points."""
    alt = altair()
    ends = {axis: (min(one[axis] for one in points), max(one[axis] for one in points)) for axis in "xy"}
    half = 0.5 * max(high - low for low, high in ends.values()) or 1.0
    scales = {
        axis: alt.Scale(domain=[0.5 * (low + high) - half, 0.5 * (low + high) + half], nice=False)
        for axis, (low, high) in ends.items()
    }
    return alt.X("x:Q", scale=scales["x"], axis=None), alt.Y("y:Q", scale=scales["y"], axis=None)


def _sides(points: Mapping[str, tuple[float, float]], closed: bool) -> list[dict[str, Any]]:
    named = list(zip(_SIDES, _CORNERS, [*_CORNERS[1:], _CORNERS[0]], strict=True))
    return [
        {
            "side": side,
            "x": points[one][0],
            "y": points[one][1],
            "x2": points[other][0],
            "y2": points[other][1],
            "mx": 0.5 * (points[one][0] + points[other][0]),
            "my": 0.5 * (points[one][1] + points[other][1]),
        }
        for side, one, other in (named if closed else named[-1:])
    ]


def polygon(sides: Sequence[float]) -> list[tuple[float, float]] | None:
    """Corners of the polygon with these sides whose corners lie on one circle; None where such sides do not meet.

    Args:
        sides: in order; the first corner is where the first side begins, and the last side lies on the horizontal axis
            and leads back to it.

    Example:
        >>> corners = polygon([3.0, 4.0, 5.0])
        >>> [(round(x, 3) + 0.0, round(y, 3)) for x, y in corners]
        [(0.0, 0.0), (1.8, 2.4), (5.0, 0.0)]
        >>> polygon([1.0, 1.0, 5.0]) is None
        True
    """
    from scipy.optimize import brentq

    largest = max(sides)
    if 2.0 * largest >= sum(sides):
        return None
    place = list(sides).index(largest)

    def arcs(radius: float, far: bool) -> list[float]:
        """Half the arc of every side; beyond the half circle for the largest where the centre lies outside."""
        found = [math.asin(min(side / (2.0 * radius), 1.0)) for side in sides]
        if far:
            found[place] = math.pi - found[place]
        return found

    smallest = largest / 2.0
    far = sum(arcs(smallest, False)) < math.pi
    top = smallest
    while (sum(arcs(top, far)) - math.pi) * (-1.0 if far else 1.0) > 0.0:
        top *= 2.0
    radius = brentq(lambda r: sum(arcs(r, far)) - math.pi, smallest, top, xtol=1e-14) if top > smallest else smallest
    angle, corners = 0.0, []
    for arc in arcs(radius, far):
        corners.append((radius * math.cos(-angle), radius * math.sin(-angle)))
        angle += 2.0 * arc
    return _laid(corners)


def _laid(corners: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners moved and turned: the first one at the origin, the last one to its right."""
    (x0, y0), (x1, y1) = corners[0], corners[-1]
    length = math.hypot(x1 - x0, y1 - y0)
    cos, sin = ((x1 - x0) / length, (y1 - y0) / length) if length > 0.0 else (1.0, 0.0)
    turned = [((x - x0) * cos + (y - y0) * sin, (y - y0) * cos - (x - x0) * sin) for x, y in corners]
    up = 1.0 if sum(y for _, y in turned) >= 0.0 else -1.0
    return [(x, up * y) for x, y in turned]


def _sum(row: Row) -> Figure:
    """The parts as bars, the sums below."""
    alt = altair()
    there = [
        {"part": label, "value": row[name], "kind": _kind(name)}
        for name, label in MEANINGS.items()
        if row.get(name) is not None
    ]
    every = {"the crowd's risk": BLUE, "its parts": GREY, "sums": GREEN, "the bare LLM's risk": ORANGE}
    colors = {kind: color for kind, color in every.items() if any(one["kind"] == kind for one in there)}
    base = alt.Chart(alt.Data(values=there)).encode(y=alt.Y("part:N", sort=None, title=None))
    bars = base.mark_bar(height=14).encode(
        x=alt.X("value:Q", title="squared units of the answers"),
        color=alt.Color("kind:N", scale=alt.Scale(domain=list(colors), range=list(colors.values()))),
    )
    gap = row["published"] - row["exact"]
    return Figure(
        title="What the squared gap is made of",
        says=(
            f"The exact sum of the parts equals the gap, {said(row['exact'])}; the sum as published is "
            f"{said(row['published'])}, {said(abs(gap))} {'too large' if gap > 0 else 'too small'}."
        ),
        chart=finished(bars.properties(width="container", height=26 * len(there))),
        alt="Bars of the parts of the squared gap, their exact sum and their sum as published.",
        reading="Published: L1 + L2 + L3 + L4 - L5; exact, for N people: L1 - (1 - 2/N) L2 + L3 + L4 - L5 + 2 X.",
        table=Table({"part": "Part", "value": "Squared units"}, there),
    )


def _kind(name: str) -> str:
    if name == "L":
        return "the crowd's risk"
    if name.startswith("llm"):
        return "the bare LLM's risk"
    return "sums" if name in ("exact", "published") else "its parts"


def _questions(rows: Sequence[Row], summary: Sequence[Row]) -> Figure:
    alt = altair()
    names = names_of([str(row["problem"]) for row in rows[:DRAWN]])
    drawn = [{"label": names[str(row["problem"])], "value": row["L"]} for row in rows[:DRAWN]]
    chart = (
        alt.Chart(alt.Data(values=drawn))
        .mark_bar(color=BLUE, height=12)
        .encode(y=alt.Y("label:N", sort=None, title=None), x=alt.X("value:Q", title="squared gap of the two means"))
        .properties(width="container", height=20 * len(drawn))
    )
    worst = max(rows, key=lambda row: row["L"])
    return Figure(
        title="Question by question",
        says=f"The gap is largest for question {text_of(worst['problem'])}: {said(worst['L'])} squared units.",
        chart=finished(chart),
        alt=f"Bars of the squared gap of {several(len(drawn), 'question')}.",
        reading=f"The first {DRAWN} of {len(rows)} questions." if len(rows) > DRAWN else "",
        table=Table(
            {"problem": "Question", "n_person": "People"} | MEANINGS | {"note": "Remark"}, [*rows, *whole_rows(summary)]
        ),
    )
