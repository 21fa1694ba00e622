"""`crowdllm-stats backbone`: fetch a small model, show what is there, check whether it reads, ask it, embed texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crowdllm_stats import __version__
from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats.cli.command_group import command_group
from crowdllm_stats.cli.model_options import AskOptions
from crowdllm_stats.cli.option_groups import with_groups
from crowdllm_stats.cli.options import AsJson, KeepFormulas
from crowdllm_stats.cli.out_check import check_file
from crowdllm_stats.cli.terminal import Progress


def backbone() -> typer.Typer:
    """The command with its parts: fetch, show, check, ask, embed.

    Example:
        >>> [command.name for command in backbone().registered_commands]
        ['fetch', 'show', 'check', 'ask', 'embed']
    """
    app = command_group("Fetch, show, check and ask models that answer in place of people; turn texts into numbers.")
    app.command("fetch")(fetch)
    app.command("show")(show)
    app.command("check")(with_groups(check))
    app.command("ask")(with_groups(ask))
    app.command("embed")(embed)
    return app


def fetch(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Fetch smollm2 (answers), minilm (embeddings) or gemma3-270m (answers)."),
    ],
    accept_terms: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Say that you have read and accept the model's terms of use, by their name."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a small model into the user's cache with pip and check its hash; this is needed once.

    \f
    Raises:
        ValueError: on an unknown name, terms that were not accepted, without pip, on a download that fails or whose
            hash differs, and without the extra that reads the model.
    """
    from crowdllm_stats.backbones.fetch import fetch_model

    with Progress(f"fetching {name}"):
        found = fetch_model(name, accept_terms=accept_terms)
    if as_json:
        print(json_text({"name": found.name, "folder": str(found.folder), **found.manifest}))
    else:
        print(found)


def show() -> None:
    """List the models that can be fetched, where the fetched ones are, and the paper's four on the model hub.

    \f
    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()) as shown:
        ...     show()
        >>> all(name in shown.getvalue() for name in ("smollm2", "minilm", "gemma3-12b"))
        True
    """
    from crowdllm_stats.backbones.catalogue import MODELS
    from crowdllm_stats.backbones.fetch import find_model
    from crowdllm_stats.backbones.paper_models import PAPER, described

    for name, package in MODELS.items():
        try:
            print(find_model(name))
        except FileNotFoundError:
            terms = f", to be accepted first ({package.terms_at}): --accept-terms {package.terms}" * bool(package.terms)
            print(f"{name}: not fetched ({package.requirement})\n  {package.note}\n  licence {package.licence}{terms}")
    print("The paper's backbones, which transformers downloads from the hub when they are first asked, for a GPU:")
    for name in PAPER:
        print(described(name))


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
    asking: AskOptions,
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
    as_json: AsJson = False,
) -> None:
    """Check whether a local model reads the scale: it is asked again with the scale and the options reversed.

    What the problems ask is said by --template, a prompt with labelled [options], or by --options, what each answer of
    the plain prompt means.

    \f
    Prints what :func:`crowdllm_stats.backbones.diagnostics.check_backbone` finds; the model is read from a folder, from
    the cache or from the hub.

    Raises:
        ValueError: without a word on what is asked, on a server, a missing column, an unknown template, a level outside
            (0, 1), or without ``crowdllm-stats[hf]``.
        FileNotFoundError: if a file or the model is not there.
    """
    from crowdllm_stats.backbones.diagnostics import check_backbone
    from crowdllm_stats.backbones.options import answers_of
    from crowdllm_stats.backbones.prompts import template_names
    from crowdllm_stats.backbones.server import ServerBackbone
    from crowdllm_stats.data.opening import open_table
    from crowdllm_stats.evaluation.case_study.asking import opened

    if asking.template is None and asking.options is None:
        raise ValueError(
            "--template is missing: name the question that the model is asked about every text, a template with "
            f"labelled [options] in a file or one of {', '.join(template_names())}; or say what each answer of the "
            "plain prompt means with --options, for instance 1=never,2=often"
        )
    people = None if profiles is None else open_table(profiles).frame
    table = open_table(problems).frame
    with Progress("asking the model") as say:
        how = asking.asked(say)
        backbone = opened(model, None if how.options is None else answers_of(list(how.options)), how)
        if isinstance(backbone, ServerBackbone):
            raise ValueError(f"{model} is a server's address; check a model on this machine, by folder, name or hub id")
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


