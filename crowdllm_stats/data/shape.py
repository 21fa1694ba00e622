"""Tables in their one shape: one row per answer, from a wide table with a row per person and a column per question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.shown import several
from crowdllm_stats._base.words import coded, some
from crowdllm_stats.data.codes import unanswered
from crowdllm_stats.data.conditions import absent, rows_where
from crowdllm_stats.data.formats.opened import Opened
from crowdllm_stats.data.headers import with_one_header
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.data.labels import Labels, label_numbers, refuse_contrary
from crowdllm_stats.data.layout import OURS, column_named
from crowdllm_stats.data.questions import QUESTION, boxes_among, named_questions, questions_told, stem_of

#: Names of columns with one row per person, by how likely each is the id.
_ID_NAMES = (
    "participant", "participantid", "responseid", "respondentid", "respondent", "personid", "person", "prolificpid",
    "prolificid", "workerid", "subjectid", "subject", "userid", "user", "caseid", "case", "personaid", "persona",
    "twinid", "pid", "lfdn", "id",
)  # fmt: skip
#: What columns of a table with a row per answer are called, the likeliest first.
_NAMES = {
    "problem": (
        "problem", "problemid", "question", "questionid", "qid", "item", "itemid", "task", "taskid", "variable",
        "frage", "pregunta", "vraag", "domanda",
    ),
    "participant": (*_ID_NAMES, "worker", "agent", "agentid", "teilnehmer", "befragter"),
    "response": (
        "response", "answer", "rating", "value", "score", "choice", "reply", "output", "completion", "antwort",
        "respuesta", "antwoord", "risposta",
    ),
}  # fmt: skip
#: "output.answer": a key within a key.
_WITHIN = re.compile(r"[^\W\d]\w*(?:\.\w+)+")
#: How empty cells of a wide table's questions are counted.
_BLANK = "no answer in a wide table"
#: How rows of sums and means are called.
_SUMS = {
    "total", "totals", "grand total", "sum", "mean", "average", "avg", "median", "sd", "std", "gesamt", "summe",
    "mittelwert", "durchschnitt", "moyenne", "somme", "promedio", "media", "totaal", "gemiddelde",
}  # fmt: skip
#: Rows at a table's end among which they are looked for.
_LAST = 50


@dataclass(frozen=True)
class Reading:
    """How a caller says that a table is to be read; by default it is found out.

    Attributes:
        wide: whether it has a row per person and a column per question.
        questions: names of a wide table's questions, or patterns such as "Q*".
        id_column: the column of a wide table that names the people.
        where: conditions that rows must meet, for instance "country=DE".
        known: names of questions from another table; a wide table's columns of these names are its questions.
        labels: numbers for answers in words, as :func:`crowdllm_stats.data.labels.label_numbers` takes them.
    """

    wide: bool | None = None
    questions: Sequence[str] = ()
    id_column: str | None = None
    where: Sequence[str] = ()
    known: Sequence[str] = ()
    labels: Labels | None = None


@dataclass(frozen=True, eq=False)
class Shaped:
    """A table with one row per answer.

    Attributes:
        frame: the table; of a wide one, with the columns problem, participant, response, then the others.
        notes: sentences on what was found out.
        exclusions: how many rows or cells were left out, by reason.
        wide: whether the table was wide.
        outside: ids of people of whom no row meets the conditions.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    exclusions: Mapping[str, int] = field(default_factory=dict)
    wide: bool = False
    outside: frozenset[str] = frozenset()


