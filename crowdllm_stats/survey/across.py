"""All questions of a survey at once: every question's human mean, helped by the others and by the digital crowd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_count, check_level
from crowdllm_stats._base.messages import Message
from crowdllm_stats._base.shown import percent, several
from crowdllm_stats.inference.fay_herriot.across_answers import AcrossAnswers, across_answers
from crowdllm_stats.survey.by_shape import rows_of
from crowdllm_stats.survey.first_look import open_survey
from crowdllm_stats.survey.intervals import Intervals
from crowdllm_stats.survey.pairing import nothing_in_common
from crowdllm_stats.survey.result import Row

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.data.scale import Scale
    from crowdllm_stats.survey.tables import Answers

#: Columns of the rows, the most important first.
COLUMNS = (
    "problem", "estimate", "lower", "upper", "n_labeled", "effective_n", "weight", "synthetic", "half_width",
)  # fmt: skip

NO_HUMAN = Message(
    "no human answer; new_questions_from foresees such problems from those with answers",
    "no human answer; new-questions foresees such problems from those with answers",
)
NO_DIGITAL = "no digital answer; without the digital table it can be estimated from human answers alone"


def across_from(
    human: Answers,
    digital: Answers | None = None,
    *,
    scale: Scale | str | None = None,
    covariates: Sequence[str] = (),
    as_given: bool = False,
    population_size: int | None = None,
    level: float = 0.95,
) -> Intervals:
    """An interval for the human mean of every problem, from its own answers, all other problems and the digital crowd.

    Each problem's own human mean is combined with a regression over problems on the digital mean
    (:func:`crowdllm_stats.across_answers`), so that few answers per problem go further. Usually the same people answer
    all questions of a survey, and their errors are linked; people are identified here, and what their answers
    have in common is measured and added. The level holds on average over problems that are alike given the digital
    side, not for one named problem. The digital means may be biased or useless: they enter by regression alone. The
    ends of the scale are those of ``human.scale``. The command ``crowdllm-stats across`` is this function.

    Args:
        human: answers of people: CrowdData, a data frame, or the path of a file, the last two with
            the columns problem, participant, response and any others. A problem may have a single answer.
        digital: answers of the digital population to the same problems, likewise; None for humans alone.
        scale: what the answers of both tables can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file. Two words, such as "no,yes", are coded 0 and 1. Digital answers of CrowdData may
            lie anywhere.
        covariates: names of numeric columns of the human table that have one value for each problem.
        as_given: whether the tables are in the right order, though they look exchanged.
        population_size: m, when the target is the mean of m people of whom those who answered are a random sample.
        level: confidence level in (0, 1).

    Returns:
        Intervals, without a row over all problems. Its rows have the columns of
        ``AcrossAnswers``; ``saved`` is how many further human answers
        per problem would be as good as the other problems and the digital side.

    Raises:
        ValueError: on bad input, a covariate that is not there, not numeric or missing for a problem, if the tables
            have no problem in common, if one person gave all answers, and on too few problems: at least 9 without
            digital answers, 10 with them, and one more for each covariate.

    Source: theory/README.md, "Across problems".

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> found = across_from(example.human, example.digital)
        >>> found.to_frame()[["lower", "estimate", "upper"]].shape
        (12, 3)
        >>> found.counts["people"], found.excluded
        (60, {})
    """
    check_level(level)
    if population_size is not None:
        check_count("population_size", population_size, 2)
    if isinstance(covariates, str):
        raise ValueError(
            f"covariates must be a list of column names, not the one text {covariates!r}; write [{covariates!r}]"
        )
    survey = open_survey(human, digital, scale=scale, as_given=as_given)
    people, crowd = survey.human, survey.digital
    answered = person_means(people, "human")
    digital_means, repeated, first = None, 0, list[str]()
    if digital is not None:
        first = survey.looks(paired=False)
        guessed = person_means(crowd, "digital")
        digital_means = guessed.groupby("problem")["response"].mean()
        repeated = int((guessed["size"] > 1).sum())
    problems, excluded = _problems(people, answered, digital_means)
    used = answered[answered["problem"].isin(problems)]
    place = {name: row for row, name in enumerate(problems)}
    result = across_answers(
        used["response"].to_numpy(dtype=np.float64),
        used["problem"].map(place).to_numpy(dtype=np.int64),
        used["participant"].to_numpy(dtype=str),
        None if digital_means is None else digital_means[problems].to_numpy(dtype=np.float64),
        covariates=_covariates(people, problems, covariates),
        population_size=population_size,
        level=level,
        bounds=people.scale.bounds,
    )
    counts = {
        "problems": len(problems),
        "answers": len(used),
        "people": result.people,
        "human_averaged": int((used["size"] > 1).sum()),
        "digital_averaged": repeated,
    }
    notes = [*survey.coding, *_notes(result, counts)]
    notices = [*first, *result.notices]
    rows = rows_of(result, problems)
    basis = survey.basis(survey.counts(set(problems)))
    answer = _answer(rows, level, digital is not None)
    return Intervals(rows, None, excluded, notes, counts, result.why, notices, (), answer, basis, COLUMNS)


def _answer(rows: Sequence[Row], level: float, digital: bool) -> str:
    """The intervals in a sentence."""
    help_ = "the other questions and the digital people" if digital else "the other questions"
    width, needed, n = (
        float(np.median([row[name] for row in rows])) for name in ("half_width", "effective_n", "n_labeled")
    )
    worth = (
        f"without {help_} a typical one would need about {needed:.0f} people for the same precision, instead of {n:.0f}"
        if round(needed) > round(n)
        else f"{help_} save nothing: its own {several(round(n), 'answer')} would be as precise for a typical one"
    )
    return (
        f"{len(rows)} questions, a typical one known to within {width:.2g} ({percent(level)} intervals, which hold on "
        f"average over questions); {worth}."
    )


def person_means(data: CrowdData, name: str) -> pd.DataFrame:
    """One answer per problem and participant, the mean of ``size`` repeated ones."""
    if not data.scale.numeric:
        raise ValueError(f"{name}: answers must be numbers here, but the scale is {data.scale}; number the options")
    grouped = data.responses.groupby(["problem", "participant"], sort=False)["response"]
    return grouped.agg(response="mean", size="size").reset_index()


def _problems(
    people: CrowdData, answered: pd.DataFrame, digital_means: pd.Series | None
) -> tuple[list[str], dict[str, str]]:
    """The problems that can be computed, in order, and why the others cannot."""
    known = list(people.problems["problem"])
    if digital_means is not None:
        known += [name for name in digital_means.index if name not in set(known)]
    if all(name.isdecimal() for name in known):
        known = sorted(known, key=int)
    with_human = set(answered["problem"])
    with_digital = with_human if digital_means is None else set(digital_means.index)
    excluded = {name: NO_HUMAN for name in known if name not in with_human}
    excluded |= {name: NO_DIGITAL for name in known if name in with_human and name not in with_digital}
    problems = [name for name in known if name not in excluded]
    if not problems:
        raise ValueError(nothing_in_common(with_human, with_digital))
    return problems, {name: excluded[name] for name in known if name in excluded}


def _covariates(people: CrowdData, problems: list[str], names: Sequence[str]) -> FloatArray | None:
    """The named columns of the table of problems, (T, k)."""
    if not names:
        return None
    table = people.problems.set_index("problem")
    columns = []
    for name in names:
        if name not in table.columns:
            raise ValueError(
                f"covariates: the human table has no column {name!r} with one value for each problem (it has: "
                f"{', '.join(map(str, table.columns)) or 'none'})"
            )
        values = pd.to_numeric(table.loc[problems, name], errors="coerce").to_numpy(dtype=np.float64)
        wrong = ~np.isfinite(values)
        if np.any(wrong):
            first = problems[int(np.argmax(wrong))]
            raise ValueError(
                f"covariates: column {name!r} has no number for {several(int(wrong.sum()), 'problem')}, for instance "
                f"{first!r}; give one for every problem or leave the column out"
            )
        columns.append(values)
    return np.stack(columns, axis=1)


def _notes(result: AcrossAnswers, counts: Mapping[str, int]) -> list[str]:
    """What was decided on the way, a sentence each."""
    share = (
        "too few people answered the same problems to say how much of the variance is a person's own level"
        if result.person_share is None
        else f"their own level accounts for {result.person_share:.0%} of the variance of one answer"
    )
    answered = f"{counts['answers']} answers to {several(counts['problems'], 'problem')}"
    notes = [f"{result.people} people gave {answered}; {share}."]
    for name, whose in (("human_averaged", "human"), ("digital_averaged", "digital")):
        if counts[name]:
            notes.append(f"{counts[name]} {whose} answers are means of one person's repeated answers.")
    if result.loadings:
        notes.append(
            f"People differ in {several(result.loadings, 'further way')} besides their level (items worded both ways, "
            "for instance); the regression has a column for each."
        )
    return notes
