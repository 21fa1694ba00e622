"""What the page shows, computed in the process of :mod:`calculator` from the files and the choices; plain values out.

Heavy modules load inside the functions: the page's own process knows these types and never loads them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crowdllm_stats._base.messages import for_command, said
from crowdllm_stats.report.page.choices import OURS, SIDES, Choices
from crowdllm_stats.report.page.uploads import Study

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.data.formats.opened import Opened
    from crowdllm_stats.data.scale import Scale
    from crowdllm_stats.data.shape import Reading
    from crowdllm_stats.report.parts import Part
    from crowdllm_stats.survey.check import FilesChecked
    from crowdllm_stats.survey.first_look import Survey
    from crowdllm_stats.survey.result import SurveyResult

#: Tables that are kept in memory between two looks at the page.
_KEPT = 4


@dataclasses.dataclass(frozen=True)
class TableSeen:
    """What was understood of one file.

    Attributes:
        side: "human" or "digital".
        file: its name.
        kind: what it is, for instance "Excel".
        columns: the columns there.
        used: our names to the file's, as far as they were found or chosen.
        lacking: our names without a column.
        rows: of the file.
        lines: what it holds, a line each.
        refused: why it cannot be read, in one line; empty where it can.
    """

    side: str
    file: str
    kind: str = ""
    columns: tuple[str, ...] = ()
    used: Mapping[str, str] = dataclasses.field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    rows: int = 0
    lines: tuple[str, ...] = ()
    refused: str = ""


@dataclasses.dataclass(frozen=True)
class Understood:
    """What was understood of both files together.

    Attributes:
        tables: each file.
        looks: who is paired with whom, and whatever is suspicious.
        refused: why the two do not go together, in one line; empty where they do.
        doubts: what should be looked at before any number.
        sheets: role -> the sheets of an Excel file, or the tables in an archive, where there are several.
    """

    tables: tuple[TableSeen, ...]
    looks: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    refused: str = ""
    sheets: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether anything can be computed."""
        return not self.refused and not any(table.refused or table.lacking for table in self.tables)


@dataclasses.dataclass(frozen=True)
class Shown:
    """A part of the page.

    Attributes:
        part: as a report has it.
        command: the command line that gives the same.
    """

    part: Part
    command: str


def understood(study: Study, choices: Choices) -> Understood:
    """What is in the files, and whether they go together.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "human").mkdir()
        >>> _ = (folder / "human/a.csv").write_text("problem,participant,score\\nq,ann,4\\n", encoding="utf-8")
        >>> understood(Study("s", folder, {"human": "human/a.csv"}), Choices()).tables[0].lacking
        ('response',)
    """
    study = _on_sheets(study, choices)
    tables = tuple(_seen(study, side, choices) for side in SIDES if side in study.files)
    sheets = {role: _sheets(study.folder, file) for role, file in study.files.items()}
    found = Understood(tables, sheets={role: names for role, names in sheets.items() if len(names) > 1})
    if not found.ready:
        return found
    try:
        survey = _survey(study, choices)
    except ValueError as error:
        return dataclasses.replace(found, refused=said(error).command)
    looks = tuple(map(for_command, [*survey.coding, *survey.looks(paired=not choices.unpaired)]))
    doubts = _checked(study.folder, tuple(study.tables.values())).suspicious
    return dataclasses.replace(found, looks=looks, doubts=tuple(doubt for doubt in doubts if doubt not in looks))


def _on_sheets(study: Study, choices: Choices) -> Study:
    """The study with the sheets that were chosen.

    Raises:
        ValueError: on one that is not there.
    """
    for role, sheet in choices.sheets.items():
        if sheet not in _sheets(study.folder, study.files.get(role, "")):
            raise ValueError(f"the file of {role} answers has no sheet {sheet!r}")
    return dataclasses.replace(study, sheets=choices.sheets)


@lru_cache(maxsize=_KEPT)
def _sheets(folder: Path, file: str) -> tuple[str, ...]:
    """The sheets or packed tables of a file; none where it cannot be read, of which the table says why."""
    from crowdllm_stats.data.opening import parts_of

    os.chdir(folder)
    with suppress(ValueError):
        return parts_of(file)
    return ()


def proposed(study: Study, choices: Choices) -> dict[str, str]:
    """What can be found out of how the files, or the sheets of them, are to be read, as the query of a page.

    Raises:
        ValueError: if nothing can be.
    """
    study = _on_sheets(study, choices)
    found = _checked(study.folder, tuple(study.tables.values()))
    names = {field.name for field in dataclasses.fields(Choices)}
    options = {option.removeprefix("--").replace("-", "_"): value for option, value in found.options.items()}
    query = {name: value or "on" for name, value in options.items() if name in names and not name.endswith("_columns")}
    used = {one.file: one.used for one in found.files}
    for side in SIDES:
        for ours, theirs in used.get(study.tables.get(side, ""), {}).items():
            if theirs.casefold() != ours:
                query[f"{side}_{ours}"] = theirs
    return query


