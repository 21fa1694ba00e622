"""The squared error of the crowd's mean, split into its parts, for every problem of two tables and on average."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_level
from crowdllm_stats._base.shown import percent
from crowdllm_stats.inference.proposition1_llm_risk import llm_risk
from crowdllm_stats.inference.risk_average import average_over_problems
from crowdllm_stats.inference.theorem2_risk import RiskDecomposition, plot_decomposition, risk_decomposition
from crowdllm_stats.survey.by_shape import Stack, by_shape, rows_of, stacked
from crowdllm_stats.survey.first_look import Survey, open_survey
from crowdllm_stats.survey.interval_words import question
from crowdllm_stats.survey.pictures import pairs
from crowdllm_stats.survey.plain_answers import plain_answers
from crowdllm_stats.survey.result import Row, SurveyResult

if TYPE_CHECKING:
    import pandas as pd

    from crowdllm_stats.data.crowd import Scale
    from crowdllm_stats.survey.tables import Answers

PARTS = ("L", "L1", "L2", "L3", "L4", "L5", "alignment", "exact", "published")


#: Columns of the rows, the most important first.
COLUMNS = ("problem", *PARTS[:6], "exact", "published", "llm_exact", "llm_published", "alignment", "n_person")


@dataclasses.dataclass(frozen=True, eq=False)
class Risks(SurveyResult):
    """The risk of the crowd's mean and its parts."""

    def plot(self) -> Any:
        """The parts as two waterfalls, published and exact, where all are known; else each question's risk.

        Of several questions the waterfalls show the means.

        Returns:
            The matplotlib figure.

        Raises:
            ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
        """
        whole = self.rows[0] if self.overall is None else self.overall
        if all(whole.get(name) is not None for name in PARTS):
            return plot_decomposition({name: whole[name] for name in PARTS}, round(whole["n_person"]))
        names = {"exact": "risk of the crowd", "published": "sum as published", "llm_exact": "risk of the bare LLM"}
        known = {name: word for name, word in names.items() if any(row.get(name) is not None for row in self.rows)}
        title = "How far the crowd's mean is from the humans'"
        return pairs([*self.summary[:1], *self.rows], known, title, "squared answer units")


def risk_from(
    human: Answers,
    digital: Answers,
    reference: Answers | None = None,
    *,
    scale: Scale | str | None = None,
    reference_participant: str | None = None,
    match: Sequence[str] = (),
    as_given: bool = False,
    level: float = 0.95,
) -> Risks:
    """How far the crowd's mean is from the humans', ``L = E[(mean human - mean digital)^2]``, and what makes it up.

    Theorem 2 for every problem, with the people who have a twin: the parts L1 to L5 and the alignment, their sum as
    published (``L1 + L2 + L3 + L4 - L5``) and exact (:func:`crowdllm_stats.risk_decomposition`). Several answers of one
    person to a problem tell noise from the person, and make parts identifiable that one answer each leaves open; all
    people of a problem count with equally many answers. With the LLM's plain answers its own risk stands beside
    (:func:`crowdllm_stats.llm_risk`). The command ``crowdllm-stats risk`` is this function.

    Args:
        human: answers of people, as :func:`crowdllm_stats.interval_from` takes them.
        digital: answers of the digital population to the same problems, likewise.
        reference: the LLM's plain answers, with the columns ``problem`` and ``response`` alone, one row per answer.
        scale: what the answers of people and crowd can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file.
        reference_participant: the plain LLM's participant id in ``digital``, instead of ``reference``.
        match: profile columns to build twins from; empty pairs by the participants' names.
        as_given: whether the tables are in the right order, though they look exchanged.
        level: confidence level of the averages over problems, in (0, 1).

    Returns:
        Risks. Its rows have the columns of :func:`crowdllm_stats.risk_decomposition` in squared units of the
        answers (None where a part is not identifiable), ``n_person``, and with plain answers ``llm_exact`` and
        ``llm_published``. ``overall`` is the mean over problems of every part that all problems have, its Student t
        interval stands in ``overall_ends``.

    Raises:
        ValueError: on bad input, if (almost) nobody has a twin, if both ``reference`` and ``reference_participant`` are
            given, or if no problem has two people with a twin.

    Source: the paper's Theorem 2 and Proposition 1; theory/README.md has them as published and exact.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> found = risk_from(example.human, example.digital)
        >>> {name: round(found.overall[name], 3) for name in ("L", "exact", "published")}
        {'L': 0.176, 'exact': 0.176, 'published': 0.96}
    """
    check_level(level)
    survey = open_survey(human, digital, scale=scale, match=match, as_given=as_given)
    pairing = survey.pairing
    survey.refuse_strangers(alone=False)
    plain: dict[str, FloatArray] = {}
    if reference is not None or reference_participant is not None:
        plain = plain_answers(survey.digital, reference, reference_participant)
    cases, unused = _cases(survey)
    found = by_shape(
        stacked(cases),
        partial(_decomposed, plain, level),
        pairing.problems,
        others={problem: "no human answer has a twin" for problem in pairing.problems if problem not in cases},
        nothing="no problem can be decomposed: {}",
    )
    rows = found.rows
    survey.law.mark(rows)
    notes = [*survey.coding, *pairing.notes(unlabelled=False)]
    if unused:
        notes.append(f"repeated answers not used: {unused}; all people of a problem count with equally many")
    notices = [
        *survey.looks(),
        *survey.law.notices("The risk here is that of the twins, not of the other digital people."),
    ]
    mean, ends = _average(rows, level) if len(rows) > 1 else (None, [])
    why = found.answers[0][1].why
    answer = _answer(rows[0] if mean is None else mean, ends, len(rows), level)
    counts = survey.counts({row["problem"] for row in rows})
    return Risks(rows, mean, found.reasons, notes, counts, why, notices, ends, answer, survey.basis(counts), COLUMNS)


