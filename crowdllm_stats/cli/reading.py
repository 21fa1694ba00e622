"""How fit, evaluate and simulate read a file of human answers: other tables beside it, other names of columns."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdllm_stats._base.words import several

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData, Scale

ProblemsFile = Annotated[
    Path | None, typer.Option("--problems", metavar="FILE", help="Texts of the problems in DATA: problem, text.")
]
ParticipantsFile = Annotated[
    Path | None,
    typer.Option("--participants", metavar="FILE", help="Profiles of the people: participant and profile columns."),
]
ProblemColumn = Annotated[str, typer.Option(metavar="NAME", help="The problem's column.")]
ParticipantColumn = Annotated[str, typer.Option(metavar="NAME", help="The participant's column.")]
ResponseColumn = Annotated[str, typer.Option(metavar="NAME", help="The answer's column.")]
DropMissing = Annotated[bool, typer.Option("--drop-missing", help="Leave rows without an answer out, and count them.")]


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the options say of a file of human answers.

    Attributes:
        problems: file of the problems' texts.
        participants: file of the people's profiles.
        problem: name of the problem's column.
        participant: name of the participant's column.
        response: name of the answer's column.
        drop_missing: whether rows without an answer are left out.

    Example:
        >>> Reading(problem="item", drop_missing=True).options
        ['--problem-column', '--drop-missing']
    """

    problems: Path | None = None
    participants: Path | None = None
    problem: str = "problem"
    participant: str = "participant"
    response: str = "response"
    drop_missing: bool = False

    @property
    def columns(self) -> dict[str, str]:
        """Our names to the file's, where they differ."""
        names = {"problem": self.problem, "participant": self.participant, "response": self.response}
        return {ours: theirs for ours, theirs in names.items() if ours != theirs}

    @property
    def options(self) -> list[str]:
        """The options that were given."""
        files = {"--problems": self.problems, "--participants": self.participants}
        given = [name for name, value in files.items() if value is not None]
        given += [f"--{ours}-column" for ours in self.columns]
        return [*given, *(["--drop-missing"] if self.drop_missing else [])]

    @property
    def files(self) -> list[Path]:
        """The files beside the answers."""
        return [path for path in (self.problems, self.participants) if path is not None]

    def refuse_named(self, name: str) -> None:
        """Refuse options for a data set known by name.

        Raises:
            ValueError: naming the first option.
        """
        if self.options:
            raise ValueError(f"{self.options[0]} is for files; {name} has its own")

    def read(self, name: str, scale: Scale) -> CrowdData:
        """The answers in a file.

        Raises:
            ValueError: as :meth:`crowdllm_stats.CrowdData.read`.
            FileNotFoundError: if a file is not there.
        """
        from crowdllm_stats.data.crowd import CrowdData

        return CrowdData.read(
            name,
            scale=scale,
            problems=self.problems,
            participants=self.participants,
            columns=self.columns or None,
            missing="drop" if self.drop_missing else "refuse",
        )


def left_out(name: str, data: CrowdData) -> list[str]:
    """A sentence for each reason why rows were left out.

    Example:
        >>> from crowdllm_stats import load_example
        >>> left_out("humans.csv", load_example().human)
        []
    """
    return [f"{several(count, 'row')} of {name} left out: {reason}." for reason, count in data.exclusions.items()]
