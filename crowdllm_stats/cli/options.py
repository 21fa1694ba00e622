"""The options that every command on two tables takes: declared once, handed over as one object."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Folder of the data sets; CROWDLLM_STATS_DATA by default."),
]
Problems = Annotated[
    list[str] | None, typer.Option("--problem", metavar="ID", help="Only this problem; may be given several times.")
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
            help="Human answers: a .csv or .parquet file, or a data set such as popquorn:offensiveness.",
        ),
    ]
    digital: Annotated[
        str,
        typer.Argument(
            metavar="DIGITAL", help="The digital population's answers, likewise, or for instance popquorn-llm:gpt4."
        ),
    ]
    scale: Annotated[
        str | None,
        typer.Option(metavar="LOW:HIGH", help="Answer scale: 1:5 for ends, 1,2,3 for steps; checks answers."),
    ] = None
    digital_scale: Annotated[
        str | None,
        typer.Option(
            metavar="LOW:HIGH", help='Scale of the digital answers; the same by default, "free" for any number.'
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
            metavar="OURS=YOURS,...", help="Columns of HUMANS, for instance problem=item,participant=id,response=score."
        ),
    ] = None
    digital_columns: Annotated[
        str | None, typer.Option(metavar="OURS=YOURS,...", help="Columns of DIGITAL, likewise.")
    ] = None
    problem_column: Annotated[
        str, typer.Option(metavar="NAME", help="The problem's column, where both tables call it so.")
    ] = "problem"
    participant_column: Annotated[str, typer.Option(metavar="NAME", help="The participant's column, likewise.")] = (
        "participant"
    )
    response_column: Annotated[str, typer.Option(metavar="NAME", help="The answer's column, likewise.")] = "response"
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave rows without an answer out, and count them.")
    ] = False
    missing: Annotated[
        str | None,
        typer.Option(metavar="CODES", help="Answers that stand for none, for instance 77,88,99; left out and counted."),
    ] = None
    as_given: Annotated[
        bool, typer.Option("--as-given", help="HUMANS and DIGITAL are in the right order, though they look exchanged.")
    ] = False
    data: DataFolder = None
    json: AsJson = False
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write every row to a .csv, .parquet or .json file.")
    ] = None
    keep_formulas: KeepFormulas = False


Unpaired = Annotated[
    bool, typer.Option("--unpaired", help="Nobody is meant to have a digital twin: use the human answers alone.")
]
Level = Annotated[float, typer.Option(metavar="LEVEL", help="Confidence level.")]
Seed = Annotated[int | None, typer.Option(metavar="SEED", help="Seed, for methods that draw random numbers.")]


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
