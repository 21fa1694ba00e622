"""What the page shows, computed in the process of :mod:`calculator` from the files and the choices; plain values out.

Heavy modules load inside the functions: the page's own process knows these types and never loads them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crowdllm_stats._base.messages import for_command, said
from crowdllm_stats.data.layout import OURS, column_named
from crowdllm_stats.report.page.choices import SIDES, Choices
from crowdllm_stats.report.page.uploads import Study

if TYPE_CHECKING:
    import pandas as pd

    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.data.scale import Scale
    from crowdllm_stats.survey.first_look import Survey
    from crowdllm_stats.survey.result import SurveyResult

Row = dict[str, Any]

#: Tables that are kept in memory between two looks at the page.
_KEPT = 4

#: Places of the planner's curve.
_POINTS = 40


@dataclasses.dataclass(frozen=True)
class TableSeen:
    """What was understood of one file.

    Attributes:
        side: "human" or "digital".
        file: its name.
        columns: the columns there.
        used: our names to the file's, as far as they were found or chosen.
        lacking: our names without a column.
        rows: of the file.
        lines: what it holds, a line each.
        refused: why it cannot be read, in one line; empty where it can.
    """

    side: str
    file: str
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
    """

    tables: tuple[TableSeen, ...]
    looks: tuple[str, ...] = ()
    refused: str = ""

    @property
    def ready(self) -> bool:
        """Whether anything can be computed."""
        return not self.refused and not any(table.refused or table.lacking for table in self.tables)


@dataclasses.dataclass(frozen=True)
class Found:
    """A result of one of the functions on two tables, in the words of the command line.

    Attributes:
        rows: one per question.
        overall: the row over all questions, or None.
        excluded: question -> why it was left out.
        notices: what must be read before the numbers.
        notes: what was decided on the way.
        why: what the numbers rest on.
    """

    rows: Sequence[Row]
    overall: Row | None
    excluded: Mapping[str, str]
    notices: Sequence[str]
    notes: Sequence[str]
    why: str


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
    tables = tuple(_seen(study, side, choices) for side in SIDES if side in study.files)
    found = Understood(tables)
    if not found.ready:
        return found
    try:
        survey = _survey(study, choices)
        return Understood(tables, tuple(map(for_command, [*survey.coding, *survey.looks(paired=not choices.unpaired)])))
    except ValueError as error:
        return Understood(tables, refused=said(error).command)


def intervals(study: Study, choices: Choices) -> Found:
    """An interval for every question, with that from the human answers alone beside it."""
    from crowdllm_stats.survey.intervals import interval_from

    human, digital = _tables(study, choices)
    level = choices.number("level")
    found = interval_from(
        human, digital, match=choices.profile(), unpaired=choices.unpaired, as_given=True, level=level
    )
    alone = found if digital is None else interval_from(human, level=level)
    ends = {row["problem"]: row for row in [*alone.rows, *alone.summary]}
    for row in [*found.rows, *found.summary]:
        other = ends.get(row["problem"], {})
        row |= {f"alone_{name}": other.get(name) for name in ("lower", "upper")}
    return _plain(found)


def decisions(study: Study, choices: Choices) -> Found:
    """Whether the digital population is no worse than asking the bare LLM once, question by question."""
    from crowdllm_stats.survey.decisions import safe_decision_from

    human, digital = _tables(study, choices)
    if digital is None:
        raise ValueError("this takes digital answers; there are human ones alone")
    plain = study.files.get("reference")
    return _plain(
        safe_decision_from(
            human,
            digital,
            plain,
            reference_participant=choices.reference_participant or None,
            as_given=True,
            match=choices.profile(),
            level=choices.number("level"),
        )  # fmt: skip
    )


def plan(study: Study, choices: Choices) -> Found:
    """How many people a wanted half-width takes, and in ``rows`` the curve for a typical question."""
    import numpy as np

    from crowdllm_stats.inference.planner import half_width_alone, half_width_with_digital
    from crowdllm_stats.survey.plan import plan_from

    human, digital = _tables(study, choices)
    if digital is None:
        raise ValueError("this takes digital answers; there are human ones alone")
    level = choices.number("level")
    wanted = choices.number("half_width") if choices.half_width else _tenth(human)
    found = _plain(plan_from(human, digital, wanted, match=choices.profile(), as_given=True, level=level))
    typical = found.overall or {}
    counts = np.unique(np.round(np.geomspace(4, max(4.0 * typical["n_human_only"], 40.0), _POINTS)).astype(int))
    spread, correlation, further = (typical[name] for name in ("human_sd", "correlation", "n_digital"))
    curves = (
        half_width_alone(counts, spread, level),
        half_width_with_digital(counts, spread, correlation, further, level),
    )
    curve = [
        {"n": int(count), "alone": float(alone), "with_digital": float(min(alone, paired))}
        for count, alone, paired in zip(counts, *curves, strict=True)
    ]
    return dataclasses.replace(found, rows=curve)