def _answer(row: Row, ends: Sequence[Row], problems: int, level: float) -> str:
    """The risk in a sentence: as it is, and as its root, in units of the answers."""
    where = question(row) if problems == 1 else f"Over {problems} questions"
    spread = f", {percent(level)} interval {ends[0]['L']:.2g} to {ends[1]['L']:.2g}" if ends else ""
    text = f"{where}: the crowd's mean misses the humans' by about {_root(row['L'])} (squared {row['L']:.2g}{spread})"
    if row.get("published") is not None:
        text += f"; by the sum published in the paper it would be {_root(row['published'])}"
    if row.get("llm_exact") is not None:
        text += f"; one answer of the bare LLM misses by {_root(row['llm_exact'])} (squared {row['llm_exact']:.2g})"
    return f"{text}."


def _root(square: float) -> str:
    return f"{math.sqrt(square):.2g}" if square >= 0.0 else "the root of a negative number, which is none"


def _cases(survey: Survey) -> tuple[dict[str, tuple[FloatArray, FloatArray]], int]:
    """Answers of people with a twin and of their twins, (repeats, people) each, and how many repeats are not used."""
    cases: dict[str, tuple[FloatArray, FloatArray]] = {}
    unused = 0
    answers = survey.pairing.answers
    humans = _repeats(survey.human.responses)
    twins = {} if survey.match else _repeats(survey.digital.responses)
    for problem, people in answers[answers["twin"].notna()].groupby("problem", sort=False):
        names = people["participant"].tolist()
        human, over = _stacked([humans[problem, name] for name in names])
        if survey.match:
            twin, more = people["twin"].to_numpy()[None, :], 0
        else:
            twin, more = _stacked([twins[problem, name] for name in names])
        unused += over + more
        cases[str(problem)] = human, twin
    return cases, unused


def _repeats(responses: pd.DataFrame) -> dict[tuple[str, str], FloatArray]:
    """Every (problem, participant)'s answers."""
    values = responses["response"].to_numpy(dtype=float)
    groups = responses.groupby(["problem", "participant"], sort=False).indices
    return {key: values[rows] for key, rows in groups.items()}


def _stacked(answers: list[FloatArray]) -> tuple[FloatArray, int]:
    """Answers as (repeats, people), as many repeats as everybody has, and how many answers are over."""
    least = min(len(values) for values in answers)
    return np.stack([values[:least] for values in answers], axis=1), sum(len(values) - least for values in answers)


def _decomposed(plain: Mapping[str, FloatArray], level: float, stack: Stack) -> tuple[list[Row], RiskDecomposition]:
    human, twin = stack.arrays
    if human.shape[-1] < 2:
        raise ValueError("fewer than 2 people with a twin")
    parts = risk_decomposition(human, twin, level=level)
    rows = rows_of(parts, stack.problems)
    for row, answers in zip(rows, human, strict=True):
        row["n_person"] = human.shape[-1]
        if row["problem"] in plain:
            bare = llm_risk(answers, plain[row["problem"]], axis_replicate=-2)
            row |= {"llm_exact": bare.exact, "llm_published": bare.published}
    return rows, parts


def _average(rows: Sequence[Row], level: float) -> tuple[Row, list[Row]]:
    """Mean over problems of every part that all problems have, and the ends of its Student t interval."""
    names = (*PARTS, "llm_exact", "llm_published")
    known = [name for name in names if all(row.get(name) is not None for row in rows)]
    average = average_over_problems({name: np.array([row[name] for row in rows], dtype=float) for name in known}, level)
    people = float(np.mean([row["n_person"] for row in rows]))
    mean = {"problem": "mean", "n_person": people, **average.mean, "note": f"over {len(rows)} problems"}
    ends = (("lower", average.lower), ("upper", average.upper))
    return mean, [{"problem": name, **values, "note": f"level {level:g}"} for name, values in ends]
