"""Problems, participants and their answers: the one table type that human and digital answers share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats.data.assemble import Missing, Repeats, Wishes, assemble
from crowdllm_stats.data.files import suffix_of, write_table
from crowdllm_stats.data.ids import as_ids
from crowdllm_stats.data.labels import Labels
from crowdllm_stats.data.layout import OURS, of_ballots, to_ballots, with_our_names
from crowdllm_stats.data.opening import open_table
from crowdllm_stats.data.scale import (
    BALLOT_MARK,
    Scale,
    approval,
    as_scale,
    categorical,
    continuous,
    ordinal,
)
from crowdllm_stats.data.shape import Reading
from crowdllm_stats.data.summary import summary

__all__ = ["CrowdData", "Scale", "Split", "approval", "categorical", "continuous", "ordinal"]


@dataclass(frozen=True, eq=False)
class CrowdData:
    """Answers of people, real or digital, to problems; checked when built, not to be changed afterwards.

    Build one with :meth:`from_frame` or :meth:`read`.

    Ids are text: a number 1 or 1.0 becomes "1", and so does the text "1.0" where all ids of a column are such numbers;
    whitespace at an end is taken off. Other text stays exactly as it is ("007" keeps its zeros, Unicode its form).
    Messages count data rows from 1, the header not counted.

    Attributes:
        responses: one row per answer, columns ``problem``, ``participant``, ``response`` (float on a numeric scale,
            text on a categorical one, a tuple of options on ballots), and ``repeat`` (0, 1, ...) if repeats were kept.
        participants: one row per participant, ``participant`` and the profile columns.
        problems: one row per problem, ``problem`` and whatever else is known of it.
        scale: what answers can be.
        exclusions: how many rows were left out on request, by reason.
        notes: sentences on what had to be found out about the file.

    Example:
        >>> frame = pd.DataFrame({"problem": [1, 1, 2], "participant": ["ann", "bob", "ann"],
        ...                       "response": [4, 5, 3], "age": [31, 47, 31]})
        >>> data = CrowdData.from_frame(frame, scale=ordinal([1, 2, 3, 4, 5]))
        >>> print(data)
        CrowdData
          2 problems, 2 participants, 3 responses
          1 to 2 responses per problem (median 1.5), 1 to 2 per participant
          scale: ordinal 1, 2, 3, 4, 5 (answers from 3 to 5, mean 4)
          profile age: 31 (1), 47 (1)
    """

    responses: pd.DataFrame
    participants: pd.DataFrame
    problems: pd.DataFrame
    scale: Scale
    exclusions: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def from_frame(
        cls,
        responses: pd.DataFrame,
        *,
        participants: pd.DataFrame | str | os.PathLike[str] | None = None,
        problems: pd.DataFrame | str | os.PathLike[str] | None = None,
        scale: Scale | str | None = None,
        columns: Mapping[str, str] | None = None,
        profile_columns: Sequence[str] | None = None,
        problem_columns: Sequence[str] | None = None,
        repeats: Repeats = "refuse",
        missing: Missing = "refuse",
        missing_codes: Sequence[float | str] = (),
        labels: Labels | None = None,
        wide: bool | None = None,
        questions: Sequence[str] = (),
        id_column: str | None = None,
        where: Sequence[str] = (),
    ) -> CrowdData:
        """Build from a long table, one row per answer.

        Args:
            responses: columns problem, participant, response, and any others. An other column with one value for every
                participant becomes a profile column, one with one value for every problem a problem column.
            participants: a table (or file) of profiles, at least all participants of the responses.
            problems: a table (or file) of problems, at least all problems of the responses.
            scale: what answers can be: a Scale, or a text as ``--scale`` takes it on the command line, "1:5" (any
                number between), "1,2,3,4,5" (these numbers) or "yes,no" (words); without it, any number.
            columns: our names to yours, for instance ``{"problem": "instance_id"}``.
            profile_columns: the columns of ``responses`` to keep as profile; once this or ``problem_columns`` is given,
                columns named in neither are left out.
            problem_columns: the columns of ``responses`` to keep for problems.
            repeats: "keep" allows several answers of a participant to a problem and numbers them in ``repeat``.
            missing: "drop" leaves out rows without response, problem or participant, and counts them.
            missing_codes: numbers and words that stand for a missing answer, for instance (77, 88, "don't know"); rows
                with them are left out and counted. Without ``scale``, whole numbers far outside all other answers to
                their problem that repeat are refused until they are named here or the scale is declared.
            labels: numbers for answers in words: "likert5" or "likert7" (steps of agreement), a file with the columns
                label and value, "Never=1,Often=3", or a mapping.
            wide: whether the table has a row per person and a column per question; found out by default. An empty cell
                of a wide table is a question that was not answered; it is counted.
            questions: names of a wide table's questions, or patterns such as "Q*"; found out by default.
            id_column: the column of a wide table that names the people; found out by default.
            where: conditions that rows must meet, for instance ["country=DE|AT", "age>=18"]; the others are counted.

        Returns:
            CrowdData.

        Raises:
            ValueError: in one line naming column, count, rows and remedy: missing columns or values, text among
                numbers, infinities, answers off the scale, unknown options, duplicates, conflicting profiles, a scale
                that is not understood.
            FileNotFoundError: if ``participants`` or ``problems`` names no file.

        Example:
            >>> frame = pd.DataFrame({"item": [1, 2], "who": ["ann", "ann"], "rating": [4.5, 3.0]})
            >>> names = {"problem": "item", "participant": "who", "response": "rating"}
            >>> CrowdData.from_frame(frame, columns=names).responses["problem"].tolist()
            ['1', '2']
        """
        if not isinstance(responses, pd.DataFrame):
            raise ValueError(
                f"responses must be a pandas DataFrame, got {type(responses).__name__}; for files use read()"
            )
        wishes = Wishes(
            participants, problems, scale, columns, profile_columns, problem_columns, repeats, missing, missing_codes,
            Reading(wide, questions, id_column, where, labels=labels),
        )  # fmt: skip
        return cls(*assemble(responses, "responses", wishes))

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        *,
        participants: pd.DataFrame | str | os.PathLike[str] | None = None,
        problems: pd.DataFrame | str | os.PathLike[str] | None = None,
        scale: Scale | str | None = None,
        columns: Mapping[str, str] | None = None,
        profile_columns: Sequence[str] | None = None,
        problem_columns: Sequence[str] | None = None,
        repeats: Repeats = "refuse",
        missing: Missing = "refuse",
        missing_codes: Sequence[float | str] = (),
        labels: Labels | None = None,
        wide: bool | None = None,
        questions: Sequence[str] = (),
        id_column: str | None = None,
        where: Sequence[str] = (),
    ) -> CrowdData:
        """Build from a file: CSV, TSV, Parquet, JSON, JSON lines, Excel, SPSS, Stata, or text packed as .gz or .zip.

        Arguments are as in :meth:`from_frame`. What had to be found out about the file is in ``notes``.

        Returns:
            CrowdData.

        Raises:
            ValueError: as :meth:`from_frame`, and on a file that is empty, cut off, not UTF-8 or cannot be parsed.
            FileNotFoundError: if there is no such file.

        Example:
            >>> import tempfile
            >>> place = Path(tempfile.mkdtemp()) / "ratings.csv"
            >>> _ = place.write_text("problem,participant,response\\n007,ann,4\\n", encoding="utf-8")
            >>> CrowdData.read(place).problems["problem"].tolist()
            ['007']
            >>> print(CrowdData.read(place, scale="1:5").scale)
            continuous 1 to 5
        """
        wishes = Wishes(
            participants, problems, scale, columns, profile_columns, problem_columns, repeats, missing, missing_codes,
            Reading(wide, questions, id_column, where, labels=labels),
        )  # fmt: skip
        return cls(*assemble(open_table(path), os.fspath(path), wishes))

    def select(self, *, problems: Iterable[Any] | None = None, participants: Iterable[Any] | None = None) -> CrowdData:
        """The answers of some participants to some problems; a table whose ids are not chosen stays whole.

        Returns:
            CrowdData.

        Raises:
            ValueError: on ids that are not in the data, or if no answer is left.

        Example:
            >>> frame = pd.DataFrame({"problem": [1, 2], "participant": ["ann", "bob"], "response": [4, 5]})
            >>> CrowdData.from_frame(frame).select(problems=["2"]).responses["participant"].tolist()
            ['bob']
        """
        responses = self.responses
        tables = {"problem": self.problems, "participant": self.participants}
        for name, chosen in (("problem", problems), ("participant", participants)):
            if chosen is None:
                continue
            wanted = as_ids(pd.Series(list(chosen), dtype=object), f"{name}s")
            unknown = sorted(set(wanted.names.tolist()) - set(tables[name][name]))
            if unknown:
                raise ValueError(f"{name}s: {len(unknown)} not in the data, for instance {unknown[0]!r}")
            tables[name] = tables[name][tables[name][name].isin(wanted.names)].reset_index(drop=True)
            responses = responses[responses[name].isin(wanted.names)]
        if responses.empty:
            raise ValueError("no response is left after this selection; choose other problems or participants")
        return CrowdData(responses.reset_index(drop=True), tables["participant"], tables["problem"], self.scale,
                         dict(self.exclusions))  # fmt: skip

    def split_participants(self, fraction: float, seed: int) -> Split:
        """Hold out a share of the participants with all their answers.

        Args:
            fraction: share of the participants that goes to ``test``, rounded to at least one on each side.
            seed: of ``np.random.default_rng``.

        Returns:
            Split, with both tables of problems whole.

        Raises:
            ValueError: if ``fraction`` is not in (0, 1), or a side is left without answers.

        Example:
            >>> from crowdllm_stats import load_example
            >>> split = load_example().human.split_participants(0.2, seed=1)
            >>> len(split.train.participants), len(split.test.participants)
            (48, 12)
        """
        train, test = _halves(self.participants["participant"], fraction, seed)
        return Split(self.select(participants=train), self.select(participants=test))

    def split_problems(self, fraction: float, seed: int) -> Split:
        """Hold out a share of the problems with all their answers; as :meth:`split_participants`.

        Returns:
            Split, with both tables of participants whole.

        Raises:
            ValueError: if ``fraction`` is not in (0, 1), or a side is left without answers.

        Example:
            >>> from crowdllm_stats import load_example
            >>> split = load_example().human.split_problems(0.25, seed=1)
            >>> len(split.train.problems), len(split.test.problems)
            (9, 3)
        """
        train, test = _halves(self.problems["problem"], fraction, seed)
        return Split(self.select(problems=train), self.select(problems=test))

    def to_frame(self) -> pd.DataFrame:
        """The long table with profiles and problem columns joined to every answer.

        Returns:
            One row per answer, in the order of ``responses``: its columns, then those of profiles, then those of
            problems.
            People and problems without an answer have no row.

        Example:
            >>> frame = pd.DataFrame({"problem": [1, 1], "participant": ["ann", "bob"], "response": [4, 5],
            ...                       "age": [31, 47]})
            >>> CrowdData.from_frame(frame).to_frame().columns.tolist()
            ['problem', 'participant', 'response', 'age']
        """
        joined = self.responses.merge(self.participants, on="participant", how="left", validate="many_to_one")
        return joined.merge(self.problems, on="problem", how="left", validate="many_to_one")

    def write(self, path: str | os.PathLike[str], *, keep_formulas: bool = False) -> None:
        """Write the long table as .csv, .csv.gz or .parquet, for :meth:`read`: in full or not at all.

        In CSV, ballots are joined by "|", and an apostrophe stands before every text that a spreadsheet would run as a
        formula ("=1+1", but not "-1"); :meth:`read` takes it off.

        Args:
            path: where to.
            keep_formulas: write such texts as they are, for programs that are not spreadsheets.

        Raises:
            ValueError: on another file type, and if participants or problems without answers would be lost.
            FileNotFoundError: if the folder does not exist.
            OSError: if it could not be written; a former file stays.
        """
        for table, name in ((self.participants, "participant"), (self.problems, "problem")):
            lost = len(table) - self.responses[name].nunique()
            if lost:
                raise ValueError(
                    f"{lost} {name}(s) without a response would be lost in one long table; write data.responses and "
                    f"data.{name}s to files of their own and read them back with {name}s="
                )
        frame = self.to_frame()
        if self.scale.kind == "approval" and suffix_of(Path(path)) != ".parquet":
            frame["response"] = [BALLOT_MARK.join(ballot) for ballot in frame["response"]]
        write_table(frame, path, keep_formulas=keep_formulas)

    def to_crowdkit(self) -> pd.DataFrame:
        """The answers with Crowd-Kit's columns ``task``, ``worker``, ``label``.

        Crowd-Kit labels are single, so an approval ballot becomes one row per option: task "problem|option", label 1 if
        the option is on the ballot, else 0. Repeats become several rows of one worker.

        Example:
            >>> frame = pd.DataFrame({"problem": [1], "participant": ["ann"], "response": [4]})
            >>> CrowdData.from_frame(frame).to_crowdkit().to_dict("list")
            {'task': ['1'], 'worker': ['ann'], 'label': [4.0]}
        """
        frame = self.responses[list(OURS)].rename(columns=dict(zip(OURS, ("task", "worker", "label"), strict=True)))
        return of_ballots(frame, self.scale) if self.scale.kind == "approval" else frame

    @classmethod
    def from_crowdkit(
        cls,
        labels: pd.DataFrame,
        *,
        scale: Scale | str | None = None,
        repeats: Repeats = "refuse",
        missing: Missing = "refuse",
    ) -> CrowdData:
        """Build from Crowd-Kit's columns ``task``, ``worker``, ``label``; ballots as :meth:`to_crowdkit` writes them.

        Returns:
            CrowdData.

        Raises:
            ValueError: as :meth:`from_frame`.

        Example:
            >>> labels = pd.DataFrame({"task": ["t1"], "worker": ["w1"], "label": [1]})
            >>> CrowdData.from_crowdkit(labels).responses["response"].tolist()
            [1.0]
        """
        names = dict(zip(OURS, ("task", "worker", "label"), strict=True))
        scale = as_scale(scale)
        if scale.kind == "approval":
            labels = to_ballots(with_our_names(labels, names, OURS, "labels")).rename(columns=names)
        return cls.from_frame(labels, scale=scale, columns=names, repeats=repeats, missing=missing)

    def __eq__(self, other: object) -> bool:
        """Same scale, answers in the same order, and tables up to row order; exclusions and notes are not compared."""
        if not isinstance(other, CrowdData):
            return NotImplemented
        return (
            self.scale == other.scale
            and self.responses.equals(other.responses)
            and _sorted(self.participants).equals(_sorted(other.participants))
            and _sorted(self.problems).equals(_sorted(other.problems))
        )

    __hash__ = None  # type: ignore[assignment]  # tables can be changed, so equal ones may differ later

    def __str__(self) -> str:
        return summary(self.responses, self.participants, self.problems, self.scale, self.exclusions)

    __repr__ = __str__


@dataclass(frozen=True)
class Split:
    """The two sides of a split by participants or problems; every answer stands on exactly one side.

    Attributes:
        train: the rest, to fit on.
        test: the share ``fraction`` that was held out.
    """

    train: CrowdData
    test: CrowdData


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(table.columns[0], ignore_index=True)


def _halves(ids: pd.Series, fraction: float, seed: int) -> tuple[list[str], list[str]]:
    if not 0.0 < fraction < 1.0:
        raise ValueError(
            f"fraction must lie strictly between 0 and 1, got {fraction!r}; it is the share held out in test"
        )
    if len(ids) < 2:
        raise ValueError(f"there is only {len(ids)} {ids.name}, nothing to split")
    size = min(max(round(fraction * len(ids)), 1), len(ids) - 1)
    held_out = np.random.default_rng(seed).permutation(len(ids)) < size
    return ids[~held_out].tolist(), ids[held_out].tolist()
