"""A backbone that has answered already: the distribution of the answers recorded in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import FloatArray, check_choice
from crowdllm_stats.backbones.prompts import ids_of
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.reference import Reference

Missing = Literal["refuse", "pool"]
MISSING: tuple[Missing, ...] = get_args(Missing)


class RecordedBackbone:
    """Answers of an LLM recorded in a table, one participant a persona; ``p_a`` is the share of answers ``a``.

    Without profiles a problem's distribution is over the answers of all personas, or of one. With profiles each profile
    takes the answers of the persona that fits it: a persona fits if in every column of ``on`` it says nothing ("", or
    missing) or the same as the profile, and **the fitting persona that says most wins**. If several say equally much
    ("Man" of any race and "White" of any gender, for a white man), their answers are taken together. ``source`` counts
    such profiles (``tied_profiles``).

    An answer can be missing: models refuse. A problem without any answer is always refused. A problem that only the
    persona asked for did not answer, and a profile that no persona fits, follow ``missing``; ``source`` counts them
    (``missing_cells`` of T x P, ``unmatched_profiles``), and the rows left out when the table was read (``excluded``).

    Args:
        data: the recorded answers on an ordinal or categorical scale; repeats count as answers.
        persona: the participant whose answers are taken for ``reference(problems)`` without profiles; default: all.
        on: the profile columns to match; default: all of ``data.participants``.
        answers: the admissible answers, needed only for a scale without levels; default: the scale's.
        missing: "refuse", or "pool": take the answers of all personas to that problem.
        model: what made the answers, for ``source``.

    Raises:
        ValueError: on an unknown persona or column, a ballot scale, answers off the scale (their number and one of
            them), and another ``missing``.

    Example:
        >>> from crowdllm_stats.data.crowd import ordinal
        >>> frame = pd.DataFrame({"problem": [1, 1, 2, 2], "participant": ["any", "woman"] * 2,
        ...                       "response": [1, 3, 2, 2], "gender": ["", "Woman"] * 2})
        >>> backbone = RecordedBackbone(CrowdData.from_frame(frame, scale=ordinal([1, 2, 3])))
        >>> backbone.reference(pd.DataFrame({"problem": [1, 2]})).probabilities[:, 0].tolist()
        [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]
        >>> people = pd.DataFrame({"participant": ["ann", "bob"], "gender": ["Woman", "Man"]})
        >>> backbone.reference(pd.DataFrame({"problem": [1]}), people).mean.tolist()
        [[3.0, 1.0]]
    """

    def __init__(
        self,
        data: CrowdData,
        *,
        persona: str | None = None,
        on: Sequence[str] | None = None,
        answers: Iterable[Any] | None = None,
        missing: Missing = "refuse",
        model: str | None = None,
    ):
        self.missing = check_choice("missing", missing, MISSING)
        self.persona, self.model = persona, model
        self.answers = _admissible(data, answers)
        self._problems = {name: row for row, name in enumerate(data.problems["problem"])}
        names = data.participants["participant"].tolist()
        if persona is not None and persona not in names:
            raise ValueError(f"persona {persona!r} is not a participant of the table; there are {_some(names)}")
        self._column = {name: column for column, name in enumerate(names)}
        columns = [name for name in data.participants.columns if name != "participant"] if on is None else list(on)
        unknown = [name for name in columns if name not in data.participants.columns]
        if unknown:
            have = _some(data.participants.columns)
            raise ValueError(f"on: {unknown[0]!r} is not a profile column; there are {have}")
        self.on = tuple(columns)
        self._said = _words(data.participants, columns)
        self._counts = self._counted(data)
        self._excluded = dict(data.exclusions)

    def reference(self, problems: pd.DataFrame, profiles: pd.DataFrame | None = None) -> Reference:
        """The recorded distribution of every problem, and with profiles for every problem and profile.

        Args:
            problems: a row per problem, column ``problem``.
            profiles: a row per person, column ``participant`` and the columns of ``on``.

        Returns:
            Reference with ``n_samples``, the answers behind each distribution; ``admissible_mass`` is not known.

        Raises:
            ValueError: on problems that were never answered; with ``missing="refuse"`` on cells without an answer and
                profiles that no persona fits; on profiles without the columns of ``on``; on a ``persona`` together
                with profiles.
        """
        names = ids_of(problems, "problem", "problems")
        unknown = [name for name in names if name not in self._problems]
        if unknown:
            whose = f" of {self.model}" if self.model else ""
            raise ValueError(
                f"{len(unknown)} of {len(names)} problem(s) are not in the table of answers{whose}, for instance "
                f"{unknown[0]!r}; add their answers, or leave these problems out"
            )
        counts = self._counts[[self._problems[name] for name in names]]  # (T, personas, A)
        silent = counts.sum(axis=(1, 2)) == 0
        if silent.any():
            raise ValueError(
                f"{int(silent.sum())} problem(s) have no recorded answer at all, for instance "
                f"{names[int(np.argmax(silent))]!r}; leave them out of problems"
            )
        people, chosen, tied = self._chosen(profiles)
        unmatched = ~chosen.any(axis=1)
        if unmatched.any() and self.missing == "refuse":
            first = people[int(np.argmax(unmatched))]
            raise ValueError(
                f"{int(unmatched.sum())} profile(s) fit no persona, for instance {first!r}; say "
                'missing="pool" to give them the answers of all personas, or leave them out of profiles'
            )
        answers = np.einsum("tqa,pq->tpa", counts, chosen.astype(np.float64))
        empty = (answers.sum(axis=2) == 0) & ~unmatched
        if empty.any() and self.missing == "refuse":
            row, column = np.argwhere(empty)[0]
            asked = f" by the persona of profile {people[column]!r}" if profiles is not None else ""
            raise ValueError(
                f"{int(empty.sum())} of {empty.size} cell(s) have no recorded answer, for instance problem "
                f'{names[row]!r}{asked}; say missing="pool" to take the answers of all personas there, or leave the '
                "problems out"
            )
        everyone = np.broadcast_to(counts.sum(axis=1)[:, None, :], answers.shape)
        answers = np.where((empty | unmatched)[:, :, None], everyone, answers)
        total = answers.sum(axis=2)
        source: dict[str, Any] = {
            "backbone": "recorded answers",
            "model": self.model,
            "personas": "matched" if profiles is not None else self.persona or "all",
            "missing_cells": int(empty.sum()),
            "excluded": self._excluded,
        }
        if profiles is not None:
            source |= {
                "on": list(self.on),
                "unmatched_profiles": int(unmatched.sum()),
                "tied_profiles": int(tied.sum()),
            }
        return Reference.from_probabilities(
            names, self.answers, answers / total[:, :, None], profiles=people, n_samples=total, source=source
        )

    def _counted(self, data: CrowdData) -> FloatArray:
        """How often each persona gave each answer to each problem, shape (problems, personas, answers)."""
        place = {answer: index for index, answer in enumerate(self.answers)}
        found = data.responses["response"].map(place)
        off = found.isna()
        if off.any():
            raise ValueError(
                f"{int(off.sum())} recorded answer(s) are off the scale {', '.join(map(str, self.answers))}, for "
                f"instance {data.responses['response'][off].tolist()[0]!r}; leave them out when the table is read, or "
                "correct the scale"
            )
        counts = np.zeros((len(self._problems), len(self._column), len(self.answers)))
        rows = data.responses["problem"].map(self._problems).to_numpy(dtype=np.int64)
        columns = data.responses["participant"].map(self._column).to_numpy(dtype=np.int64)
        np.add.at(counts, (rows, columns, found.to_numpy(dtype=np.int64)), 1.0)
        return counts

    def _chosen(self, profiles: pd.DataFrame | None) -> tuple[tuple[str, ...], NDArray[np.bool_], NDArray[np.bool_]]:
        """Profile ids, which personas answer for each (profiles, personas), and where several say equally much."""
        if profiles is None:
            chosen = np.ones((1, len(self._column)), dtype=bool)
            if self.persona is not None:
                chosen[:] = False
                chosen[0, self._column[self.persona]] = True
            return ("",), chosen, np.zeros(1, dtype=bool)
        if self.persona is not None:
            raise ValueError(
                f"persona={self.persona!r} and profiles were both given; drop one: profiles choose their personas"
            )
        people = ids_of(profiles, "participant", "profiles")
        absent = [name for name in self.on if name not in profiles.columns]
        if absent or not self.on:
            raise ValueError(
                f"profiles has no column {absent[0]!r}; match on fewer columns with on=[...], or add it"
                if absent
                else "the recorded personas have no profile columns, so no profile can be matched; ask without profiles"
            )
        wanted = _words(profiles, self.on)
        silent = self._said == ""
        fits = np.all(silent[None] | (self._said[None] == wanted[:, None]), axis=2)  # (P, personas)
        says = np.where(fits, np.sum(~silent, axis=1), -1)
        chosen = fits & (says == says.max(axis=1, keepdims=True))
        return people, chosen, chosen.sum(axis=1) > 1


def _admissible(data: CrowdData, answers: Iterable[Any] | None) -> tuple[float, ...] | tuple[str, ...]:
    scale = data.scale
    if scale.kind == "approval":
        raise ValueError(
            "the answers are ballots of several options, a backbone gives one answer; ask about one option at a time"
        )
    if answers is not None:
        given = list(answers)
        if len(set(given)) < max(len(given), 2):
            raise ValueError(f"answers must be at least two different ones; got {given!r}")
        return tuple(float(one) for one in given) if scale.numeric else tuple(str(one) for one in given)
    if scale.kind == "ordinal":
        return scale.levels
    if scale.kind == "categorical":
        return scale.options
    raise ValueError(
        f"the scale is {scale}, which has no list of answers; read the table with scale=ordinal([...]), or say answers="
    )


def _words(table: pd.DataFrame, columns: Sequence[str]) -> NDArray[Any]:
    """The columns as text, shape (rows, columns): "" where nothing is said, 35 and 35.0 alike."""
    words = np.empty((len(table), len(columns)), dtype=object)
    for place, name in enumerate(columns):
        column = table[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            words[:, place] = ["" if np.isnan(value) else repr(value) for value in column.astype(float)]
        else:
            words[:, place] = ["" if value is None or value != value else str(value) for value in column]
    return words


def _some(names: Iterable[Any]) -> str:
    every = [str(name) for name in names]
    return ", ".join(every[:8]) + (f" and {len(every) - 8} more" if len(every) > 8 else "")
