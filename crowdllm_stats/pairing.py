"""Which digital answer belongs to which human: two tables joined into arrays that the calculators take.

Two ways. *By name*: a digital answer with a human's (problem, participant) is that human's twin, every other digital
answer of the problem is unlabelled. *By profile* (``match``): a person's twin on a problem is the mean answer of the
digital people with the same values in the match columns, or of the plain digital people, those whose match columns
are all empty, where no persona fits.

By profile, the unlabelled answers of a problem are the twins of the *other* people of the human table, those who did
not answer this problem. The personas themselves would not do: how often each occurs among them says nothing about
the population, while the people of the table do, and the twins' mean over the raters must be comparable to the mean
over the unlabelled. Nor may the raters be among the unlabelled: Theorem 5 then lacks ``2 Cov(r, yt) / N``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from crowdllm_stats.crowd import CrowdData

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Cells of one block's digital answers at most (32 MB); larger groups of problems come in several blocks.
BLOCK_CELLS = 4_000_000

#: People or problems named in a note; the rest is an ellipsis.
NAMED = 3

#: Between the values of a profile; a character that no profile holds.
SEPARATOR = "\x1f"


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Problems of one shape: B problems, n human answers each, N unlabelled digital answers each."""

    problems: tuple[str, ...]
    participants: NDArray[np.object_]  # (B, n)
    human: FloatArray  # (B, n)
    twin: FloatArray | None  # (B, n)
    crowd: FloatArray | None  # (B, N); None where N = 0
    left_out: IntArray  # (B,): human answers without a twin, not in a block of pairs


