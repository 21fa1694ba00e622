"""Which digital answer belongs to which human: two tables joined into arrays that the calculators take.

Two ways. *By name*: a digital answer with a human's (problem, participant) is that human's twin, every other digital
answer of the problem is unlabelled. *By profile* (``match``): a person's twin on a problem is the mean answer of the
digital people with the same values in the match columns, or of the plain digital people, those whose match columns
are all empty, where no persona fits.

By profile, the unlabelled answers of a problem are the twins of the *other* people of the human table, those who did
not answer this problem. Nor may the raters be among the unlabelled: Theorem 5 then lacks ``2 Cov(r, yt) / N``. Where
everybody answered nearly everything, personas drawn like a sample of the population take their place
(:func:`crowdllm_stats.survey.twin_tables.by_profile`).

A twin that gave no answer to a problem, although it answers others, has refused. The mean of the problem's unlabelled
answers then stands in for it: refusing is a part of what a digital person does, so with this one rule for twins and
crowd the digital answers still have one law in both, whoever refuses what and why, and the human mean stays that of all
humans.
(The crowd's mean is the same with or without its own refusals filled in that way, so they need not be known.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.shown import several
from crowdllm_stats.data.ids import repeated, written_otherwise
from crowdllm_stats.survey.twin_tables import Coded, FloatArray, IntArray, TwinTable, by_name, by_profile

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData

#: Cells of one block's digital answers at most (32 MB); larger groups of problems come in several blocks.
BLOCK_CELLS = 4_000_000

#: What a pairing counts, besides what depends on how twins were found.
COUNTS = (
    "answers", "people", "human_averaged", "problems_without_digital", "digital_problems_unused", "digital_people",
    "digital_averaged", "pairs", "twins_refused", "answers_without_twin",
)  # fmt: skip

#: People or problems named in a note; the rest is an ellipsis.
NAMED = 3

#: A problem's stand-ins for refused twins are at most this share of its twins: beyond it little is left to learn from.
STAND_IN_SHARE = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Problems of one shape: B problems, n human answers each, N unlabelled digital answers each."""

    problems: tuple[str, ...]
    human: FloatArray  # (B, n)
    twin: FloatArray | None  # (B, n); with stand-ins for refused ones where they were asked for
    crowd: FloatArray | None  # (B, N); None where N = 0
    left_out: IntArray  # (B,): human answers without a twin, not in a block of pairs


