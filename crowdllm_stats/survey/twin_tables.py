"""Each human answer's twin, and the unlabelled digital answers: found by the participants' names or by profiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.messages import BadInput, Message
from crowdllm_stats.data.layout import column_named
from crowdllm_stats.inference.intervals.dispatch import CROWD_FROM

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Between the values of a profile; a character that no profile holds.
SEPARATOR = "\x1f"

#: Unlabelled answers by profile for each human answer; with fewer, ``method="auto"`` would use human answers alone.
ENOUGH = CROWD_FROM


@dataclasses.dataclass(frozen=True, eq=False)
class Coded:
    """One answer per problem and person, ids as numbers: a fraction of the room and time that texts take.

    Attributes:
        row: number of the problem.
        person: number of the person, the people of the human table first.
        response: the answer.
    """

    row: IntArray
    person: IntArray
    response: FloatArray

    def __len__(self) -> int:
        return len(self.row)

    def kept(self, mask: NDArray[np.bool_]) -> Coded:
        """Some of the answers."""
        if mask.all():
            return self
        return Coded(self.row[mask], self.person[mask], self.response[mask])

    def by_problem(self, n_problems: int) -> Coded:
        """The answers one problem after the other, in their former order within each."""
        if np.all(self.row[1:] >= self.row[:-1]):
            return self
        small = self.row.astype(np.int16) if n_problems < 1 << 15 else self.row  # sorted by counting, not comparing
        order = np.argsort(small, kind="stable")
        return Coded(self.row[order], self.person[order], self.response[order])


@dataclasses.dataclass(frozen=True)
class TwinTable:
    """What either way of pairing finds.

    Attributes:
        twin: the twin's answer for each human answer, NaN where there is none.
        plain: where the plain persona stood in.
        refused: where there is a twin that gave no answer to this problem.
        n_crowd: unlabelled digital answers of each problem.
        crowd_of: row of a problem -> its unlabelled answers.
        unlabeled: the unlabelled answers of digital people, by problem; None where the unlabelled answers are the twins
            of other people of the human table.
        counts: by name, for the notes.
    """

    twin: FloatArray
    plain: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    n_crowd: IntArray
    crowd_of: Callable[[int], FloatArray]
    unlabeled: Coded | None
    counts: dict[str, int]


def by_name(
    people: Coded, inside: Coded, names: pd.Index, digital: CrowdData, n_problems: int, census: bool
) -> TwinTable:
    """Twins by the participants' names.

    Args:
        people: human answers, by problem.
        inside: digital answers to the same problems.
        names: of all people, by their numbers.
        digital: the whole digital table: whoever has an answer anywhere in it is a digital person.
        n_problems: number of problems.
        census: whether the labelled twins are among the unlabelled answers.
    """
    twin = np.full(len(people), np.nan)
    rest = np.ones(len(inside), dtype=bool)
    if len(inside):
        place = pd.Index(inside.row * len(names) + inside.person).get_indexer(
            pd.Index(people.row * len(names) + people.person)
        )
        has = place >= 0
        twin[has] = inside.response[place[has]]
        rest[place[has]] = census
    unlabeled, n_crowd, crowd_of = _in_slices(inside.kept(rest), n_problems)
    known = names.isin(digital.participants["participant"])
    return TwinTable(
        twin=twin,
        plain=np.zeros(len(people), dtype=bool),
        refused=np.isnan(twin) & known[people.person],
        n_crowd=n_crowd,
        crowd_of=crowd_of,
        unlabeled=unlabeled,
        counts={},
    )


def _in_slices(rest: Coded, n_problems: int) -> tuple[Coded, IntArray, Callable[[int], FloatArray]]:
    rest = rest.by_problem(n_problems)
    n_crowd = np.bincount(rest.row, minlength=n_problems)
    return rest, n_crowd, _Slices(rest.response, np.cumsum(n_crowd))


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


def by_profile(
    human: CrowdData,
    digital: CrowdData,
    people: Coded,
    inside: Coded,
    names: pd.Index,
    match: list[str],
    census: bool,
) -> TwinTable:
    """Twins by the values of the match columns.

    The unlabelled answers of a problem are the twins of the people of the human table who did not answer it. Where
    these are too few in most problems (less than :data:`ENOUGH` for each answer) and the digital people are more, they
    are those of the digital people themselves, each with the mean answer of their profile. The latter needs personas
    that are a sample of the population: a list in which every profile occurs equally often, or which has fewer than two
    people for each of its profiles, is a design, and how often a profile occurs in it says nothing.

    Args:
        human: the whole human table.
        digital: the whole digital table.
        people: human answers, by problem.
        inside: digital answers to the same problems.
        names: of all people, by their numbers.
        match: profile columns.
        census: whether the unlabelled answers are the twins of everybody in the human table.

    Raises:
        ValueError: if a column is missing, or no profile fits.
    """
    profile_of = _profiles("human", human, match)
    persona_of = _profiles("digital", digital, match)
    plain_key = SEPARATOR * (len(match) - 1)
    n_problems = int(people.row[-1]) + 1
    profiles = sorted(set(profile_of) | set(persona_of) - {plain_key})
    number = {profile: column for column, profile in enumerate(profiles)}
    means = _profile_means(inside, persona_of.reindex(names))
    if not (set(means["profile"]) & set(profile_of)) - {plain_key}:
        text = (
            f"no human's {' and '.join(match)} fits a digital person's (human: {_shown(profile_of)}; "
            f"digital: {_shown(persona_of)}); write the values alike in both tables"
        )
        raise BadInput(Message(f"match: {text}", f"--match: {text}"))
    table = np.full((n_problems, len(profiles)), np.nan)
    fits = means[means["profile"].isin(number)]
    table[fits["row"].to_numpy(), fits["profile"].map(number).to_numpy(dtype=np.int64)] = fits["response"].to_numpy()
    plain = np.full(n_problems, np.nan)
    plain_means = means[means["profile"] == plain_key]
    plain[plain_means["row"].to_numpy()] = plain_means["response"].to_numpy()
    stands_in = np.isnan(table) & ~np.isnan(plain)[:, None]
    table = np.where(stands_in, plain[:, None], table)

    profile = np.array([number[key] for key in profile_of], dtype=np.int64)
    rows = people.row
    members = profile_of.index.get_indexer(names)[people.person]
    sizes = np.bincount(rows, minlength=n_problems)
    raters = np.split(members, np.cumsum(sizes)[:-1])
    if census:
        raters = [raters[0][:0]] * n_problems
    source = _Pool(table, profile, raters)
    n_crowd = np.array([len(source(row)) for row in range(n_problems)], dtype=np.int64)
    twin, on_plain = table[rows, profile[members]], stands_in[rows, profile[members]]
    used = {*profile_of, plain_key}
    found = TwinTable(
        twin=twin,
        plain=on_plain,
        refused=np.isnan(twin),  # whether a profile has a persona that answers is settled by the profile alone
        n_crowd=n_crowd,
        crowd_of=source,
        unlabeled=None,
        counts={
            "answers_plain": int(on_plain.sum()),
            "people_plain": len(np.unique(people.person[on_plain])),
            "personas_unused": int(sum(key not in used for key in persona_of)),
            "profiles": len(set(profile_of)),
        },
    )
    personas = persona_of[persona_of != plain_key]
    held = personas.value_counts()
    design = held.empty or held.min() == held.max() or held.mean() < 2
    if census or design or np.median(n_crowd / sizes) >= ENOUGH:
        return found
    return _with_personas(found, table, personas, number, len(names))


def _profile_means(inside: Coded, persona: pd.Series) -> pd.DataFrame:
    """Mean digital answer by row and profile, from each person's profile; in the order in which they first occur."""
    codes, profiles = pd.factorize(persona)
    keys = [inside.row, codes[inside.person]]
    means = pd.Series(inside.response).groupby(keys, sort=False).mean()
    row, profile = (means.index.get_level_values(level).to_numpy() for level in (0, 1))
    return pd.DataFrame({"row": row, "profile": profiles[profile], "response": means.to_numpy()})


