"""Is the crowd good enough: the safe interval, the distribution of its answers, and how many people to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crowdllm_stats._base.shown import several
from crowdllm_stats.report.charts import BLUE, DRAWN, GREEN, GREY, ORANGE, altair, curves, finished, forest, names_of
from crowdllm_stats.report.interval_parts import ALONE, BOTH, level_of, named, reading_of
from crowdllm_stats.report.parts import Figure, Part, Row, Table, part_of, said, whole_rows

#: Verdict -> colour.
VERDICTS = {"not worse": GREEN, "undecided": GREY, "worse": ORANGE}

#: The two ways of planning, and their colours.
KINDS = {BOTH: BLUE, ALONE: ORANGE}

#: Fewest human answers of the planner's curve.
LEAST = 4


def safe_part(content: Mapping[str, Any]) -> Part:
    """Where the crowd is no worse than asking the bare language model once, and how far it is from the humans."""
    rows = content["results"]
    level = level_of(content)
    gaps = [
        {"problem": row["problem"], "kind": row["verdict"]}
        | {"estimate": row["crowd_gap"], "lower": row["gap_lower"], "upper": row["gap_upper"]}
        for row in rows[:DRAWN]
    ]
    off = [row["problem"] for row in rows if row["gap_lower"] > 0 or row["gap_upper"] < 0]
    figures = [
        Figure(
            title="How far the crowd's mean is from the humans'",
            says=f"The interval of the gap leaves out zero in {len(off)} of {several(len(rows), 'question')}"
            + (f": {named(off)}." if off else "."),
            chart=forest(gaps, series=VERDICTS, title=f"crowd's mean less humans' mean, {level} interval", zero=True,
                beside=False),
            alt=f"Intervals of the crowd's gap for {several(len(gaps), 'question')}, coloured by verdict.",
            reading=reading_of(len(rows), "A dot is the gap, a line its interval, the colour the verdict.")
            + " Not worse than the language model does not mean near the humans.",
            table=Table(
                {
                    "problem": "Question", "verdict": "Crowd against the bare LLM", "crowd_gap": "Gap",
                    "gap_lower": "From", "gap_upper": "To", "p_adjusted": "Adjusted p", "note": "Remark",
                },
                rows,
            ),
        )
    ]  # fmt: skip
    if any(row.get("kappa") is not None for row in rows):
        figures.append(_inside(rows))
    return part_of(
        content,
        "Is the crowd no worse than the bare language model?",
        figures,
        "For each question we tested on the human answers whether the digital crowd's mean has a squared error no "
        "larger than that of asking the language model once (exact form of CrowdLLM's Theorem 3 [crowdllm]), with the "
        f"false discovery rate held at {_rest(level)} over {several(len(rows), 'question')} by the Benjamini-Hochberg "
        "procedure [bh].",
    )


def _rest(level: str) -> str:
    """What is left of a level in percent.

    Example:
        >>> _rest("95%")
        '5%'
    """
    return f"{100.0 - float(level.rstrip('%')):g}%"


def _inside(rows: Sequence[Row]) -> Figure:
    """Theorem 3's interval and where the belief's mean lies."""
    inside = {name: sum(bool(row[f"inside_{name}"]) for row in rows) for name in ("published", "exact")}
    lines = [
        {
            **row,
            "kind": kind,
            "estimate": row["belief_mean"],
            "lower": row[f"{kind}_lower"],
            "upper": row[f"{kind}_upper"],
        }
        for row in rows[:DRAWN]
        for kind in ("exact", "published")
        if row[f"{kind}_lower"] is not None
    ]
    series = {"exact": BLUE, "published": ORANGE}
    return Figure(
        title="The safe interval of Theorem 3",
        says=f"The crowd's mean belief lies inside the exact safe interval for {inside['exact']} of "
        f"{several(len(rows), 'question')}, inside the published one for {inside['published']}.",
        chart=forest(lines, series=series, title="the crowd's mean belief, less the LLM's answer") if lines else None,
        alt="Safe intervals, exact and as published, with the crowd's mean belief as a dot.",
        reading=reading_of(len(rows), "A line is the safe interval, the dot the crowd's mean belief."),
        table=Table(
            {
                "problem": "Question", "belief_mean": "Mean belief", "exact_lower": "Exact, from",
                "exact_upper": "Exact, to", "inside_exact": "Inside", "published_lower": "Published, from",
                "published_upper": "Published, to", "inside_published": "Inside the published", "kappa": "Kappa",
                "eta": "Variance of one LLM answer",
            },
            rows,
        ),
    )  # fmt: skip


def distribution_part(content: Mapping[str, Any]) -> Part:
    """How alike the answers of people and of digital people are, beyond their mean."""
    rows, summary = content["results"], content["summary"]
    less = sum(row["digital_sd"] < row["human_sd"] for row in rows)
    alt = altair()
    names = names_of([str(row["problem"]) for row in rows[:DRAWN]])
    drawn = [
        {"label": names[str(row["problem"])], "part": label, "value": row[key]}
        for row in rows[:DRAWN]
        for key, label in (("human_sd", "human answers"), ("digital_sd", "digital answers"))
    ]
    chart = (
        alt.Chart(alt.Data(values=drawn))
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            y=alt.Y("label:N", sort=None, title=None),
            x=alt.X("value:Q", title="standard deviation of the answers", scale=alt.Scale(zero=True)),
            color=alt.Color(
                "part:N", scale=alt.Scale(domain=["human answers", "digital answers"], range=[ORANGE, BLUE])
            ),
        )
        .properties(width="container", height=20 * len(names))
    )
    columns = {
        "problem": "Question", "human_sd": "Humans' sd", "digital_sd": "Digital sd", "sd_ratio": "Ratio",
        "total": "Squared distance", "location": "of which location", "spread": "of which spread",
        "shape": "of which shape", "rest": "of which the rest",
        "energy": "Energy distance", "cost_of_uniformity": "Cost of uniformity",
        "n_human": "Human answers", "n_digital": "Digital answers", "note": "Remark",
    }  # fmt: skip
    figure = Figure(
        title="How much answers vary, question by question",
        says=f"Digital answers vary less than human ones in {less} of {several(len(rows), 'question')}.",
        chart=finished(chart),
        alt=f"Standard deviations of human and of digital answers to {several(len(names), 'question')}.",
        reading=reading_of(len(rows), "Where the blue dot is left of the other, digital answers are too alike."),
        table=Table(columns, [*rows, *whole_rows(summary)]),
    )
    methods = (
        "The distributions of human and digital answers [crowdllm] were compared by the squared Wasserstein-2 "
        "distance, split into location, spread and the rest [irpino], and by the energy distance [energy], for "
        f"{several(len(rows), 'question')}."
    )
    return part_of(content, "Do digital answers vary as human ones do?", [figure], methods)


def planner_part(content: Mapping[str, Any]) -> Part:
    """How many human answers a wanted half-width takes."""
    rows, summary = content["results"], content["summary"]
    typical = summary[0] if summary else rows[0]
    lines = [
        {
            "problem": row["problem"],
            "kind": kind,
            "estimate": row[key],
            "lower": row[f"{key}_low"],
            "upper": row[f"{key}_high"],
        }
        for row in [*summary, *rows][:DRAWN]
        for kind, key in zip(KINDS, ("n_with_digital", "n_human_only"), strict=True)
    ]
    figure = Figure(
        title="Human answers that a question needs",
        says=f"The digital population saves human answers in {sum(row['saved'] > 0 for row in rows)} of "
        f"{several(len(rows), 'question')}.",
        chart=forest(lines, series=KINDS, title="human answers"),
        alt=f"Human answers needed with and without the digital population for {several(len(rows), 'question')}.",
        reading=reading_of(len(rows), "A dot is the plan, a line what the pilot's uncertainty allows."),
        table=Table(
            {
                "problem": "Question", "n_human_only": "Humans alone", "n_human_only_low": "at least",
                "n_human_only_high": "at most", "n_with_digital": "With digital",
                "n_with_digital_low": "at least, with digital", "n_with_digital_high": "at most, with digital",
                "saved": "Saved", "human_sd": "Humans' sd",
                "correlation": "Correlation with twins", "n_pilot": "Pilot answers", "note": "Remark",
            },
            [*whole_rows(summary), *rows],
        ),
    )  # fmt: skip
    methods = (
        f"The number of human answers was planned for intervals of half-width {said(typical['half_width'])} and level "
        f"{level_of(content)} from a pilot of {several(sum(row['n_pilot'] for row in rows), 'answer')}: Student's t "
        "for human answers alone [student], two-phase regression on the digital twins' answers with them [cochran, "
        "crowdllm]."
    )
    return part_of(content, "How many people to ask", [*_curve(content, typical), figure], methods)


def _curve(content: Mapping[str, Any], typical: Row) -> list[Figure]:
    """What a number of human answers gives, with the digital population and without; none where answers do not vary."""
    import numpy as np

    from crowdllm_stats.inference.intervals.dispatch import CROWD_FROM, PAIRED_FROM
    from crowdllm_stats.inference.planner import half_width_alone, half_width_with_digital

    sd, wanted, level = typical["human_sd"], typical["half_width"], content["settings"].get("level") or 0.95
    if not sd > 0.0:
        return []
    counts = np.unique(np.geomspace(LEAST, max(2.0 * typical["n_human_only"], 5.0 * LEAST), 40).round())
    humans = half_width_alone(counts, sd, level)
    both = half_width_with_digital(counts, sd, typical["correlation"], typical["n_digital"], level)
    used = (counts >= PAIRED_FROM) & (counts <= typical["n_digital"] // CROWD_FROM)
    lines = {BOTH: np.where(used, np.minimum(humans, both), humans), ALONE: humans}
    rows = [
        {"kind": kind, "x": float(count), "y": float(value)}
        for kind, values in lines.items()
        for count, value in zip(counts, values, strict=True)
    ]
    table = [
        {"n": float(count), "alone": float(alone), "both": float(least)}
        for count, alone, least in zip(counts, humans, lines[BOTH], strict=True)
    ]
    return [
        Figure(
            title="What more people would give",
            says="A typical question's interval becomes shorter with every human answer"
            + (", until the digital population is too small to count" if np.any(np.diff(lines[BOTH]) > 0.0) else "")
            + f"; {said(wanted)} is wanted.",
            chart=curves(rows, series=KINDS, x="human answers per question", y="half-width", wanted=wanted),
            alt="Half-width of a typical question's interval by the number of human answers, from "
            f"{said(humans[0])} at {LEAST} to {said(humans[-1])} at {said(counts[-1])} for human answers alone, and to "
            f"{said(lines[BOTH][-1])} with the digital population.",
            reading="The dashed line is the half-width that is wanted. The digital population counts from "
            f"{PAIRED_FROM} human answers on, and where it has {CROWD_FROM} times as many further ones.",
            table=Table({"n": "Human answers", "both": "With digital", "alone": "Humans alone"}, table),
        )
    ]
