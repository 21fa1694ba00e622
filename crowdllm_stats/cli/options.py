"""The options that several commands take: declared once, and handed over as one object."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from crowdllm_stats._base.shown import several
from crowdllm_stats._base.words import split_list
from crowdllm_stats.cli.option_groups import given_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crowdllm_stats.data.crowd import CrowdData, Scale
    from crowdllm_stats.data.shape import Reading

DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Look for the data sets in this folder, by default the one that CROWDLLM_STATS_DATA names.",
    ),
]
Problems = Annotated[
    list[str] | None, typer.Option("--problem", metavar="ID", help="Use only this problem; the option may be repeated.")
]

#: What every --json says; crowdllm_stats._base.json_values is how it is done.
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object instead of text. An infinite number is null, and the key not_finite beside it "
        "names it, for instance upper: inf.",
    ),
]


Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Also draw the result to this .png, .svg or .pdf file."),
]


Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Compute on the Dask scheduler at this address, tcp://host:port.")
]
KeepFormulas = Annotated[
    bool,
    typer.Option(
        "--keep-formulas",
        help="In a .csv file, write texts that begin with = + - @ as they are; a spreadsheet then runs them.",
    ),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShapeOptions:
    """What the options say of a file's shape and of its answers in words; by default it is found out.

    Attributes:
        missing: codes and words that stand for a missing answer.
        labels: numbers for answers in words.
        where: conditions that rows must meet.
        wide: whether a table of human answers has a row per person.
        questions: the questions of a wide table.
        id: the column of a wide table that names the people.

    Example:
        >>> ShapeOptions(questions="Q*").reading(["q1"]).questions
        ['Q*']
    """

    missing: Annotated[
        str | None,
        typer.Option(
            metavar="CODES",
            help="Leave out answers with these codes or words, for instance 77,99,don't know, and count them.",
        ),
    ] = None
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="LABELS",
            help="Read answers in words as numbers: likert5 or likert7 (steps of agreement), a file with the columns "
            "label and value, or Never=1,Often=3.",
        ),
    ] = None
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Use only rows of HUMANS that meet this, for instance country=DE|AT or age>=18, and of DIGITAL where "
            "it has the column; the option may be repeated.",
        ),
    ] = None
    wide: Annotated[bool, typer.Option("--wide", help="Read the human answers as a table with a row per person.")] = (
        False
    )
    questions: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Take these columns of a wide table as the questions, for instance 'Q*'."),
    ] = None
    id: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name the column of a wide table that holds the people's ids."),
    ] = None

    def reading(self, known: Sequence[str] = (), *, human: bool = True) -> Reading:
        """The same for the library.

        Args:
            known: names of questions from another table.
            human: whether it is for the human answers, which alone --wide speaks of.
        """
        from crowdllm_stats.data.shape import Reading

        return Reading(
            wide=True if human and (self.wide or self.questions is not None) else None,
            questions=split_list(self.questions or ""),
            id_column=self.id, where=self.where or (), known=known, labels=self.labels,
        )  # fmt: skip

    @property
    def codes(self) -> list[float | str]:
        """The codes for a missing answer: numbers where they are such, else words.

        Raises:
            ValueError: on an empty one.
        """
        found: list[float | str] = []
        for word in (self.missing or "").split(",") if self.missing is not None else ():
            if not word.strip():
                raise ValueError(f"--missing {self.missing!r}: give codes joined by commas, for instance 77,88,NA")
            try:
                found.append(float(word))
            except ValueError:
                found.append(word.strip())
        return found


@dataclasses.dataclass(frozen=True)
class Tables(ShapeOptions):
    """Where the two tables are and how to read them."""

    humans: Annotated[
        str,
        typer.Argument(
            metavar="HUMANS",
            help="Read the human answers from this file (CSV, Parquet, JSON, Excel, SPSS, Stata), or from a data set "
            "such as popquorn:offensiveness.",
        ),
    ]
    digital: Annotated[
        str,
        typer.Argument(
            metavar="DIGITAL", help="The digital population's answers: a file, or a data set such as popquorn-llm:gpt4."
        ),
    ]
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="LOW:HIGH", help="Check the answers against this scale: 1:5 names its ends, 1,2,3 its steps."
        ),
    ] = None
    digital_scale: Annotated[
        str | None,
        typer.Option(
            metavar="LOW:HIGH",
            help="Check the digital answers against this scale, by default that of the human ones and numbers "
            'between its levels; "free" allows any number.',
        ),
    ] = None
    match: Annotated[
        str | None,
        typer.Option(metavar="COLUMNS", help="Build twins from these profile columns, for instance gender,race."),
    ] = None
    problem: Problems = None
    human_columns: Annotated[
        str | None,
        typer.Option(
            metavar="OURS=YOURS,...",
            help="Name the columns of HUMANS, for instance problem=item,participant=id,response=score.",
        ),
    ] = None
    digital_columns: Annotated[
        str | None, typer.Option(metavar="OURS=YOURS,...", help="Name the columns of DIGITAL in the same way.")
    ] = None
    problem_column: Annotated[
        str, typer.Option(metavar="NAME", help="Name the problem's column where both tables call it the same.")
    ] = "problem"
    participant_column: Annotated[
        str, typer.Option(metavar="NAME", help="Name the participant's column where both tables call it the same.")
    ] = "participant"
    response_column: Annotated[
        str, typer.Option(metavar="NAME", help="Name the answer's column where both tables call it the same.")
    ] = "response"
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out rows without an answer, and count them.")
    ] = False
    as_given: Annotated[
        bool, typer.Option("--as-given", help="Keep HUMANS and DIGITAL in this order, although they look exchanged.")
    ] = False
    data: DataFolder = None
    explain: Annotated[
        bool, typer.Option("--explain", help="Also print every column, every remark and what the numbers rest on.")
    ] = False
    json: AsJson = False
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FOLDER/",
            help="Also write every row to a .csv, .parquet or .json file, or to a folder (ending in /) all that "
            "`crowdllm-stats report FOLDER` needs.",
        ),
    ] = None
    plot: Plot = None
    keep_formulas: KeepFormulas = False


Unpaired = Annotated[
    bool, typer.Option("--unpaired", help="Use the human answers alone, as nobody is meant to have a digital twin.")
]
Level = Annotated[float, typer.Option(metavar="LEVEL", help="Set the confidence level.")]
Seed = Annotated[int | None, typer.Option(metavar="SEED", help="Set the seed of methods that draw random numbers.")]


def check_seed(seed: int | None) -> None:
    """Refuse a negative seed.

    Raises:
        ValueError: naming the option and its value.

    Example:
        >>> check_seed(-1)
        Traceback (most recent call last):
        ...
        ValueError: --seed must be a whole number of at least 0; got -1
    """
    if seed is not None and seed < 0:
        raise ValueError(f"--seed must be a whole number of at least 0; got {seed}")


@dataclasses.dataclass(frozen=True)
class ReadOptions(ShapeOptions):
    """What the options say of a file of human answers.

    Attributes:
        problems: file of the problems' texts.
        participants: file of the people's profiles.
        problem_column: name of the problem's column.
        participant_column: name of the participant's column.
        response_column: name of the answer's column.
        drop_missing: whether rows without an answer are left out.

    Example:
        >>> ReadOptions(problem_column="item", drop_missing=True).options
        ['--problem-column', '--drop-missing']
    """

    problems: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read the problems' texts from this file with the columns problem and text."),
    ] = None
    participants: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Read the people's profiles from this file with the column participant and profile columns.",
        ),
    ] = None
    problem_column: Annotated[str, typer.Option(metavar="NAME", help="Name the problem's column.")] = "problem"
    participant_column: Annotated[str, typer.Option(metavar="NAME", help="Name the participant's column.")] = (
        "participant"
    )
    response_column: Annotated[str, typer.Option(metavar="NAME", help="Name the answer's column.")] = "response"
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out rows without an answer, and count them.")
    ] = False

    @property
    def columns(self) -> dict[str, str]:
        """Our names to the file's, where they differ."""
        names = {ours: getattr(self, f"{ours}_column") for ours in ("problem", "participant", "response")}
        return {ours: theirs for ours, theirs in names.items() if ours != theirs}

    @property
    def options(self) -> list[str]:
        """The options that were given."""
        return given_options(self)

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

    def read(self, name: str, scale: Scale) -> ReadAnswers:
        """The answers in a file, without columns that belong to single answers.

        Raises:
            ValueError: as :meth:`crowdllm_stats.CrowdData.read`.
            FileNotFoundError: if a file is not there.
        """
        from crowdllm_stats.data.assemble import Wishes, assemble
        from crowdllm_stats.data.crowd import CrowdData
        from crowdllm_stats.data.opening import open_table

        wishes = Wishes(
            self.participants, self.problems, scale, self.columns or None,
            missing="drop" if self.drop_missing else "refuse", missing_codes=self.codes,
            reading=self.reading(),
        )  # fmt: skip
        data = CrowdData(*assemble(open_table(name), name, wishes))
        return ReadAnswers(data, [*left_out(name, data), *data.notes])


class ReadAnswers(NamedTuple):
    """Human answers, and what was left out in reading them, in sentences."""

    data: CrowdData
    notes: list[str]


def left_out(name: str, data: CrowdData) -> list[str]:
    """A sentence for each reason why rows were left out.

    Example:
        >>> from crowdllm_stats import load_example
        >>> left_out("humans.csv", load_example().human)
        []
    """
    return [f"{several(count, 'row')} of {name} left out: {reason}." for reason, count in data.exclusions.items()]


Humans = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Read the human answers from popquorn:offensiveness, popquorn:qa_difficulty, example:human, or a file.",
    ),
]
FileScale = Annotated[
    str | None,
    typer.Option(metavar="SCALE", help="Say what a file's answers can be: levels, 1,2,3,4,5, or ends, 0:100."),
]
