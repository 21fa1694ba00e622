"""Files as somebody has them: what is in each, what goes together, what it supports, and what to type next."""

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
from crowdllm_stats._base.messages import for_command, said
from crowdllm_stats._base.shown import several
from crowdllm_stats._base.words import some
from crowdllm_stats.data.assemble import DECLINED, Wishes, assemble
from crowdllm_stats.data.codes import LooksCoded
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.formats.opened import Opened
from crowdllm_stats.data.labels import set_of
from crowdllm_stats.data.layout import OURS
from crowdllm_stats.data.opening import open_table
from crowdllm_stats.data.shape import Reading, names_like_ours, shaped, unit_left_out
from crowdllm_stats.survey.first_look import open_survey
from crowdllm_stats.survey.tables import names_models

#: Scales that are common; the first that holds all answers is proposed.
SCALES = ((0, 1), (1, 5), (1, 7), (0, 10), (1, 10), (0, 100))
#: Steps of the sets of labels.
_STEPS = {"likert5": "1:5", "likert7": "1:7"}
_DIGITAL_FILE = re.compile(r"llm|gpt|claude|gemini|llama|digital|synthetic|silicon|twins?\b|persona|simulated", re.I)

#: What is said where no answers are found, though every file can be read.
_NOTHING = "No answers are found: name the questions' columns with --questions, and what words mean with --labels."
_HUMAN_FILE = re.compile(r"human|people|survey|respondent", re.I)

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

    def __str__(self) -> str:
        head = f"{self.file}: {self.refused or self._holds()}"
        return "\n".join([head, *(f"  {line}" for line in self.notes)])

    def _holds(self) -> str:
        if self.data is None:
            return f"{self.kind}, {_ROLES[self.role]} (columns {some(self.columns, 8)})"
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


