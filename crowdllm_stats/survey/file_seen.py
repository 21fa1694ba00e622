"""One file as somebody has it: what it is taken for, how its answers can be read, and what is suspicious in it."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from crowdllm_stats._base.declining import declines
from crowdllm_stats._base.messages import said
from crowdllm_stats._base.shown import several
from crowdllm_stats._base.words import coded, join_list, some
from crowdllm_stats.data.answers import labels_for
from crowdllm_stats.data.assemble import DECLINED, Wishes, assemble
from crowdllm_stats.data.codes import LooksCoded, unanswered
from crowdllm_stats.data.conditions import condition
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.formats.opened import Opened
from crowdllm_stats.data.headers import with_one_header
from crowdllm_stats.data.labels import set_of
from crowdllm_stats.data.opening import open_table
from crowdllm_stats.data.shape import Reading, names_like_ours, shaped, unit_left_out
from crowdllm_stats.survey.tables import names_models

_DIGITAL_FILE = re.compile(r"llm|gpt|claude|gemini|llama|digital|synthetic|silicon|twins?\b|persona|simulated", re.I)

#: How tools for surveys mark rows that are not to count, by the column's name.
_MARKS = {
    "finished": {"false", "0"},
    "status": {"survey preview", "survey test", "spam", "preview", "test", "incomplete", "disqualified"},
    "distributionchannel": {"preview"},
    "completed": {"false", "0", "no"},
}
#: Different answers of a column that may be a question.
_FEW = 11

#: What a file is taken for.
Role = Literal["answers", "plain answers", "people", "questions", "unknown"]


@dataclasses.dataclass(frozen=True)
class FileSeen:
    """What is in one file.

    Attributes:
        file: its name.
        kind: what type it is, for instance "Excel"; empty where it cannot be read.
        role: what it is taken for; "plain answers" are those of the bare LLM, without a participant.
        wide: whether it has a row per person and a column per question.
        digital: whether its answers seem to be those of a digital population.
        columns: names of its columns.
        used: our names to the file's columns, for a table with a row per answer.
        data: its answers; None where they cannot be read.
        labels: the set of labels that its answers are, or what was given.
        codes: numbers that look like codes for a missing answer.
        notes: sentences on what was found out.
        suspicious: sentences on what should be looked at.
        told: whether its questions are known from another file alone.
        ends: of its scale, as the file's labels have them; None where they do not say.
        refused: why it cannot be read, in one line; empty where it can.
    """

    file: str
    kind: str = ""
    role: Role = "unknown"
    wide: bool = False
    digital: bool = False
    columns: tuple[str, ...] = ()
    used: Mapping[str, str] = dataclasses.field(default_factory=dict)
    data: CrowdData | None = None
    labels: str = ""
    codes: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    refused: str = ""
    told: bool = False
    ends: tuple[float, float] | None = None

    def __str__(self) -> str:
        head = f"{self.file}: {self.refused or self._holds()}"
        return "\n".join([head, *(f"  {line}" for line in self.notes)])

    def _holds(self) -> str:
        if self.data is None:
            what = "answers that cannot be read" if self.role == "answers" else _ROLES[self.role]
            return f"{self.kind}, {what} (columns {some(self.columns, 8)})"
        answers, shape = self.data.responses, "a row per person" if self.wide else "a row per answer"
        people = "" if self.role == "plain answers" else f"{several(answers['participant'].nunique(), 'participant')}, "
        values = answers["response"]
        return (
            f"{self.kind}, {shape}: {_ROLES['digital' if self.digital else self.role]}. "
            f"{people}{several(answers['problem'].nunique(), 'question')}, {several(len(answers), 'answer')} "
            f"from {values.min():g} to {values.max():g}, mean {values.mean():.3g}"
        )


_ROLES = {
    "answers": "answers of people", "digital": "answers of a digital population",
    "plain answers": "answers of a language model without a persona", "people": "a row per person, without answers",
    "questions": "a row per question, without answers", "unknown": "no answers found",
}  # fmt: skip


def seen_in(file: str, reading: Reading, missing_codes: Sequence[float | str]) -> FileSeen:
    """What is in one file, read as its columns' names suggest.

    Args:
        file: its name.
        reading: what is known of wide tables, labels and conditions.
        missing_codes: numbers and words that stand for a missing answer.
    """
    try:
        opened = open_table(file)
    except ValueError as error:
        return FileSeen(file, refused=said(error).command.removeprefix(f"{file}: "))
    columns = tuple(map(str, opened.frame.columns))
    base = FileSeen(file, opened.kind, columns=columns, notes=opened.notes)
    used = names_like_ours(columns)
    if {"problem", "response"} <= set(used) and not reading.wide:
        if "participant" not in used:
            opened = dataclasses.replace(opened, frame=opened.frame.assign(participant="reference"))
            return _read(base, opened, "plain answers", {**used, "participant": "participant"}, reading, missing_codes)
        return _read(base, opened, "answers", used, reading, missing_codes)
    try:
        table = shaped(opened, file, reading, {})
    except ValueError as error:
        return dataclasses.replace(base, suspicious=(said(error).command.removeprefix(f"{file}: "),))
    if table.wide:
        return _read(base, opened, "answers", {}, reading, missing_codes)
    role: Role = "questions" if "problem" in used else "people" if "participant" in used else "unknown"
    hint = "" if role == "questions" else _few_answers(opened)
    return dataclasses.replace(base, role=role, notes=(*base.notes, *([hint] if hint else [])))


def _read(
    base: FileSeen, opened: Opened, role: Role, used: Mapping[str, str], reading: Reading,
    missing_codes: Sequence[float | str],
) -> FileSeen:  # fmt: skip
    """A table of answers; codes, labels and columns that cannot be kept are found by trying."""
    base = dataclasses.replace(base, role=role, used=used, wide=not used)
    codes: list[float] = []
    kept: list[str] | None = None
    while True:
        try:
            wishes = Wishes(
                columns=used, profile_columns=kept, repeats="keep", missing="drop",
                missing_codes=[*missing_codes, *codes], reading=reading,
            )  # fmt: skip
            data = CrowdData(*assemble(opened, base.file, wishes))
            break
        except LooksCoded as found:
            codes += found.codes
        except ValueError as error:
            labels = "" if reading.labels is not None else _labels(opened, used, reading, base.file)
            if labels:
                reading = dataclasses.replace(reading, labels=labels)
            elif kept is None:
                kept = []
            else:
                return dataclasses.replace(base, suspicious=(said(error).command.removeprefix(f"{base.file}: "),))
    doubts = [*_doubts(data, codes), *_unfinished(opened.frame, reading), *_numbered_rows(data, opened.frame, used)]
    digital = bool(names_models(data) or _DIGITAL_FILE.search(os.path.basename(base.file)))
    return dataclasses.replace(
        base, digital=digital or f"missing {DECLINED}" in data.exclusions, data=data, codes=tuple(codes),
        labels=reading.labels if isinstance(reading.labels, str) else "", notes=data.notes or base.notes,
        suspicious=tuple(doubts), ends=_labelled_ends(opened, used, data),
    )  # fmt: skip


def _labels(opened: Opened, used: Mapping[str, str], reading: Reading, file: str) -> str:
    """The set of labels that the answers are; empty where they are others."""
    answers = (
        opened.frame[used["response"]] if used else shaped(opened, file, reading, {}).frame["response"]
    )  # fmt: skip
    texts = [str(value).strip() for value in answers.unique()]
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").isna()
    return set_of([text for text, word in zip(texts, numbers, strict=True) if word and text and not declines(text)])


def _doubts(data: CrowdData, codes: Sequence[float]) -> list[str]:
    doubts = [
        f"{several(count, unit_left_out(reason))} left out: {reason}." for reason, count in data.exclusions.items()
    ]
    if codes:
        words = ", ".join(f"{code:g}" for code in codes)
        doubts.append(f"{words} look like codes for a missing answer and are left out; check that.")
    by_person = data.responses.groupby("participant", observed=True)["response"].agg(["nunique", "size"])
    many = by_person[by_person["size"] >= 5]
    straight = int((many["nunique"] == 1).sum())
    if straight:
        doubts.append(f"{straight} of {len(many)} people give the same answer to all their questions.")
    same = data.responses.groupby("problem", observed=True)["response"].agg(["nunique", "size"])
    flat = same[(same["nunique"] == 1) & (same["size"] >= 5)].index.tolist()
    if flat:
        doubts.append(f"Everybody gives the same answer to {some(flat, 3)}.")
    return doubts


def _labelled_ends(opened: Opened, used: Mapping[str, str], data: CrowdData) -> tuple[float, float] | None:
    """The least and the largest number that the file's labels name, if they are the same for all labelled questions."""
    names = [used["response"]] if used else list(data.responses["problem"].unique())
    means = [opened.labels[name] for name in names if opened.labels.get(name)]
    steps = [
        [float(value) for value in one if isinstance(value, int | float) and value not in unanswered(one)]
        for one in means
    ]  # fmt: skip
    ends = {(min(values), max(values)) for values in steps if len(values) > 1}
    return ends.pop() if len(ends) == 1 else None


