"""A table of answers, checked and taken apart into responses, participants and problems."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import rows_text
from crowdllm_stats.data.answers import Rows, as_answers, without_percent_signs
from crowdllm_stats.data.attributes import attribute_table, given_table, plain, sort_columns
from crowdllm_stats.data.codes import refuse_codes, without_codes, without_declined, without_words
from crowdllm_stats.data.formats.opened import Opened
from crowdllm_stats.data.ids import Ids, as_ids, repeated
from crowdllm_stats.data.labels import label_numbers, refuse_other_steps, with_numbers
from crowdllm_stats.data.layout import OURS, with_our_names
from crowdllm_stats.data.opening import open_table
from crowdllm_stats.data.scale import Scale, as_scale
from crowdllm_stats.data.shape import Reading, Shaped, shaped

#: What becomes of several answers of one participant to one problem, and of a row with an empty cell.
Repeats = Literal["refuse", "keep"]
Missing = Literal["refuse", "drop"]


@dataclass(frozen=True)
class Wishes:
    """The keywords of ``CrowdData.from_frame`` and ``read``, explained there."""

    participants: pd.DataFrame | str | os.PathLike[str] | None = None
    problems: pd.DataFrame | str | os.PathLike[str] | None = None
    scale: Scale | str | None = None
    columns: Mapping[str, str] | None = None
    profile_columns: Sequence[str] | None = None
    problem_columns: Sequence[str] | None = None
    repeats: Repeats = "refuse"
    missing: Missing = "refuse"
    missing_codes: Sequence[float | str] = ()
    reading: Reading = Reading()


class Parts(NamedTuple):
    """The fields of ``CrowdData``, in its order."""

    responses: pd.DataFrame
    participants: pd.DataFrame
    problems: pd.DataFrame
    scale: Scale
    exclusions: dict[str, int]
    notes: tuple[str, ...]


def assemble(table: pd.DataFrame | Opened | Shaped, source: str, wishes: Wishes) -> Parts:
    """Check a table of answers and take it apart.

    Args:
        table: one row per answer, or a wide table, which is turned into one.
        source: how messages name the table.
        wishes: what the caller said about it.

    Raises:
        ValueError: in one line, on anything wrong with the table.

    Example:
        >>> frame = pd.DataFrame({"problem": [1, 2], "participant": ["ann", "ann"], "response": [4, 5]})
        >>> len(assemble(frame, "responses", Wishes()).problems)
        2
    """
    check_choice("repeats", wishes.repeats, get_args(Repeats))
    check_choice("missing", wishes.missing, get_args(Missing))
    scale = as_scale(wishes.scale)
    if isinstance(table, pd.DataFrame):
        table = Opened(table, "frame")
    if isinstance(table, Opened):
        table = shaped(table, source, wishes.reading, wishes.columns)
    frame = with_our_names(table.frame, None if table.wide else wishes.columns, OURS, source)
    left, said, wide = table.exclusions, table.notes, table.wide
    del table  # with the columns of answers, which live on as codes
    if not len(frame):
        raise ValueError(f"{source}: there is a header but no rows; at least one answer is needed")
    label = {name: f"{source}: column {(wishes.columns or {}).get(name, name)!r}" for name in OURS}
    if wide:
        label["response"] = f"{source}: the wide table"
    problem = as_ids(frame["problem"], label["problem"])
    participant = as_ids(frame["participant"], label["participant"])
    column, coded, declined, note = _cleared(frame["response"], problem, wishes, scale, label["response"])
    answers = as_answers(column, scale, label["response"], _cells(problem, participant) if wide else rows_text)
    if wishes.scale is None:
        refuse_codes(answers, problem, label["response"])
    empty = answers.missing & ~coded & ~declined
    gaps = {"response": empty, "problem": problem.missing, "participant": participant.missing}
    if wishes.missing == "refuse":
        _refuse_gaps(gaps, label)
    words = ", ".join(code if isinstance(code, str) else f"{code:g}" for code in wishes.missing_codes)
    gaps = {f"response (coded {words})": coded, DECLINED: declined, **gaps}
    keep, exclusions = _without_gaps(gaps, source)
    # The three columns may be most of a large file; they live on as codes and answers.
    frame, given = frame.drop(columns=list(OURS)), answers.given
    if exclusions:
        frame, given = frame[keep].reset_index(drop=True), given[keep]
        problem, participant = problem.kept(keep), participant.kept(keep)
    people, problems, notes = _tables(frame, problem, participant, wishes, source)
    numbered = _repeats(problem, participant, frame, wishes.repeats, np.flatnonzero(keep), source)
    responses = pd.DataFrame({"problem": problem.column(), "participant": participant.column(), "response": given})
    if scale.kind == "categorical":
        responses["response"] = responses["response"].astype(str)
    if numbered is not None:
        responses["repeat"] = numbered
    return Parts(responses, people, problems, scale, {**left, **exclusions}, (*said, *([note] if note else []), *notes))


def _cells(problem: Ids, participant: Ids) -> Rows:
    """How messages name the cells of a wide table."""

    def cells_text(rows: NDArray[np.bool_]) -> str:
        found = np.flatnonzero(rows)
        shown = [
            f"{problem.names[problem.codes[row]]!r} of {participant.names[participant.codes[row]]!r}"
            for row in found[:3]
        ]
        return ", ".join(map(str, shown)) + (f" and {len(found) - 3} more" if len(found) > 3 else "")

    return cells_text


#: How answers are counted in which a language model says that it does not answer.
DECLINED = "response (a language model declined)"


class _Cleared(NamedTuple):
    """Answers with numbers for labels, empty where a code stands for a missing one or a model declined, and a note."""

    column: pd.Series
    coded: NDArray[np.bool_]
    declined: NDArray[np.bool_]
    note: str


def _cleared(column: pd.Series, problem: Ids, wishes: Wishes, scale: Scale, label: str) -> _Cleared:
    note = ""
    coded = declined = np.zeros(len(column), dtype=bool)
    texts = [code for code in wishes.missing_codes if isinstance(code, str)]
    if texts:
        column, coded = without_words(column, texts)
    if wishes.reading.labels is not None:
        refuse_other_steps(column, problem.codes, wishes.reading.labels, label, wishes.missing_codes)
        column, note = with_numbers(column, label_numbers(wishes.reading.labels), label)
    if scale.numeric and not pd.api.types.is_numeric_dtype(column.dtype):
        column, declined = without_declined(column)
        column, said = without_percent_signs(column, problem.codes, label)
        note = f"{note} {said}".strip()
    numbers = [code for code in wishes.missing_codes if not isinstance(code, str)]
    if numbers:
        column, more = without_codes(column, numbers, scale, label)
        coded = coded | more
    return _Cleared(column, coded, declined, note)


def _refuse_gaps(gaps: dict[str, NDArray[np.bool_]], label: dict[str, str]) -> None:
    for name, gap in gaps.items():
        if gap.any():
            raise BadInput(
                f"{label[name]} is empty in {int(gap.sum())} of {len(gap)} rows ({rows_text(gap)})",
                python='fill them, or give missing="drop" to leave these rows out and have them counted',
                command="fill them, or give --drop-missing to leave these rows out and have them counted",
            )


def _without_gaps(gaps: dict[str, NDArray[np.bool_]], source: str) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which rows to keep, and how many are left out for want of what; a row is counted once, by its first gap."""
    keep = np.ones(len(gaps["response"]), dtype=bool)
    exclusions: dict[str, int] = {}
    for name, gap in gaps.items():
        fresh = int((gap & keep).sum())
        if fresh:
            exclusions[f"missing {name}"] = fresh
        keep &= ~gap
    if not keep.any():
        counts = ", ".join(f"{count} {reason}" for reason, count in exclusions.items())
        raise ValueError(
            f"{source}: none of the {len(keep)} rows is complete ({counts}); at least one answer is needed"
        )
    return keep, exclusions