@lru_cache(maxsize=_KEPT)
def _checked(folder: Path, files: tuple[str, ...]) -> FilesChecked:
    from crowdllm_stats.survey.check import check_files

    os.chdir(folder)
    return check_files(files)


def shown(study: Study, choices: Choices, command: str) -> Shown:
    """What a report says of the two files by one command, "interval", "safe-interval" or "planner"."""
    from crowdllm_stats.report.keep import read_kept
    from crowdllm_stats.report.write import PARTS

    kept = read_kept(_kept(study, choices, command))
    return Shown(PARTS[command](kept.content), str(kept.manifest["command"]))


def report(study: Study, choices: Choices, commands: Sequence[str]) -> bytes:
    """The report of several commands as one HTML file; those that refuse these files are left out.

    Raises:
        ValueError: if all of them do.
    """
    from crowdllm_stats.report.write import write_report

    folders, refusals = [], []
    for command in commands:
        try:
            folders.append(_kept(study, choices, command))
        except ValueError as error:
            refusals.append(error)
    if not folders:
        raise refusals[0]
    place = study.folder / "report.html"
    write_report(folders, place, title=" with ".join(study.names[side] for side in SIDES if side in study.names))
    return place.read_bytes()


def drawing() -> str:
    """The JavaScript that draws pictures, the same as in a report.

    Loaded here, in the process that computes: the library that holds it would slow the server's start.
    """
    from crowdllm_stats.report.write import drawing_library

    return drawing_library()


def _kept(study: Study, choices: Choices, command: str) -> Path:
    """The folder with the results of a command, made where it is not there."""
    from crowdllm_stats._base.manifest import described_file
    from crowdllm_stats.report.keep import MARK, keep_results

    study = _on_sheets(study, choices)
    folder = study.folder / "kept" / hashlib.sha256(repr(choices).encode()).hexdigest()[:16] / command
    if (folder / MARK).exists():
        return folder
    human, digital = _tables(study, choices)
    if command == "planner" and not choices.half_width:
        choices = dataclasses.replace(choices, half_width=f"{_tenth(human):g}")
    os.chdir(study.folder)  # a manifest then names the files as the person knows them
    found = {"interval": _interval, "safe-interval": _safe, "planner": _planner}[command](
        study, choices, human, digital, choices.number("level")
    )
    keep_results(
        folder, found, command=command, human=human, digital=digital, settings=choices.settings(),
        arguments=choices.arguments(command, study.names), inputs=[described_file(Path(file)) for file in
                                                                   study.files.values()],
    )  # fmt: skip
    return folder


def _interval(
    study: Study, choices: Choices, human: CrowdData, digital: CrowdData | None, level: float
) -> SurveyResult:
    from crowdllm_stats.survey.intervals import interval_from

    return interval_from(human, digital, match=choices.profile(), unpaired=choices.unpaired, as_given=True, level=level)


def _safe(study: Study, choices: Choices, human: CrowdData, digital: CrowdData | None, level: float) -> SurveyResult:
    from crowdllm_stats.survey.decisions import safe_decision_from

    assert digital is not None
    return safe_decision_from(
        human, digital, _plain(study, choices), reference_participant=choices.reference_participant or None,
        match=choices.profile(), as_given=True, level=level,
    )  # fmt: skip


def _plain(study: Study, choices: Choices) -> CrowdData | None:
    """The plain answers of the LLM, where there is a file of them."""
    from crowdllm_stats.data.assemble import Wishes
    from crowdllm_stats.data.shape import Reading, names_like_ours
    from crowdllm_stats.survey.plain_answers import from_table

    if "reference" not in study.files:
        return None
    frame = _opened(study.folder, study.tables["reference"]).frame
    used = names_like_ours([str(name) for name in frame.columns])
    named = frame.rename(columns={theirs: ours for ours, theirs in used.items()})
    wishes = Wishes(
        missing="drop" if choices.drop_missing else "refuse", missing_codes=choices.codes(),
        reading=Reading(labels=choices.reading("digital").labels),
    )  # fmt: skip
    return from_table(named, study.tables["reference"], wishes)


def _planner(study: Study, choices: Choices, human: CrowdData, digital: CrowdData | None, level: float) -> SurveyResult:
    from crowdllm_stats.survey.plan import plan_from

    assert digital is not None
    return plan_from(human, digital, choices.number("half_width"), match=choices.profile(), as_given=True, level=level)


def write_example(folder: Path) -> dict[str, str]:
    """The shipped example as files, role -> path."""
    from crowdllm_stats.data import load_example
    from crowdllm_stats.data.files import write_table

    example = load_example()
    tables = {role: getattr(example, role).responses for role in ("human", "digital", "reference")}
    for role, table in tables.items():
        (folder / role).mkdir(parents=True)
        write_table(table, folder / role / f"{role}.csv")
    return {role: f"{role}/{role}.csv" for role in tables}


