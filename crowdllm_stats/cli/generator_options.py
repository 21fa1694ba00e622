"""What fit, evaluate and simulate share: options declared once, human answers, hyper-parameters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats.cli.options import Reading

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData

Humans = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Human answers: popquorn:offensiveness, popquorn:qa_difficulty, example:human, or a file.",
    ),
]
Backbone = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Reference answers: example:reference, recorded:gpt4 (or another recorded model), a .csv of probabilities "
        "or of answers, smollm2, a model's folder.",
    ),
]
Embedding = Annotated[
    str, typer.Option(metavar="NAME", help="Of the problems' texts: minilm, tfidf, none, or a model's folder.")
]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A hyper-parameter of CrowdLLM, for instance steps=300; may be given several times.",
    ),
]
FileScale = Annotated[
    str | None, typer.Option(metavar="LEVELS", help="Answer scale of a file, for instance 1,2,3,4,5.")
]
PromptTemplate = Annotated[str, typer.Option(metavar="NAME", help="A model's prompt, for instance offensiveness.")]
Context = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="What a model is told of the survey, where its prompt asks for it ({context})."),
]
Requirements = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="How a model is asked to answer, where its prompt asks for it ({requirements})."),
]


def human_answers(name: str, scale: str | None, folder: Path | None, reading: Reading) -> CrowdData:
    """A data set by name, or a file on the scale given.

    Args:
        name: for instance "example:human", or a file.
        scale: of a file, as :meth:`crowdllm_stats.Scale.parse` reads it.
        folder: of the data sets; without it, CROWDLLM_STATS_DATA.
        reading: how a file is read.

    Raises:
        ValueError: on a scale or a way of reading for a named data set, a file without scale, or an unknown name.
        FileNotFoundError: if there is no such file.

    Example:
        >>> len(human_answers("example:human", None, None, Reading()).responses)
        96
    """
    from crowdllm_stats.cli.inputs import named_data
    from crowdllm_stats.data.crowd import Scale

    if ":" in name and not Path(name).exists():
        if scale is not None:
            raise ValueError(f"--scale is for files; {name} has its own")
        reading.refuse_named(name)
        return named_data(name, folder)
    if scale is None:
        raise ValueError(f"--scale is missing: say the levels of the answers in {name}, for instance --scale 1,2,3,4,5")
    return reading.read(name, Scale.parse(scale))


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