def csv_of(study: Study, choices: Choices) -> bytes:
    """The intervals as a CSV file that a spreadsheet does not run."""
    import pandas as pd

    from crowdllm_stats.data.files import write_table

    found = intervals(study, choices)
    rows = [*found.rows, *([found.overall] if found.overall else [])]
    rows += [{"problem": problem, "note": f"excluded: {reason}"} for problem, reason in found.excluded.items()]
    place = study.folder / "intervals.csv"
    write_table(pd.DataFrame(rows), place)
    return place.read_bytes()


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
    file = study.files[side]
    try:
        frame = _frame(study.folder, file)
    except (ValueError, FileNotFoundError) as error:
        return TableSeen(side, file, refused=said(error).command)
    there = tuple(map(str, frame.columns))
    used = _columns(there, choices.columns(side))
    lacking = tuple(ours for ours in OURS if ours not in used)
    table = TableSeen(side, file, there, used, lacking, len(frame))
    if lacking:
        return table
    try:
        crowd = _crowd(study, side, choices)
    except ValueError as error:
        return dataclasses.replace(table, refused=said(error).command)
    return dataclasses.replace(table, lines=tuple(line.strip() for line in str(crowd).splitlines()[1:]))


def _columns(there: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Our names to columns that are there: the one chosen, or else the one called so."""
    found = {ours: column_named(chosen.get(ours, ours), there) for ours in OURS}
    return {ours: theirs for ours, theirs in found.items() if theirs is not None}


@lru_cache(maxsize=_KEPT)
def _frame(folder: Path, file: str) -> pd.DataFrame:
    from crowdllm_stats.data.files import read_table

    os.chdir(folder)  # messages then name the file as the person knows it, not where it lies
    return read_table(file)


def _crowd(study: Study, side: str, choices: Choices) -> CrowdData:
    used = _columns([str(name) for name in _frame(study.folder, study.files[side]).columns], choices.columns(side))
    return _assembled(
        study.folder, study.files[side], side, tuple(used.items()), choices.scale, choices.codes(),
        choices.drop_missing, choices.profile(),
    )  # fmt: skip


@lru_cache(maxsize=_KEPT)
def _assembled(
    folder: Path, file: str, side: str, columns: tuple[tuple[str, str], ...], scale: str, codes: tuple[float, ...],
    drop_missing: bool, profile: tuple[str, ...],
) -> CrowdData:  # fmt: skip
    from crowdllm_stats.data.assemble import Wishes, assemble
    from crowdllm_stats.data.crowd import CrowdData

    frame = _frame(folder, file)
    there = [str(name) for name in frame.columns]
    wishes = Wishes(
        scale=_scale(scale, side), columns=dict(columns), repeats="keep", problem_columns=[], missing_codes=codes,
        profile_columns=[found for one in profile if (found := column_named(one, there)) is not None],
        missing="drop" if drop_missing else "refuse",
    )  # fmt: skip
    return CrowdData(*assemble(frame, file, wishes))


def _scale(text: str, side: str) -> Scale | None:
    """The scale of one table: that which was written, for digital answers also between its levels."""
    from crowdllm_stats.data.scale import Scale
    from crowdllm_stats.survey.tables import digital_scale

    if not text:
        return None
    return digital_scale(text) if side == "digital" else Scale.parse(text)


def _survey(study: Study, choices: Choices) -> Survey:
    from crowdllm_stats.survey.first_look import open_survey

    human = _crowd(study, "human", choices)
    digital = _crowd(study, "digital", choices) if "digital" in study.files else None
    survey = open_survey(human, digital, match=choices.profile(), as_given=choices.as_given, unpaired=choices.unpaired)
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


def _plain(found: SurveyResult) -> Found:
    def values(row: Row) -> Row:
        return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in row.items()}

    return Found(
        [values(row) for row in found.rows],
        None if found.overall is None else values(found.overall),
        {problem: for_command(reason) for problem, reason in found.excluded.items()},
        [for_command(notice) for notice in found.notices],
        [for_command(note) for note in found.notes],
        for_command(found.why),
    )
