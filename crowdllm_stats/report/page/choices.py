"""What a person chose on the page: the options of the commands, by the same names, in the query of an address."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.data.layout import OURS

#: The two tables, as forms and folders call them.
SIDES = ("human", "digital")

#: The choices of yes or no.
FLAGS = ("drop_missing", "unpaired", "as_given")


@dataclasses.dataclass(frozen=True)
class Choices:
    """How to read two tables and what to compute; an empty text is a choice that was not made.

    Attributes:
        level: confidence level.
        scale: what the answers can be, as ``Scale.parse`` reads it.
        missing: codes of missing answers, joined by commas.
        match: profile columns to build twins from, joined by commas.
        reference_participant: the plain LLM's id in the digital table.
        half_width: the half-width to plan for.
        drop_missing: whether rows without an answer are left out.
        unpaired: whether nobody is meant to have a twin.
        as_given: whether the tables are in the right order, though they look exchanged.
        human_columns: the human table's columns of problem, participant and response; empty where found by their names.
        digital_columns: those of the digital table.
    """

    level: str = "0.95"
    scale: str = ""
    missing: str = ""
    match: str = ""
    reference_participant: str = ""
    half_width: str = ""
    drop_missing: bool = False
    unpaired: bool = False
    as_given: bool = False
    human_columns: tuple[str, str, str] = ("", "", "")
    digital_columns: tuple[str, str, str] = ("", "", "")

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
            elif query.get(field.name, "").strip():
                given[field.name] = query[field.name].strip()
        return cls(**given)  # type: ignore[arg-type]  # each field got its type

    def columns(self, side: str) -> dict[str, str]:
        """Our names to those chosen for the human or the digital table."""
        chosen = self.human_columns if side == "human" else self.digital_columns
        return {ours: theirs for ours, theirs in zip(OURS, chosen, strict=True) if theirs}

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

    def codes(self) -> tuple[float, ...]:
        """The codes of missing answers.

        Raises:
            ValueError: if they are not numbers joined by commas.

        Example:
            >>> Choices(missing="88, 99").codes()
            (88.0, 99.0)
        """
        try:
            return tuple(float(word) for word in self.missing.split(",") if word.strip())
        except ValueError:
            raise BadInput(
                "must be numbers joined by commas, for instance 77,88,99", argument="missing_codes", given=self.missing
            ) from None

    def profile(self) -> tuple[str, ...]:
        """The profile columns to build twins from."""
        return tuple(name.strip() for name in self.match.split(",") if name.strip())

    def settings(self) -> dict[str, str | float]:
        """What was chosen beside files and columns, for the provenance of a report."""
        chosen = {name: getattr(self, name) for name in ("scale", "missing", "match", "reference_participant")}
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
        given = {name: getattr(self, name) for name in ("scale", "missing", "match")}
        for side in SIDES:
            given[f"{side}_columns"] = ",".join(f"{ours}={theirs}" for ours, theirs in self.columns(side).items())
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
