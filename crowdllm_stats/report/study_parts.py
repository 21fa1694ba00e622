"""What was checked by computer, as parts of a report: simulation studies and the theory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crowdllm_stats._base.shown import one_line, several
from crowdllm_stats.report.charts import BLUE, COLORS, GREEN, GREY, ORANGE, PURPLE, altair, finished
from crowdllm_stats.report.parts import Figure, Part, Row, Table, said

#: A standard name of each measure's axis; all others are called as in the study.
_AXES = {"coverage": "coverage", "error": "mean absolute error", "width_ratio": "width over that of Student's t"}

#: Colours of lines of reference, which have no interval.
REFERENCE = (GREY, "#c8503c")

_POINTS = {"row": "Row", "column": "Column", "color": "Line", "value": "Value", "lower": "From", "upper": "To"}


def study_part(content: Mapping[str, Any]) -> Part:
    """A simulation study: its claims, its pictures, all cells together."""
    verdicts = content["verdicts"]
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict["verdict"]] = counts.get(verdict["verdict"], 0) + 1
    words = ", ".join(f"{count} {word}" for word, count in counts.items())
    broken = [one_line(one["statement"]) for one in verdicts if one["verdict"] == "broken"]
    says = f"Of {several(len(verdicts), 'statement')} held against the simulation: {words}."
    if not verdicts:
        says = f"{content['title']}; the study makes no claim, its numbers stand below."
    if broken:
        says += f" Broken: {'; '.join(broken[:3])}{f'; and {len(broken) - 3} more' if len(broken) > 3 else ''}."
    figures = [_verdicts(verdicts, words)] if verdicts else []
    figures += [_facets(picture) for picture in content["pictures"] if picture["points"]]
    figures.append(_overview(content))
    size = next((one["words"] for one in content["words"] if one["part"] == "Size"), "")
    methods = (
        f"A simulation study ({one_line(size)}) was planned, run and reported in the ADEMP order [ademp]; it examines "
        "methods of, and around, CrowdLLM [crowdllm]. Every number has its Monte Carlo standard error."
    )
    return Part(
        title=content["title"],
        says=says,
        figures=figures,
        methods=methods,
        notes=[f"{one['part']}: {_in_a_row(one['words'])}" for one in content["words"]],
    )


def _in_a_row(words: str) -> str:
    """Markdown as plain text, the items of a list in a row.

    Example:
        >>> _in_a_row("- `n` in 5, 10: people\\n- `N` in 100: digital people")
        'n in 5, 10: people; N in 100: digital people'
    """
    lines = words.replace("`", "").splitlines()
    listed = all(line.startswith("- ") for line in lines)
    return "; ".join(line.removeprefix("- ") for line in lines) if listed else " ".join(lines)


def _verdicts(verdicts: Sequence[Row], words: str) -> Figure:
    return Figure(
        title="What was claimed, and what came out",
        says=f"{words}. A claim is broken where the interval of at least one cell lies wholly beyond its bound.",
        table=Table({"statement": "Statement", "verdict": "Verdict", "evidence": "Evidence"}, verdicts),
    )


def _facets(picture: Mapping[str, Any]) -> Figure:
    """Panels by rows and columns; a line per colour, with its Monte Carlo interval."""
    points = picture["points"]
    values = [point["value"] for point in points]
    says = f"{picture['measure']} runs from {said(min(values))} to {said(max(values))} over all points."
    if picture["nominal"] is not None:
        below = sum(point["upper"] is not None and point["upper"] < picture["nominal"] for point in points)
        says += f" {below} of {len(points)} points lie below the nominal {picture['nominal']:g}, beyond their interval."
    panels = {(point["row"], point["column"]) for point in points}
    lines = dict.fromkeys(point["color"] for point in points)
    return Figure(
        title=picture["title"],
        says=says,
        chart=_panels(picture, list(lines)),
        alt=f"{several(len(panels), 'panel')} of {picture['measure']} by {picture['x']}, with "
        f"{several(len(lines), 'line')} each: {', '.join(lines)}.",
        reading="A dot is a value, a bar its 95% Monte Carlo interval."
        + (" The dashed line is the nominal value." if picture["nominal"] is not None else ""),
        table=Table({"x": picture["x"]} | _POINTS, points),
    )


def _panels(picture: Mapping[str, Any], lines: Sequence[str]) -> dict[str, Any]:
    alt = altair()
    points = [
        {name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in point.items()}
        for point in picture["points"]
    ]
    order = {axis: list(dict.fromkeys(point[axis] for point in points)) for axis in ("x", "row", "column")}
    x = alt.X("x:N", sort=_by_number(list(map(str, order["x"]))), title=picture["x"], axis=alt.Axis(labelAngle=0))
    y = alt.Y(
        "value:Q",
        title=_AXES.get(picture["measure"], picture["measure"].replace("_", " ")),
        scale=alt.Scale(zero=False),
    )
    sure = {point["color"] for point in points if point["lower"] is not None}
    palette = [
        COLORS[place % len(COLORS)] if line in sure else REFERENCE[place % 2] for place, line in enumerate(lines)
    ]
    scale = alt.Scale(domain=list(lines), range=palette)
    color = alt.Color("color:N", sort=list(lines), scale=scale, legend=alt.Legend(columns=4))
    layers = [
        alt.Chart().mark_line(strokeWidth=1.5).encode(x=x, y=y, color=color),
        alt.Chart().mark_rule(strokeWidth=1.2, opacity=0.7).encode(x=x, y=alt.Y("lower:Q"), y2="upper:Q", color=color),
        alt.Chart().mark_point(filled=True, size=22, opacity=1).encode(x=x, y=y, color=color),
    ]
    if picture["nominal"] is not None:
        layers.append(alt.Chart().mark_rule(color=GREY, strokeDash=[4, 3]).encode(y=alt.datum(picture["nominal"])))
    chart = alt.layer(*layers, data=alt.Data(values=points)).properties(width=190, height=140)
    axes = {
        name: alt.Facet(f"{name}:N", sort=order[name], title=None) for name in ("row", "column") if len(order[name]) > 1
    }
    return finished(chart.facet(**axes) if axes else chart.properties(width=480, height=260))


def _by_number(texts: Sequence[str]) -> list[str]:
    """Numbers in their order, words as they come."""
    try:
        return sorted(texts, key=float)
    except ValueError:
        return list(texts)


def _overview(content: Mapping[str, Any]) -> Figure:
    meanings = {one["measure"]: one["meaning"] for one in content["measures"]}
    rows = [row | {"meaning": meanings.get(row["measure"], "")} for row in content["overview"]]
    lost = f" {content['failed']} replicates failed and are counted." if content["failed"] else ""
    return Figure(
        title="All cells together",
        says=f"Every method and measure over its cells.{lost}",
        table=Table(
            {
                "measure": "Measure", "method": "Method", "mean": "Mean", "smallest": "Smallest", "largest": "Largest",
                "largest_mcse": "Largest Monte Carlo error", "cells": "Cells", "failed": "Failed",
                "meaning": "What it is",
            },
            rows,
        ),
    )  # fmt: skip


def theory_part(content: Mapping[str, Any]) -> Part:
    """The verdicts on the theorems, each with its exact statement and the checks made."""
    results = content["results"]
    checks = [check for result in results for check in result["checks"]]
    fails = [result["name"] for result in results if result["verdict"].startswith("fails")]
    state = "all passed" if content["passed"] else f"NOT passed: {'; '.join(content['failures'])}"
    says = f"{several(len(checks), 'check')} of {several(len(results), 'result')} were made: {state}."
    if fails:
        names = " and ".join([", ".join(fails[:-1]), fails[-1]] if len(fails) > 1 else fails)
        says += f" As published, {names} {'fails' if len(fails) == 1 else 'fail'}; an exact form stands beside."
    if content["skipped"]:
        says += f" {content['skipped']} checks were skipped."
    kinds = {"symbolic": BLUE, "numeric": GREEN, "simulation": PURPLE, "counterexample": ORANGE}
    counted = [
        {"result": result["name"], "kind": kind, "checks": sum(check["kind"] == kind for check in result["checks"])}
        for result in results
        for kind in kinds
    ]
    alt = altair()
    chart = (
        alt.Chart(alt.Data(values=counted))
        .mark_bar(height=13)
        .encode(
            y=alt.Y("result:N", sort=[result["name"] for result in results], title=None),
            x=alt.X("checks:Q", title="checks made"),
            color=alt.Color("kind:N", scale=alt.Scale(domain=list(kinds), range=list(kinds.values()))),
        )
        .properties(width="container", height=22 * len(results))
    )
    columns = {
        "title": "Result", "name": "Short name", "verdict": "Verdict on what was published",
        "published": "As published", "exact": "Exact",
        "evidence": "Evidence", "passed": "Checks passed",
    }  # fmt: skip
    figure = Figure(
        title="The theorems, as published and exact",
        says=says,
        chart=finished(chart),
        alt=f"Bars of the number of checks of each of {several(len(results), 'result')}, by kind.",
        reading="Symbolic: by algebra; numeric: at made numbers; counterexample: exact numbers where a claim fails.",
        table=Table(columns, results),
    )
    methods = (
        "The results of CrowdLLM [crowdllm] that the calculations rest on were checked by computer algebra, at exact "
        f"numbers and by simulation ({several(len(checks), 'check')})."
    )
    return Part(title="The theory, checked", says=says, figures=[figure], methods=methods)
