"""`crowdllm-stats backbone`: fetch a small local model, show what is there, check whether it reads the scale."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from crowdllm_stats import __version__


def backbone() -> typer.Typer:
    """The command with its parts."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        help="Local models that answer in place of people: fetch, show, check.",
    )
    app.command("fetch")(fetch)
    app.command("show")(show)
    app.command("check")(check)
    return app


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="smollm2 (answers) or minilm (embeddings).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as one JSON object.")] = False,
) -> None:
    """Fetch a small model into the user's cache, by pip, hashes checked; done once."""
    from crowdllm_stats.backbones.fetch import fetch_model

    found = fetch_model(name)
    if as_json:
        print(json.dumps({"name": found.name, "folder": str(found.folder), **found.manifest}, indent=2))
    else:
        print(found)


def show() -> None:
    """The models that can be fetched, and where those lie that were."""
    from crowdllm_stats.backbones.fetch import MODELS, find_model

    for name, package in MODELS.items():
        try:
            print(find_model(name))
        except FileNotFoundError:
            print(f"{name}: not fetched ({package.requirement})\n  {package.note}\n  licence {package.licence}")


def check(
    model: Annotated[str, typer.Argument(metavar="FOLDER", help="A model's folder, smollm2, or a hub id.")],
    problems: Annotated[
        Path, typer.Argument(metavar="PROBLEMS", help="A .csv or .parquet file with the columns problem and text.")
    ],
    template: Annotated[
        str, typer.Option(metavar="NAME", help="A template with labelled [options]: a name, or a file.")
    ] = "offensiveness",
    profiles: Annotated[
        Path | None, typer.Option(metavar="FILE", help="People: the column participant and profile columns.")
    ] = None,
    persona_template: Annotated[
        str, typer.Option(metavar="NAME", help="The template with {persona} for --profiles.")
    ] = "offensiveness_persona",
    level: Annotated[float, typer.Option(metavar="LEVEL", help="Confidence of the intervals.")] = 0.95,
    dtype: Annotated[str, typer.Option(metavar="TYPE", help="float32 (exact) or bfloat16 (faster).")] = "float32",
    cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the answers here, to go on after an interruption.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Whether a local model reads the scale: its ratings with the scale reversed, the options turned round."""
    from crowdllm_stats.backbones.diagnostics import check_backbone
    from crowdllm_stats.tables.files import read_table

    people = None if profiles is None else read_table(profiles)
    table = read_table(problems)
    with _needs_extra():
        from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone

        backbone = TransformersBackbone(model, dtype=dtype, template=template, cache=cache)
    found = check_backbone(
        backbone, table, people, persona_template=None if people is None else persona_template, level=level
    )
    if not as_json:
        print(found)
        return
    rows = found.to_frame().astype(object)
    print(
        json.dumps(
            {
                "command": "backbone check",
                "version": __version__,
                "results": rows.where(rows.notna(), None).to_dict("records"),
                "reads_scale": found.reads_scale,
                "n_problems": found.n_problems,
                "n_profiles": found.n_profiles,
                "level": found.level,
                "why": found.why,
            },
            indent=2,
            allow_nan=False,
        )
    )


@contextmanager
def _needs_extra() -> Iterator[None]:
    """A missing extra as bad input: one line, exit code 2."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is missing: pip install 'crowdllm-stats[hf]'") from None