def shaped(
    opened: Opened, source: str, reading: Reading = Reading(), columns: Mapping[str, str] | None = None
) -> Shaped:
    """The table with one row per answer; its rows meet all conditions.

    A table without a column for the problem and the answer is wide where its questions are found: those named by the
    caller, by another table, or columns whose names differ in a number alone ("Q1", "Q2") and that hold numbers or
    steps of agreement. An empty cell of a wide table is a question that was not answered: it is counted.

    Args:
        opened: the table as it was read.
        source: how messages name it.
        reading: what the caller said about it.
        columns: our names to the table's.

    Raises:
        ValueError: on a condition, question or id column that is not there, ids that are there twice, or a table that
            is said to be wide and whose questions are not found.

    Example:
        >>> table = pd.DataFrame({"id": ["ann", "bob"], "age": ["31", "47"], "Q1": ["4", "5"], "Q2": ["2", ""]})
        >>> found = shaped(Opened(table, "CSV"), "a.csv")
        >>> found.frame["response"].tolist(), found.exclusions
        (['4', '5', '2'], {'no answer in a wide table': 1})
    """
    names = list(map(str, opened.frame.columns))
    given = columns or {}
    long = [ours for ours in ("problem", "response") if column_named(given.get(ours, ours), names) is not None]
    wide = reading.wide if reading.wide is not None else not long and not {"problem", "response"} & set(given)
    if wide:
        opened = with_one_header(replace(opened, frame=opened.frame.set_axis(names, axis=1)))
    whole = opened.frame
    questions = _questions(opened.frame, source, reading) if wide else []
    if not set(questions) & set(reading.known):
        opened, questions = _by_last_name(opened, questions)
    opened, exclusions = _meeting(opened, source, reading.where)
    answers = column_named(given.get("response", "response"), names)
    asked = questions or ([answers] if answers else [])
    for name in asked:
        if reading.labels is not None and opened.labels.get(name):
            refuse_contrary(opened.labels[name], reading.labels, f"{source}: {name}")
    opened = _without_unanswered(opened, asked)
    if wide:
        if questions:
            person = _person(opened, source, reading, given.get("participant"), questions)
            _refuse_sums(opened.frame, person, source)
            found = _long(opened, source, questions, person, exclusions, bool(reading.questions))
            return replace(found, outside=_outside(whole, opened.frame, person))
        if reading.wide or reading.questions:
            raise _no_questions(source, names)
    column = column_named(given.get("participant", "participant"), names)
    if column is not None:
        _refuse_sums(opened.frame, column, source)
    return Shaped(opened.frame, opened.notes, exclusions, outside=_outside(whole, opened.frame, column))


def _by_last_name(opened: Opened, questions: list[str]) -> tuple[Opened, list[str]]:
    """Questions within one key ("answers.q1") by their own names ("q1"), where these differ from all others."""
    before = {name.rpartition(".")[0] for name in questions if _WITHIN.fullmatch(name)}
    short = {name: name.rpartition(".")[2] for name in questions}
    others = {str(name).casefold() for name in opened.frame.columns} - {name.casefold() for name in questions}
    taken = (others | {*OURS, "repeat"}) & {name.casefold() for name in short.values()}
    if len(before) != 1 or not all(map(_WITHIN.fullmatch, questions)) or taken:
        return opened, questions
    return replace(opened, frame=opened.frame.rename(columns=short)), list(short.values())


def _without_unanswered(opened: Opened, asked: Sequence[str]) -> Opened:
    """The table with empty cells in place of numbers that the file's labels say are no answer, which is said."""
    frame, found, count = opened.frame, dict[str, None](), 0
    for name in asked:
        means = opened.labels.get(name, {})
        codes = unanswered(means)
        gone = frame[name].isin(codes)
        if gone.any():
            count += int(gone.sum())
            found |= {f"{code:g} = {means[code]}": None for code in codes if (frame[name] == code).any()}
            frame = frame.assign(**{name: frame[name].where(~gone)})
    if not count:
        return opened
    note = f"Read as empty: {several(count, 'answer')} that the file's labels call none ({', '.join(list(found)[:4])})."
    return replace(opened, frame=frame).noting(note)


def unit_left_out(reason: str) -> str:
    """What is counted where something is left out: rows, or cells of a wide table.

    Example:
        >>> unit_left_out("no answer in a wide table"), unit_left_out("missing response")
        ('cell', 'row')
    """
    return "cell" if reason == _BLANK else "row"


def _outside(whole: pd.DataFrame, kept: pd.DataFrame, person: str | None) -> frozenset[str]:
    if person is None or len(whole) == len(kept):
        return frozenset()
    return frozenset(as_ids(whole[person], person).names) - frozenset(as_ids(kept[person], person).names)


def _meeting(opened: Opened, source: str, where: Sequence[str]) -> tuple[Opened, dict[str, int]]:
    if not where:
        return opened, {}
    keep = rows_where(opened.frame, where, opened.labels, source)
    if not keep.any():
        raise BadInput(f"none of the {len(keep)} rows of {source} meets {' and '.join(where)}", argument="where")
    gone = int((~keep).sum())
    kept = replace(opened, frame=opened.frame[keep].reset_index(drop=True))
    kept = kept.noting(*absent(opened.frame, where, opened.labels, source))
    return kept, {f"not where {' and '.join(where)}": gone} if gone else {}