def ask(
    given: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Ask the server at this address, such as http://127.0.0.1:8000/v1, or a model on this machine.",
        ),
    ],
    problems: Annotated[
        Path,
        typer.Argument(
            metavar="PROBLEMS",
            help="Read the problems from this .csv or .parquet file with the columns problem and text.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the answers to this .npz file, for --backbone.")],
    asking: AskOptions,
    profiles: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ask as each of these people, a file with the column participant and profile columns; the prompt of "
            "--template must have {persona}.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model every problem, as every person, and write its answers for --backbone of fit, evaluate and simulate.

    A run that was stopped or killed goes on when the same command is given again: what is in the cache is not asked.

    \f
    Raises:
        ValueError: on a missing column, an unknown template, a server without --server-model, costs above --at-most.
        FileNotFoundError: if a file or the model is not there.
        OSError: if the server cannot be reached, refuses or keeps failing; what it answered until then is kept.
    """
    from crowdllm_stats._base.manifest import described_file, write_manifest
    from crowdllm_stats.backbones.options import answers_of
    from crowdllm_stats.cli.stopping import say_when_stopped
    from crowdllm_stats.data.opening import open_table
    from crowdllm_stats.evaluation.case_study.asking import opened

    check_file("--out", out, [".npz"], given.params)
    people = None if profiles is None else open_table(profiles).frame
    table = open_table(problems).frame
    with Progress("asking the model") as say:
        how = asking.asked(say)
        backbone = opened(model, None if how.options is None else answers_of(list(how.options)), how)
        say_when_stopped("answers until now are in the cache, the same command goes on")
        reference = backbone.reference(table, people)
    reference.save(out)
    counts = {"problems": len(reference.problems), "people": len(reference.profiles)}
    files = [problems, *([] if profiles is None else [profiles])]
    write_manifest(
        out, arguments=given.obj, inputs=[*map(described_file, files), {"name": model}], seed=None, counts=counts
    )
    if as_json:
        content = {"command": "backbone ask", "version": __version__, "out": str(out), **counts}
        print(json_text({**content, "source": dict(reference.source)}))
        return
    of_people = f" of {counts['people']:,} people" * (profiles is not None)
    print(f"Answers to {counts['problems']:,} problems{of_people} in {out}")
    for notice in reference.notices:
        print(f"- {notice}")


def embed(
    given: typer.Context,
    problems: Annotated[
        Path,
        typer.Argument(
            metavar="PROBLEMS", help="Read the texts from this .csv or .parquet file with the columns problem and text."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Write the numbers to this .csv, .csv.gz or .parquet file.")
    ],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Embed with minilm, or with the encoder in this folder.")
    ] = "minilm",
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Compute on cpu, cuda or cuda:1, or on a GPU if there is one (auto).")
    ] = "auto",
    as_json: AsJson = False,
    keep_formulas: KeepFormulas = False,
) -> None:
    """Turn the problems' texts into numbers, one row per problem, for --embedding of fit, evaluate and simulate.

    \f
    Raises:
        ValueError: on a missing column or text, an unknown model, or ``tfidf``, which a fit learns by itself.
        FileNotFoundError: if a file or the model is not there.
    """
    import pandas as pd

    from crowdllm_stats._base.manifest import described_file, write_manifest
    from crowdllm_stats.cli.new_questions import read_rows
    from crowdllm_stats.data.files import SUFFIXES, write_table
    from crowdllm_stats.data.scale import continuous
    from crowdllm_stats.evaluation.case_study.reference_tables import NewQuestions
    from crowdllm_stats.evaluation.case_study.texts import NONE, read_texts

    check_file("--out", out, SUFFIXES, given.params)
    if model in ("tfidf", NONE):
        raise ValueError(f"--model {model}: a fit makes it itself, from its own texts; say --embedding {model} there")
    table = read_rows(problems, "problem", {})
    with Progress("embedding"):
        found = read_texts(NewQuestions(table, continuous()), model, device=device).fixed
    assert found is not None
    frame = pd.DataFrame(found.table, columns=[f"e{place}" for place in range(found.table.shape[1])])
    frame.insert(0, "problem", list(found.problems))
    write_table(frame, out, keep_formulas=keep_formulas)
    counts = {"problems": len(frame), "numbers": found.table.shape[1]}
    write_manifest(
        out, arguments=given.obj, inputs=[described_file(problems), {"name": model}], seed=None, counts=counts,
        rows=len(frame),
    )  # fmt: skip
    if as_json:
        print(
            json_text({"command": "backbone embed", "version": __version__, "model": model, "out": str(out), **counts})
        )
        return
    print(f"{len(frame):,} problems embedded by {model}, {counts['numbers']} numbers each, in {out}")