@dataclasses.dataclass(frozen=True)
class FilesChecked:
    """What is in files, what goes together and what to do with it.

    Attributes:
        files: each file.
        pairs: sentences on who and what is in both tables of answers.
        supports: sentences on what can be computed.
        suspicious: sentences on what should be looked at before.
        commands: what to type next, with every option that is needed.
        options: those options that are about the files, each with its value; an empty one where it has none.
    """

    files: tuple[FileSeen, ...]
    pairs: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        parts = (
            ("What is in it", [line for file in self.files for line in str(file).split("\n")]),
            ("What goes together", self.pairs), ("Look at this first", self.suspicious),
            ("What it supports", self.supports), ("Type next", self.commands),
        )  # fmt: skip
        return "\n\n".join("\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in parts if lines)

    def to_frame(self) -> pd.DataFrame:
        """One row per file: its name, kind, role, people, questions, answers, and why it cannot be read."""
        return pd.DataFrame(
            [
                {
                    "file": one.file, "kind": one.kind, "role": one.role, "wide": one.wide, "digital": one.digital,
                    "people": 0 if one.data is None else one.data.responses["participant"].nunique(),
                    "questions": 0 if one.data is None else one.data.responses["problem"].nunique(),
                    "answers": 0 if one.data is None else len(one.data.responses), "refused": one.refused,
                }
                for one in self.files
            ]
        )  # fmt: skip


def check_files(
    files: Sequence[str | os.PathLike[str]], reading: Reading | None = None, missing_codes: Sequence[float | str] = ()
) -> FilesChecked:
    """Look at files of answers: what each holds, whether they go together, and which commands come next.

    Columns are guessed by their names, labels and codes for missing answers by the answers; every guess is an option
    in the commands, to be corrected there. Nothing is computed.

    Args:
        files: tables of human answers, of digital ones, of plain LLM answers, in any order.
        reading: what is known of wide tables, labels and conditions; ``wide`` speaks of the first file.
        missing_codes: numbers and words that stand for a missing answer.

    Raises:
        ValueError: if there is no file, or one is named twice.
        FileNotFoundError: if a file is not there.

    Example:
        >>> import tempfile, pathlib
        >>> place = pathlib.Path(tempfile.mkdtemp()) / "wave1.csv"
        >>> _ = place.write_text("id,Q1,Q2\\nann,4,2\\nbob,5,1\\n", encoding="utf-8")
        >>> found = check_files([place])
        >>> found.files[0].wide, found.commands[0].replace(str(place), "wave1.csv")
        (True, 'crowdllm-stats interval wave1.csv --scale 1:5')
    """
    reading = Reading() if reading is None else reading
    names = [os.fspath(file) for file in files]
    if not names or len(set(names)) < len(names):
        raise ValueError("give at least one file, each once")
    others = dataclasses.replace(reading, wide=None)
    seen = [_seen(name, others if place else reading, missing_codes) for place, name in enumerate(names)]
    known = [str(one) for each in seen if each.data is not None for one in each.data.problems["problem"]]
    if known:
        others = dataclasses.replace(others, known=known)
        seen = [_again(one, others, missing_codes) if one.role in ("unknown", "people") else one for one in seen]
    people, crowd, plain = _sides(seen)
    guessed = [] if people is None else _guessed_sides(people, crowd)
    seen = [dataclasses.replace(one, digital=one is crowd) for one in seen]
    doubts = [*guessed, *(f"{one.file}: {line}" for one in seen for line in one.suspicious)]
    unread = any(one.data is None and one.suspicious for one in seen)
    if people is None or (crowd is None and unread):  # what is left may be the other side
        return FilesChecked(tuple(seen), suspicious=tuple(doubts or [_NOTHING]))
    pairs = _together(people, crowd)
    options = _options(people, crowd, reading, missing_codes)
    return FilesChecked(
        tuple(seen), pairs.said, _supports(crowd, plain, pairs.by), (*doubts, *pairs.doubts, *options.guesses),
        _commands(people, crowd, plain, options.words, pairs), _by_name([*options.words, *pairs.option]),
    )  # fmt: skip


def _again(one: FileSeen, reading: Reading, missing_codes: Sequence[float | str]) -> FileSeen:
    """The file with the questions of the other ones as its own, where it has them."""
    found = _seen(one.file, reading, missing_codes)
    return dataclasses.replace(found, told=True) if found.data is not None else one


def _seen(file: str, reading: Reading, missing_codes: Sequence[float | str]) -> FileSeen:
    """What is in one file, read as its columns' names suggest."""
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
    return dataclasses.replace(base, role=role)


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
    digital = bool(names_models(data) or _DIGITAL_FILE.search(os.path.basename(base.file)))
    return dataclasses.replace(
        base, digital=digital or f"missing {DECLINED}" in data.exclusions, data=data, codes=tuple(codes),
        labels=reading.labels if isinstance(reading.labels, str) else "", notes=data.notes or base.notes,
        suspicious=tuple(_doubts(data, codes)),
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


def _sides(seen: Sequence[FileSeen]) -> tuple[FileSeen | None, FileSeen | None, FileSeen | None]:
    """The human table, the digital one and the plain answers, as far as they are there."""
    tables = [one for one in seen if one.role == "answers" and one.data is not None]
    plain = next((one for one in seen if one.role == "plain answers" and one.data is not None), None)
    if len(tables) < 2:
        return (tables[0] if tables else None), None, plain
    # The digital table is marked as such, or the other one as human; else it has more people, which is said.
    ordered = sorted(
        tables,
        key=lambda one: (
            one.digital, not _says_human(one), 0 if one.data is None else len(one.data.participants)
        ),
    )  # fmt: skip
    return ordered[0], ordered[-1], plain


def _says_human(one: FileSeen) -> bool:
    return bool(_HUMAN_FILE.search(os.path.basename(one.file))) and not one.digital


def _guessed_sides(people: FileSeen, crowd: FileSeen | None) -> list[str]:
    """What is said where neither table shows whose answers it holds."""
    if crowd is None or crowd.digital or (_says_human(people) and not _says_human(crowd)):
        return []
    return [
        f"That {people.file} holds the answers of people, and {crowd.file} those of a digital population, is a guess; "
        "exchange them in the commands if it is wrong."
    ]


@dataclasses.dataclass(frozen=True)
class _Pairs:
    """What two tables share, how people pair ("id", profile columns joined by commas, or not at all), and doubts."""

    said: tuple[str, ...] = ()
    by: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def option(self) -> tuple[str, ...]:
        """What commands that use twins must be told."""
        return () if self.by == "id" or not self.said else ("--match", self.by) if self.by else ("--unpaired",)


def _together(people: FileSeen, crowd: FileSeen | None) -> _Pairs:
    if crowd is None or people.data is None or crowd.data is None:
        return _Pairs()
    ours, theirs = (list(data.responses["problem"].unique()) for data in (people.data, crowd.data))
    shared = [name for name in ours if name in set(theirs)]
    if not shared:
        none = f"No question is in both tables: {some(ours, 2)} and {some(theirs, 2)}."
        mend = "Write the questions' ids alike in both files; nothing can be compared before."
        return _Pairs((none,), doubts=(mend,))
    are = "is" if len(ours) == 1 else "are"
    common = f"{len(shared)} of {several(len(ours), 'human question')} {are} in both tables ({some(shared, 4)})."
    ids = set(people.data.responses["participant"]) & set(crowd.data.responses["participant"])
    profile = [str(name) for name in people.data.participants.columns[1:] if name in crowd.data.participants.columns]
    by = "id" if ids else ",".join(profile[:3])
    try:
        match = profile[:3] if not ids else []
        looks = open_survey(people.data, crowd.data, match=match, as_given=True).looks()
    except ValueError as error:
        return _Pairs((common,), by, (said(error).command,))
    first, *others = [for_command(text) for text in looks] or [""]
    return _Pairs(tuple(text for text in (common, first) if text), by, tuple(others))


@dataclasses.dataclass(frozen=True)
class _Options:
    """Words of a command line for both tables, and sentences on what is guessed in them."""

    words: tuple[str, ...]
    guesses: tuple[str, ...]


def _options(
    people: FileSeen, crowd: FileSeen | None, reading: Reading, missing_codes: Sequence[float | str]
) -> _Options:
    words: list[str] = []
    guesses: list[str] = []
    both = [one for one in (people, crowd) if one is not None]
    for side, one in zip(("human", "digital"), both, strict=False):
        if any(theirs.casefold() != ours for ours, theirs in one.used.items()):
            words += [f"--{side}-columns", ",".join(f"{ours}={theirs}" for ours, theirs in one.used.items())]
    words += ["--wide"] if reading.wide else []
    questions = list(reading.questions)
    if people.told and people.data is not None:
        questions = people.data.problems["problem"].tolist()
    words += ["--questions", ",".join(questions)] if questions else []
    words += ["--id", reading.id_column] if reading.id_column else []
    words += [word for condition in reading.where for word in ("--where", condition)]
    labels = next((one.labels for one in both if one.labels), "")
    if labels:
        words += ["--labels", labels]
        if reading.labels is None:
            guesses.append(f"Answers in words are read as {labels}; correct --labels if they mean something else.")
    codes = [*missing_codes, *sorted({code for one in both for code in one.codes})]
    if codes:
        words.append("--missing=" + ",".join(code if isinstance(code, str) else f"{code:g}" for code in codes))
    scale = _STEPS.get(labels) or _scale(both)
    if scale:
        words += ["--scale", scale]
        if not labels:
            guesses.append(f"The scale {scale} is guessed from the answers; correct --scale if others could be given.")
    if any(one.data is not None and set(one.data.exclusions) & _GAPS for one in both):
        words.append("--drop-missing")
    return _Options(tuple(words), tuple(guesses))


#: Rows that the commands refuse unless they are told to leave them out.
_GAPS = {f"missing {name}" for name in OURS}


def _scale(tables: Sequence[FileSeen]) -> str:
    """The first common scale that holds all answers, if the human ones are whole numbers; empty where none does."""
    answers = [
        one.data.responses["response"].to_numpy(dtype=float)
        for one in tables
        if one.data is not None and one.data.scale.numeric
    ]
    if len(answers) < len(tables) or not np.all(answers[0] == np.floor(answers[0])):
        return ""
    least, most = (float(end(np.concatenate(answers))) for end in (np.min, np.max))
    return next((f"{low}:{high}" for low, high in SCALES if low <= least and most <= high), "")


def _supports(crowd: FileSeen | None, plain: FileSeen | None, paired: str) -> tuple[str, ...]:
    if crowd is None:
        return ("Intervals from human answers alone; a file of digital answers may make them narrower.",)
    lines = ["Intervals, and how far the two distributions are apart."]
    if paired:
        lines.append("With twins: narrower intervals where twins go with their humans, the risk's parts, a plan.")
    else:
        lines.append("Without twins human answers alone decide; ids that are alike in both files would make twins.")
    if plain is None:
        lines.append("Not the safe interval: it needs plain LLM answers, a file with the columns problem and response.")
    else:
        lines.append("The safe interval: whether the crowd is no worse than asking the bare LLM once.")
    return tuple(lines)


def _commands(
    people: FileSeen, crowd: FileSeen | None, plain: FileSeen | None, options: Sequence[str], pairs: _Pairs
) -> tuple[str, ...]:
    files = [people.file, *([] if crowd is None else [crowd.file])]
    wanted: list[tuple[str, Sequence[str]]] = [("interval", pairs.option)]
    if crowd is not None:
        wanted.append(("distribution", ()))
    if crowd is not None and pairs.by:
        wanted.append(("risk", pairs.option))
        if plain is not None:
            wanted.append(("safe-interval", (*pairs.option, "--reference", plain.file)))
    return tuple(shlex.join(["crowdllm-stats", command, *files, *options, *more]) for command, more in wanted)


def _by_name(words: Sequence[str]) -> dict[str, str]:
    """Option -> value, from the words of a command line; of one that is repeated the first."""
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            found.setdefault(name, value)
        elif not found[name]:
            found[name] = word
    return found
