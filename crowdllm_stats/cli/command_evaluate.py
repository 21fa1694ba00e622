"""`crowdllm-stats evaluate`: CrowdLLM and every baseline on real answers, or whether its population is calibrated."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats.cli.model_options import AskOptions, Backbone, Embedding, Setting, hyper_parameters
from crowdllm_stats.cli.options import (
    AsJson,
    DataFolder,
    FileScale,
    Humans,
    Plot,
    ReadOptions,
)
from crowdllm_stats.cli.out_check import check_folder, check_plot
from crowdllm_stats.cli.output import write_figure
from crowdllm_stats.cli.terminal import Progress


def evaluate(
    given: typer.Context,
    data: Humans,
    backbone: Backbone,
    reading: ReadOptions,
    asking: AskOptions,
    embedding: Embedding = "minilm",
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help="Hold out workers alone (paper), or whole problems too (new-problems)."),
    ] = "new-problems",
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Instead of comparing, say whether the population is calibrated, and for whom not."
        ),
    ] = False,
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Make N splits, with the seeds 0 to N - 1; with --check, N folds.")
    ] = 5,
    objective: Annotated[
        str,
        typer.Option(metavar="NAME", help="Compare the CrowdLLM of this objective, likelihood or paper, with ridge."),
    ] = "likelihood",
    row: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Make only this row; the option may be repeated.")
    ] = None,
    setting: Setting = None,
    scale: FileScale = None,
    personas: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ask a model as each person of this file with the column participant and profile columns.",
        ),
    ] = None,
    persona_template: Annotated[
        str, typer.Option(metavar="NAME", help="Ask a model with this prompt where it answers as a person.")
    ] = "multi_persona",
    folder: DataFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write tables, pictures, a page and a manifest to this folder."),
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Compare CrowdLLM and every baseline on real answers: exact and sampled, against ridge, with their spread.

    With --check: are the answers of held-out people like draws of the population? PIT and rank histograms, and tests.
    """
    if seeds < 1 + check:
        raise ValueError(f"--seeds must be a whole number of at least {1 + check}; got {seeds}")
    if check and row:
        raise ValueError("--row chooses rows of the comparison, which --check leaves out; leave out one of the two")
    if out is not None:
        check_folder("--out", out, [f"{'checks' if check else 'scores'}.csv.manifest.json"], given.params)
    check_plot(plot, given.params)
    settings = hyper_parameters(setting or [])
    for name in () if check else ("objective", "mixing", "mixing_draws"):
        if name in settings:
            raise ValueError(f"--setting {name}: the rows differ in it; it cannot be set for all of them")
    from crowdllm_stats.cli.inputs import human_answers

    human, notes = human_answers(data, scale, folder, reading)
    with Progress("reading") as step:
        how = asking.asked(step)
        from crowdllm_stats import __version__
        from crowdllm_stats._base.checks import check_choice
        from crowdllm_stats.data.levels import even_levels, on_levels
        from crowdllm_stats.data.opening import open_table
        from crowdllm_stats.evaluation.case_study.references import read_references
        from crowdllm_stats.evaluation.case_study.study import run_study
        from crowdllm_stats.evaluation.case_study.texts import read_texts
        from crowdllm_stats.evaluation.case_study.wording import markdown
        from crowdllm_stats.evaluation.case_study.writing import distributions, write_study
        from crowdllm_stats.evaluation.check_page import write_check
        from crowdllm_stats.evaluation.population_check import check_population
        from crowdllm_stats.evaluation.protocols import PROTOCOLS

        if out is not None:
            from crowdllm_stats.verify.report import require_matplotlib

            require_matplotlib()
        people = None if personas is None else open_table(personas).frame
        references = read_references(
            backbone, human, folder=folder, asking=how, personas=people, persona_template=persona_template
        )
        texts = read_texts(human, embedding, device=how.device or "auto")
        if human.scale.kind == "continuous" and human.scale.bounds is not None:
            human, note = on_levels(human, even_levels(*human.scale.bounds), data)
            notes += [note] if note else []
        common: dict[str, Any] = {
            "name": data, "protocol": check_choice("protocol", protocol, PROTOCOLS),
            "progress": step, **{"objective": objective, **settings},
        }  # fmt: skip
        found: Any
        if check:
            found = check_population(human, references, texts, folds=seeds, **common)
        else:
            found = run_study(human, references, texts, seeds=range(seeds), only=row, **common)
        found = dataclasses.replace(found, notes=(*notes, *found.notes))
        written = []
        if out is not None:
            write = write_check if check else write_study
            written = write(found, out, human, references, arguments=given.obj)
        if plot is not None:
            write_figure(found.plot() if check else distributions(found), plot)
    if as_json:
        print(json_text({"command": "evaluate", "version": __version__, **_content(found)}))
        return
    print(found if check else markdown(found))
    if written:
        print(f"Written: {len(written)} files in {out}")
    if plot is not None:
        print(f"Plot: {plot}")


def _content(found: Any) -> dict[str, Any]:
    """The fields of a study, tables as lists of rows; of a check what it says of itself."""
    import pandas as pd

    from crowdllm_stats.evaluation.case_study.wording import beats_ridge

    if hasattr(found, "to_dict"):
        return dict(found.to_dict())
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    tables = {name: table_rows(value) for name, value in values.items() if isinstance(value, pd.DataFrame)}
    return {"beats_ridge": beats_ridge(found), **values, **tables}
