"""`crowdllm-stats simulate`: answers of digital people, from a shipped population or a generator file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats.cli.extras import needs_extras
from crowdllm_stats.cli.options import AsJson, DataFolder, Problems, check_seed
from crowdllm_stats.cli.progress import progress_line
from crowdllm_stats.json_values import json_text

if TYPE_CHECKING:
    from crowdllm_stats.crowd import CrowdData
    from crowdllm_stats.generator.crowdllm import CrowdLLM

#: More answers than this are streamed, without profiles, and only to Parquet.
STREAMED = 2_000_000


def simulate(arguments: Sequence[str]) -> Callable[..., None]:
    """The command; ``arguments`` go into the manifest."""

    def command(
        population: Annotated[
            str, typer.Argument(metavar="POPULATION", help="offensiveness (shipped), or a generator's .npz file.")
        ],
        out: Annotated[Path, typer.Option(metavar="FILE", help="Where the answers go: .csv, .csv.gz or .parquet.")],
        n: Annotated[int, typer.Option(metavar="N", help="Number of digital people.")] = 100,
        problem: Problems = None,
        twins: Annotated[
            str | None,
            typer.Option(metavar="HUMANS", help="A twin for every answer of this human table, cross-fitted; see --by."),
        ] = None,
        by: Annotated[
            str,
            typer.Option(
                metavar="WHAT",
                help="--twins by people (generators without the person; N further people) or by problems (generators "
                "without the problem that know the person; everybody else is the crowd).",
            ),
        ] = "problems",
        folds: Annotated[int, typer.Option(metavar="F", help="Folds for --twins.")] = 5,
        effect: Annotated[
            str, typer.Option(metavar="WHICH", help="fitted: what the problems' own answers said; typical: the median.")
        ] = "fitted",
        reference_out: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Also write K plain answers of the LLM a problem here.")
        ] = None,
        k: Annotated[int, typer.Option(metavar="K", help="Plain answers a problem for --reference-out.")] = 8,
        seed: Annotated[int, typer.Option(metavar="SEED", help="Seed of profiles and answers.")] = 0,
        data: DataFolder = None,
        as_json: AsJson = False,
    ) -> None:
        """Answers of digital people to the problems a generator knows, with a manifest beside them.

        With --twins, every human answer gets a digital one by a generator that had no part of it, and unlabelled people
        come from the same generators: what interval, safe-interval and risk compare.
        """
        from crowdllm_stats.cli.output import check_not_read, check_out
        from crowdllm_stats.datasets.population import load_population

        check_out(out)
        check_not_read("--out", out, (population, twins))
        if reference_out is not None:
            check_out(reference_out)
            check_not_read("--reference-out", reference_out, (population, twins, str(out)))
        check_seed(seed)
        with needs_extras():
            model = load_population(population)
        bar = progress_line()
        if twins is None:
            written, people, note = _plain(model, out, problem, n, effect, seed, bar)
        else:
            written, people, note = _twins(model, out, twins, by, problem, n, folds, seed, data, bar)
        if reference_out is not None:
            _references(model, problem, k, seed, reference_out)
        told = {"population": population, "people": people, "answers": written, "out": str(out), "note": note}
        _manifest(arguments, population, twins, out, seed, {"people": people, "answers": written})
        if as_json:
            print(json_text(told))
            return
        print(f"{written:,} answers of {people:,} digital people in {out}\n{note}")

    return command


def _plain(
    model: CrowdLLM, out: Path, problem: list[str] | None, n: int, effect: str, seed: int, bar: Any
) -> tuple[int, int, str]:
    problems = problem or list(model.fitted.problems)
    note = f"{len(problems)} problem(s), effect {effect}; an answer depends on seed, person and problem alone."
    if n * len(problems) <= STREAMED:
        answers = model.simulate(problems, n, seed=seed, effect=effect)
        answers.write(out)
        return len(answers.responses), n, note
    if out.suffix != ".parquet":
        raise ValueError(f"{n * len(problems):,} answers are streamed to .parquet only; got --out {out}")
    return model.simulate_to(out, problems, n, seed=seed, effect=effect, progress=bar), n, f"{note} Without profiles."


def _twins(
    model: CrowdLLM, out: Path, humans: str, by: str, problem: list[str] | None, n: int, folds: int, seed: int,
    data: Path | None, bar: Any,
) -> tuple[int, int, str]:  # fmt: skip
    from crowdllm_stats.generator.twins import cross_fitted_twins, twins_by_problem
    from crowdllm_stats.inference.checks import check_choice

    check_choice("--by", by, ("people", "problems"))
    human = _humans(humans, model, data)
    if problem:
        raise ValueError("--problem cannot be joined with --twins: the generators need all problems; choose later")
    if by == "people":
        made = cross_fitted_twins(model, human, n, folds=folds, seed=seed, progress=bar)
    else:
        made = twins_by_problem(model, human, folds=folds, seed=seed, progress=bar)
    made.digital.write(out)
    return len(made.digital.responses), made.digital.responses["participant"].nunique(), made.why


def _humans(name: str, model: CrowdLLM, data: Path | None) -> CrowdData:
    from crowdllm_stats.cli.inputs import named_data
    from crowdllm_stats.crowd import CrowdData

    if ":" in name and not Path(name).exists():
        return named_data(name, data)
    return CrowdData.read(name, scale=model.fitted.scale)


def _references(model: CrowdLLM, problem: list[str] | None, k: int, seed: int, out: Path) -> None:
    import numpy as np
    import pandas as pd

    from crowdllm_stats.datasets.population import stored_reference
    from crowdllm_stats.tables.files import write_table

    reference = stored_reference(model.fitted)
    if problem:
        reference = reference.select(problem)
    answers = np.asarray(reference.sample(k, seed=seed)).mean(axis=1)  # over the profiles the LLM was asked as
    frame = pd.DataFrame({"problem": np.repeat(reference.problems, k), "response": answers.reshape(-1)})
    write_table(frame, out)


def _manifest(
    arguments: Sequence[str], population: str, twins: str | None, out: Path, seed: int, counts: dict[str, int]
) -> None:
    from crowdllm_stats.datasets.population import FOLDER, POPULATIONS
    from crowdllm_stats.report.manifest import described_file, write_manifest

    place = FOLDER / f"{population}.npz" if population in POPULATIONS else Path(population)
    inputs = [described_file(place)]
    if twins is not None:
        inputs.append(described_file(Path(twins)) if Path(twins).exists() else {"name": twins})
    write_manifest(out, arguments=arguments, inputs=inputs, seed=seed, counts=counts)
