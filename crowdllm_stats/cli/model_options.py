"""The options about models: which one answers, how it is asked, and what is set of a generator."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crowdllm_stats.cli.terminal import Progress
    from crowdllm_stats.evaluation.case_study.asking import Asking

Backbone = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Take the reference answers from example:reference, recorded:gpt4 (or another recorded model), a .csv of "
        "probabilities or of answers (also what --reference-out writes), smollm2, gemma3-12b (or another that backbone "
        "show lists), a model's folder or hub id, or a server's address such as http://127.0.0.1:8000/v1.",
    ),
]
Embedding = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Embed the problems' texts with minilm, tfidf or a model's folder, take the numbers of a .csv or .parquet "
        "file that backbone embed wrote, or none.",
    ),
]
Setting = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Set a hyper-parameter of CrowdLLM, for instance steps=300; the option may be repeated.",
    ),
]


@dataclasses.dataclass(frozen=True)
class AskOptions:
    """What the options say of how a language model is asked; recorded answers take none of them."""

    template: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Ask a model with this prompt: a name such as zero_shot, or a file."),
    ] = None
    context: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="What a model learns about the survey, where its prompt has {context}."),
    ] = None
    requirements: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Ask a model to answer in this way, where its prompt has {requirements}."),
    ] = None
    options: Annotated[
        str | None,
        typer.Option(metavar="ANSWER=MEANING,...", help="Say what each answer means, for instance 1=never,2=often."),
    ] = None
    server_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask the model of this name where --backbone is an address.")
    ] = None
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Send a server the key that this environment variable holds.")
    ] = None
    dtype: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="Compute in float32 (exact, the default), bfloat16 or float16 (faster)."),
    ] = None
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compute on cpu, cuda or cuda:1; by default on a GPU if there is one."),
    ] = None
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Give a model N prompts at a time, by default 8.")
    ] = None
    quantize: Annotated[
        str | None, typer.Option(metavar="BITS", help="Load the weights quantised, 8bit or 4bit, to save memory.")
    ] = None
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep a model's answers in this file, by default in the user's cache folder."
        ),
    ] = None
    concurrency: Annotated[
        int | None, typer.Option(metavar="N", help="Ask a server N questions at once, by default 4.")
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Wait so long for a server's answer before it is asked again, by default 120."
        ),
    ] = None
    prices: Annotated[
        str | None,
        typer.Option(
            metavar="PROMPT,REPLY",
            help="A server's prices for a million tokens of prompts and of replies, to say beforehand what the answers "
            "may cost.",
        ),
    ] = None
    at_most: Annotated[
        float | None,
        typer.Option(metavar="MONEY", help="Ask a server only if its answers cost at most this at --prices."),
    ] = None

    def asked(self, say: Progress) -> Asking:
        """The same for the library; how far a server is goes to ``say``.

        Raises:
            ValueError: on --options or --prices that are not such texts.
        """
        from crowdllm_stats.cli.spending import Spending, prices_of
        from crowdllm_stats.evaluation.case_study.asking import Asking

        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        read = {
            "options": None if self.options is None else meanings(self.options),
            "prices": None if self.prices is None else prices_of(self.prices),
        }
        watched = {"before": Spending(self.at_most, say), "progress": say}
        return Asking(**{**values, **read, **watched})


def meanings(text: str) -> dict[str, str]:
    """Answers and what each means, from a text such as "1=never,2=often"; a comma within a meaning stays.

    Raises:
        ValueError: naming the option, on anything that is not such a text.

    Example:
        >>> meanings("1=no, never,2=often")
        {'1': 'no, never', '2': 'often'}
    """
    found: dict[str, str] = {}
    for part in re.split(r",(?=[^=,]*=)", text):
        answer, mark, meaning = (word.strip() for word in part.partition("="))
        if not mark or not answer or not meaning or answer in found:
            raise ValueError(
                f"--options {text!r}: {part.strip()!r} is not ANSWER=MEANING, each answer once, for instance "
                "1=never,2=often"
            )
        found[answer] = meaning
    return found


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
