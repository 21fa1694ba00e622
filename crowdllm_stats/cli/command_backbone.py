"""`crowdllm-stats backbone`: fetch a small local model, show what is there, check whether it reads the scale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

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
        help="Fetch, show and check local models that answer in place of people.",
    )
    app.command("fetch")(fetch)
    app.command("show")(show)
    app.command("check")(check)
    return app


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Fetch smollm2 (answers) or minilm (embeddings).")],
    as_json: AsJson = False,
) -> None:
    """Fetch a small model into the user's cache with pip and check its hash; this is needed once.

    \f
    Raises:
        ValueError: on an unknown name, without pip, on a download that fails or whose hash differs, and without the
            extra that reads the model.
    """
    from crowdllm_stats.backbones.fetch import fetch_model

    found = fetch_model(name)
    if as_json:
        print(json_text({"name": found.name, "folder": str(found.folder), **found.manifest}))
    else:
        print(found)


def show() -> None:
    """List the models that can be fetched, and where the fetched ones are.

    \f
    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()) as shown:
        ...     show()
        >>> "smollm2" in shown.getvalue() and "minilm" in shown.getvalue()
        True
    """
    from crowdllm_stats.backbones.fetch import MODELS, find_model

    for name, package in MODELS.items():
        try:
            print(find_model(name))
        except FileNotFoundError:
            print(f"{name}: not fetched ({package.requirement})\n  {package.note}\n  licence {package.licence}")


def check(
    model: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Ask this model, named by its folder, as smollm2, or by a hub id.")
    ],
    problems: Annotated[
        Path,
        typer.Argument(
            metavar="PROBLEMS",
            help="Read the problems from this .csv or .parquet file with the columns problem and text.",
        ),
    ],
    template: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Ask with this template with labelled [options], named (offensiveness) or in a file; it is needed.",
        ),
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Read people from this file with the column participant and profile columns."
        ),
    ] = None,
    persona_template: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Ask with this template with {persona}, for instance offensiveness_persona, for --profiles.",
        ),
    ] = None,
    level: Annotated[float, typer.Option(metavar="LEVEL", help="Set the confidence level of the intervals.")] = 0.95,
    dtype: Annotated[
        str,
        typer.Option(metavar="TYPE", help="Compute in float32 (exact), bfloat16 or float16 (faster, half the memory)."),
    ] = "float32",
    cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the answers in this file, to go on after an interruption.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether a local model reads the scale: it is asked again with the scale and the options reversed.

    \f
    Prints what :func:`crowdllm_stats.backbones.diagnostics.check_backbone` finds; the model is read from a folder, from
    the cache or from the hub.

    Raises:
        ValueError: without a template, on a missing column, an unknown template, a level outside (0, 1), or without
            ``crowdllm-stats[hf]``.
        FileNotFoundError: if a file or the model is not there.
    """
    from crowdllm_stats._base.checks import check_choice
    from crowdllm_stats.backbones.diagnostics import check_backbone
    from crowdllm_stats.backbones.placement import Precision
    from crowdllm_stats.backbones.prompts import template_names
    from crowdllm_stats.backbones.transformers_backbone import TransformersBackbone
    from crowdllm_stats.data.files import read_table

    if template is None:
        raise ValueError(
            "--template is missing: name the question that the model is asked about every text, a template with "
            f"labelled [options] in a file or one of {', '.join(template_names())}"
        )
    people = None if profiles is None else read_table(profiles)
    table = read_table(problems)
    precision = check_choice("dtype", dtype, get_args(Precision))
    backbone = TransformersBackbone(model, dtype=precision, template=template, cache=cache)
    found = check_backbone(backbone, table, people, persona_template=persona_template, level=level)
    if not as_json:
        print(found)
        return
    content = {
        "command": "backbone check",
        "version": __version__,
        "results": table_rows(found.to_frame()),
        "reads_scale": found.reads_scale,
        "template": found.template,
        "n_problems": found.n_problems,
        "n_profiles": found.n_profiles,
        "level": found.level,
        "why": found.why,
    }
    print(json_text(content))
