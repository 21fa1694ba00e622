"""A confidence interval for every problem's human mean, and for the mean over problems, from two tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crowdllm_stats._base.checks import ALTERNATIVES, check_choice, check_count, check_level
from crowdllm_stats._base.messages import BadInput, Message, said
from crowdllm_stats.inference.intervals import HUMAN_ONLY, METHODS, Interval
from crowdllm_stats.inference.intervals.dispatch import TWO_VALUES_BY_NAME
from crowdllm_stats.inference.intervals.methods import CHOICES, USE_BOUNDS
from crowdllm_stats.inference.intervals.scale import scale_notice
from crowdllm_stats.survey.first_look import first_look, refuse_strangers
from crowdllm_stats.survey.one_law import NOTHING, survey_law
from crowdllm_stats.survey.pairing import Pairing, match_columns, pair
from crowdllm_stats.survey.per_problem import Wanted, joined, per_problem, saved
from crowdllm_stats.survey.result import Row, SurveyResult
from crowdllm_stats.survey.savings import savings
from crowdllm_stats.survey.tables import as_crowd, nobody, refuse_exchanged, set_apart, step_of, words_as_numbers

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData, Scale
    from crowdllm_stats.survey.tables import Answers
from crowdllm_stats._base.words import several
from crowdllm_stats.inference.intervals import CROWD_FROM, auto_method
from crowdllm_stats.inference.intervals.dispatch import compute
from crowdllm_stats.inference.intervals.sample import read_sample
from crowdllm_stats.survey.pooled import Pooled, pool

#: How the ends of the scale are named where answers are tables.
_SCALE = Message('scale="low:high"', "--scale LOW:HIGH")

#: What "auto" does about twins and crowd of two laws.
AUTO_ALONE = "So auto uses the human answers alone, for all problems."


def interval_from(
    human: Answers,
    digital: Answers | None = None,
    *,
    scale: Scale | str | None = None,
    match: Sequence[str] = (),
    unpaired: bool = False,
    as_given: bool = False,
    method: str = "auto",
    level: float = 0.95,
    alternative: str = "two-sided",
    population_size: int | None = None,
    seed: int | None = None,
) -> SurveyResult:
    """A confidence interval for what people on average answer to each problem, and for the mean over all problems.

    A digital answer with a human's (problem, participant) is that human's twin, every other one is unlabelled; with
    ``match``, twins are built from profiles (``pair``). With ``method="auto"`` a problem
    whose every human answer has a twin, and that has unlabelled digital answers, is computed with both; any other one
    from its human answers alone, for leaving out people who lack a twin could shift the mean. So are all
    where labelled twins and unlabelled answers do not look like one digital population in any problem; the notices then
    say so (:func:`crowdllm_stats.survey.one_law.survey_law`). For a twin that answers
    other problems and refused this one, the mean of the problem's unlabelled answers stands in
    (reports/inference/missing_twins.md). The ends of the scale are
    those of ``human.scale``. The command ``crowdllm-stats interval`` is this function.

    Args:
        human: answers of people: CrowdData, a data frame, or the path of a .csv or .parquet file, the last two with
            the columns problem, participant, response and any profile columns.
        digital: answers of the digital population to the same problems, likewise; None for human answers alone.
        scale: what the answers of both tables can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file. Two words, such as "no,yes", are coded 0 and 1.
        match: profile columns to build twins from; empty pairs by the participants' names.
        unpaired: whether nobody is meant to have a twin: the intervals then rest on human answers alone.
        as_given: whether the tables are in the right order, though they look exchanged.
        method: as of :func:`crowdllm_stats.interval`; the cross-fitted ones are not here, they need one digital table
            a fold.
        level: confidence level in (0, 1).
        alternative: "two-sided"; "larger" gives a lower end only, "smaller" an upper end only.
        population_size: m, when the target is the mean of m people of whom those who answered are a random sample.
        seed: shuffles the order in which "betting" and "set-betting" take the answers.

    Returns:
        SurveyResult. Its rows have the columns of :class:`~crowdllm_stats.Interval` and ``saved``, how many human
        answers the digital ones are worth (effective number less number; 0 where none was used). Its row over all
        problems takes people as independent units (:func:`crowdllm_stats.survey.pooled.pool`).

    Raises:
        ValueError: on bad input, if the tables have no problem in common, if (almost) nobody is paired and ``unpaired``
            does not say so, if the tables look exchanged, if the method needs twins or a scale with
            ends and there are none, or if no problem can be computed.

    Source: theory/README.md, Theorems 4 and 5 and "Beyond the paper".

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> found = interval_from(example.human, example.digital)
        >>> found.to_frame()[["lower", "estimate", "upper"]].loc["q01"].astype(float).round(2).to_dict()
        {'lower': 1.65, 'estimate': 2.39, 'upper': 3.37}
        >>> round(found.overall["estimate"], 2), found.excluded
        (3.09, {})
        >>> frames = example.human.to_frame(), example.digital.to_frame()
        >>> interval_from(*frames, scale="1:5").overall == found.overall
        True
    """
    humans = as_crowd(human, "human", scale)
    others = nobody(humans) if digital is None else as_crowd(digital, "digital", scale)
    if digital is not None and not as_given:
        refuse_exchanged(humans, others)
    humans, others, coding = words_as_numbers(humans, set_apart(others) if unpaired else others)
    step, taken = step_of(humans, others)
    check_interval(method, level, alternative, population_size)
    wanted = Wanted(
        check_choice("method", method, CHOICES),
        level,
        check_choice("alternative", alternative, ALTERNATIVES),
        humans.scale.bounds,
        step,
        population_size,
        seed,
    )
    _check_bounds(wanted)
    pairing = _paired(humans, others, match_columns(match), population_size)
    if digital is not None and method not in HUMAN_ONLY and not unpaired:
        refuse_strangers(pairing, others)
    law = NOTHING if method in HUMAN_ONLY else survey_law(pairing)
    wanted = dataclasses.replace(wanted, twins=not law.differs)
    rows, excluded, why = per_problem(pairing, wanted)
    two = method == "ppi++-small" and humans.scale.bounds is not None and _of_two_values(humans)
    law.mark(rows)
    alone = unpaired or digital is None
    notes = [] if alone else pairing.notes()
    notices = first_look(pairing, humans, others, paired=not unpaired)
    notices += [
        sentence
        for sentence in (coding, taken, TWO_VALUES_BY_NAME if two else "", _unnamed_scale(humans, rows, wanted))
        if sentence
    ]
    notices += law.notices(AUTO_ALONE if method == "auto" else f"Method {method!r} used them anyway.")
    notices += pairing.notices({row["problem"] for row in rows if row["method"] not in HUMAN_ONLY})
    if alone:
        notes.append("Human answers alone, as asked for.")
    elif not pairing.n_pairs.any():
        notes.append("Human answers alone: no digital answer is a human's twin.")
    elif method not in HUMAN_ONLY and alternative == "two-sided":
        notes.append(savings(pairing, rows, wanted))
    overall = None
    if len(rows) > 1:
        overall, remark = overall_row(pairing, wanted)
        notes.append(remark)
    return SurveyResult(
        rows, overall, excluded, notes, pairing.counts, why if alone else f"{pairing.why} {why}", notices
    )


def _of_two_values(human: CrowdData) -> bool:
    """Whether all human answers lie at the two ends of their scale."""
    return set(human.responses["response"].unique().tolist()) <= set(human.scale.bounds or ())


def _unnamed_scale(human: CrowdData, rows: list[Row], wanted: Wanted) -> str:
    """The sentence for whole-number answers without the ends of their scale; empty where it does not apply."""
    if wanted.bounds is not None or wanted.method not in USE_BOUNDS:
        return ""
    answers = human.responses["response"].to_numpy(dtype=float)
    return scale_notice(answers, min(row["n_labeled"] for row in rows), _SCALE)


def check_interval(method: str, level: float, alternative: str, population_size: int | None) -> None:
    """Refuse options that no two tables could be computed with.

    Raises:
        ValueError: naming the option, its value and what is allowed.

    Example:
        >>> check_interval("auto", 0.95, "both", None)
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: alternative must be one of 'two-sided', 'larger', 'smaller'; got 'both'
    """
    if check_choice("method", method, CHOICES) in METHODS and METHODS[method].folds:
        raise BadInput(
            f"{method!r} needs one digital table per fold: use crowdllm_stats.interval with folds in Python",
            argument="method",
        )
    check_level(level)
    check_choice("alternative", alternative, ALTERNATIVES)
    if population_size is not None:
        check_count("population_size", population_size, 2)


def _check_bounds(wanted: Wanted) -> None:
    needed = wanted.method != "auto" and METHODS[wanted.method].bounds == "needed"
    if needed and wanted.bounds is None:
        raise BadInput(
            f"{wanted.method!r} needs the ends of the answer scale",
            argument="method",
            python='read the human answers with scale="1:5" or the like',
            command="give --scale 1:5 or the like",
        )


def _paired(human: CrowdData, digital: CrowdData, match: list[str], population_size: int | None) -> Pairing:
    """The pairing; as a census where the digital answers cover exactly the population asked for."""
    if population_size is not None:
        census = pair(human, digital, match=match, census=True)
        if (census.n_crowd == population_size).all():
            return census
    return pair(human, digital, match=match)


def overall_row(pairing: Pairing, wanted: Wanted) -> tuple[Row | None, str]:
    """The mean over all problems as a row, and how it was made; or None and the reason why there is none."""
    method = METHODS.get(wanted.method)
    if method is not None and not METHODS[method.more_values or method.name].clusters:
        return None, (
            f"No row over all problems: method {wanted.method!r} knows no people who answered several problems; "
            "auto, classical, ppi, ppi++, ppi-small and ppi++-small do."
        )
    try:
        return _pooled(pairing, wanted)
    except ValueError as reason:
        return None, Message.filled("No row over all problems: {}", said(reason))


def _pooled(pairing: Pairing, wanted: Wanted) -> tuple[Row, str]:
    pooled = pool(pairing)
    people = len(set(pooled.people))
    method, why = wanted.method, pooled.why
    if method == "auto":
        crowd = 0 if pooled.crowd is None else len(pooled.crowd)
        method = auto_method(people, crowd, pooled.crowd is not None and wanted.twins, wanted.bounds is not None)
        if crowd and not wanted.twins:
            why = f"{why} Computed from human answers: twins and crowd are of two laws."
        elif crowd and method in HUMAN_ONLY:
            why = (
                f"{why} Computed from human answers: auto wants at least {CROWD_FROM} times as many further digital "
                "people as humans."
            )
    elif method not in HUMAN_ONLY and pooled.crowd is None:
        method = auto_method(people, 0, False, wanted.bounds is not None)
        why = f"{why} So the method is {method}."
    elif more := METHODS[method].more_values:
        method = more
        why = f"{why} People's means over problems have more than two values, so the method is {method}."
    answer = _over_people(pooled, wanted, method)
    row: Row = {"problem": "all", **answer.to_frame().to_dict("records")[0]}
    row["saved"] = saved(row)
    wider = "" if wanted.population_size is None else "for the wider population: population_size is not used here"
    row["note"] = joined(row["note"], f"{several(len(pooled.problems), 'problem')}, {people} people", wider)
    return row, f"all: {why}"


def _over_people(pooled: Pooled, wanted: Wanted, method: str) -> Interval:
    """The interval of the pooled answers: centred by problem they may lie off the scale, but not their mean."""
    used = method not in HUMAN_ONLY
    sample = read_sample(
        pooled.human,
        pooled.twin if used else None,
        pooled.crowd if used else None,
        level=wanted.level,
        alternative=wanted.alternative,
        clusters=pooled.people,
        check_law=False,
    )
    return compute(dataclasses.replace(sample, bounds=wanted.bounds), method)
