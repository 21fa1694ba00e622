"""Files as somebody has them: what is in each, what goes together, what it supports, and what to type next."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from crowdllm_stats._base.messages import for_command, said
from crowdllm_stats._base.shown import several
from crowdllm_stats._base.words import join_list, some, split_list
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.ids import written_otherwise
from crowdllm_stats.data.layout import OURS
from crowdllm_stats.data.shape import Reading
from crowdllm_stats.survey.file_seen import FileSeen, seen_in
from crowdllm_stats.survey.first_look import open_survey
from crowdllm_stats.survey.tables import refuse_exchanged

#: Scales that are common; the first that holds all answers is proposed.
SCALES = ((0, 1), (1, 5), (1, 7), (0, 10), (1, 10), (0, 100))
#: Steps of the sets of labels.
_STEPS = {"likert5": "1:5", "likert7": "1:7"}
#: What is said where no answers are found, though every file can be read.
_NOTHING = (
    "No answers are found: name the questions' columns with --questions, and what words mean with --labels; where a "
    "row is an answer, call its columns problem, participant and response."
)
_HUMAN_FILE = re.compile(r"human|people|survey|respondent", re.I)


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
    seen = [seen_in(name, others if place else reading, missing_codes) for place, name in enumerate(names)]
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
        nothing = [] if any(one.refused for one in seen) else [_NOTHING]
        return FilesChecked(tuple(seen), suspicious=tuple(doubts or nothing))
    pairs = _together(people, crowd)
    if pairs.apart:
        crowd = None
    options = _options(people, crowd, reading, missing_codes, pairs)
    return FilesChecked(
        tuple(seen), pairs.said, _supports(crowd, plain, pairs.by), (*doubts, *pairs.doubts, *options.guesses),
        _commands(people, crowd, plain, options.words, pairs), _by_name([*options.words, *pairs.option]),
    )  # fmt: skip


def _again(one: FileSeen, reading: Reading, missing_codes: Sequence[float | str]) -> FileSeen:
    """The file with the questions of the other ones as its own, where it has them."""
    found = seen_in(one.file, reading, missing_codes)
    return dataclasses.replace(found, told=True) if found.data is not None else one


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
    """What two tables share, how people pair ("id", profile columns as one list, or not at all), and doubts,
    whether they look exchanged, and whether they have no question in common."""

    said: tuple[str, ...] = ()
    by: str = ""
    doubts: tuple[str, ...] = ()
    exchanged: bool = False
    apart: bool = False

    @property
    def option(self) -> tuple[str, ...]:
        """What commands that use twins must be told."""
        if self.by == "id" or self.apart or not self.said:
            return ()
        return ("--match", self.by) if self.by else ("--unpaired",)


def _together(people: FileSeen, crowd: FileSeen | None) -> _Pairs:
    if crowd is None or people.data is None or crowd.data is None:
        return _Pairs()
    ours, theirs = (list(data.responses["problem"].unique()) for data in (people.data, crowd.data))
    shared = [name for name in ours if name in set(theirs)]
    if not shared:
        none = f"No question is in both tables: {some(ours, 2)} and {some(theirs, 2)}."
        mend = "Write the questions' ids alike in both files; nothing can be compared before."
        return _Pairs((none,), doubts=(mend,), apart=True)
    are = "is" if len(ours) == 1 else "are"
    common = f"{len(shared)} of {several(len(ours), 'human question')} {are} in both tables ({some(shared, 4)})."
    exchanged, found, looks = _exchanged(people.data, crowd.data), _twins_by(people.data, crowd.data), [""]
    by, doubts = found.by, [*exchanged, *found.doubts]
    match = [] if by == "id" else split_list(by)
    try:
        survey = open_survey(people.data, crowd.data, match=match, as_given=True)
        looks = [for_command(text) for text in survey.looks()] or looks
        if by:
            survey.refuse_strangers()
    except ValueError as error:  # too few twins, or none: the commands do without
        by = ""
        doubts.append(f"{said(error).command}.")
    first, *others = looks
    return _Pairs(tuple(text for text in (common, first) if text), by, (*doubts, *others), bool(exchanged))


def _exchanged(people: CrowdData, crowd: CrowdData) -> list[str]:
    try:
        refuse_exchanged(people, crowd)
    except ValueError as error:
        return [f"{said(error).command}."]
    return []


def _twins_by(people: CrowdData, crowd: CrowdData) -> _Pairs:
    """By ids, or by at most three profile columns that have a value in common; why others do not is in the doubts."""
    ids = [sorted(set(data.responses["participant"])) for data in (people, crowd)]
    if set(ids[0]) & set(ids[1]):
        return _Pairs(by="id")
    doubts = []
    if reason := written_otherwise(*ids):
        doubts.append(f"Ids look like those of the other table: {reason}; write them alike to have twins by id.")
    found = []
    for name in map(str, people.participants.columns[1:]):
        if name not in crowd.participants.columns:
            continue
        mine, theirs = (sorted(map(str, data.participants[name].dropna().unique())) for data in (people, crowd))
        if set(mine) & set(theirs):
            found.append(name)
        else:
            why = written_otherwise(mine, theirs) or f"{some(mine, 2)} and {some(theirs, 2)}"
            doubts.append(f"Twins cannot be built from {name}, of which no value is in both tables: {why}.")
    return _Pairs(by=join_list(found[:3]), doubts=tuple(doubts))


@dataclasses.dataclass(frozen=True)
class _Options:
    """Words of a command line for both tables, and sentences on what is guessed in them."""

    words: tuple[str, ...]
    guesses: tuple[str, ...]


def _options(
    people: FileSeen, crowd: FileSeen | None, reading: Reading, missing_codes: Sequence[float | str], pairs: _Pairs
) -> _Options:
    words: list[str] = []
    guesses: list[str] = []
    both = [one for one in (people, crowd) if one is not None]
    for side, one in zip(("human", "digital"), both, strict=False):
        if any(theirs.casefold() != ours for ours, theirs in one.used.items()):
            words += [f"--{side}-columns", join_list([f"{ours}={theirs}" for ours, theirs in one.used.items()])]
    words += ["--wide"] if reading.wide else []
    questions = list(reading.questions)
    if people.told and people.data is not None:
        questions = people.data.problems["problem"].tolist()
    words += ["--questions", join_list(questions)] if questions else []
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
            where = "labels" if any(one.ends is not None for one in both) else "answers"
            guesses.append(f"The scale {scale} is guessed from the {where}; correct --scale if others could be given.")
    if any(one.data is not None and set(one.data.exclusions) & _GAPS for one in both):
        words.append("--drop-missing")
    words += ["--as-given"] if pairs.exchanged else []
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
    labelled = [one.ends for one in tables if one.ends is not None]
    return next((f"{low:g}:{high:g}" for low, high in (*labelled, *SCALES) if low <= least and most <= high), "")


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
