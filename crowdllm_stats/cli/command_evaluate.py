"""`crowdllm-stats evaluate`: CrowdLLM and every baseline on real answers, scored by one protocol."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats.cli.options import (
    AsJson,
    Backbone,
    Context,
    DataFolder,
    DropMissing,
    Embedding,
    FileScale,
    Humans,
    ParticipantColumn,
    ParticipantsFile,
    ProblemColumn,
    ProblemsFile,
    PromptTemplate,
    ReadOptions,
    Requirements,
    ResponseColumn,
    Setting,
    hyper_parameters,
    left_out,
)
from crowdllm_stats.cli.out_check import check_folder
from crowdllm_stats.cli.terminal import status_line


def evaluate(
    given: typer.Context,
    data: Humans,
    backbone: Backbone,
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
    problems: ProblemsFile = None,
    participants: ParticipantsFile = None,
    problem_column: ProblemColumn = "problem",
    participant_column: ParticipantColumn = "participant",
    response_column: ResponseColumn = "response",
    drop_missing: DropMissing = False,
    template: PromptTemplate = "zero_shot",
    context: Context = None,
    requirements: Requirements = None,
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
    reading = ReadOptions(problems, participants, problem_column, participant_column, response_column, drop_missing)
    from crowdllm_stats.cli.inputs import human_answers

    human = human_answers(data, scale, folder, reading)
    with status_line("reading") as step:
        from crowdllm_stats._base.checks import check_choice
        from crowdllm_stats.data.files import read_table
        from crowdllm_stats.evaluation.case_study.references import read_references
        from crowdllm_stats.evaluation.case_study.study import run_study
        from crowdllm_stats.evaluation.case_study.texts import read_texts
        from crowdllm_stats.evaluation.protocols import PROTOCOLS

        if out is not None:
            from crowdllm_stats.verify.report import require_matplotlib

            require_matplotlib()
        people = None if personas is None else read_table(personas)
        references = read_references(
            backbone, human, folder=folder, template=template, personas=people, persona_template=persona_template,
            context=context, requirements=requirements,
        )  # fmt: skip
        texts = read_texts(human, embedding)
        study = run_study(
            human, references, texts, name=data, protocol=check_choice("protocol", protocol, PROTOCOLS),
            seeds=range(seeds), objective=objective, only=row, progress=step, **settings,
        )  # fmt: skip
        study = dataclasses.replace(study, notes=(*left_out(data, human), *study.notes))
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
