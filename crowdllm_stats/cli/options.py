"""The options that several commands take: declared once, and handed over as one object."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats._base.shown import several

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData, Scale

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


KeepFormulas = Annotated[
    bool,
    typer.Option(
        "--keep-formulas",
        help="In a .csv file, write texts that begin with = + - @ as they are; a spreadsheet then runs them.",
    ),
]


@dataclasses.dataclass(frozen=True)
class Tables:
    """Where the two tables are and how to read them."""

    humans: Annotated[
        str,
        typer.Argument(
            metavar="HUMANS",
            help="Read the human answers from this .csv or .parquet file, or from a data set such as "
            "popquorn:offensiveness.",
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
            help='Check the digital answers against this scale, by default that of the human ones; "free" '
            "allows any number.",
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
    missing: Annotated[
        str | None,
        typer.Option(
            metavar="CODES", help="Leave out answers with these codes, for instance 77,88,99, and count them."
        ),
    ] = None
    as_given: Annotated[
        bool, typer.Option("--as-given", help="Keep HUMANS and DIGITAL in this order, although they look exchanged.")
    ] = False
    data: DataFolder = None
    explain: Annotated[bool, typer.Option("--explain", help="Also print what the numbers rest on.")] = False
    json: AsJson = False
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write every row to a .csv, .parquet or .json file.")
    ] = None
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


ProblemsFile = Annotated[
    Path | None,
    typer.Option(
        "--problems",
        metavar="FILE",
        help="Read the texts of the problems in DATA from this file with the columns problem and text.",
    ),
]
ParticipantsFile = Annotated[
    Path | None,
    typer.Option(
        "--participants",
        metavar="FILE",
        help="Read the people's profiles from this file with the column participant and profile columns.",
    ),
]
ProblemColumn = Annotated[str, typer.Option(metavar="NAME", help="Name the problem's column.")]
ParticipantColumn = Annotated[str, typer.Option(metavar="NAME", help="Name the participant's column.")]
ResponseColumn = Annotated[str, typer.Option(metavar="NAME", help="Name the answer's column.")]
DropMissing = Annotated[bool, typer.Option("--drop-missing", help="Leave out rows without an answer, and count them.")]


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """What the options say of a file of human answers.

    Attributes:
        problems: file of the problems' texts.
        participants: file of the people's profiles.
        problem: name of the problem's column.
        participant: name of the participant's column.
        response: name of the answer's column.
        drop_missing: whether rows without an answer are left out.

    Example:
        >>> ReadOptions(problem="item", drop_missing=True).options
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


Humans = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Read the human answers from popquorn:offensiveness, popquorn:qa_difficulty, example:human, or a file.",
    ),
]
Backbone = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Take the reference answers from example:reference, recorded:gpt4 (or another recorded "
        "model), a .csv of probabilities or of answers, smollm2, or a model's folder.",
    ),
]
Embedding = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Embed the problems' texts with minilm, tfidf or a model's folder, or not at all (none)."
    ),
]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Set a hyper-parameter of CrowdLLM, for instance steps=300; the option may be repeated.",
    ),
]
FileScale = Annotated[
    str | None, typer.Option(metavar="LEVELS", help="Name the levels of a file's answers, for instance 1,2,3,4,5.")
]
PromptTemplate = Annotated[
    str, typer.Option(metavar="NAME", help="Ask a model with this prompt, for instance offensiveness.")
]
Context = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="What a model learns about the survey, where its prompt asks for it ({context})."
    ),
]
Requirements = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Ask a model to answer in this way, where its prompt has {requirements}."),
]


def hyper_parameters(given: list[str]) -> dict[str, Any]:
    """``name=value`` as hyper-parameters: true, false, numbers (several joined by commas), else words.

    Raises:
        ValueError: on a text without name or value.

    Example:
        >>> hyper_parameters(["steps=300", "objective=paper", "ridges=0.1,1"])
        {'steps': 300, 'objective': 'paper', 'ridges': (0.1, 1)}
    """
    settings: dict[str, Any] = {}
    for text in given:
        name, mark, value = text.partition("=")
        if not mark or not name or not value:
            raise ValueError(f"--setting {text!r} is not NAME=VALUE, for instance steps=300")
        settings[name] = tuple(map(_value, value.split(","))) if "," in value else _value(value)
    return settings


def _value(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
