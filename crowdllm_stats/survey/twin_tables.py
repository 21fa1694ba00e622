"""Each human answer's twin, and the unlabelled digital answers: found by the participants' names or by profiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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

#: Before the name of a digital person whose answers are unlabelled by profile, so that no human has the same name.
DIGITAL = "digital "


@dataclasses.dataclass(frozen=True)
class TwinTable:
    """What either way of pairing finds.

    Attributes:
        twin: the twin's answer for each human answer, NaN where there is none.
        plain: where the plain persona stood in.
        refused: where there is a twin that gave no answer to this problem.
        n_crowd: unlabelled digital answers of each problem.
        crowd_of: row of a problem -> its unlabelled answers.
        unlabeled: the unlabelled answers of digital people (row, participant, response); None where the unlabelled
            answers are the twins of other people of the human table.
        counts: by name, for the notes.
    """

    twin: FloatArray
    plain: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    n_crowd: IntArray
    crowd_of: Callable[[int], FloatArray]
    unlabeled: pd.DataFrame | None
    counts: dict[str, int]


def by_name(people: pd.DataFrame, inside: pd.DataFrame, digital: CrowdData, n_problems: int, census: bool) -> TwinTable:
    """Twins by the participants' names.

    Args:
        people: human answers, one per problem and participant, with ``row``, the problem's number.
        inside: digital answers to the same problems, likewise.
        digital: the whole digital table: whoever has an answer anywhere in it is a digital person.
        n_problems: number of problems.
        census: whether the labelled twins are among the unlabelled answers.
    """
    joined = people.merge(inside, on=["problem", "participant"], how="left", suffixes=("", "_twin"))
    twin = joined["response_twin"].to_numpy()
    rest = inside
    if not census:
        labelled = pd.MultiIndex.from_frame(people[["problem", "participant"]])
        rest = inside[~pd.MultiIndex.from_frame(inside[["problem", "participant"]]).isin(labelled)]
    unlabeled, n_crowd, crowd_of = _in_slices(rest, n_problems)
    return TwinTable(
        twin=twin,
        plain=np.zeros(len(people), dtype=bool),
        refused=np.isnan(twin) & people["participant"].isin(set(digital.participants["participant"])).to_numpy(),
        n_crowd=n_crowd,
        crowd_of=crowd_of,
        unlabeled=unlabeled,
        counts={},
    )


def _in_slices(rest: pd.DataFrame, n_problems: int) -> tuple[pd.DataFrame, IntArray, Callable[[int], FloatArray]]:
    rest = rest.sort_values("row", kind="stable", ignore_index=True)
    n_crowd = np.bincount(rest["row"].to_numpy(dtype=np.int64), minlength=n_problems)
    slices = _Slices(rest["response"].to_numpy(), np.cumsum(n_crowd))
    return rest[["row", "participant", "response"]], n_crowd, slices


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
    human: CrowdData, digital: CrowdData, people: pd.DataFrame, inside: pd.DataFrame, match: list[str], census: bool
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
        people: human answers, one per problem and participant, with ``row``, the problem's number.
        inside: digital answers to the same problems, likewise.
        match: profile columns.
        census: whether the unlabelled answers are the twins of everybody in the human table.

    Raises:
        ValueError: if a column is missing, or no profile fits.
    """
    profile_of = _profiles("human", human, match)
    persona_of = _profiles("digital", digital, match)
    plain_key = SEPARATOR * (len(match) - 1)
    n_problems = int(people["row"].max()) + 1
    profiles = sorted(set(profile_of) | set(persona_of) - {plain_key})
    number = {profile: column for column, profile in enumerate(profiles)}
    inside = inside.assign(profile=inside["participant"].map(persona_of))
    means = inside.groupby(["row", "profile"], sort=False)["response"].mean().reset_index()
    if not (set(means["profile"]) & set(profile_of)) - {plain_key}:
        raise ValueError(
            f"match: no human's {' and '.join(match)} fits a digital person's (human: {_shown(profile_of)}; "
            f"digital: {_shown(persona_of)}); write the values alike in both tables"
        )
    table = np.full((n_problems, len(profiles)), np.nan)
    fits = means[means["profile"].isin(number)]
    table[fits["row"].to_numpy(), fits["profile"].map(number).to_numpy(dtype=np.int64)] = fits["response"].to_numpy()
    plain = np.full(n_problems, np.nan)
    plain_means = means[means["profile"] == plain_key]
    plain[plain_means["row"].to_numpy()] = plain_means["response"].to_numpy()
    stands_in = np.isnan(table) & ~np.isnan(plain)[:, None]
    table = np.where(stands_in, plain[:, None], table)

    place = {participant: row for row, participant in enumerate(profile_of.index)}
    profile = np.array([number[key] for key in profile_of], dtype=np.int64)
    rows = people["row"].to_numpy(dtype=np.int64)
    members = people["participant"].map(place).to_numpy(dtype=np.int64)
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
            "people_plain": int(people["participant"][on_plain].nunique()),
            "personas_unused": int(sum(key not in used for key in persona_of)),
            "profiles": len(set(profile_of)),
        },
    )
    personas = persona_of[persona_of != plain_key]
    held = personas.value_counts()
    design = held.empty or held.min() == held.max() or held.mean() < 2
    if census or design or np.median(n_crowd / sizes) >= ENOUGH:
        return found
    return _with_personas(found, table, personas, number)


def _with_personas(found: TwinTable, table: FloatArray, personas: pd.Series, number: dict[str, int]) -> TwinTable:
    """The digital people as crowd, each with the mean answer of their profile, where that makes more of them."""
    twins = table[:, personas.map(number).to_numpy(dtype=np.int64)]
    rows, columns = np.nonzero(~np.isnan(twins))
    if len(rows) <= found.n_crowd.sum():
        return found
    names = DIGITAL + personas.index.to_numpy(dtype=object)
    rest = pd.DataFrame({"row": rows, "participant": names[columns], "response": twins[rows, columns]})
    unlabeled, n_crowd, crowd_of = _in_slices(rest, len(table))
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
