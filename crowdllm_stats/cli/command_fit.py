"""`crowdllm-stats fit`: a generator of digital people, learned from human answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from crowdllm_stats._base.json_values import json_text, table_rows
from crowdllm_stats.cli.model_options import AskOptions, Backbone, Embedding, Setting, hyper_parameters
from crowdllm_stats.cli.options import (
    AsJson,
    DataFolder,
    FileScale,
    Humans,
    ReadOptions,
    check_seed,
)
from crowdllm_stats.cli.out_check import check_file
from crowdllm_stats.cli.terminal import Progress

#: In place of the held-out error.
NOT_JUDGED = "No problem was held out (fewer than 10, or held_out=0): no error on new problems is known; see evaluate."


def fit(
    given: typer.Context,
    data: Humans,
    backbone: Backbone,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the generator to this .npz file.")],
    reading: ReadOptions,
    asking: AskOptions,
    embedding: Embedding = "none",
    setting: Setting = None,
    scale: FileScale = None,
    seed: Annotated[
        int, typer.Option(metavar="SEED", help="Set the seed of the starting values and the held-out problems.")
    ] = 0,
    folder: DataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Fit a generator to human answers and write it, with a manifest, for simulate.

    The file holds the training people's ids, profiles and fitted effects: keep it as the answers are kept.
    """
    check_file("--out", out, [".npz"], given.params)
    check_seed(seed)
    settings = hyper_parameters(setting or [])
    from crowdllm_stats.cli.inputs import human_answers

    human, notes = human_answers(data, scale, folder, reading)
    from crowdllm_stats._base.manifest import described_answers, described_file, write_manifest
    from crowdllm_stats.evaluation.case_study.references import read_references
    from crowdllm_stats.evaluation.case_study.texts import read_texts
    from crowdllm_stats.evaluation.held_out_error import held_out_error
    from crowdllm_stats.generator.crowdllm import CrowdLLM

    model = CrowdLLM(**settings)
    with Progress("reference answers") as say:
        how = asking.asked(say)
        references = read_references(backbone, human, folder=folder, asking=how)
        say("embedding")
        texts = read_texts(human, embedding, device=how.device or "auto")
        features = texts.features(human.responses["problem"].unique().tolist())
        say("fitting")
        model.fit(human, references.whole, embedding=features, seed=seed, progress=say)
    model.save(out)
    source = described_file(Path(data)) if Path(data).exists() else described_answers(data, human.responses)
    write_manifest(
        out,
        arguments=given.obj,
        inputs=[source, *map(described_file, reading.files), dict(references.source)],
        seed=seed,
        counts={"answers": model.fitted.n_answers, "people": model.fitted.n_people, **human.exclusions},
    )
    notes += references.notes
    with Progress("held-out error"):
        judged = held_out_error(model, human)
    if as_json:
        table = table_rows(model.fitted.tuning)
        made = {"out": str(out), "settings": model.settings.to_dict(), "steps": model.fitted.steps, "tuning": table}
        found = None if judged is None else {**dataclasses.asdict(judged), "text": str(judged)}
        print(json_text({**made, "new_problem_sd": model.fitted.new_problem_sd, "held_out": found, "notes": notes}))
        return
    print(model)
    for note in notes:
        print(f"- {note}")
    print(judged or NOT_JUDGED)
    print(f"Written: {out}")
