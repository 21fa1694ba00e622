"""`crowdllm-stats evaluate`: CrowdLLM and every baseline on real answers, scored by one protocol."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats.cli.options import (
    AsJson,
    AskOptions,
    Backbone,
    DataFolder,
    Embedding,
    FileScale,
    Humans,
    ReadOptions,
    Setting,
    hyper_parameters,
)
from crowdllm_stats.cli.out_check import check_folder
from crowdllm_stats.cli.terminal import status_line


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
    seeds: Annotated[int, typer.Option(metavar="N", help="Make N splits, with the seeds 0 to N - 1.")] = 5,
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
    as_json: AsJson = False,
) -> None:
    """Compare CrowdLLM and every baseline on real answers: exact and sampled, against ridge, with their spread."""
    if seeds < 1:
        raise ValueError(f"--seeds must be a whole number of at least 1; got {seeds}")
    if out is not None:
        check_folder("--out", out, ["scores.csv.manifest.json"], given.params)
    settings = hyper_parameters(setting or [])
    for name in ("objective", "mixing"):
        if name in settings:
            raise ValueError(f"--setting {name}: the rows differ in it; it cannot be set for all of them")
    how = asking.asking
    from crowdllm_stats.cli.inputs import human_answers

    human, notes = human_answers(data, scale, folder, reading)
    with status_line("reading") as step:
        from crowdllm_stats._base.checks import check_choice
        from crowdllm_stats.data.files import read_table
        from crowdllm_stats.data.levels import even_levels, on_levels
        from crowdllm_stats.evaluation.case_study.references import read_references
        from crowdllm_stats.evaluation.case_study.study import run_study
        from crowdllm_stats.evaluation.case_study.texts import read_texts
        from crowdllm_stats.evaluation.protocols import PROTOCOLS

        if out is not None:
            from crowdllm_stats.verify.report import require_matplotlib

            require_matplotlib()
        people = None if personas is None else read_table(personas)
        references = read_references(
            backbone, human, folder=folder, asking=how, personas=people, persona_template=persona_template
        )
        texts = read_texts(human, embedding, device=how.device or "auto")
        if human.scale.kind == "continuous" and human.scale.bounds is not None:
            human, note = on_levels(human, even_levels(*human.scale.bounds), data)
            notes += [note] if note else []
        study = run_study(
            human, references, texts, name=data, protocol=check_choice("protocol", protocol, PROTOCOLS),
            seeds=range(seeds), objective=objective, only=row, progress=step, **settings,
        )  # fmt: skip
        study = dataclasses.replace(study, notes=(*notes, *study.notes))
        written = []
        if out is not None:
            from crowdllm_stats.evaluation.case_study.writing import write_study

            written = write_study(study, out, human, references, arguments=given.obj)
    if as_json:
        print(json_text(_envelope(study)))
        return
    from crowdllm_stats.evaluation.case_study.wording import markdown

    print(markdown(study))
    if written:
        print(f"Written: {len(written)} files in {out}")


def _envelope(study: Any) -> dict[str, Any]:
    """The study's fields, tables as lists of rows."""
    import pandas as pd

    from crowdllm_stats import __version__

    content: dict[str, Any] = {"command": "evaluate", "version": __version__}
    for field in dataclasses.fields(study):
        value = getattr(study, field.name)
        if isinstance(value, pd.DataFrame):
            value = table_rows(value)
        content[field.name] = value
    return content