def _unfinished(frame: pd.DataFrame, reading: Reading) -> list[str]:
    """What to type where a tool for surveys marks rows as not finished, or as a test of the questionnaire."""
    doubts = []
    for name in map(str, frame.columns):
        marks = _MARKS.get(name.strip().casefold())
        if not marks or any(condition(one).column == name for one in reading.where):
            continue
        texts = frame[name].astype("str").str.strip()
        bad = texts[texts.str.removesuffix(".0").str.casefold().isin(marks)]
        if 0 < len(bad) < len(texts):
            values = sorted(bad.unique())
            option = " ".join(f"--where {shlex.quote(f'{name}!={text}')}" for text in values)
            doubts.append(f"In {several(len(bad), 'row')}, {name} is {some(values, 3)}: leave out with {option}.")
    return doubts


def _numbered_rows(data: CrowdData, frame: pd.DataFrame, used: Mapping[str, str]) -> list[str]:
    """A question where every answer has a participant of its own, as if rows were numbered."""
    people, questions = data.responses["participant"].nunique(), data.responses["problem"].nunique()
    if not used or questions < 2 or people < len(data.responses):
        return []
    others = [
        str(name)
        for name in frame.columns
        if name not in used.values() and 1 < frame[name].nunique() < len(frame)
        and not frame.duplicated([used["problem"], name]).any()
    ]  # fmt: skip
    hint = f"name the column of people as participant ({some(others, 3)} would do)" if others else "that may be right"
    return [f"Every answer is by a participant of its own in {used['participant']!r}: {hint}."]


