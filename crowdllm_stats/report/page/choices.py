"""What a person chose on the page: the options of the commands, by the same names, in the query of an address."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.words import join_list, split_list

if TYPE_CHECKING:
    from crowdllm_stats.data.shape import Reading

#: Our columns; the module of ours that has them loads pandas, which the page's own process does without.
OURS = ("problem", "participant", "response")

#: What a file can be: the three places of the first page.
ROLES = ("human", "digital", "reference")

#: The two tables, as forms and folders call them.
SIDES = ROLES[:2]

#: The choices of how both tables are read.
READING = ("scale", "missing", "labels", "questions", "id", "where")

#: The choices of yes or no.
FLAGS = ("drop_missing", "unpaired", "as_given")


@dataclasses.dataclass(frozen=True)
class Choices:
    """How to read two tables and what to compute; an empty text is a choice that was not made.

    Attributes:
        level: confidence level.
        scale: what the answers can be, as ``Scale.parse`` reads it.
        missing: codes and words of missing answers, joined by commas.
        labels: numbers for answers in words: "likert5", "likert7" or "Never=1,Often=3".
        questions: columns of a table with a row per person that are its questions, as
            :func:`~crowdllm_stats._base.words.split_list` reads them.
        id: the column of such a table that names the people.
        where: a condition that rows must meet.
        match: profile columns to build twins from, likewise.
        reference_participant: the plain LLM's id in the digital table.
        half_width: the half-width to plan for.
        drop_missing: whether rows without an answer are left out.
        unpaired: whether nobody is meant to have a twin.
        as_given: whether the tables are in the right order, though they look exchanged.
        human_columns: the human table's columns of problem, participant and response; empty where found by their names.
        digital_columns: those of the digital table.
        human_sheet: the sheet of an Excel file, or the table in an archive, that is read; empty for what is found.
        digital_sheet: that of the digital table.
        reference_sheet: that of the plain answers.
    """

    level: str = "0.95"
    scale: str = ""
    missing: str = ""
    labels: str = ""
    questions: str = ""
    id: str = ""
    where: str = ""
    match: str = ""
    reference_participant: str = ""
    half_width: str = ""
    drop_missing: bool = False
    unpaired: bool = False
    as_given: bool = False
    human_columns: tuple[str, str, str] = ("", "", "")
    digital_columns: tuple[str, str, str] = ("", "", "")
    human_sheet: str = ""
    digital_sheet: str = ""
    reference_sheet: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Choices:
        """The choices in a query; what it does not name stays as it is by default.

        Example:
            >>> found = Choices.of({"level": "0.9", "unpaired": "on", "human_problem": "item"})
            >>> found.level, found.unpaired, found.human_columns
            ('0.9', True, ('item', '', ''))
        """
        given: dict[str, str | bool | tuple[str, ...]] = {}
        for field in dataclasses.fields(cls):
            if field.name.endswith("_columns"):
                side = field.name.removesuffix("_columns")
                given[field.name] = tuple(query.get(f"{side}_{ours}", "") for ours in OURS)
            elif field.type == "bool":
                given[field.name] = field.name in query
            elif field.name.endswith("_sheet"):
                given[field.name] = query.get(field.name, "")
            elif query.get(field.name, "").strip():
                given[field.name] = query[field.name].strip()
        return cls(**given)  # type: ignore[arg-type]  # each field got its type

    def columns(self, side: str) -> dict[str, str]:
        """Our names to those chosen for the human or the digital table."""
        chosen = self.human_columns if side == "human" else self.digital_columns
        return {ours: theirs for ours, theirs in zip(OURS, chosen, strict=True) if theirs}

    @property
    def sheets(self) -> dict[str, str]:
        """Role -> the sheet that was chosen."""
        return {role: sheet for role in ROLES if (sheet := getattr(self, f"{role}_sheet"))}

    def number(self, name: str) -> float:
        """A choice as a number.

        Raises:
            ValueError: naming the option and what was written.

        Example:
            >>> Choices(level="ninety").number("level")
            Traceback (most recent call last):
            ...
            crowdllm_stats...BadInput: level must be a number; got 'ninety'
        """
        text = getattr(self, name)
        try:
            return float(text)
        except ValueError:
            raise BadInput("must be a number", argument=name, given=text) from None

    def codes(self) -> tuple[float | str, ...]:
        """The codes of missing answers: numbers where they are such, else words.

        Example:
            >>> Choices(missing="88, don't know").codes()
            (88.0, "don't know")
        """
        return tuple(_code(word.strip()) for word in self.missing.split(",") if word.strip())

    def reading(self, side: str, known: Sequence[str] = ()) -> Reading:
        """How the human or the digital table is to be read.

        Args:
            side: "human" or "digital"; questions are named for the first.
            known: names of questions from the other table.

        Raises:
            ValueError: on labels that would have to be read from a file.
        """
        from crowdllm_stats.data.labels import SETS
        from crowdllm_stats.data.shape import Reading

        if self.labels and self.labels not in SETS and "=" not in self.labels:
            raise BadInput(
                "must be likert5, likert7 or a list such as Never=1,Often=3", argument="--labels", given=self.labels
            )
        return Reading(
            wide=True if self.questions and side == "human" else None, questions=tuple(split_list(self.questions)),
            id_column=self.id or None, where=(self.where,) if self.where else (), known=tuple(known),
            labels=self.labels or None,
        )  # fmt: skip

    def profile(self) -> tuple[str, ...]:
        """The profile columns to build twins from."""
        return tuple(split_list(self.match))

    def settings(self) -> dict[str, str | float]:
        """What was chosen beside files and columns, for the provenance of a report."""
        chosen = {name: getattr(self, name) for name in (*READING, "match", "reference_participant")}
        flags = {name: "yes" for name in FLAGS if getattr(self, name)}
        return {"level": self.number("level"), **{name: text for name, text in chosen.items() if text}, **flags}

    def arguments(self, command: str, files: Mapping[str, str]) -> list[str]:
        """The command line that gives the same results, after the program's name.

        Args:
            command: "interval", "safe-interval" or "planner".
            files: role -> the file's name.

        Example:
            >>> Choices(level="0.9", scale="1:5").arguments("interval", {"human": "my humans.csv"})
            ['interval', 'my humans.csv', '--scale', '1:5', '--level', '0.9']
        """
        words = [command, *(files[side] for side in SIDES if side in files)]
        given = {name: getattr(self, name) for name in (*READING, "match")}
        for side in SIDES:
            chosen = [f"{ours}={theirs}" for ours, theirs in self.columns(side).items()]
            given[f"{side}_columns"] = join_list(chosen) if chosen else ""
        if command == "safe-interval":
            given |= {"reference": files.get("reference"), "reference_participant": self.reference_participant}
        elif command == "planner":
            given["half_width"] = self.half_width
        given["level"] = "" if self.level == "0.95" else self.level
        for name, value in given.items():
            words += [_option(name), value] if value else []
        flags = [name for name in FLAGS if getattr(self, name) and (name != "unpaired" or command == "interval")]
        return words + [_option(name) for name in flags]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _code(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word