def _seen(study: Study, side: str, choices: Choices) -> TableSeen:
    file = study.tables[side]
    try:
        opened = _opened(study.folder, file)
    except (ValueError, FileNotFoundError) as error:
        return TableSeen(side, file, refused=said(error).command)
    columns = tuple(map(str, opened.frame.columns))
    table = TableSeen(side, file, opened.kind, columns, rows=len(opened.frame), lines=opened.notes)
    try:
        read = _read(study, side, choices)
        table = dataclasses.replace(table, used=read.used, lacking=read.lacking)
        if read.data is None:
            return table
    except ValueError as error:
        return dataclasses.replace(table, refused=said(error).command)
    lines = [line.strip() for line in str(read.data).splitlines()[1:]]
    return dataclasses.replace(table, lines=(*lines, *read.data.notes))


@lru_cache(maxsize=_KEPT)
def _opened(folder: Path, file: str) -> Opened:
    from crowdllm_stats.data.opening import open_table

    os.chdir(folder)  # messages then name the file as the person knows it, not where it lies
    return open_table(file)


class _Read(NamedTuple):
    """A table as far as it could be read: our names to its columns, those it lacks, and people left out of it."""

    data: CrowdData | None
    used: Mapping[str, str]
    lacking: tuple[str, ...] = ()
    outside: frozenset[str] = frozenset()


def _read(study: Study, side: str, choices: Choices) -> _Read:
    known: tuple[str, ...] = ()
    if side == "digital":
        with suppress(ValueError, FileNotFoundError):  # said of the human table
            human = _read(study, "human", choices).data
            known = () if human is None else tuple(human.problems["problem"])
    return _assembled(
        study.folder, study.tables[side], side, tuple(choices.columns(side).items()), choices.scale, choices.codes(),
        choices.drop_missing, choices.profile(), choices.reading(side, known),
    )  # fmt: skip


@lru_cache(maxsize=_KEPT)
def _assembled(
    folder: Path, file: str, side: str, chosen: tuple[tuple[str, str], ...], scale: str,
    codes: tuple[float | str, ...], drop_missing: bool, profile: tuple[str, ...], reading: Reading,
) -> _Read:  # fmt: skip
    from crowdllm_stats.data.assemble import Wishes, assemble
    from crowdllm_stats.data.conditions import applicable
    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.data.layout import column_named
    from crowdllm_stats.data.shape import shaped

    opened = _opened(folder, file)
    if side == "digital":
        columns = list(map(str, opened.frame.columns))
        reading = dataclasses.replace(reading, where=tuple(applicable(reading.where, columns)))
    table = shaped(opened, file, reading, dict(chosen))
    there = [str(name) for name in table.frame.columns]
    given = {ours: column_named(dict(chosen).get(ours, ours), there) for ours in OURS}
    used = {} if table.wide else {ours: theirs for ours, theirs in given.items() if theirs is not None}
    lacking = () if table.wide else tuple(ours for ours in OURS if ours not in used)
    if lacking:
        return _Read(None, used, lacking)
    wishes = Wishes(
        scale=_scale(scale, side), columns=None if table.wide else used, repeats="keep", problem_columns=[],
        profile_columns=[found for one in profile if (found := column_named(one, there)) is not None],
        missing="drop" if drop_missing else "refuse", missing_codes=codes, reading=reading,
    )  # fmt: skip
    return _Read(CrowdData(*assemble(table, file, wishes)), used, outside=table.outside)


def _scale(text: str, side: str) -> Scale | None:
    """The scale of one table: that which was written, for digital answers also between its levels."""
    from crowdllm_stats.data.scale import Scale
    from crowdllm_stats.survey.tables import digital_scale

    if not text:
        return None
    return digital_scale(text) if side == "digital" else Scale.parse(text)


def _survey(study: Study, choices: Choices) -> Survey:
    from crowdllm_stats.survey.first_look import open_survey
    from crowdllm_stats.survey.tables import without_people

    people, digital = _read(study, "human", choices), None
    if "digital" in study.files:
        digital = _read(study, "digital", choices).data
    if people.data is None or ("digital" in study.files and digital is None):
        raise ValueError("choose the columns first")
    if digital is not None and not choices.match:
        digital = without_people(digital, people.outside)
    survey = open_survey(
        people.data, digital, match=choices.profile(), as_given=choices.as_given, unpaired=choices.unpaired
    )
    if digital is not None and not choices.unpaired:
        survey.refuse_strangers()
    return survey


def _tables(study: Study, choices: Choices) -> tuple[CrowdData, CrowdData | None]:
    """Both tables as numbers, refused as :func:`understood` refuses them."""
    survey = _survey(study, choices)
    return survey.human, survey.digital if "digital" in study.files else None


def _tenth(human: CrowdData) -> float:
    """A half-width to begin with: a tenth of the scale, to two digits."""
    answers = human.responses["response"]
    low, high = human.scale.bounds or (float(answers.min()), float(answers.max()))
    return float(f"{(high - low) / 10.0 or 0.1:.2g}")
