"""`crowdllm-stats backbone`: fetch a small local model, show what is there, check whether it reads the scale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crowdllm_stats import __version__
from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats.cli.options import AsJson


def backbone() -> typer.Typer:
    """The command with its parts: fetch, show, check.

    Example:
        >>> [command.name for command in backbone().registered_commands]
        ['fetch', 'show', 'check']
    """
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
    as_json: AsJson = False,
) -> None:
    """Fetch a small model into the user's cache, by pip, hashes checked; done once.

    \f
    Raises:
        ValueError: on an unknown name, without pip, on a download that fails or whose hash differs, and without the
        extra
            that reads the model.
    """
    from crowdllm_stats.backbones.fetch import fetch_model

    found = fetch_model(name)
    if as_json:
        print(json_text({"name": found.name, "folder": str(found.folder), **found.manifest}))
    else:
        print(found)


def show() -> None:
    """The models that can be fetched, and where those lie that were.

    \f
    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()) as told:
        ...     show()
        >>> "smollm2" in told.getvalue() and "minilm" in told.getvalue()
        True
    """
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
    as_json: AsJson = False,
) -> None:
    """Whether a local model reads the scale: its ratings with the scale reversed, the options turned round.

    \f
    Prints what :func:`crowdllm_stats.backbones.diagnostics.check_backbone` finds, the model read from a folder, from
    the
    cache or from the hub.

    Raises:
        ValueError: on a missing column, an unknown template, a level outside (0, 1), or without ``crowdllm-stats[hf]``.
        FileNotFoundError: if a file or the model is not there.
    """
    from crowdllm_stats.backbones.diagnostics import check_backbone
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone
    from crowdllm_stats.data.files import read_table

    people = None if profiles is None else read_table(profiles)
    table = read_table(problems)
    backbone = TransformersBackbone(model, dtype=dtype, template=template, cache=cache)
    found = check_backbone(
        backbone, table, people, persona_template=None if people is None else persona_template, level=level
    )
    if not as_json:
        print(found)
        return
    content = {
        "command": "backbone check",
        "version": __version__,
        "results": table_rows(found.to_frame()),
        "reads_scale": found.reads_scale,
        "n_problems": found.n_problems,
        "n_profiles": found.n_profiles,
        "level": found.level,
        "why": found.why,
    }
    print(json_text(content))
