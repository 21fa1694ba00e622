"""Intervals as parts of a report: question by question, over all questions, and method by method."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crowdllm_stats._base.shown import one_line, several
from crowdllm_stats.report.charts import BLUE, DRAWN, GREY, ORANGE, endless, forest
from crowdllm_stats.report.parts import Figure, Part, Row, Table, cut, part_of, said, whole_rows
from crowdllm_stats.report.sources import method_said

#: The two kinds of intervals that stand beside each other.
BOTH, ALONE = "with the digital population", "human answers alone"

#: Most questions that are drawn by every method.
PANELS = 6

#: What an interval with one end is called.
_LIMITS = {"larger": "Lower confidence limits", "smaller": "Upper confidence limits"}

_PROBLEM = {"problem": "Question"}
_ENDS = {"estimate": "Estimate", "lower": "From", "upper": "To"}


def interval_part(content: Mapping[str, Any]) -> Part:
    """Intervals for every question, the human answers alone beside."""
    rows, summary, level = content["results"], content["summary"], level_of(content)
    alone = {row["problem"]: row for row in content["humans_alone"]}
    answers = {row["problem"]: row for row in content["answers"]}
    whole: Row = next(iter(content["humans_alone_summary"]), {})
    table = [_beside(row, alone.get(row["problem"], {}), answers.get(row["problem"], {})) for row in rows]
    table += [_beside(row, whole, {}) for row in whole_rows(summary)]
    drawn = rows[:DRAWN]
    kind = BOTH if alone else ALONE
    lines = [{**row, "kind": kind} for row in drawn]
    if alone:
        lines += [{**alone[row["problem"]], "kind": ALONE} for row in drawn if row["problem"] in alone]
    means = {row["problem"]: answers[row["problem"]].get("digital_mean") for row in drawn if row["problem"] in answers}
    marked = any(value is not None for value in means.values())
    figure = Figure(
        title="What people answer on average, question by question",
        says=_widths(rows, alone) or "Each question's interval, on one axis.",
        chart=forest(
            lines,
            series={BOTH: BLUE, ALONE: ORANGE} if alone else {ALONE: ORANGE},
            title=f"mean human answer, {level} interval",
            points=means if marked else None,
        ),
        alt=f"Intervals of {several(len(drawn), 'question')} on one axis"
        + (", each with the digital population and from the human answers alone." if alone else "."),
        reading=reading_of(len(rows), "A dot is the estimate, a line its interval.")
        + (" A line without an end runs to the picture's edge." if endless(lines) else "")
        + (" A grey cross is the digital answers' own mean." if marked else ""),
        table=Table(
            {
                **_PROBLEM, **_ENDS, "alone_lower": "Humans alone, from", "alone_upper": "Humans alone, to",
                "method": "Method", "n_labeled": "Human answers", "n_digital": "Further digital answers",
                "effective_n": "Effective human answers", "digital_mean": "Digital mean", "note": "Remark",
            },
            table,
        ),
    )  # fmt: skip
    figures = [figure, _answers(content)]
    return part_of(content, "What people answer on average", figures, _interval_methods(content, level))


def _beside(row: Row, alone: Row, answers: Row) -> Row:
    """A row of the table, with the interval of the human answers alone and the digital mean."""
    return {
        **row,
        "alone_lower": alone.get("lower"),
        "alone_upper": alone.get("upper"),
        "digital_mean": answers.get("digital_mean"),
    }


def _answers(content: Mapping[str, Any]) -> Figure:
    """How many answers were read, question by question."""
    answers = content["answers"]
    human, digital = (sum(row.get(f"{side}_answers") or 0 for row in answers) for side in ("human", "digital"))
    also = f" and {several(int(digital), 'digital answer')}" if digital else ""
    return Figure(
        title="What was read",
        says=f"{several(int(human), 'human answer')}{also} to {several(len(answers), 'question')}.",
        table=Table(
            {
                **_PROBLEM, "human_answers": "Human answers", "human_mean": "Their mean",
                "digital_answers": "Digital answers", "digital_mean": "Mean of these",
            },
            answers,
        ),
    )  # fmt: skip


def _between(row: Row) -> str:
    low, high = row["lower"], row["upper"]
    if low is None or math.isinf(low):
        return f"at {said(high)} or below"
    if high is None or math.isinf(high):
        return f"at {said(low)} or above"
    return f"between {said(low)} and {said(high)}"


def _widths(rows: Sequence[Row], alone: Mapping[str, Row]) -> str:
    """In how many questions the digital population makes the interval narrower; empty where it plays no part."""
    pairs = [(row["half_width"], alone[row["problem"]]["half_width"]) for row in rows if row["problem"] in alone]
    finite = [pair for pair in pairs if all(value is not None and math.isfinite(value) for value in pair)]
    if not finite:
        return ""
    narrower = sum(own < other for own, other in finite)
    if len(finite) == 1:
        ((own, other),) = finite
        return (
            f"The interval is {'' if narrower else 'not '}narrower with the digital population than from the human "
            f"answers alone: its half-width is {said(own)} instead of {said(other)}."
        )
    own_width, other_width = (sum(widths) / len(finite) for widths in zip(*finite, strict=True))
    return (
        f"{narrower} of {len(finite)} intervals are narrower with the digital population than from the human answers "
        f"alone: half-widths are {said(own_width)} and {said(other_width)} on average."
    )


def _interval_methods(content: Mapping[str, Any], level: str) -> str:
    rows, counts, settings = content["results"], content["counts"], content["settings"]
    used: dict[str, int] = {}
    for row in rows:
        used[row["method"]] = used.get(row["method"], 0) + 1
    side = _LIMITS.get(str(settings.get("alternative")), "Two-sided confidence intervals")
    how = "; ".join(f"{_method(content, name)} ({several(count, 'question')})" for name, count in used.items())
    digital = _with_digital([*rows, *content["summary"]])
    sides = ", following the framework of CrowdLLM [crowdllm]" if digital else ""
    humans = _humans({**counts, "answers_used": sum(row["n_labeled"] for row in rows)})
    size = settings.get("population_size")
    return (
        f"We estimated people's mean answer to {_each(len(rows))} from {humans}{_digital(counts) if digital else ''}"
        f"{sides}. {side} of level {level} were computed by {how}."
        + (f" The target was the mean of {size} people, those who answered among them." if size else "")
        + _whole_methods(content, size)
    )


def _method(content: Mapping[str, Any], name: str) -> str:
    """An interval method as a paper says it."""
    one_sided = content["settings"].get("alternative") in ("larger", "smaller")
    return method_said(name, one_sided=one_sided, bounded=content["bounds"] is not None)


def _whole_methods(content: Mapping[str, Any], size: object) -> str:
    """The sentence on the mean over all questions."""
    if not content["summary"]:
        return ""
    how = _method(content, content["summary"][0]["method"])
    return (
        " The mean over all questions weights them by their numbers of human answers and takes people as the units; "
        f"its interval{', for the wider population,' if size else ''} was computed by {how}."
    )


def _with_digital(rows: Sequence[Row]) -> bool:
    """Whether any interval was computed with digital answers."""
    from crowdllm_stats.inference.intervals import HUMAN_ONLY

    return any(row["method"] not in HUMAN_ONLY for row in rows)


def _each(count: int) -> str:
    return f"each of {count} questions" if count > 1 else "one question"


def _humans(counts: Mapping[str, int]) -> str:
    answers, people = (counts.get(f"{name}_used", counts.get(name, 0)) for name in ("answers", "people"))
    return f"{several(answers, 'answer')} of {people} people"


def _digital(counts: Mapping[str, int]) -> str:
    pairs = counts["pairs_used"]
    which = "each" if pairs == counts["answers_used"] else str(pairs)
    beside = f" ({which} of the human answers paired with that of a digital twin)" if pairs else ""
    return f" and the answers of {counts['digital_people']} digital people{beside}"


def across_part(content: Mapping[str, Any]) -> Part:
    """Intervals helped by all other questions; also for questions that nobody answered."""
    rows, level = content["results"], level_of(content)
    new = content["command"] == "new-questions"
    lines = [{**row, "kind": "all"} for row in rows[:DRAWN]]
    figure = Figure(
        title="People's mean answer to each question, from all questions together",
        says="Each question's interval, on one axis.",
        chart=forest(lines, series={"all": BLUE}, title=f"mean human answer, {level} interval"),
        alt=f"Intervals of {several(len(lines), 'question')} on one axis.",
        reading=reading_of(len(rows), "A dot is the estimate, a line its interval."),
        table=Table(
            {
                **_PROBLEM, **_ENDS, "n_labeled": "Human answers", "effective_n": "Effective human answers",
                "weight": "Weight of own answers", "synthetic": "Predicted from the others",
                "digital_mean": "Digital mean", "note": "Remark",
            },
            rows,
        ),
    )  # fmt: skip
    methods = (
        f"We predicted people's mean answers to {several(len(rows), 'question')} that nobody had answered from those "
        f"with human answers, by split conformal prediction of level {level} [conformal] on the digital population's "
        "answers [crowdllm]. An interval is for the mean of as many people as answered the other questions."
        if new
        else f"People's mean answer to {_each(len(rows))} was estimated from "
        f"{_humans(content['counts'])} by combining its own human mean with a regression over questions on the digital "
        f"population's mean (Fay-Herriot model [fay]; people as independent units [liang]; digital population as in "
        f"[crowdllm]). Intervals have level {level} on average over questions."
    )
    title = "Questions that nobody answered" if new else "All questions together"
    return part_of(content, title, [figure], methods)


def compare_part(content: Mapping[str, Any]) -> Part:
    """The intervals of every method side by side, a picture for each of the first questions.

    Args:
        content: what :func:`crowdllm_stats.report.keep.keep_results` kept of ``compare``.
    """
    rows, level = content["results"], level_of(content)
    panels: dict[str, list[Row]] = {}
    for row in rows:
        panels.setdefault(row["problem"], []).append(row)
    figures = []
    for problem, own in list(panels.items())[:PANELS]:
        chosen = next((row for row in own if row["chosen"]), own[0])
        lines = [{**row, "kind": "auto's choice" if row["chosen"] else "other methods"} for row in own]
        whose = "The mean over all questions" if "n_problems" in own[0] else f"Question {_short(problem)}"
        figures.append(
            Figure(
                title=f"{whose}, by every method",
                says=f"Auto, which chooses by numbers and scale alone, uses {chosen['method']}: {_between(chosen)}.",
                chart=forest(
                    lines,
                    series={"auto's choice": BLUE, "other methods": GREY},
                    label="method",
                    beside=False,
                    title=f"mean human answer, {level} interval",
                ),
                alt=f"The intervals of {several(len(own), 'method')} on one axis.",
                reading="A dot is the estimate, a line its interval.",
                table=Table(
                    {
                        "method": "Method", **_ENDS, "half_width": "Half-width", "lam": "Weight of digital answers",
                        "effective_n": "Effective human answers", "chosen": "Chosen by auto", "note": "Remark",
                    },
                    own,
                ),
            )
        )  # fmt: skip
    if len(panels) > PANELS:
        figures.append(
            Figure(
                title="All questions, by every method",
                says=f"The first {PANELS} of {several(len(panels), 'question')} are drawn; this table has all.",
                table=Table({**_PROBLEM, **figures[0].table.columns}, rows),
            )
        )
    names = list(dict.fromkeys(row["method"] for row in rows))
    side = _LIMITS.get(str(content["settings"].get("alternative")), "Confidence intervals").lower()
    digital = _digital(content["counts"]) if _with_digital(rows) else ""
    methods = (
        f"From {_humans(content['counts'])}{digital}, {side} of level {level} were computed by "
        + "; ".join(_method(content, name) for name in names)
        + ". All are shown; none was chosen for its width."
    )
    return part_of(content, "Every interval method side by side", figures, methods)


def level_of(content: Mapping[str, Any]) -> str:
    """The confidence level of a command's results, in percent."""
    given = content["settings"].get("level") or content["results"][0].get("level") or 0.95
    return f"{100 * given:g}%"


def reading_of(count: int, sentence: str) -> str:
    """How to read a picture, and how many questions are drawn where these are not all."""
    return f"{sentence} The first {DRAWN} of {count} questions are drawn." if count > DRAWN else sentence


def _short(text: str) -> str:
    return cut(one_line(text), 80)


def named(problems: Iterable[str], most: int = 3) -> str:
    """The first ids, and how many more.

    Example:
        >>> named(["a", "b", "c", "d"])
        'a, b, c and 1 more'
    """
    every = [_short(problem) for problem in problems]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return f"{', '.join(every[:most])}{more}"
