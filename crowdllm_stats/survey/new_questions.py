"""Questions that nobody has answered yet: what people would answer, foreseen from the digital people's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crowdllm_stats._base.checks import check_level
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.shown import percent, several, span
from crowdllm_stats._base.words import some
from crowdllm_stats.inference.conformal import conformal_new_problems
from crowdllm_stats.survey.across import person_means
from crowdllm_stats.survey.by_shape import rows_of
from crowdllm_stats.survey.first_look import open_survey
from crowdllm_stats.survey.interval_words import question
from crowdllm_stats.survey.intervals import Intervals
from crowdllm_stats.survey.pairing import nothing_in_common
from crowdllm_stats.survey.result import Row
from crowdllm_stats.survey.tables import two_scales

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import Scale
    from crowdllm_stats.survey.tables import Answers

#: Columns of the rows, the most important first.
COLUMNS = ("problem", "estimate", "lower", "upper", "digital_mean", "n_digital", "half_width")

#: Ratio of the largest to the smallest number of answers from which on the questions do not have similarly many.
UNEVEN = 3


def new_questions_from(
    human: Answers,
    digital: Answers,
    *,
    scale: Scale | str | None = None,
    problems: Sequence[str] | None = None,
    as_given: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> Intervals:
    """An interval for what people would answer to each question that only digital people have answered.

    The questions that both sides answered say how far the digital means are from the human ones
    (:func:`crowdllm_stats.conformal_new_problems`); the intervals hold on average over new questions that are like
    those, whatever the distribution. The target is the mean of as many people as answered the old questions, their
    noise included. The command ``crowdllm-stats new-questions`` is this function.

    Args:
        human: answers of people, as :func:`crowdllm_stats.interval_from` takes them.
        digital: answers of the digital population to the same questions and to the new ones, likewise.
        scale: what the answers of both tables can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file.
        problems: new questions to foresee; by default all that have digital answers and no human one.
        as_given: whether the tables are in the right order, though they look exchanged.
        level: confidence level in (0, 1).
        seed: of the split of the old questions into those that are fitted and those that calibrate.

    Returns:
        Intervals, in units of the answers, without a row over all questions.

    Raises:
        ValueError: on bad input, if no question is new or one named in ``problems`` is not, if the tables have no
            question in common, or too few for the level: 26 at 0.95, 16 at 0.9.

    Source: as :func:`crowdllm_stats.conformal_new_problems`.

    Example:
        >>> import pandas as pd
        >>> rng = np.random.default_rng(0)
        >>> rows = [(f"q{item}", f"{who}", item % 5 + rng.normal()) for item in range(30) for who in range(20)]
        >>> answers = pd.DataFrame(rows, columns=["problem", "participant", "response"])
        >>> found = new_questions_from(answers[answers["problem"] != "q29"], answers.assign(participant="llm"))
        >>> [row["problem"] for row in found.rows], found.counts["answered_problems"]
        (['q29'], 29)
    """
    check_level(level)
    survey = open_survey(human, digital, scale=scale, as_given=as_given)
    answered, guessed = person_means(survey.human, "human"), person_means(survey.digital, "digital")
    ours = answered.groupby("problem", sort=False, observed=True)["response"].agg(["mean", "size"])
    theirs = guessed.groupby("problem", sort=False, observed=True)["response"].agg(["mean", "size"])
    old = [name for name in ours.index if name in theirs.index]
    if not old:
        raise ValueError(nothing_in_common(set(ours.index), set(theirs.index)))
    new = _new(list(theirs.index), set(ours.index), problems)
    result = conformal_new_problems(
        ours.loc[old, "mean"].to_numpy(dtype=np.float64),
        theirs.loc[old, "mean"].to_numpy(dtype=np.float64),
        theirs.loc[new, "mean"].to_numpy(dtype=np.float64),
        level=level,
        bounds=survey.human.scale.bounds,
        seed=seed,
    )
    rows = rows_of(result, new)
    for row, mean, size in zip(rows, theirs.loc[new, "mean"].tolist(), theirs.loc[new, "size"].tolist(), strict=True):
        row |= {"digital_mean": mean, "n_digital": size}
    unused = {name: "no digital answer" for name in ours.index if name not in theirs.index}
    sizes = ours.loc[old, "size"]
    notices = [*two_scales(survey.human, survey.digital)]
    if sizes.max() > UNEVEN * sizes.min():
        notices.append(
            f"The questions with answers have {sizes.min()} to {sizes.max()} human answers; the intervals suppose "
            "similarly many, and are for the mean of about that many."
        )
    counts = {"problems": len(new), "answered_problems": len(old), "answers": int(ours["size"].sum())}
    basis = (
        f"Rests on {counts['answers']} human answers to {several(len(old), 'question')} that digital people answered "
        "too, and on new questions being like those."
    )
    answer = _answer(rows, level, result.n_calibration, len(old), float(sizes.median()))
    return Intervals(rows, None, unused, survey.coding, counts, result.why, notices, (), answer, basis, COLUMNS)


def _new(digital: list[str], human: set[str], wanted: Sequence[str] | None) -> list[str]:
    """The new questions, in the order of the digital table."""
    new = [name for name in digital if name not in human]
    if not new:
        raise BadInput(
            "every question of the digital table has human answers, and there is none to foresee",
            python="interval_from is for those",
            command="interval is for those",
        )
    unknown = [name for name in wanted or () if name not in set(new)]
    if unknown:
        where = "has human answers" if unknown[0] in human else "is not in the digital table"
        raise BadInput(f"{unknown[0]!r} {where}; the new questions are {some(new)}", argument="problems")
    return new if wanted is None else [name for name in new if name in set(wanted)]


def _answer(rows: Sequence[Row], level: float, calibration: int, old: int, raters: float) -> str:
    """The intervals in a sentence."""
    kind = f"{percent(level)} interval{'s' if len(rows) > 1 else ''}"
    rest = f"{kind} for the mean of {raters:.0f} people, calibrated on {calibration} of {old} questions with answers"
    if len(rows) == 1:
        low, high = span(rows[0]["lower"], rows[0]["upper"])
        return f"{question(rows[0])}: people would answer between {low} and {high} on average ({rest})."
    width = float(np.mean([row["half_width"] for row in rows]))
    return f"{len(rows)} questions that nobody answered: foreseen to within {width:.2g} on average ({rest})."