def _few_answers(opened: Opened) -> str:
    """What to type where columns that nothing tells to be questions hold the same few answers; empty without such."""
    frame = with_one_header(opened).frame
    few: dict[str, set[str]] = {}
    for name in map(str, frame.columns):
        codes, values = coded(frame[name])
        found = {str(values[place]).strip() for place in np.unique(codes[codes >= 0])} - {""}
        if 2 <= len(found) <= _FEW:
            few[name] = found
    alike = [
        name
        for name, mine in few.items()
        if any(2 * len(mine & other) > len(mine | other) for one, other in few.items() if one != name)
    ]
    if not alike:
        texts = {str(name): frame[name].astype("str").str for name in frame.columns if len(frame)}
        held = [name for name, text in texts.items() if text.startswith("[").all()]
        mend = "write one object per answer with the keys problem, participant and response"
        return f"{some(held, 3)} hold lists: {mend}." if held else ""
    words = sorted(set.union(*(few[name] for name in alike)))
    names = shlex.quote(join_list(alike))
    labels = labels_for([word for word in words if pd.isna(pd.to_numeric(word, errors="coerce"))])
    meant = f" --labels {shlex.quote(labels)}" if labels else ""
    alike_text = f"{some(alike, 3)} hold the same few answers ({some(words, 5)})"
    return f"{alike_text}: if they are questions, say --questions {names}{meant}."