def _questions(frame: pd.DataFrame, source: str, reading: Reading) -> list[str]:
    """Names of the columns that are questions; none where they cannot be told."""
    names = list(map(str, frame.columns))
    if reading.questions:
        return [name for name in named_questions(names, reading.questions, source) if name != reading.id_column]
    known = set(reading.known)
    words = set() if reading.labels is None else set(label_numbers(reading.labels))
    return [name for name in names if name in known] or questions_told(frame, words, reading.id_column)


def _no_questions(source: str, names: list[str]) -> BadInput:
    text = f"{source}: which columns are the questions is not clear; the columns there are {some(names, 12)}"
    return BadInput(text, python="name them with questions=['Q*']", command="name them with --questions 'Q*'")


def _person(
    opened: Opened, source: str, reading: Reading, given: str | None, questions: Sequence[str]
) -> str:  # fmt: skip
    """The column that names the people."""
    frame = opened.frame
    names = [str(name) for name in frame.columns if name not in questions]
    wanted = reading.id_column or given
    if wanted is not None and (found := column_named(wanted, names)) is not None:
        _refuse_repeated(frame, found, source)
        return found
    if reading.id_column is not None:
        raise BadInput(f"{wanted!r}: {source} has no such column; it has {some(names, 12)}", argument="id_column")
    for name in called(_ID_NAMES, names):
        if _names_rows(frame[name]):
            return name
        if _names_most_rows(frame[name]):  # people who are there twice, or have no id: another column is no way out
            _refuse_repeated(frame, name, source)
            return name
    able = [name for name in names if _names_rows(frame[name])]
    text = f"{source}: which column names the people is not clear"
    hint = f" ({some(able, 6)} differ from row to row)" if able else ": none differs from row to row"
    raise BadInput(text + hint, python="name it with id_column='...'", command="name it with --id NAME")


