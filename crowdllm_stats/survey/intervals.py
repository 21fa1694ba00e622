"""A confidence interval for every problem's human mean, and for the mean over problems, from two tables."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import ALTERNATIVES, Alternative, FloatArray, check_choice, check_count, check_level
from crowdllm_stats._base.messages import BadInput, Message, said
from crowdllm_stats._base.shown import several
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.scale import Scale, as_scale
from crowdllm_stats.inference.intervals import CROWD_FROM, HUMAN_ONLY, METHODS, Interval, auto_method
from crowdllm_stats.inference.intervals.dispatch import TWO_VALUES_BY_NAME, compute
from crowdllm_stats.inference.intervals.methods import CHOICES, USE_BOUNDS, MethodChoice
from crowdllm_stats.inference.intervals.sample import read_sample
from crowdllm_stats.inference.intervals.scale import scale_notice
from crowdllm_stats.survey.beyond_memory import ROWS, Found, deal, is_beyond
from crowdllm_stats.survey.by_shape import joined
from crowdllm_stats.survey.first_look import Survey, basis, open_survey, repeated_rows
from crowdllm_stats.survey.interval_words import interval_answer
from crowdllm_stats.survey.one_law import NOTHING
from crowdllm_stats.survey.pairing import COUNTS, Pairing
from crowdllm_stats.survey.per_problem import Wanted, beside_alone, per_problem, saved, savings
from crowdllm_stats.survey.pictures import forest
from crowdllm_stats.survey.result import Row, SurveyResult
from crowdllm_stats.survey.tables import step_of

if TYPE_CHECKING:
    from crowdllm_stats.survey.tables import Answers

#: How the ends of the scale are named where answers are tables.
_SCALE = Message('scale="low:high"', "--scale LOW:HIGH")

#: Columns of an interval, the most important first.
COLUMNS = (
    "problem", "estimate", "lower", "upper", "n_labeled", "n_digital", "method", "half_width", "half_width_alone",
    "lam", "effective_n",
)  # fmt: skip

#: What "auto" does about twins and crowd of two laws.
AUTO_ALONE = "So auto uses the human answers alone, for all problems."


@dataclasses.dataclass(frozen=True, eq=False)
class Intervals(SurveyResult):
    """Intervals: rows with ``estimate``, ``lower`` and ``upper``."""

    def plot(self) -> Any:
        """One bar per question with a dot at the estimate, and the one over all; in grey the humans' own width.

        Returns:
            The matplotlib figure.

        Raises:
            ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
        """
        rows = [*self.summary, *self.rows]
        if not all(math.isclose(row["upper"] - row["lower"], 2.0 * row["half_width"], rel_tol=1e-6) for row in rows):
            rows = [row | {"half_width_alone": None} for row in rows]  # one-sided: it is a distance to one end
        return forest(rows, "What people answer on average", "mean answer, with its interval")


def interval_from(
    human: Answers,
    digital: Answers | None = None,
    *,
    scale: Scale | str | None = None,
    match: Sequence[str] = (),
    unpaired: bool = False,
    as_given: bool = False,
    method: MethodChoice = "auto",
    level: float = 0.95,
    alternative: Alternative = "two-sided",
    population_size: int | None = None,
    seed: int | None = None,
) -> Intervals:
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
        human: answers of people: CrowdData, a data frame, or the path of a file, the last two with
            the columns problem, participant, response and any profile columns.
        digital: answers of the digital population to the same problems, likewise; None for human answers alone. A
            Parquet file of more than 20 million human answers is then read a few problems at a time, in bounded memory;
            it needs ``scale``, as numbers, and 16 bytes per answer in the folder for temporary files.
        scale: what the answers of both tables can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file. Two words, such as "no,yes", are coded 0 and 1.
        match: profile columns to build twins from; empty pairs by the participants' names.
        unpaired: whether nobody is meant to have a twin: the intervals then rest on human answers alone.
        as_given: whether the tables are in the right order, though they look exchanged.
        method: as of :func:`crowdllm_stats.interval`; the cross-fitted ones are not here, they need one digital table
            per fold.
        level: confidence level in (0, 1).
        alternative: "two-sided"; "larger" gives a lower end only, "smaller" an upper end only.
        population_size: m, when the target is the mean of m people of whom those who answered are a random sample.
        seed: shuffles the order in which "betting" and "set-betting" take the answers.

    Returns:
        Intervals. Its rows have the columns of :class:`~crowdllm_stats.Interval`, ``saved``, how many human
        answers the digital ones are worth (effective number less number; 0 where none was used), and
        ``half_width_alone``, the half-width from human answers alone (None where digital ones were not used). How many
        people ``answer`` says are needed without the digital ones is judged by these widths. Its row over all
        problems takes people as independent units (:func:`crowdllm_stats.survey.intervals.pool`).

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
    check_interval(method, level, alternative, population_size)
    if digital is None and is_beyond(human):
        wanted = Wanted(method, level, alternative, None, None, population_size, seed)
        return _of_large_file(Path(str(human)), scale, wanted)
    survey = open_survey(human, digital, scale=scale, match=match, as_given=as_given, unpaired=unpaired)
    humans, others = survey.human, survey.digital
    step, taken = step_of(humans, others)
    wanted = Wanted(method, level, alternative, humans.scale.bounds, step, population_size, seed)
    _check_bounds(wanted)
    survey = _as_census(survey, population_size)
    pairing = survey.pairing
    if digital is not None and method not in HUMAN_ONLY and not unpaired:
        survey.refuse_strangers()
    law = NOTHING if method in HUMAN_ONLY else survey.law
    wanted = dataclasses.replace(wanted, twins=not law.differs)
    rows, excluded, why = per_problem(pairing, wanted)
    beside_alone(pairing, rows, wanted)
    law.mark(rows)
    two = method == "ppi++-small" and humans.scale.bounds is not None and of_two_values(humans)
    remarks = (taken, TWO_VALUES_BY_NAME if two else "", _unnamed_scale(humans, rows, wanted))
    alone = unpaired or digital is None
    notices = [
        *survey.looks(paired=not unpaired),
        *(sentence for sentence in remarks if sentence),
        *law.notices(AUTO_ALONE if method == "auto" else f"Method {method!r} used them anyway."),
        *pairing.notices({row["problem"] for row in rows if row["method"] not in HUMAN_ONLY}),
    ]
    notes = [*survey.coding, *([] if alone else pairing.notes())]
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
    why = why if alone else f"{pairing.why} {why}"
    ends = humans.scale.bounds if of_two_values(humans) else None
    answer = interval_answer(rows, overall, wanted, ends, alone)
    counts = survey.counts({row["problem"] for row in rows})
    return Intervals(
        rows, overall, excluded, notes, counts, why, notices, (), answer, survey.basis(counts), COLUMNS
    )  # fmt: skip


def _of_large_file(file: Path, scale: Scale | str | None, wanted: Wanted) -> Intervals:
    """The intervals of human answers alone that lie in a Parquet file too large to be read as a whole."""
    given = as_scale(scale)
    if scale is None or not given.numeric:
        raise BadInput(f"must be declared, as numbers, for a table of more than {ROWS:,} rows", argument="scale")
    with tempfile.TemporaryDirectory(prefix="crowdllm-stats-") as folder:
        dealt = deal(file, given, Path(folder))
        answers = pd.DataFrame({"problem": "all", "participant": "all", "response": dealt.different})
        seen = CrowdData.from_frame(answers, scale=given, repeats="keep")
        step, taken = step_of(seen, seen)
        wanted = dataclasses.replace(wanted, bounds=given.bounds, step=step)
        _check_bounds(wanted)
        people = dealt.people
        found = Found(np.zeros(people), np.zeros(people, dtype=np.int64), np.zeros(people, dtype=np.bool_))
        for group in dealt.groups():
            found.add(group, dealt.problems, wanted)
    if not found.rows:
        raise BadInput(Message.filled("no problem could be computed: {}", next(iter(found.excluded.values()))))
    counts = {
        **dict.fromkeys(COUNTS, 0),
        "answers": sum(found.sizes),
        "people": dealt.people,
        "human_averaged": found.averaged,
        "answers_without_twin": sum(found.sizes),
        "answers_used": sum(row["n_labeled"] for row in found.rows),
        "people_used": int(np.count_nonzero(found.used)),
        "pairs_used": 0,
    }
    remarks = (repeated_rows(counts), taken, _unnamed_scale(seen, found.rows, wanted))
    notes, overall = ["Human answers alone, as asked for."], None
    if len(found.rows) > 1:
        overall, remark = overall_row(_pooled_people(found, dealt.problems), wanted)
        notes.append(remark)
    whys = sorted((size, method, why) for method, (size, why) in found.whys.items())
    ends = given.bounds if of_two_values(seen) else None
    return Intervals(
        found.rows,
        overall,
        found.excluded,
        notes,
        counts,
        " ".join(f"{method}: {why}" for _, method, why in whys),
        [sentence for sentence in remarks if sentence],
        answer=interval_answer(found.rows, overall, wanted, ends, True),
        basis=basis(counts),
        columns=COLUMNS,
    )


def _pooled_people(found: Found, problems: Sequence[str]) -> Pooled:
    """As :func:`pool`, each person one value, the mean of the answers, that weighs as they do."""
    there = found.counts > 0
    used = [size >= 2 for size in found.sizes]
    answers = int(found.counts.sum())
    return Pooled(
        human=found.total / max(answers, 1) + found.sums[there] / found.counts[there],
        twin=None,
        crowd=None,
        people=np.arange(np.count_nonzero(there)),
        problems=[problem for problem, enough in zip(problems, used, strict=True) if enough],
        left_out=[problem for problem, enough in zip(problems, used, strict=True) if not enough],
        why=_POOLED.format(sum(used), "Human answers alone."),
        answers=found.counts[there],
    )


def of_two_values(human: CrowdData) -> bool:
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


def _as_census(survey: Survey, population_size: int | None) -> Survey:
    """The survey as a census where the digital answers cover exactly the population asked for."""
    if population_size is None:
        return survey
    census = dataclasses.replace(survey, census=True)
    return census if (census.pairing.n_crowd == population_size).all() else survey


def overall_row(answers: Pairing | Pooled, wanted: Wanted) -> tuple[Row | None, str]:
    """The mean over all problems as a row, and how it was made; or None and the reason why there is none."""
    method = METHODS.get(wanted.method)
    if method is not None and not METHODS[method.more_values or method.name].clusters:
        return None, (
            f"No row over all problems: method {wanted.method!r} does not allow for people who answered several "
            "problems; auto, classical, ppi, ppi++, ppi-small and ppi++-small do."
        )
    try:
        return _pooled(answers if isinstance(answers, Pooled) else pool(answers), wanted)
    except ValueError as reason:
        return None, Message.filled("No row over all problems: {}", said(reason))


def _pooled(pooled: Pooled, wanted: Wanted) -> tuple[Row, str]:
    if not pooled.problems:
        raise ValueError("no problem has two human answers, which would show how much answers vary within a problem")
    people = int(np.count_nonzero(np.bincount(pooled.people)))
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
    weights = pooled.answers
    sample = read_sample(
        pooled.human,
        pooled.twin if used else None,
        pooled.crowd if used else None,
        level=wanted.level,
        alternative=wanted.alternative,
        clusters=pooled.people if weights is None else None,
        weights=weights,
        check_law=False,
    )
    answer = compute(dataclasses.replace(sample, bounds=wanted.bounds), method)
    if weights is None:
        return answer
    answers = int(weights.sum())
    flags = {f"all {answers} human answers are equal": np.array(True)} if not np.ptp(pooled.human) else {}
    return dataclasses.replace(
        answer, n_labeled=answers, effective_n=answer.effective_n * answers / sample.n, flags=flags
    )


#: What the mean over problems is, with what it rests on.
_POOLED = "Mean over {} problems, by their shares of human answers. {}"


@dataclasses.dataclass(frozen=True, eq=False)
class Pooled:
    """All answers as one sample, ready for ``interval(..., clusters=people)``.

    ``human``, ``twin`` and ``people`` (numbers) hold one value per answer, ``crowd`` one per digital person (None where
    there are no digital people besides the humans' twins); ``problems`` are those used, ``left_out`` those with a
    single human answer. ``answers`` is given where each value is the mean of so many answers of one person.
    """

    human: FloatArray
    twin: FloatArray | None
    crowd: FloatArray | None
    people: NDArray[np.int64]
    problems: list[str]
    left_out: list[str]
    why: str
    answers: NDArray[np.int64] | None = None


def pool(pairing: Pairing) -> Pooled:
    """The mean over problems, each weighing by its share of the human answers.

    An answer enters as ``ybar + (y - ybar_x) sqrt(n_x / (n_x - 1))``, ``ybar_x`` its problem's mean: how problems
    differ adds no uncertainty about the mean over these very problems, and the factor makes up for the fitted mean.
    Twins enter likewise. A digital person j enters as ``C + J sum_x (w_x / N_x) (f_jx - fbar_x)``, J their number,
    ``w_x`` the share of problem x and ``C = sum_x w_x fbar_x``: these J values have mean C, and their variance over
    J is that of C with digital people as the independent units.

    The people of the human table do not count as unlabelled digital people here: the twin of somebody who answered
    *other* problems is not a new person. Where the unlabelled answers are such twins, by profile, there is therefore no
    crowd, and the pooled mean rests on human answers.

    Args:
        pairing: human answers with their twins.

    Returns:
        Pooled, twins and crowd None unless every answer used has a twin and every problem used a digital answer by
        a further digital person.

    Raises:
        ValueError: if no problem has two human answers.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> pooled = pool(pair(example.human, example.digital))
        >>> pooled.human.shape, pooled.crowd.shape
        ((96,), (200,))
    """
    rows = np.repeat(np.arange(len(pairing.problems)), pairing.n_answers)
    used = pairing.n_answers >= 2
    if not used.any():
        raise ValueError("no problem has two human answers, which would show how much answers vary within a problem")
    keep = used[rows]
    rows = rows[keep]
    human = pairing.people.response[keep]
    twin = pairing.filled[keep]
    share = np.where(used, pairing.n_answers, 0) / len(rows)
    crowd = None
    why = "The digital answers do not enter: not every answer used has a twin."
    if np.isnan(twin).all():
        why = "Human answers alone."
    if not np.isnan(twin).any():
        crowd = _crowd(pairing, share)
        why = (
            "Humans, twins and further digital people all count by person."
            if crowd is not None
            else "The digital answers do not enter: beyond the humans' own twins there are no digital people."
        )
    return Pooled(
        human=_centred(human, rows, pairing.n_answers),
        twin=None if crowd is None else _centred(twin, rows, pairing.n_answers),
        crowd=crowd,
        people=pairing.people.person[keep],
        problems=[problem for problem, there in zip(pairing.problems, used, strict=True) if there],
        left_out=[problem for problem, there in zip(pairing.problems, used, strict=True) if not there],
        why=_POOLED.format(int(used.sum()), why),
    )


def _centred(values: FloatArray, rows: NDArray[np.int64], sizes: NDArray[np.int64]) -> FloatArray:
    totals = np.bincount(rows, weights=values, minlength=len(sizes))
    means = totals / np.maximum(sizes, 1)
    stretch = np.sqrt(sizes / np.maximum(sizes - 1, 1))
    return np.asarray(values.mean() + (values - means[rows]) * stretch[rows])


def _crowd(pairing: Pairing, share: FloatArray) -> FloatArray | None:
    if pairing.unlabeled is None:
        return None
    further = pairing.unlabeled.kept(pairing.unlabeled.person >= pairing.n_people)
    rows, answers = further.row, further.response
    sizes = np.bincount(rows, minlength=len(share))
    person, names = pd.factorize(further.person)
    if np.any(sizes[share > 0] == 0) or len(names) < 2:
        return None
    means = np.bincount(rows, weights=answers, minlength=len(share)) / np.maximum(sizes, 1)
    parts = (share / np.maximum(sizes, 1))[rows] * (answers - means[rows])
    return np.asarray(share @ means + len(names) * np.bincount(person, weights=parts, minlength=len(names)))