@dataclasses.dataclass(frozen=True, eq=False)
class Pairing:
    """Human answers with their twins, problem by problem, and what had to be decided on the way.

    ``people`` are the human answers, by problem, and ``twin`` (missing where there is none), ``plain`` (True where the
    plain persona stood in) and ``stand_in`` (what stands for a twin that refused, missing elsewhere) have one entry for
    each of them; :attr:`answers` shows them by name. ``names`` has people's names by their numbers, the ``n_people`` of
    the human table first, then the digital ones. The other arrays have one entry per problem, in the order of
    ``problems``; ``n_stand_ins`` counts the refused twins that something stands for. ``match`` has the profile columns,
    none where twins go by name. ``unlabeled`` has the unlabelled answers, None where they are twins of other humans.
    """

    problems: tuple[str, ...]
    names: pd.Index
    n_people: int
    people: Coded
    twin: FloatArray
    plain: NDArray[np.bool_]
    stand_in: FloatArray
    n_answers: IntArray
    n_pairs: IntArray
    n_stand_ins: IntArray
    n_crowd: IntArray
    census: bool
    match: tuple[str, ...]
    counts: dict[str, int]
    why: str
    crowd_of: Callable[[int], FloatArray] = dataclasses.field(repr=False)
    unlabeled: Coded | None = dataclasses.field(repr=False)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """The human answers: problem, participant, human, twin, plain, stand_in."""
        return pd.DataFrame({
            "problem": pd.Series(self.problems, dtype=self.names.dtype).to_numpy()[self.people.row],
            "participant": self.names[self.people.person],
            "human": self.people.response,
            "twin": self.twin,
            "plain": self.plain,
            "stand_in": self.stand_in,
        })  # fmt: skip

    @property
    def fully_paired(self) -> NDArray[np.bool_]:
        """Problems whose every human answer has a twin or a stand-in, with at least 2 unlabelled digital answers."""
        return np.asarray((self.n_pairs + self.n_stand_ins == self.n_answers) & (self.n_crowd >= 2))

    @property
    def filled(self) -> FloatArray:
        """Every human answer's twin, with the stand-ins of those that refused."""
        return np.where(np.isnan(self.twin), self.stand_in, self.twin) if self.n_stand_ins.any() else self.twin

    def blocks(self, *, paired: bool, filled: bool = False, chosen: NDArray[np.bool_] | None = None) -> Iterator[Batch]:
        """Arrays of the chosen problems, grouped by their numbers of human and digital answers.

        Args:
            paired: True for pairs and unlabelled answers (problems without a pair are left to the caller, see
                ``n_pairs``); False for every human answer and nothing digital.
            filled: with ``paired``: whether stand-ins for refused twins count as twins. Right for a mean of all humans;
                wrong where the twins' answers themselves are judged.
            chosen: mask of the problems wanted; all by default.
        """
        mask = np.ones(len(self.problems), dtype=bool) if chosen is None else np.asarray(chosen, dtype=bool)
        sizes = self.n_answers if not paired else self.n_pairs + self.n_stand_ins if filled else self.n_pairs
        widths = self.n_crowd if paired else np.zeros_like(self.n_crowd)
        mask = mask & (sizes > 0)
        starts = np.concatenate([[0], np.cumsum(self.n_answers)])
        twin = self.filled if filled else self.twin
        for size, width in sorted(set(zip(sizes[mask].tolist(), widths[mask].tolist(), strict=True))):
            rows = np.flatnonzero(mask & (sizes == size) & (widths == width))
            step = max(1, BLOCK_CELLS // max(width, 1))
            for first in range(0, len(rows), step):
                yield self._block(rows[first : first + step], starts, twin, paired=paired, width=width)

    def _block(self, rows: IntArray, starts: IntArray, twin: FloatArray, *, paired: bool, width: int) -> Batch:
        cells = [slice(starts[row], starts[row + 1]) for row in rows]
        there = [~np.isnan(twin[cell]) if paired else slice(None) for cell in cells]
        human, twins = (
            np.stack([values[cell][used] for cell, used in zip(cells, there, strict=True)])
            for values in (self.people.response, twin)
        )
        return Batch(
            problems=tuple(self.problems[row] for row in rows),
            human=human,
            twin=twins if paired else None,
            crowd=np.stack([self.crowd_of(int(row)) for row in rows]) if paired and width else None,
            left_out=self.n_answers[rows] - human.shape[1],
        )

    def notices(self, used: Collection[str] | None = None) -> list[str]:
        """What a reader must know before any number that rests on :attr:`filled` twins.

        Args:
            used: the problems whose numbers rest on twins; all by default.

        Example:
            >>> from crowdllm_stats import load_example
            >>> example = load_example()
            >>> pair(example.human, example.digital).notices()
            []
        """
        mask = np.array([used is None or problem in used for problem in self.problems])
        refused = int(self.n_stand_ins[mask].sum())
        if not refused:
            return []
        twins = refused + int(self.n_pairs[mask].sum())
        places = several(int((self.n_stand_ins > 0)[mask].sum()), "problem")
        return [
            f"{refused} of {twins} twins gave no answer, in {places}: "
            "the mean answer of the problem's other digital people stands in for them, which is right if twins and "
            "other digital people refuse alike."
        ]

    def notes(self, *, unlabelled: bool = True) -> list[str]:
        """What was decided on the way, one short sentence each; nothing that is zero.

        Args:
            unlabelled: False where unlabelled digital answers are not needed: nothing is then said if there are none.
        """
        count = self.counts
        sentences = {
            "answers_plain": (
                "{people_plain} of {people} people ({answers_plain} of {answers} answers) got the plain persona, "
                "because none has their profile"
            ),
            "answers_without_twin": "{answers_without_twin} of {answers} human answers have no twin{who_lacks}",
            "problems_without_digital": "problems without any digital answer: {problems_without_digital}",
            "digital_problems_unused": "problems with digital answers alone, not used: {digital_problems_unused}",
            "personas_unused": "{personas_unused} of {digital_people} digital people fit no human's profile",
        }
        words = {**count, "who_lacks": self._who_lacks()}
        notes = [text.format(**words) for name, text in sentences.items() if count.get(name)]
        return [*notes, *self._no_crowd()] if unlabelled else notes

    def _who_lacks(self) -> str:
        """The first people without a twin where others of their problem have one, and the remedy."""
        some_twins = np.repeat((self.n_pairs > 0) & (self.n_pairs < self.n_answers), self.n_answers)
        lacking = np.flatnonzero(some_twins & np.isnan(self.filled))
        if not len(lacking):
            return ""
        people = self.people
        shown = ", ".join(
            f"{self.names[people.person[place]]} on {self.problems[people.row[place]]}" for place in lacking[:NAMED]
        )
        more = ", ..." if len(lacking) > NAMED else ""
        remedy = (
            "digital people with their profile, or a plain one with an empty profile,"
            if self.match
            else "their digital answers"
        )
        return (
            f"; where only some lack one ({shown}{more}), add {remedy} or the problem may rest on human answers alone"
        )

    def _no_crowd(self) -> list[str]:
        """What to do about problems with twins but without unlabelled digital answers."""
        alone = np.flatnonzero((self.n_pairs > 0) & (self.n_crowd == 0))
        if not len(alone):
            return []
        shown = ", ".join(self.problems[row] for row in alone[:NAMED]) + (", ..." if len(alone) > NAMED else "")
        if self.match:
            remedy = (
                "by profile these are the twins of people of the human table who did not answer the problem; "
                "give further people, or pair by participant id"
            )
        else:
            remedy = "add answers of digital people beyond the humans' twins"
        return [f"problems with twins but no unlabelled digital answers: {len(alone)} ({shown}); {remedy}"]


def pair(human: CrowdData, digital: CrowdData, *, match: Sequence[str] = (), census: bool = False) -> Pairing:
    """Join human and digital answers, by name or by profile (see the module's text).

    Args:
        human: answers of people.
        digital: answers of the digital population to the same problems, or :func:`nobody`.
        match: profile columns to build twins from; empty pairs by the participants' names.
        census: True where the target is the mean of a finite population whose every member has a twin here: the
            unlabelled answers then are the twins of all of them, the labelled ones too.

    Returns:
        Pairing. Several answers of one person to one problem are averaged and counted.

    Raises:
        ValueError: if the two have no problem in common, or a match column is missing from either table of profiles.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> pairing = pair(example.human, example.digital)
        >>> bool((pairing.n_pairs <= pairing.n_answers).all())
        True
    """
    problems = tuple(_in_order(human))
    names, n_people, problem_names, tables = _coded(human, digital, problems)
    (people, averaged), (digital_answers, digital_averaged) = tables
    known, seen = set(problems), set(problem_names[np.unique(digital_answers.row)])
    if seen and not known & seen:
        raise ValueError(nothing_in_common(known, seen))
    people = people.by_problem(len(problems))
    inside = digital_answers.kept(digital_answers.row < len(problems))
    columns = list(match)
    if columns:
        found = by_profile(human, digital, people, inside, names, columns, census)
    else:
        found = by_name(people, inside, names, digital, len(problems), census)
    rows, has_twin = people.row, ~np.isnan(found.twin)
    stand_in = np.full(len(people), np.nan) if census else _stand_ins(found, rows, len(problems))
    refused = ~np.isnan(stand_in)
    counts = {
        "answers": len(people),
        "people": n_people,
        "human_averaged": averaged,
        "problems_without_digital": len(known - seen) if seen else 0,
        "digital_problems_unused": len(seen - known),
        "digital_people": int(np.count_nonzero(np.bincount(digital_answers.person, minlength=1))),
        "digital_averaged": digital_averaged,
        "pairs": int(has_twin.sum()),
        "twins_refused": int(refused.sum()),
        "answers_without_twin": int((~has_twin & ~refused).sum()),
    }
    return Pairing(
        problems=problems,
        names=names,
        n_people=n_people,
        people=people,
        twin=found.twin,
        plain=found.plain,
        stand_in=stand_in,
        n_answers=np.bincount(rows, minlength=len(problems)),
        n_pairs=np.bincount(rows[has_twin], minlength=len(problems)),
        n_stand_ins=np.bincount(rows[refused], minlength=len(problems)),
        n_crowd=found.n_crowd,
        census=census,
        match=tuple(columns),
        counts=counts | found.counts,
        why=_why(columns, census, found),
        crowd_of=found.crowd_of,
        unlabeled=found.unlabeled,
    )


def nothing_in_common(known: Collection[str], seen: Collection[str]) -> str:
    """The message where two tables have no problem in common.

    Args:
        known: problems of the human table.
        seen: problems of the digital table.

    Example:
        >>> nothing_in_common({"Q1"}, {"q1"}).split("; ")[0].split("...")[-1]
        ", they differ in upper and lower case alone ('Q1' and 'q1'))"
    """
    reason = written_otherwise(sorted(known), sorted(seen))
    return (
        f"human and digital tables have no problem in common (human: {sorted(known)[:3]}, digital: {sorted(seen)[:3]}, "
        f"...{', ' if reason else ''}{reason}); problem ids must be written alike in both"
    )


def _stand_ins(found: TwinTable, rows: IntArray, n_problems: int) -> FloatArray:
    """The mean unlabelled answer for each refused twin of a problem whose other humans all have one; NaN elsewhere."""
    lacking = np.isnan(found.twin)
    if not found.refused.any():
        return np.full(len(lacking), np.nan)
    sizes = np.bincount(rows, minlength=n_problems)
    gaps = np.bincount(rows[lacking], minlength=n_problems)
    refused = np.bincount(rows[lacking & found.refused], minlength=n_problems)
    chosen = (gaps > 0) & (refused == gaps) & (gaps <= STAND_IN_SHARE * sizes) & (found.n_crowd >= 2)
    means = np.full(n_problems, np.nan)
    for row in np.flatnonzero(chosen):
        means[row] = found.crowd_of(int(row)).mean()
    return np.where(lacking, means[rows], np.nan)


def _why(columns: list[str], census: bool, found: TwinTable) -> str:
    """What the pairing rests on."""
    if not columns:
        return _WHY_NAME_CENSUS if census else _WHY_NAME
    others = _WHY_PROFILE if found.unlabeled is None else _WHY_PERSONAS
    text = _WHY_PROFILE_CENSUS if census else others
    return text.format(columns=" and ".join(columns))


_WHY_NAME = (
    "Twins by name: a digital answer with a human's problem and participant is that human's twin, all other digital "
    "answers of the problem are unlabelled. Holds if the humans who answered are a random sample of the population "
    "that the digital people stand for."
)
_WHY_NAME_CENSUS = (
    "Twins by name; the digital people of a problem are the whole population, those who answered among them."
)
_WHY_PROFILE = (
    "Twins by {columns}: the mean answer of the digital people with the same profile. The unlabelled answers are the "
    "twins of the other people of the human table, those who did not answer the problem. Holds if who answered which "
    "problem was left to chance, and for the population that these people are a sample of."
)
_WHY_PERSONAS = (
    "Twins by {columns}: the mean answer of the digital people with the same profile. The unlabelled answers are those "
    "of the digital people, each with the mean answer of its profile. Holds if the humans who answered are a random "
    "sample of the population that the digital people's profiles stand for."
)
_WHY_PROFILE_CENSUS = (
    "Twins by {columns}: the mean answer of the digital people with the same profile. The target is the mean of the "
    "people of the human table themselves; each of them has a twin. Holds if who answered was left to chance."
)


def _in_order(human: CrowdData) -> list[str]:
    """Problems with answers: by number where all ids are numbers, else in the order of the table of problems."""
    answered = set(pd.unique(human.responses["problem"]))
    problems = [problem for problem in human.problems["problem"] if problem in answered]
    return sorted(problems, key=int) if all(problem.isdecimal() for problem in problems) else problems


def _coded(
    human: CrowdData, digital: CrowdData, problems: Sequence[str]
) -> tuple[pd.Index, int, pd.Index, list[tuple[Coded, int]]]:
    """Both tables by numbers, people's and problems' alike in both, one answer per problem and participant.

    Returns:
        People's names, how many of them are in the human table, the problems' names (``problems`` first), and for each
        table its answers and how many of them are means of several.
    """
    for data in (human, digital):
        if not data.scale.numeric:
            raise ValueError(f"answers must be numbers here, but the scale is {data.scale}; give each option a number")
    persons, names, n_people = _numbered(*(data.responses["participant"] for data in (human, digital)))
    given = pd.Series(problems, dtype=human.responses["problem"].dtype)
    (_, *rows), problem_names, _ = _numbered(given, *(data.responses["problem"] for data in (human, digital)))
    tables = [
        one_answer_each(Coded(row, person, data.responses["response"].to_numpy(dtype=float)), len(names))
        for data, row, person in zip((human, digital), rows, persons, strict=True)
    ]
    return names, n_people, problem_names, tables


def _numbered(*columns: pd.Series) -> tuple[list[IntArray], pd.Index, int]:
    """Texts of several columns as numbers by first appearance, the texts, and how many of them the first column has."""
    own = [pd.factorize(column) for column in columns]
    together, names = pd.factorize(pd.concat([pd.Series(values) for _, values in own], ignore_index=True))
    parts = np.split(together, np.cumsum([len(values) for _, values in own])[:-1])
    numbers = [part[codes] for part, (codes, _) in zip(parts, own, strict=True)]
    return numbers, pd.Index(names), len(own[0][1])


def one_answer_each(answers: Coded, n_names: int) -> tuple[Coded, int]:
    """One answer per problem and person, and how many of them are means of several.

    Args:
        answers: any number of them.
        n_names: number of people.
    """
    key = answers.row * n_names + answers.person
    if not repeated(key):
        return answers, 0
    grouped = pd.Series(answers.response).groupby(key, sort=False).agg(["mean", "size"])
    row, person = np.divmod(grouped.index.to_numpy(), n_names)
    return Coded(row, person, grouped["mean"].to_numpy()), int((grouped["size"] > 1).sum())
