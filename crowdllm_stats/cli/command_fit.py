"""`crowdllm-stats fit`: a generator of digital people, learned from human answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from crowdllm_stats.cli.command_simulate import progress_line
from crowdllm_stats.cli.generator_options import human_answers, hyper_parameters, needs_extras


def fit(arguments: Sequence[str]) -> Callable[..., None]:
    """The command; ``arguments`` go into the manifest."""

    def command(
        data: Annotated[
            str, typer.Argument(metavar="DATA", help="Human answers: popquorn:offensiveness, example:human, or a file.")
        ],
        backbone: Annotated[
            str,
            typer.Option(
                metavar="NAME",
                help="Reference answers: example:reference, recorded:gpt4, a .csv of probabilities or of answers, "
                "smollm2, a model's folder.",
            ),
        ],
        out: Annotated[Path, typer.Option(metavar="FILE", help="The generator, an .npz file.")],
        embedding: Annotated[
            str, typer.Option(metavar="NAME", help="Of the problems' texts: minilm, tfidf, none, or a model's folder.")
        ] = "none",
        setting: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME=VALUE", help="A hyper-parameter, for instance objective=paper or mixing=5."),
        ] = None,
        scale: Annotated[
            str | None, typer.Option(metavar="LEVELS", help="Answer scale of a file, for instance 1,2,3,4,5.")
        ] = None,
        template: Annotated[
            str, typer.Option(metavar="NAME", help="A model's prompt, for instance offensiveness.")
        ] = "zero_shot",
        seed: Annotated[int, typer.Option(metavar="SEED", help="Seed of starting values and held-out problems.")] = 0,
        folder: Annotated[
            Path | None,
            typer.Option("--data", metavar="FOLDER", help="Folder of the data sets; CROWDLLM_STATS_DATA by default."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
    ) -> None:
        """Fit a generator to human answers and write it, with a manifest, for simulate.

        The file holds the training people's ids, profiles and fitted effects: keep it as the answers are kept.
        """
        if out.suffix != ".npz":
            raise ValueError(f"--out {out} must end in .npz")
        if not out.absolute().parent.is_dir():
            raise FileNotFoundError(f"--out: the folder {out.absolute().parent} does not exist")
        if seed < 0:
            raise ValueError(f"--seed must be a whole number of at least 0; got {seed}")
        settings = hyper_parameters(setting or [])
        human = human_answers(data, scale, folder)
        with needs_extras():
            from crowdllm_stats.case_study.references import read_references
            from crowdllm_stats.case_study.texts import read_texts
            from crowdllm_stats.generator.crowdllm import CrowdLLM
            from crowdllm_stats.report.manifest import described_answers, described_file, write_manifest

            model = CrowdLLM(**settings)
            references = read_references(backbone, human, folder=folder, template=template)
            features = read_texts(human, embedding).features(human.responses["problem"].unique().tolist())
            model.fit(human, references.whole, embedding=features, seed=seed, progress=progress_line())
        model.save(out)
        source = described_file(Path(data)) if Path(data).exists() else described_answers(data, human.responses)
        write_manifest(
            out,
            arguments=arguments,
            inputs=[source, dict(references.source)],
            seed=seed,
            counts={"answers": model.fitted.n_answers, "people": model.fitted.n_people},
        )
        if as_json:
            table = model.fitted.tuning.to_dict("records")
            told = {"out": str(out), "settings": model.settings.to_dict(), "steps": model.fitted.steps, "tuning": table}
            print(json.dumps({**told, "new_problem_sd": model.fitted.new_problem_sd}, indent=2))
            return
        print(model)
        for note in references.notes:
            print(f"- {note}")
        print(f"Written: {out}")

    return command
