"""What must be known of two tables before any number: who is paired, what repeats, whether twins run backwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats._base.shown import several
from crowdllm_stats.data.crowd import CrowdData, Scale
from crowdllm_stats.data.ids import written_otherwise
from crowdllm_stats.survey.one_law import SurveyLaw, survey_law
from crowdllm_stats.survey.pairing import Pairing, pair
from crowdllm_stats.survey.tables import (
    Answers,
    as_crowd,
    digital_scale,
    nobody,
    refuse_exchanged,
    set_apart,
    two_ids,
    two_scales,
    words_as_numbers,
)

#: Correlation below which twins are asked about, and the false alarms of each of three tests that it lies below zero.
REVERSED, ALARM = -0.3, 0.001
#: Fewest problems, people, and people of one problem that can show it.
PROBLEMS, PEOPLE, MANY = 6, 8, 20
#: Share of human answers with a twin below which ids are taken to be written in two ways.
LITTLE = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """Two tables ready for any calculator, and what a reader must know of them before any number.

    Attributes:
        human: answers of people, as numbers on their scale.
        digital: answers of the digital population, likewise.
        coding: for the notes: what had to be found out about the files, and how words became numbers.
        match: profile columns to build twins from; none where twins go by name.
        census: whether the digital people of a problem are the whole population asked about.
    """

    human: CrowdData
    digital: CrowdData
    coding: tuple[str, ...]
    match: tuple[str, ...]
    census: bool

    @cached_property
    def pairing(self) -> Pairing:
        """The human answers with their twins."""
        return pair(self.human, self.digital, match=self.match, census=self.census)

    @cached_property
    def law(self) -> SurveyLaw:
        """Whether twins and other digital answers look like one digital population."""
        return survey_law(self.pairing)

    def looks(self, *, paired: bool = True) -> list[str]:
        """Sentences for the first lines: who is paired by what, repeated answers, two scales, a scale run backwards.

        Args:
            paired: whether the numbers rest on who is paired with whom.
        """
        sentences = [
            _who(self.pairing, self.digital, paired),
            repeated_rows(self.pairing.counts),
            *two_scales(self.human, self.digital),
            backwards(self.pairing),
        ]
        return [sentence for sentence in sentences if sentence]

    def counts(self, used: Collection[str]) -> dict[str, int]:
        """What is in both tables, and how many answers, people and pairs of the ``used`` problems there are."""
        pairing = self.pairing
        there = np.array([problem in used for problem in pairing.problems])
        people = pairing.people.person[there[pairing.people.row]]
        return pairing.counts | {
            "answers_used": int(pairing.n_answers[there].sum()),
            "people_used": int(np.count_nonzero(np.bincount(people, minlength=1))),
            "pairs_used": int(pairing.n_pairs[there].sum()),
        }

    def basis(self, counts: Mapping[str, int]) -> str:
        """What numbers rest on, in one line: how many human answers, who has a twin, how many other digital people."""
        return basis(counts, _paired(self.pairing))

    def refuse_strangers(self, *, alone: bool = True) -> None:
        """Refuse two tables of which (almost) nobody is paired.

        Args:
            alone: whether human answers alone would do.

        Raises:
            ValueError: with two ids of each side and the remedies.
        """
        pairing = self.pairing
        has_twin = _has_twin(pairing)
        if has_twin.mean() < LITTLE:
            raise _strangers(pairing, self.digital, has_twin, alone)


def basis(counts: Mapping[str, int], who: str = "") -> str:
    """What numbers rest on, in one line.

    Example:
        >>> basis({"answers_used": 9, "people_used": 4})
        'Rests on 9 human answers by 4 people.'
    """
    answers = several(counts["answers_used"], "human answer")
    return f"Rests on {answers}. {who}" if who else f"Rests on {answers} by {counts['people_used']} people."


def open_survey(
    human: Answers,
    digital: Answers | None,
    *,
    scale: Scale | str | None = None,
    match: Sequence[str] = (),
    as_given: bool = False,
    unpaired: bool = False,
    census: bool = False,
) -> Survey:
    """Read two tables, refuse them where they look exchanged, and turn two words into 0 and 1.

    Args:
        human: answers of people.
        digital: answers of the digital population; None for human answers alone.
        scale: what the answers of both tables can be (digital ones also between levels); by default as CrowdData has
            it.
        match: profile columns to build twins from; empty pairs by the participants' names.
        as_given: whether the tables are in the right order, though they look exchanged.
        unpaired: whether nobody is meant to have a twin.
        census: whether the digital people of a problem are the whole population asked about.

    Raises:
        ValueError: on tables that cannot be read or look exchanged, and on one text as ``match``.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> open_survey(example.human, example.digital).looks()
        ['60 of 60 people have a digital twin, by participant id; 200 other digital people.']
    """
    if isinstance(match, str):
        raise ValueError(f"match must be a list of column names, not the one text {match!r}; write match=[{match!r}]")
    people = as_crowd(human, "human", scale)
    crowd = nobody(people) if digital is None else as_crowd(digital, "digital", digital_scale(scale))
    if digital is not None and not as_given:
        refuse_exchanged(people, crowd)
    people, crowd, coding = words_as_numbers(people, set_apart(crowd) if unpaired else crowd)
    said = (*people.notes, *crowd.notes, *([coding] if coding else []))
    return Survey(people, crowd, said, tuple(match), census)


def _strangers(pairing: Pairing, digital: CrowdData, has_twin: NDArray[np.bool_], alone: bool) -> ValueError:
    lacking = pairing.names[pd.unique(pairing.people.person[~has_twin])]
    others = pd.Index(pd.unique(digital.responses["participant"]))
    others = others[~others.isin(pairing.names[: pairing.n_people])]
    people = len(pd.unique(pairing.people.person[has_twin]))
    who = "no person has" if not people else f"only {people} of {pairing.counts['people']} people have"
    how = "" if not pairing.match else f" by {' and '.join(pairing.match)}"
    reason = written_otherwise(lacking.astype(str), others.astype(str))
    why = f"; {reason}" if reason else ""
    first, middle = "write the ids alike in both tables", "to build twins from profiles"
    return BadInput(
        f"{who} a digital twin{how}: ids of people such as {two_ids(lacking)}, ids of digital people such as "
        f"{two_ids(others)}{why}",
        python=f"{first}, give match=[...] {middle}, or unpaired=True to use the human answers alone"
        if alone
        else f"{first}, or give match=[...] {middle}",
        command=f"{first}, give --match COLUMNS {middle}, or --unpaired to use the human answers alone"
        if alone
        else f"{first}, or give --match COLUMNS {middle}",
    )


def _paired(pairing: Pairing) -> str:
    """Who has a twin, and how many other digital people there are."""
    people, paired = pairing.counts["people"], len(pd.unique(pairing.people.person[_has_twin(pairing)]))
    if pairing.match:
        return f"{paired} of {people} people have a digital twin, by {' and '.join(pairing.match)}."
    others = pairing.counts["digital_people"] - paired
    if not paired:
        return f"No person has a digital twin, by participant id; {others} digital people." if others else ""
    return f"{paired} of {people} people have a digital twin, by participant id; {others} other digital people."


def _who(pairing: Pairing, digital: CrowdData, needed: bool) -> str:
    who = pd.unique(pairing.people.person[_has_twin(pairing)])
    paired = pairing.names[who]
    text = _paired(pairing)
    if pairing.match:
        return text
    others = pairing.counts["digital_people"] - len(paired)
    if not len(paired):
        return text
    ids = pd.Index(pd.unique(digital.responses["participant"]))
    lacking = np.ones(pairing.n_people, dtype=bool)
    lacking[who] = False
    reason = ""
    if others and lacking.any():
        mine = pairing.names[: pairing.n_people][lacking]
        reason = written_otherwise(sorted(mine), sorted(ids[~ids.isin(paired)]))
    if reason:
        text += f" Some ids without a twin look like ids of the other table: {reason}; write them alike."
    if not (needed and others and all(name.isdecimal() for name in ids)):
        return text
    numbers = sorted(map(int, ids))
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return Message.filled(
            "{} Ids are running numbers on both sides: if person {} is not digital person {}, say {}.",
            text, paired[0], paired[0], Message("unpaired=True", "--unpaired"),
        )  # fmt: skip
    return text


def repeated_rows(counts: Mapping[str, int]) -> str:
    """The sentence on rows that repeat a problem and participant; empty where none does.

    Args:
        counts: of a pairing.
    """
    parts = [
        f"{several(counts[f'{side}_averaged'], f'{side} answer')}"
        for side in ("human", "digital")
        if counts[f"{side}_averaged"]
    ]
    if not parts:
        return ""
    return (
        f"Rows repeat a problem and participant already answered: {' and '.join(parts)} "
        f"{'is' if parts[0].startswith('1 ') and len(parts) == 1 else 'are'} the mean of several rows."
    )


def _has_twin(pairing: Pairing) -> NDArray[np.bool_]:
    return ~np.isnan(pairing.filled)


def backwards(pairing: Pairing) -> str:
    """A question where twins fall as humans rise; empty where they do not.

    Three tests, each with 1 false alarm in 1,000 at most where twins have nothing to do with their humans: of the
    problems' means (Fisher's z); of the answers within all problems together, people as the independent units
    (Student's t of their sums of products); and of each problem with many people (Fisher's z, corrected for the number
    of problems). The correlation must lie below -0.3, too.

    Args:
        pairing: human answers with their twins.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> backwards(pair(example.human, example.digital))
        ''
    """
    there = ~np.isnan(pairing.twin)
    if not there.any():
        return ""
    both = pairing.people.kept(there)
    row, x, y = both.row, both.response, pairing.twin[there]
    sizes = np.bincount(row)
    apart, means = [], []
    for values in (x, y):
        mean = np.bincount(row, weights=values) / np.maximum(sizes, 1)
        apart.append(values - mean[row])
        means.append(mean[sizes > 0])
    over = _correlation(*means)
    if len(means[0]) >= PROBLEMS and over < REVERSED and _z(over, len(means[0])) < ndtri(ALARM):
        return f"Twins fall as humans rise (correlation {over:.2f} over problems): is one of the two scales reversed?"
    product = apart[0] * apart[1]
    parts = [np.bincount(row, weights=part) for part in (product, apart[0] ** 2, apart[1] ** 2)]
    within = _ratio(np.sum(parts, axis=1))
    answered = np.bincount(both.person) > 0
    sums = np.bincount(both.person, weights=product)[answered].astype(np.float64)
    if len(sums) >= PEOPLE and within < REVERSED and _chance_below(sums) < ALARM:
        return (
            f"Twins fall as humans rise (correlation {within:.2f} within problems): is one of the two scales reversed?"
        )
    return _single(pairing.problems, sizes, np.stack(parts, axis=1))


def _single(problems: Sequence[str], sizes: NDArray[np.int64], sums: FloatArray) -> str:
    """The question about single problems, from their numbers of pairs and sums of products."""
    each = np.array([_ratio(row) for row in sums])
    tested = sizes >= MANY
    if not tested.any():
        return ""
    bad = tested & (each < REVERSED) & (_z(each, np.maximum(sizes, MANY)) < ndtri(ALARM / int(tested.sum())))
    if not bad.any():
        return ""
    worst = int(np.argmin(np.where(bad, each, 1.0)))
    return (
        f"Twins fall as humans rise in {several(int(bad.sum()), 'problem')} (correlation {each[worst]:.2f} in "
        f"{problems[worst]!r}): is the scale reversed there?"
    )


def _correlation(first: FloatArray, second: FloatArray) -> float:
    x, y = first - first.mean(), second - second.mean()
    return _ratio(np.array([np.sum(x * y), np.sum(x * x), np.sum(y * y)]))


def _ratio(sums: FloatArray) -> float:
    """The correlation from sums of products; 0 where one side never varies."""
    scale = float(np.sqrt(sums[1] * sums[2]))
    return float(sums[0]) / scale if scale > 0.0 else 0.0


def _z(value: float | FloatArray, n: int | FloatArray) -> FloatArray:
    """Fisher's z of a correlation of n pairs, in standard errors."""
    return np.asarray(np.arctanh(np.clip(value, -1.0 + 1e-12, 1.0 - 1e-12)) * np.sqrt(np.asarray(n) - 3.0))


def _chance_below(sums: FloatArray) -> float:
    """One-sided p-value of Student's t for people's sums of products being zero on average."""
    error = float(np.std(sums, ddof=1)) / np.sqrt(len(sums))
    return float(stdtr(len(sums) - 1, sums.mean() / error)) if error > 0.0 else 1.0