def _with_personas(
    found: TwinTable, table: FloatArray, personas: pd.Series, number: dict[str, int], first: int
) -> TwinTable:
    """The digital people as crowd, each with the mean answer of their profile, where that makes more of them.

    They are numbered from ``first`` on: by profile, a digital person is nobody's namesake.
    """
    twins = table[:, personas.map(number).to_numpy(dtype=np.int64)]
    rows, columns = np.nonzero(~np.isnan(twins))
    if len(rows) <= found.n_crowd.sum():
        return found
    unlabeled, n_crowd, crowd_of = _in_slices(Coded(rows, first + columns, twins[rows, columns]), len(table))
    counts = found.counts | {"personas_unused": 0}
    return dataclasses.replace(found, n_crowd=n_crowd, crowd_of=crowd_of, unlabeled=unlabeled, counts=counts)


def _profiles(name: str, data: CrowdData, match: list[str]) -> pd.Series:
    """Each participant's values of the match columns as one text; missing ones are empty."""
    there = [str(column) for column in data.participants.columns if column != "participant"]
    columns = [column_named(column, there) for column in match]
    for wanted, column in zip(match, columns, strict=True):
        if column is None:
            raise ValueError(
                f"match: the {name} table has no profile column {wanted!r} (it has: {', '.join(there) or 'none'})"
            )
    values = data.participants[columns].astype(object).itertuples(index=False)
    keys = [SEPARATOR.join(map(_profile_word, row)) for row in values]
    return pd.Series(keys, index=data.participants["participant"], dtype=object)


def _profile_word(value: Any) -> str:
    """A profile value as text: 35 and 35.0 are the same age, and a missing value is empty."""
    if pd.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _shown(keys: pd.Series) -> str:
    profiles = sorted(set(keys))
    words = [" ".join(profile.split(SEPARATOR)).strip() or "(empty)" for profile in profiles[:3]]
    return ", ".join(words) + (", ..." if len(profiles) > 3 else "")