@dataclasses.dataclass(frozen=True, eq=False)
class Pairing:
    """Human answers with their twins, problem by problem, and what had to be decided on the way.

    ``answers`` has the columns problem, participant, human, twin (missing where there is none) and plain (True where
    the plain persona stood in), sorted by problem; the arrays have one entry a problem, in the order of ``problems``.
    ``unlabeled`` has the unlabelled answers by name (row of the problem, participant, response), None by profile.
    """

    problems: tuple[str, ...]
    answers: pd.DataFrame
    n_answers: IntArray
    n_pairs: IntArray
    n_crowd: IntArray
    census: bool
    counts: dict[str, int]
    why: str
    crowd_of: Callable[[int], FloatArray] = dataclasses.field(repr=False)
    unlabeled: pd.DataFrame | None = dataclasses.field(repr=False)

    @property
    def fully_paired(self) -> NDArray[np.bool_]:
        """Problems whose every human answer has a twin, and that have unlabelled digital answers."""
        return np.asarray((self.n_pairs == self.n_answers) & (self.n_crowd > 0))

    def blocks(self, *, paired: bool, chosen: NDArray[np.bool_] | None = None) -> Iterator[Block]:
        """Arrays of the chosen problems, grouped by their numbers of human and digital answers.

        Args:
            paired: True for pairs and unlabelled answers (problems without a pair are left to the caller, see
                ``n_pairs``); False for every human answer and nothing digital.
            chosen: mask of the problems wanted; all by default.
        """
        mask = np.ones(len(self.problems), dtype=bool) if chosen is None else np.asarray(chosen, dtype=bool)
        sizes = self.n_pairs if paired else self.n_answers
        widths = self.n_crowd if paired else np.zeros_like(self.n_crowd)
        mask = mask & (sizes > 0)
        starts = np.concatenate([[0], np.cumsum(self.n_answers)])
        values = {name: self.answers[name].to_numpy() for name in ("participant", "human", "twin")}
        for size, width in sorted(set(zip(sizes[mask].tolist(), widths[mask].tolist(), strict=True))):
            rows = np.flatnonzero(mask & (sizes == size) & (widths == width))
            step = max(1, BLOCK_CELLS // max(width, 1))
            for first in range(0, len(rows), step):
                yield self._block(rows[first : first + step], starts, values, paired=paired, width=width)

    def _block(self, rows: IntArray, starts: IntArray, values: dict[str, Any], *, paired: bool, width: int) -> Block:
        cells = [np.arange(starts[row], starts[row + 1]) for row in rows]
        if paired:
            cells = [cell[~np.isnan(values["twin"][cell])] for cell in cells]
        index = np.stack(cells)
        return Block(
            problems=tuple(self.problems[row] for row in rows),
            participants=values["participant"][index],
            human=values["human"][index],
            twin=values["twin"][index] if paired else None,
            crowd=np.stack([self.crowd_of(int(row)) for row in rows]) if paired and width else None,
            left_out=self.n_answers[rows] - index.shape[1],
        )

    def notes(self, *, unlabelled: bool = True) -> list[str]:
        """What was decided on the way, one short sentence each; nothing that is zero.

        Args:
            unlabelled: False where unlabelled digital answers are not needed, so that their absence is no news.
        """
        count = self.counts
        sentences = {
            "answers_plain": (
                "{people_plain} of {people} people ({answers_plain} of {answers} answers) got the plain persona, "
                "for want of one with their profile"
            ),
            "answers_without_twin": "{answers_without_twin} of {answers} human answers have no twin{who_lacks}",
            "digital_averaged": "{digital_averaged} digital answers are means of one digital person's repeated answers",
            "human_averaged": "{human_averaged} human answers are means of one person's repeated answers",
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
        lacking = self.answers[some_twins & self.answers["twin"].isna().to_numpy()]
        if lacking.empty:
            return ""
        names = zip(lacking["participant"][:NAMED], lacking["problem"][:NAMED], strict=True)
        shown = ", ".join(f"{who} on {problem}" for who, problem in names)
        more = ", ..." if len(lacking) > NAMED else ""
        remedy = (
            "digital people with their profile, or a plain one with an empty profile,"
            if self.unlabeled is None
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
        if self.unlabeled is None:
            remedy = (
                "by profile these are the twins of people of the human table who did not answer the problem; "
                "give further people, or use twins by name"
            )
        else:
            remedy = "add answers of digital people beyond the humans' twins"
        return [f"problems with twins but no unlabelled digital answers: {len(alone)} ({shown}); {remedy}"]


def pair(human: CrowdData, digital: CrowdData, *, match: Sequence[str] = (), census: bool = False) -> Pairing:
    """Join human and digital answers, by name or by profile (see the module's text).

    Args:
        human: answers of people.
        digital: answers of the digital population to the same problems.
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
    people, averaged = _means(human)
    digital_answers, digital_averaged = _means(digital)
    known = set(problems)
    seen = set(digital_answers["problem"])
    if not known & seen:
        raise ValueError(
            f"human and digital tables have no problem in common (human: {sorted(known)[:3]}, "
            f"digital: {sorted(seen)[:3]}, ...); problem ids must be written alike in both"
        )
    order = {problem: row for row, problem in enumerate(problems)}
    people["row"] = people["problem"].map(order)
    people = people.sort_values("row", kind="stable", ignore_index=True)
    counts = {
        "answers": len(people),
        "people": int(people["participant"].nunique()),
        "human_averaged": averaged,
        "problems_without_digital": len(known - seen),
        "digital_problems_unused": len(seen - known),
        "digital_people": int(digital_answers["participant"].nunique()),
        "digital_averaged": digital_averaged,
    }
    inside = digital_answers[digital_answers["problem"].isin(known)].copy()
    inside["row"] = inside["problem"].map(order)
    if match:
        found = _by_profile(human, digital, people, inside, list(match), census)
        why = (_WHY_PROFILE_CENSUS if census else _WHY_PROFILE).format(columns=" and ".join(match))
    else:
        found = _by_name(people, inside, len(problems), census)
        why = _WHY_NAME_CENSUS if census else _WHY_NAME
    has_twin = ~np.isnan(found.twin)
    rows = people["row"].to_numpy()
    counts |= found.counts | {"pairs": int(has_twin.sum()), "answers_without_twin": int((~has_twin).sum())}
    named = people.drop(columns="row").rename(columns={"response": "human"})
    return Pairing(
        problems=problems,
        answers=named.assign(twin=found.twin, plain=found.plain),
        n_answers=np.bincount(rows, minlength=len(problems)),
        n_pairs=np.bincount(rows[has_twin], minlength=len(problems)),
        n_crowd=found.n_crowd,
        census=census,
        counts=counts,
        why=why,
        crowd_of=found.crowd_of,
        unlabeled=found.unlabeled,
    )


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
_WHY_PROFILE_CENSUS = (
    "Twins by {columns}: the mean answer of the digital people with the same profile. The target is the mean of the "
    "people of the human table themselves; each of them has a twin. Holds if who answered was left to chance."
)


def _in_order(human: CrowdData) -> list[str]:
    """Problems with answers: by number where all ids are numbers, else in the order of the table of problems."""
    answered = set(human.responses["problem"])
    problems = [problem for problem in human.problems["problem"] if problem in answered]
    return sorted(problems, key=int) if all(problem.isdecimal() for problem in problems) else problems


def _means(data: CrowdData) -> tuple[pd.DataFrame, int]:
    """One answer a (problem, participant), and how many of them are means of several."""
    if not data.scale.numeric:
        raise ValueError(f"answers must be numbers here, but the scale is {data.scale}; give each option a number")
    grouped = data.responses.groupby(["problem", "participant"], sort=False)["response"].agg(["mean", "size"])
    frame = grouped.rename(columns={"mean": "response"}).reset_index()
    return frame.drop(columns="size"), int((frame["size"] > 1).sum())


@dataclasses.dataclass(frozen=True)
class _Twins:
    """What either way of pairing finds: a twin (or NaN) for each human answer, and the unlabelled answers."""

    twin: FloatArray
    plain: NDArray[np.bool_]
    n_crowd: IntArray
    crowd_of: Callable[[int], FloatArray]
    unlabeled: pd.DataFrame | None
    counts: dict[str, int]


def _by_name(people: pd.DataFrame, inside: pd.DataFrame, n_problems: int, census: bool) -> _Twins:
    joined = people.merge(inside, on=["problem", "participant"], how="left", suffixes=("", "_twin"))
    rest = inside
    if not census:
        labelled = pd.MultiIndex.from_frame(people[["problem", "participant"]])
        rest = inside[~pd.MultiIndex.from_frame(inside[["problem", "participant"]]).isin(labelled)]
    rest = rest.sort_values("row", kind="stable", ignore_index=True)
    n_crowd = np.bincount(rest["row"].to_numpy(dtype=np.int64), minlength=n_problems)
    return _Twins(
        twin=joined["response_twin"].to_numpy(),
        plain=np.zeros(len(people), dtype=bool),
        n_crowd=n_crowd,
        crowd_of=_Slices(rest["response"].to_numpy(), np.cumsum(n_crowd)),
        unlabeled=rest[["row", "participant", "response"]],
        counts={},
    )


@dataclasses.dataclass(frozen=True)
class _Slices:
    """Unlabelled answers lying one problem after the other."""

    values: FloatArray
    ends: IntArray

    def __call__(self, row: int) -> FloatArray:
        return self.values[self.ends[row - 1] if row else 0 : self.ends[row]]


@dataclasses.dataclass(frozen=True)
class _Pool:
    """Unlabelled answers as twins of a pool of people, without those who answered."""

    table: FloatArray  # (problems, profiles)
    profile: IntArray  # (people,)
    raters: list[IntArray]  # a problem's people

    def __call__(self, row: int) -> FloatArray:
        twins = self.table[row, self.profile]
        twins[self.raters[row]] = np.nan
        return np.asarray(twins[~np.isnan(twins)])


def _by_profile(
    human: CrowdData, digital: CrowdData, people: pd.DataFrame, inside: pd.DataFrame, match: list[str], census: bool
) -> _Twins:
    profile_of = _profiles("human", human, match)
    persona_of = _profiles("digital", digital, match)
    profiles = sorted(set(profile_of))
    number = {profile: column for column, profile in enumerate(profiles)}
    plain_key = SEPARATOR * (len(match) - 1)
    n_problems = int(people["row"].max()) + 1
    table = np.full((n_problems, len(profiles)), np.nan)
    inside = inside.assign(profile=inside["participant"].map(persona_of))
    means = inside.groupby(["row", "profile"], sort=False)["response"].mean().reset_index()
    fits = means[means["profile"].isin(number)]
    if not (fits["profile"] != plain_key).any():
        raise ValueError(
            f"match: no human's {' and '.join(match)} fits a digital person's (human: {_shown(profiles)}; "
            f"digital: {_shown(sorted(set(persona_of)))}); write the values alike in both tables"
        )
    table[fits["row"].to_numpy(), fits["profile"].map(number).to_numpy(dtype=np.int64)] = fits["response"].to_numpy()
    plain = np.full(n_problems, np.nan)
    plain_means = means[means["profile"] == plain_key]
    plain[plain_means["row"].to_numpy()] = plain_means["response"].to_numpy()
    stands_in = np.isnan(table) & ~np.isnan(plain)[:, None]
    table = np.where(stands_in, plain[:, None], table)

    pool = {participant: place for place, participant in enumerate(profile_of.index)}
    profile = np.array([number[key] for key in profile_of], dtype=np.int64)
    rows = people["row"].to_numpy(dtype=np.int64)
    members = people["participant"].map(pool).to_numpy(dtype=np.int64)
    sizes = np.bincount(rows, minlength=n_problems)
    raters = np.split(members, np.cumsum(sizes)[:-1])
    if census:
        raters = [raters[0][:0]] * n_problems
    source = _Pool(table, profile, raters)
    on_plain = stands_in[rows, profile[members]]
    used = set(profiles) | {plain_key}
    counts = {
        "answers_plain": int(on_plain.sum()),
        "people_plain": int(people["participant"][on_plain].nunique()),
        "personas_unused": int(sum(key not in used for key in persona_of)),
        "profiles": len(profiles),
    }
    n_crowd = np.array([len(source(row)) for row in range(n_problems)], dtype=np.int64)
    return _Twins(table[rows, profile[members]], on_plain, n_crowd, source, None, counts)


def _profiles(name: str, data: CrowdData, match: list[str]) -> pd.Series:
    """Each participant's values of the match columns as one text; missing ones are empty."""
    missing = [column for column in match if column not in data.participants.columns]
    if missing:
        there = [column for column in data.participants.columns if column != "participant"]
        raise ValueError(
            f"match: the {name} table has no profile column {missing[0]!r} (it has: {', '.join(there) or 'none'})"
        )
    values = data.participants[match].astype(object).itertuples(index=False)
    keys = [SEPARATOR.join(map(_profile_word, row)) for row in values]
    return pd.Series(keys, index=data.participants["participant"], dtype=object)


def _profile_word(value: Any) -> str:
    """A profile value as text: 35 and 35.0 are the same age, and a missing value is empty."""
    if pd.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _shown(profiles: list[str]) -> str:
    words = [" ".join(profile.split(SEPARATOR)).strip() or "(empty)" for profile in profiles[:3]]
    return ", ".join(words) + (", ..." if len(profiles) > 3 else "")
