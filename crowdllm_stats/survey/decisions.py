"""Is the digital crowd no worse than the bare LLM? Decided for every problem from a human and a digital table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats._base.checks import FloatArray, check_level
from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats._base.shown import percent, several
from crowdllm_stats.data.ids import written_otherwise
from crowdllm_stats.inference.kappa import BackboneQuality, backbone_quality
from crowdllm_stats.inference.theorem3_safe_decision import SafeDecision, safe_decision
from crowdllm_stats.inference.theorem3_safe_interval import safe_interval
from crowdllm_stats.survey.by_shape import Stack, by_shape, joined, rows_of, stacked
from crowdllm_stats.survey.first_look import open_survey
from crowdllm_stats.survey.interval_words import question
from crowdllm_stats.survey.pairing import Pairing
from crowdllm_stats.survey.pictures import forest
from crowdllm_stats.survey.plain_answers import plain_answers, without
from crowdllm_stats.survey.result import Row, SurveyResult

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import Scale
    from crowdllm_stats.survey.tables import Answers

#: Probability with which kappa bounds the gap, as the paper's example has it.
KAPPA_LEVEL = 0.9

ONE_ANSWER = Message.filled(
    "one reference answer does not say how much the LLM's answers vary: give {} (0 if it always answers alike)",
    Message("eta", "--eta"),
)

ENDS = ("published_lower", "published_upper", "inside_published", "exact_lower", "exact_upper", "inside_exact")


#: Columns of the rows, the most important first.
COLUMNS = (
    "problem", "verdict", "crowd_gap", "gap_lower", "gap_upper", "inside_published", "inside_exact", "p_adjusted",
    "belief_mean", "published_lower", "published_upper", "exact_lower", "exact_upper",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Decisions(SurveyResult):
    """Whether the crowd is no worse than asking the LLM once, and how far it is from the humans."""

    def plot(self) -> Any:
        """The crowd's gap to the humans with its interval, and the LLM's; the verdict stands beside the question.

        Returns:
            The matplotlib figure.

        Raises:
            ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
        """
        drawn = [
            {"problem": f"{row['problem']}: {row['verdict']}", "estimate": row["crowd_gap"], "lower": row["gap_lower"],
             "upper": row["gap_upper"]}
            for row in self.rows
        ]  # fmt: skip
        figure = forest(drawn, "Is the crowd no worse than asking the LLM once?", "crowd's mean less the humans'")
        figure.axes[0].axvline(0.0, color="grey", linewidth=0.8)
        return figure


def safe_decision_from(
    human: Answers,
    digital: Answers,
    reference: Answers | None = None,
    *,
    scale: Scale | str | None = None,
    reference_participant: str | None = None,
    match: Sequence[str] = (),
    as_given: bool = False,
    kappa: float | None = None,
    eta: float | None = None,
    level: float = 0.95,
) -> Decisions:
    """Is the crowd's mean no worse than one answer of the bare LLM? Decided for each problem from the human answers.

    A digital person's belief is the answer less the mean reference answer; the crowd is every digital person of the
    problem, twins included, as it stands. :func:`crowdllm_stats.safe_decision` tests the exact condition, counting the
    errors of the human mean, of the mean reference and of eta, with Benjamini-Hochberg over all problems tested, and
    :func:`crowdllm_stats.safe_interval` gives the interval of safe belief means as published and exact, at the
    estimated Delta and eta. The scale's ends are those of ``human.scale``. The command
    ``crowdllm-stats safe-interval`` is this function.

    Args:
        human: answers of people that the digital population was not fitted to: CrowdData, a data frame, or the path
            of a file, the last two with the columns problem, participant, response.
        digital: answers of the digital population to the same problems, likewise.
        reference: the LLM's plain answers, likewise, but with the columns ``problem`` and ``response`` alone, one row
            per answer; several for one problem count as independent.
        scale: what the answers of people and crowd can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file.
        reference_participant: the plain LLM's participant id in ``digital``, instead of ``reference``; it then is not
            part of the crowd (with ``match`` it stands in for people without a persona).
        match: profile columns to build twins from; empty pairs by the participants' names.
        as_given: whether the tables are in the right order, though they look exchanged.
        kappa: bound on ``|Delta|``; by default estimated from the problems, to hold with probability 0.9.
        eta: variance of one answer of the LLM, 0 for one that always answers alike; by default estimated from repeated
            reference answers, and problems with a single one are left out.
        level: confidence level of each one-sided test.

    Returns:
        Decisions, without a row over all problems. Its rows have the columns of
        :func:`crowdllm_stats.safe_decision` (``adjusted`` after Benjamini-Hochberg, with ``p_adjusted`` where the
        problem was tested), ``verdict``, which is ``adjusted`` in plain words ("not worse", "worse", "undecided", than
        asking the LLM once), and where kappa is known ``kappa``, the ends of both intervals (None for the exact one
        where it is empty) and whether the belief mean lies inside (``inside_published``, ``inside_exact``).
        ``crowd_gap`` is the crowd's mean less the humans', with its interval; the notices have it over all problems,
        too, and how many problems were not judged.

    Raises:
        ValueError: on bad input, unless exactly one of ``reference`` and ``reference_participant`` is given, or if no
            problem has two human, two digital and one reference answer.

    Source: the paper's Theorem 3; theory/README.md has it as published and exact.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> found = safe_decision_from(example.human, example.digital, example.reference)
        >>> found.to_frame()["decision"].value_counts().to_dict()
        {'undetermined': 9, 'safe': 3}
        >>> found.rows[0]["verdict"], round(found.rows[0]["crowd_gap"], 2)
        ('undecided', -0.13)
    """
    check_safe(kappa, eta, level)
    survey = open_survey(human, digital, scale=scale, match=match, as_given=as_given, census=True)
    answers = plain_answers(survey.digital, reference, reference_participant)
    if reference_participant is not None and not survey.match:
        survey = dataclasses.replace(survey, digital=without(survey.digital, reference_participant))
    pairing = survey.pairing
    cases, others = _cases(pairing, answers, eta)
    quality = None if kappa is not None else _quality(cases)
    bound = kappa if kappa is not None else _kappa(quality)
    judged = partial(_judged, survey.human.scale, eta, bound, level)
    nothing = "no problem can be judged: {}"
    found = by_shape(stacked(cases), judged, pairing.problems, others=others, nothing=nothing)
    rows, decisions = found.rows, [answer for _, answer in found.answers]
    _adjust(rows, level)
    survey.law.mark(rows)
    far = f"{how_far(rows)}{gap_over_problems(pairing, [row['problem'] for row in rows], level)}"
    notices = [
        *not_judged(len(rows), found.reasons),
        *survey.law.notices("The decisions here are about both together."),
        far,
        *dict.fromkeys(notice for answer in decisions for notice in answer.decision.notices),
        *survey.looks(paired=False),
    ]
    notes = [*survey.coding, *decision_notes(rows, quality, bound, eta)]
    why = _in_one([decisions[0].decision.why, *decisions[0].intervals])
    answer = f"{_answer(rows, level)} {far}"
    counts = survey.counts({row["problem"] for row in rows})
    return Decisions(
        rows, None, found.reasons, notes, counts, why, notices, (), answer, survey.basis(counts), COLUMNS
    )  # fmt: skip


def _answer(rows: Sequence[Row], level: float) -> str:
    """The verdicts in a sentence."""
    if len(rows) == 1:
        said = {
            "safe": "the digital crowd is no worse than asking the LLM once",
            "unsafe": "the digital crowd is worse than asking the LLM once",
            "undetermined": "these answers do not decide whether the digital crowd is worse than asking the LLM once",
        }
        return f"{question(rows[0])}: {said[rows[0]['adjusted']]} (test at level {percent(level)})."
    safe, unsafe, open_ = (sum(row["adjusted"] == name for row in rows) for name in VERDICTS)
    return (
        f"In {safe} of {len(rows)} questions the digital crowd is shown to be no worse than asking the LLM once, in "
        f"{unsafe} to be worse, and {open_} stay undecided (tests at level {percent(level)}, after Benjamini-Hochberg)."
    )


def check_safe(kappa: float | None, eta: float | None, level: float) -> None:
    """Refuse numbers that no two tables could be judged with.

    Raises:
        ValueError: naming the argument and its value.

    Example:
        >>> check_safe(None, -0.5, 0.95)
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: eta must not be negative; got -0.5
    """
    check_level(level)
    for name, value in (("kappa", kappa), ("eta", eta)):
        if value is not None and not value >= 0:
            raise BadInput("must not be negative", argument=name, given=value)


def _cases(
    pairing: Pairing, answers: Mapping[str, FloatArray], eta: float | None
) -> tuple[dict[str, tuple[FloatArray, FloatArray, FloatArray]], dict[str, str]]:
    """Human, digital and plain answers of the problems that can be judged, and problem -> reason of the others."""
    by_problem = {
        problem: block.human[place]
        for block in pairing.blocks(paired=False)
        for place, problem in enumerate(block.problems)
    }
    cases: dict[str, tuple[FloatArray, FloatArray, FloatArray]] = {}
    excluded: dict[str, str] = {}
    for place, problem in enumerate(pairing.problems):
        if len(by_problem[problem]) < 2:
            excluded[problem] = "fewer than 2 human answers"
        elif int(pairing.n_crowd[place]) < 2:
            excluded[problem] = "fewer than 2 digital answers"
        elif problem not in answers:
            reason = written_otherwise([problem], sorted(set(answers) - set(pairing.problems)))
            excluded[problem] = f"no reference answer{'; ' if reason else ''}{reason}"
        elif len(answers[problem]) == 1 and eta is None:
            excluded[problem] = ONE_ANSWER
        else:
            cases[problem] = by_problem[problem], pairing.crowd_of(place), answers[problem]
    return cases, excluded


def _quality(cases: Mapping[str, tuple[FloatArray, FloatArray, FloatArray]]) -> BackboneQuality | None:
    if len(cases) < 2:
        return None
    human, _, reference = zip(*cases.values(), strict=True)
    return backbone_quality(list(human), list(reference), level=KAPPA_LEVEL)


def _kappa(quality: BackboneQuality | None) -> float | None:
    """The guaranteed kappa where it is finite, else the corrected one; None where neither is."""
    if quality is None:
        return None
    return quality.kappa if math.isfinite(quality.kappa) else quality.kappa_corrected


@dataclasses.dataclass(frozen=True, eq=False)
class _Judged:
    """A decision, and what its intervals need, where there are any."""

    decision: SafeDecision
    intervals: tuple[str, ...]


def _judged(
    scale: Scale, eta: float | None, kappa: float | None, level: float, stack: Stack
) -> tuple[list[Row], _Judged]:
    human, crowd, reference = stack.arrays
    beliefs = crowd - reference.mean(axis=1, keepdims=True)
    decision = safe_decision(
        beliefs, human, reference, n_digital=crowd.shape[1], eta=eta, bounds=scale.bounds,
        step=None if scale.bounds is None else scale.step, level=level,
    )  # fmt: skip
    rows = rows_of(decision, stack.problems)
    for number, row in enumerate(rows):
        row["adjusted"] = row.pop("decision_adjusted")
        row |= {name: getattr(decision, name)[number].item() for name in ("p_safe", "p_unsafe", "tested")}
    return rows, _Judged(decision, () if kappa is None else (_add_intervals(rows, beliefs, decision, kappa),))


def _in_one(texts: list[str]) -> str:
    """Several explanations as one, each sentence once."""
    sentences = dict.fromkeys(sentence.rstrip(".") for text in texts for sentence in text.split(". "))
    return f"{'. '.join(sentences)}."


def _add_intervals(rows: list[Row], beliefs: FloatArray, decision: SafeDecision, kappa: float) -> str:
    """Write the ends of both intervals into the rows."""
    for row in rows:
        row["kappa"] = kappa
    second = (beliefs**2).mean(axis=1)
    ends = safe_interval(beliefs.mean(axis=1), second, decision.delta, kappa, beliefs.shape[1], eta=decision.eta)
    empty = np.atleast_1d(ends.exact.half_width) == -np.inf
    for name in ENDS:
        values: list[Any] = np.atleast_1d(getattr(ends, name)).tolist()
        for row, value, none in zip(rows, values, empty, strict=True):
            row[name] = None if none and name in ("exact_lower", "exact_upper") else value
    for sentence, mask in ends.flags.items():
        for row, holds in zip(rows, np.atleast_1d(mask).tolist(), strict=True):
            if holds:
                row["note"] = joined(row.get("note") or "", sentence)
    return ends.why


def _adjust(rows: list[Row], level: float) -> None:
    """Benjamini-Hochberg over all problems that were tested, whatever their sizes; then the verdicts."""
    from scipy.stats import false_discovery_control

    tested = [row for row in rows if row["tested"]]
    if tested:
        for row, adjusted in zip(tested, false_discovery_control([row["p_value"] for row in tested]), strict=True):
            row["p_adjusted"] = float(adjusted)
            direction = "safe" if row["p_safe"] <= row["p_unsafe"] else "unsafe"
            row["adjusted"] = direction if adjusted <= 1.0 - level else "undetermined"
    for row in rows:
        row["verdict"] = VERDICTS[row["adjusted"]]


#: The decisions in plain words, each: than asking the LLM once.
VERDICTS = {"safe": "not worse", "unsafe": "worse", "undetermined": "undecided"}


def how_far(rows: Sequence[Row]) -> str:
    """What "not worse" does not say: how far the crowd is from the humans.

    Example:
        >>> rows = [{"problem": "q1", "crowd_gap": 0.8, "gap_lower": 0.5, "gap_upper": 1.1}]
        >>> print(how_far(rows).split(": ")[-1])
        its mean is off the humans' by 0.8.
    """
    off = [row for row in rows if row["gap_lower"] > 0.0 or row["gap_upper"] < 0.0]
    if len(rows) == 1:
        gap = f"its mean is off the humans' by {abs(rows[0]['crowd_gap']):.2g}."
        found = gap if off else "here these answers show no gap between their means."
    elif off:
        worst = max(off, key=lambda row: abs(row["crowd_gap"]))
        found = (
            f"its mean is off the humans' in {len(off)} of {several(len(rows), 'problem')}, "
            f"by up to {abs(worst['crowd_gap']):.2g} ({worst['problem']})."
        )
    else:
        found = f"in none of {several(len(rows), 'problem')} these answers show a gap between their means."
    return f"Not worse means: than asking the LLM once. It does not mean that the crowd is near the humans: {found}"


def not_judged(judged: int, excluded: Mapping[str, str]) -> list[str]:
    """How many problems were not judged and why, for the first line; nothing where all were.

    Example:
        >>> not_judged(1, {"q2": "no reference answer", "q3": "no reference answer"})
        ['2 of 3 problems were not judged (2: no reference answer); what follows is about the other.']
    """
    if not excluded:
        return []
    plain = [reason.split(";")[0].split(":")[0] for reason in excluded.values()]
    reasons = ", ".join(f"{plain.count(reason)}: {reason}" for reason in dict.fromkeys(plain))
    others = "the other" if judged == 1 else f"the other {judged}"
    return [
        f"{len(excluded)} of {judged + len(excluded)} problems were not judged ({reasons}); what follows is about "
        f"{others}."
    ]


def decision_notes(
    rows: Sequence[Row], quality: BackboneQuality | None, kappa: float | None, eta: float | None
) -> list[str]:
    """Sentences about all problems together.

    Args:
        rows: of the problems that were judged.
        quality: where kappa was estimated.
        kappa: that the intervals use, None without intervals.
        eta: as given, None where it is estimated.

    Example:
        >>> row = {"decision": "safe", "adjusted": "undetermined"}
        >>> print(*decision_notes([row], None, 0.5, 0.1))
        Of 1 problem the crowd is not worse than asking the LLM once in 0, worse in 0, undecided in 1 (after \
Benjamini-Hochberg; 1, 0 and 0 with each problem for itself).
    """
    alone, together = (
        [sum(row[name] == decision for row in rows) for decision in VERDICTS] for name in ("decision", "adjusted")
    )
    notes = [
        f"Of {several(len(rows), 'problem')} the crowd is not worse than asking the LLM once in {together[0]}, "
        f"worse in {together[1]}, undecided in {together[2]} (after Benjamini-Hochberg; {alone[0]}, {alone[1]} and "
        f"{alone[2]} with each problem for itself)."
    ]
    if quality is not None:
        notes.append(_about_kappa(quality, kappa))
    elif kappa is None:
        lacking = "kappa cannot be estimated from one problem: no intervals; give {}."
        notes.append(Message.filled(lacking, Message("kappa", "--kappa")))
    if eta is None:
        notes.append("eta is estimated from the repeated reference answers; the tests count its error.")
    wrong = sum(bool(row.get("inside_published")) and not row["inside_exact"] for row in rows if "inside_exact" in row)
    if wrong:
        notes.append(f"Inside the published interval but outside the exact one: {several(wrong, 'problem')}.")
    return notes


def _about_kappa(quality: BackboneQuality, kappa: float | None) -> str:
    short = quality.n_problems < quality.least_problems
    why = f" (a finite one needs at least {several(quality.least_problems, 'problem')})" if short else ""
    corrected = "unknown" if quality.kappa_corrected is None else f"{quality.kappa_corrected:.3g}"
    used = "-" if kappa is None else f"{kappa:.4g}"
    return (
        f"kappa at probability {quality.level:g} from {several(quality.n_problems, 'problem')}: "
        f"{quality.kappa:.3g} guaranteed{why}, {corrected} with the noise taken off; the intervals use {used}."
    )


def gap_over_problems(pairing: Pairing, problems: Sequence[str], level: float) -> str:
    """The mean over problems of the crowd's mean less the humans', in a sentence to follow another; empty for one.

    People are the independent units, however many problems they answered: a person's part is the sum of
    ``(y - ybar) sqrt(n / (n - 1)) / n`` over the person's answers, n and ybar of their problem. Student's t with one
    degree of freedom less than people. The crowd counts as it stands.

    Args:
        pairing: a census, so that a problem's crowd is all its digital people.
        problems: those to average over, at least one, each with two human answers.
        level: of confidence.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> pairing = pair(example.human, example.digital, census=True)
        >>> print(gap_over_problems(pairing, pairing.problems, 0.95).strip())
        Over all 12 problems together its mean is off by ... (95% interval ... to ...): no gap is shown.
    """
    if len(problems) < 2:
        return ""
    wanted = set(problems)
    places = [place for place, problem in enumerate(pairing.problems) if problem in wanted]
    crowd = float(np.mean([pairing.crowd_of(place).mean() for place in places]))
    answers = pairing.answers[pairing.answers["problem"].isin(wanted)]
    grouped = answers.groupby("problem", observed=True, sort=False)["human"]
    size, mean = grouped.transform("size").to_numpy(dtype=float), grouped.transform("mean").to_numpy(dtype=float)
    human = answers["human"].to_numpy(dtype=float)
    parts = (human - mean) * np.sqrt(size / (size - 1.0)) / size / len(places)
    people = answers["participant"].astype(str).to_numpy()
    names, codes = np.unique(people, return_inverse=True)
    error = float(np.sqrt(np.sum(np.bincount(codes, weights=parts) ** 2)))
    gap = crowd - float(np.sum(human / size) / len(places))
    reach = float(stdtrit(len(names) - 1, 0.5 + level / 2.0)) * error
    low, high = gap - reach, gap + reach
    shown = "a gap is shown" if low > 0.0 or high < 0.0 else "no gap is shown"
    return (
        f" Over all {len(places)} problems together its mean is off by {gap:.3g} ({percent(level)} interval {low:.3g} "
        f"to {high:.3g}): {shown}."
    )