def called(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """The columns that are called by one of these words, in their order; case, blanks and signs do not count.

    Of a name within a name ("output.answer"), the last one will do where no column has it alone.

    Example:
        >>> called(["participant", "responseid"], ["Response ID", "age", "participant"])
        ['participant', 'Response ID']
        >>> called(["answer"], ["output.answer"])
        ['output.answer']
    """
    bare = {re.sub(r"[^a-z0-9]", "", name.casefold()): name for name in reversed(names)}
    for name in names:
        if _WITHIN.fullmatch(name):
            bare.setdefault(re.sub(r"[^a-z0-9]", "", name.casefold().rpartition(".")[2]), name)
    return [bare[word] for word in words if word in bare]


def names_like_ours(columns: Sequence[str]) -> dict[str, str]:
    """Our names to those of the columns that seem to mean the same.

    Example:
        >>> names_like_ours(["question", "answer", "age"])
        {'problem': 'question', 'response': 'answer'}
    """
    return {ours: found[0] for ours, words in _NAMES.items() if (found := called(words, columns))}


def _names_rows(column: pd.Series) -> bool:
    codes, values = coded(column)
    return len(np.unique(codes)) == len(codes) and not any(str(value).strip() == "" for value in values)


def _names_most_rows(column: pd.Series) -> bool:
    codes, values = coded(column)
    blank = [place for place, value in enumerate(values) if str(value).strip() == ""]
    filled = codes[(codes >= 0) & ~np.isin(codes, blank)]
    return 2 * len(np.unique(filled)) > len(codes)


def _doubled(frame: pd.DataFrame, others: Sequence[str]) -> str:
    """A sentence where another column that names people has one of them on several rows."""
    for name in called(_ID_NAMES, list(map(str, others))):
        codes, values = coded(frame[name])
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        again = [str(value) for value, count in zip(values, counts, strict=True) if count > 1 and str(value).strip()]
        if again and _names_most_rows(frame[name]):
            return f" {name} {again[0]!r} is on several rows, which count as several people."
    return ""


def _refuse_sums(frame: pd.DataFrame, person: str, source: str) -> None:
    """Refuse a row of sums or means below (or above) those of people."""
    last = map(str, frame[person].iloc[-_LAST:])
    sums = [value for value in last if value.strip().rstrip(":").casefold() in _SUMS]
    if sums:
        raise BadInput(
            f"{source}: {person} {sums[0]!r} seems to be a row of sums or means, not a person",
            python=f"leave it out with where=[{f'{person}!={sums[0]}'!r}], or rename this person",
            command=f"leave it out with --where '{person}!={sums[0]}', or rename this person",
        )


def _refuse_repeated(frame: pd.DataFrame, name: str, source: str) -> None:
    codes, values = coded(frame[name])
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    if len(counts) and counts.max() > 1 and str(values[int(counts.argmax())]).strip():
        raise BadInput(
            f"{source}: {name} {str(values[int(counts.argmax())])!r} is on {int(counts.max())} rows, and a wide table "
            "has one row per person",
            python="keep one of them, for instance with where=['Finished=1'], or name another id_column",
            command="keep one of them, for instance with --where Finished=1, or name another column with --id",
        )


def _long(
    opened: Opened, source: str, questions: list[str], person: str, exclusions: dict[str, int], told: bool
) -> Shaped:
    """One row per answer; ``told`` says whether the caller named the questions."""
    frame = opened.frame
    people, width = len(frame), len(questions)
    others = [name for name in frame.columns if name not in (*questions, person)]
    taken = [name for name in others if str(name).casefold() in (*OURS, "repeat")]
    if taken:
        raise ValueError(f"{source}: column {taken[0]!r} has a name that is needed for the answers; rename it")
    cells = pd.concat([_as_text(frame[name]) for name in questions], ignore_index=True)
    filled = (cells.str.strip() != "").to_numpy()
    rows = np.flatnonzero(filled)
    at = rows % people
    table = {
        "problem": pd.Categorical.from_codes(rows // people, categories=pd.Index(questions)),
        "participant": frame[person].iloc[at].reset_index(drop=True),
        "response": cells[filled].reset_index(drop=True).astype("category"),
    }
    if "text" not in others and any(name in opened.texts for name in questions):
        table["text"] = pd.Series([opened.texts.get(name, "") for name in questions]).iloc[rows // people].to_numpy()
    table |= {str(name): frame[name].iloc[at].reset_index(drop=True) for name in others if str(name) not in table}
    if not len(rows):
        raise ValueError(f"{source}: all cells of the questions are empty; at least one answer is needed")
    shown = ", ".join(questions[:3]) + (f" ... {questions[-1]}" if width > 3 else "")
    note = f"{source} is a wide table: {several(people, 'row')} ({person}), {several(width, 'question')} ({shown})."
    note += _doubled(frame, others)
    rest = [] if told else [name for name in map(str, others) if stem_of(name) is not None]
    boxes = boxes_among(rest, frame)
    idle = [name for name in rest if stem_of(name) in QUESTION and name not in boxes]
    if boxes:
        note += (
            " Not taken for questions, as they look like boxes to tick, of which an empty one is an answer: "
            f"{some([name for name in rest if name in boxes], 4)}; write 0 there to use them."
        )
    if idle:
        note += f" Not taken for questions, as they hold neither few numbers nor known labels: {some(idle, 4)}."
    note += _meanings(opened, questions)
    blank = people * width - len(rows)
    if blank:
        exclusions = {**exclusions, _BLANK: blank}
    return Shaped(pd.DataFrame(table), (*opened.notes, note), exclusions, wide=True)


def _meanings(opened: Opened, questions: list[str]) -> str:
    """What the file says that answers mean, for each of the first three ways in which its questions are labelled."""
    first: dict[str, str] = {}
    for name in questions:
        meant = ", ".join(f"{value:g} = {text}" if isinstance(value, float) else f"{value} = {text}"
                          for value, text in list(opened.labels.get(name, {}).items())[:8])  # fmt: skip
        if meant:
            first.setdefault(meant, name)
    if len(first) == 1:
        return f" The file says what answers mean: {next(iter(first))}."
    parts = [f"from {name} on, {meant}" for meant, name in list(first.items())[:3]]
    more = "; ..." if len(first) > 3 else ""
    return (
        f" The file says what answers mean, not the same for all questions: {'; '.join(parts)}{more}." if parts else ""
    )


def _as_text(column: pd.Series) -> pd.Series:
    """The cells as texts, whole numbers without decimals."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return column.astype("str").where(column.notna(), "")
    numbers = column.astype(float)
    return numbers.map(lambda value: "" if np.isnan(value) else f"{value:.0f}" if value.is_integer() else repr(value))