def _tables(
    frame: pd.DataFrame, problem: Ids, participant: Ids, wishes: Wishes, source: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The tables of participants and of problems, from columns of the responses or given on their own, and notes."""
    extra = frame.drop(columns="repeat", errors="ignore")
    notes: list[str] = []
    if wishes.profile_columns is None and wishes.problem_columns is None:
        of_person, of_problem, of_answers = sort_columns(extra, problem, participant, source)
        notes = [f"Column {name!r} of {source} belongs to single answers and is not used." for name in of_answers]
    else:
        of_person, of_problem = list(wishes.profile_columns or []), list(wishes.problem_columns or [])
        absent = [name for name in [*of_person, *of_problem] if name not in extra.columns]
        if absent:
            others = ", ".join(map(str, extra.columns)) or "none"
            raise ValueError(f"{source}: no column {absent[0]!r}; beside the answers there are: {others}")
    people = _table(extra, of_person, participant, "participant", wishes.participants, wishes, source)
    problems = _table(extra, of_problem, problem, "problem", wishes.problems, wishes, source)
    taken = [*OURS, "repeat"]
    for table in (people, problems):
        clash = [name for name in table.columns[1:] if name in taken]
        if clash:
            raise ValueError(
                f"{source}: column {clash[0]!r} of the {table.columns[0]}s has a name already in use; rename it"
            )
        taken += list(table.columns[1:])
    return people, problems, notes


def _table(
    extra: pd.DataFrame, names: list[str], ids: Ids, key: str, given: Any, wishes: Wishes, source: str
) -> pd.DataFrame:
    found = attribute_table(extra, names, ids, key, source)
    if given is None:
        return found
    is_frame = isinstance(given, pd.DataFrame)
    label = f"{key}s" if is_frame else os.fspath(given)
    own = with_our_names(given if is_frame else open_table(given).frame, wishes.columns, (key,), label)
    both = [name for name in names if name in own.columns]
    if both:
        raise ValueError(f"{label}: column {both[0]!r} is also in {source}; leave it out of one of them")
    own = given_table(own, key, ids, label)
    joined = own.merge(found, on=key, how="left") if names else own
    for name in names:  # ids without an answer have no value here
        joined[name] = plain(joined[name], f"{source}: column {name!r}")
    return joined


def _repeats(
    problem: Ids, participant: Ids, frame: pd.DataFrame, repeats: Repeats, rows: NDArray[np.int64], source: str
) -> NDArray[np.int64] | None:
    """Number the answers of a participant to a problem, or refuse a second one."""
    key = problem.codes * len(participant.names) + participant.codes
    if not repeated(key):
        return np.zeros(len(key), dtype=np.int64) if repeats == "keep" else None
    pair = pd.Series(key)
    if repeats == "keep":
        order = np.arange(len(pair))
        if "repeat" in frame.columns:  # numbered before, in an order that rows need not follow
            order = np.argsort(pd.to_numeric(frame["repeat"], errors="coerce").to_numpy(), kind="stable")
        numbered = np.empty(len(pair), dtype=np.int64)
        numbered[order] = pair.iloc[order].groupby(pair.to_numpy()[order], sort=False).cumcount()
        return numbered
    again = pair.duplicated().to_numpy()
    if again.any():
        first = int(np.flatnonzero(again)[0])
        who, what = participant.names[participant.codes[first]], problem.names[problem.codes[first]]
        raise BadInput(
            f"{source}: {int(again.sum())} answers repeat a (problem, participant) already answered, for instance "
            f"problem {what!r} by {who!r} ({rows_text(rows[again])})",
            python='remove them, or give repeats="keep"',
            command="remove them",
        )
    return None
