"""Intervals as a sentence: what people answer, and how many more people would be needed without the digital ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from crowdllm_stats._base.checks import Alternative, FloatArray
from crowdllm_stats._base.shown import cut, one_line, percent, span
from crowdllm_stats.survey.per_problem import Wanted, worth
from crowdllm_stats.survey.result import Row

#: Questions from which on the number of people has an interval.
ENOUGH = 5

#: Share of the people below which the digital ones save next to nothing.
LITTLE = 0.05

#: Most characters of a question's id in a sentence.
ID_WIDTH = 40


def interval_answer(
    rows: Sequence[Row], overall: Row | None, wanted: Wanted, two: tuple[float, float] | None, alone: bool
) -> str:
    """The intervals of all questions as one sentence.

    Args:
        rows: one per question, with ``half_width_alone`` where digital answers were used.
        overall: the row over all questions; None where there is none.
        wanted: which interval it is.
        two: the two values that the answers have; None where there are more.
        alone: whether there were no digital answers to use.

    Example:
        >>> row = {"problem": "q1", "lower": 1.647, "upper": 3.366, "n_labeled": 8, "half_width": 0.86,
        ...        "half_width_alone": 1.015}
        >>> print(interval_answer([row], None, Wanted("auto", 0.95, "two-sided", None, None, None, None), None, False))
        Question q1: people answer between 1.65 and 3.37 on average (95% interval); without the digital ones you would \
need roughly 11 people for the same precision, instead of 8.
    """
    without = "" if alone else without_digital(rows, wanted)
    if len(rows) == 1:
        return f"{question(rows[0])}: people answer {between(rows[0], wanted, two)}{without}."
    widths = [row["half_width"] for row in rows if math.isfinite(row["half_width"])]
    width = float(np.mean(widths)) if widths else math.inf
    unit = f"{100.0 * width / (two[1] - two[0]):.2g} percentage points" if two else f"{width:.2g}"
    single = f"known to within {unit} on average"
    if overall is None:
        return f"{len(rows)} questions, each {single} ({kind(wanted)}s){without}."
    single = f"; single questions are {single}" if wanted.alternative == "two-sided" else ""
    whole = "both questions" if len(rows) == 2 else f"all {len(rows)} questions"
    return f"Over {whole} people answer {between(overall, wanted, two)}{single}{without}."


def question(row: Row) -> str:
    """The name of a row's question, for the beginning of a sentence.

    Example:
        >>> question({"problem": "q1"})
        'Question q1'
    """
    return f"Question {cut(one_line(str(row['problem'])), ID_WIDTH)}"


def between(row: Row, wanted: Wanted, two: tuple[float, float] | None = None) -> str:
    """Where the mean lies; of answers of two values, the share of the higher one.

    Example:
        >>> one_sided = Wanted("auto", 0.9, "larger", None, None, None, None)
        >>> between({"lower": -0.1, "upper": 1.0}, one_sided, (-1.0, 1.0))
        '1, rather than -1, in at least 45% of cases (90% lower limit)'
    """
    lower, upper = row["lower"], row["upper"]
    if two is None:
        return f"{_ends(*span(lower, upper), wanted.alternative)} on average ({kind(wanted)})"
    low, high = two
    least, most = (percent((end - low) / (high - low), 3) for end in (lower, upper))
    other = "" if low == 0.0 else f", rather than {low:g},"
    return f"{high:g}{other} in {_ends(least, most, wanted.alternative)} of cases ({kind(wanted)})"


def _ends(lower: str, upper: str, alternative: Alternative) -> str:
    if alternative == "two-sided":
        return f"between {lower} and {upper}"
    return f"at least {lower}" if alternative == "larger" else f"at most {upper}"


def kind(wanted: Wanted) -> str:
    """The level and the side.

    Example:
        >>> kind(Wanted("auto", 0.95, "smaller", None, None, None, None))
        '95% upper limit'
    """
    sides = {"two-sided": "interval", "larger": "lower limit", "smaller": "upper limit"}
    return f"{percent(wanted.level)} {sides[wanted.alternative]}"


def without_digital(rows: Sequence[Row], wanted: Wanted) -> str:
    """How many people would be needed without the digital ones, in words that go on with a sentence.

    The number is judged by the widths of the intervals: those that were computed, and those from human answers alone.
    """
    used = [row for row in rows if row.get("half_width_alone") is not None]
    if not used:
        return ", from human answers alone: the digital ones were not used"
    level = wanted.level if wanted.alternative == "two-sided" else 2.0 * wanted.level - 1.0
    ours, theirs = (_column(used, name) for name in ("half_width", "half_width_alone"))
    if wanted.population_size is not None or level <= 0.0 or not (ours.mean() > 0.0 and theirs.mean() > 0.0):
        return ""
    n = float(np.mean([row["n_labeled"] for row in used]))
    found = worth(ours, theirs, n, level)
    part, they = "; ", "the digital ones"
    if len(used) < len(rows):
        part, they = f"; in the {len(used)} computed with digital answers, ", "these"
    per, there = "people" if len(rows) == 1 else "people per question", math.ceil(n)
    if found.answers <= 0:
        return f"{part}{they} save nothing: the {there} {per} alone would be as precise"
    if found.answers < LITTLE * n:
        return f"{part}{they} save next to nothing ({found.answers} of {found.answers + there} {per})"
    enough = len(used) >= ENOUGH
    about = "about" if enough else "roughly"
    spread = f" (95% interval over questions: {found.least + there} to {found.most + there})" if enough else ""
    return (
        f"{part}without {they} you would need {about} {found.answers + there} {per}{spread} for the same "
        f"precision, instead of {there}"
    )


def _column(rows: Sequence[Row], name: str) -> FloatArray:
    return np.array([row[name] for row in rows], dtype=np.float64)
