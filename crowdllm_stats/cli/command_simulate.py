"""`crowdllm-stats simulate`: answers of digital people, from a shipped population or a generator file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats._base.json_values import json_text
from crowdllm_stats._base.shown import several
from crowdllm_stats.cli.options import (
    AsJson,
    DataFolder,
    DropMissing,
    KeepFormulas,
    ParticipantColumn,
    ParticipantsFile,
    ProblemColumn,
    Problems,
    ReadOptions,
    ResponseColumn,
    check_seed,
    left_out,
)
from crowdllm_stats.cli.out_check import check_file
from crowdllm_stats.cli.terminal import progress_line

if TYPE_CHECKING:
    import pandas as pd

    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.generator.crowdllm import CrowdLLM

#: More answers than this are streamed, without profiles, and only to Parquet.
STREAMED = 2_000_000

#: Digital people, when nobody says how many.
USUAL = 100


def simulate(
    given: typer.Context,
    population: Annotated[
        str,
        typer.Argument(
            metavar="POPULATION", help="Use the shipped population offensiveness, or a generator's .npz file."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Write the answers to this .csv, .csv.gz or .parquet file.")
    ],
    n: Annotated[
        int | None, typer.Option(metavar="N", help="Simulate N digital people, by default 100; for --twins see --by.")
    ] = None,
    problem: Problems = None,
    twins: Annotated[
        str | None,
        typer.Option(metavar="HUMANS", help="Make a cross-fitted twin for every answer of this human table; see --by."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="Make --twins by people (generators without the person; N further people) or by problems "
            "(generators without the problem that know the person; everybody else is the crowd).",
        ),
    ] = "problems",
    folds: Annotated[int, typer.Option(metavar="F", help="Use F folds for --twins.")] = 5,
    effect: Annotated[
        str,
        typer.Option(
            metavar="WHICH", help="Use what the problems' own answers said (fitted), or the median problem (typical)."
        ),
    ] = "fitted",
    participants: ParticipantsFile = None,
    problem_column: ProblemColumn = "problem",
    participant_column: ParticipantColumn = "participant",
    response_column: ResponseColumn = "response",
    drop_missing: DropMissing = False,
    reference_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write K plain answers of the LLM per problem to this file, each the mean over the "
            "personas it was asked as.",
        ),
    ] = None,
    k: Annotated[int, typer.Option(metavar="K", help="Write K plain answers per problem to --reference-out.")] = 8,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Set the seed of profiles and answers.")] = 0,
    data: DataFolder = None,
    keep_formulas: KeepFormulas = False,
    as_json: AsJson = False,
) -> None:
    """Write answers of digital people to the problems a generator knows, with a manifest beside them.

    With --twins, every human answer gets a digital one from a generator that was not fitted to it, and unlabelled
    people come from the same generators: what interval, safe-interval and risk compare.
    """
    from crowdllm_stats._base.checks import check_choice, check_count
    from crowdllm_stats.data.files import SUFFIXES, write_table
    from crowdllm_stats.generator.shipped import load_population

    check_file("--out", out, SUFFIXES, given.params)
    check_file("--reference-out", reference_out, SUFFIXES, given.params)
    if reference_out is not None:
        check_count("--k", k)
    check_seed(seed)
    check_choice("--by", by, ("people", "problems"))
    reading = ReadOptions(None, participants, problem_column, participant_column, response_column, drop_missing)
    _check_together(twins, by, n, effect, problem, reading)
    model = load_population(population)
    _check_known(problem, model)
    plain = None if reference_out is None else _references(model, problem, k, seed)
    bar = progress_line()
    count = USUAL if n is None else n
    if twins is None:
        written, people, note = _plain(model, out, problem, count, effect, seed, bar, keep_formulas)
    else:
        human = _humans(twins, model, data, reading)
        written, people, note = _twins(model, out, human, by, count, folds, seed, bar, keep_formulas)
        note = " ".join([note, *left_out(twins, human)])
    if reference_out is not None and plain is not None:
        write_table(plain, reference_out, keep_formulas=keep_formulas)
    made = {"population": population, "people": people, "answers": written, "out": str(out), "note": note}
    _manifest(given.obj, population, twins, out, seed, {"people": people, "answers": written})
    if as_json:
        print(json_text(made))
        return
    print(f"{written:,} answers of {people:,} digital people in {out}\n{note}")


def _plain(
    model: CrowdLLM,
    out: Path,
    problem: list[str] | None,
    n: int,
    effect: str,
    seed: int,
    bar: Any,
    keep_formulas: bool,
) -> tuple[int, int, str]:
    problems = problem or list(model.fitted.problems)
    note = f"{several(len(problems), 'problem')}, effect {effect}; an answer depends only on seed, person and problem."
    if n * len(problems) <= STREAMED:
        answers = model.simulate(problems, n, seed=seed, effect=effect)
        answers.write(out, keep_formulas=keep_formulas)
        return len(answers.responses), n, note
    if out.suffix.lower() != ".parquet":
        raise ValueError(f"{n * len(problems):,} answers are streamed to .parquet only; got --out {out}")
    return model.simulate_to(out, problems, n, seed=seed, effect=effect, progress=bar), n, f"{note} Without profiles."


def _check_together(
    twins: str | None, by: str, n: int | None, effect: str, problem: list[str] | None, reading: ReadOptions
) -> None:
    """Refuse options that the others leave without effect."""
    if twins is None:
        if reading.options:
            raise ValueError(f"{reading.options[0]} says how the table of --twins is read, and there is no --twins")
        return
    if problem:
        raise ValueError("--problem cannot be joined with --twins: the generators need all problems; choose later")
    if effect != "fitted":
        raise ValueError(f"--effect {effect} cannot be joined with --twins, which never saw what they answer; drop it")
    if by == "problems" and n is not None:
        raise ValueError(
            f"--n {n}: with --twins by problems the crowd is everybody else in {twins}; drop --n, or say --by people"
        )


def _check_known(problem: list[str] | None, model: CrowdLLM) -> None:
    known = model.fitted.problems
    unknown = [name for name in problem or [] if name not in set(known)]
    if unknown:
        raise ValueError(
            f"--problem {unknown[0]!r} is not among the {len(known)} problems that the generator knows ({known[0]} to "
            f"{known[-1]}); new ones, with a reference of theirs, go through CrowdLLM.simulate in Python"
        )


def _twins(
    model: CrowdLLM,
    out: Path,
    human: CrowdData,
    by: str,
    n: int,
    folds: int,
    seed: int,
    bar: Any,
    keep_formulas: bool,
) -> tuple[int, int, str]:
    from crowdllm_stats.generator.twins import cross_fitted_twins, twins_by_problem

    if by == "people":
        made = cross_fitted_twins(model, human, n, folds=folds, seed=seed, progress=bar)
    else:
        made = twins_by_problem(model, human, folds=folds, seed=seed, progress=bar)
    made.digital.write(out, keep_formulas=keep_formulas)
    return len(made.digital.responses), made.digital.responses["participant"].nunique(), made.why


def _humans(name: str, model: CrowdLLM, data: Path | None, reading: ReadOptions) -> CrowdData:
    from crowdllm_stats.cli.inputs import named_data

    if ":" in name and not Path(name).exists():
        reading.refuse_named(name)
        return named_data(name, data)
    return reading.read(name, model.fitted.scale)


def _references(model: CrowdLLM, problem: list[str] | None, k: int, seed: int) -> pd.DataFrame:
    """K plain answers of the LLM per problem, columns problem and response."""
    import numpy as np
    import pandas as pd

    from crowdllm_stats.generator.shipped import stored_reference

    reference = stored_reference(model.fitted)
    if problem:
        reference = reference.select(problem)
    drawn = np.asarray(reference.sample(k, seed=seed))
    words = drawn.dtype.kind in "US"
    if words and drawn.shape[1] > 1:
        raise ValueError(
            f"--reference-out: the LLM was asked as {drawn.shape[1]} personas, and words have no mean; drop it"
        )
    answers = drawn[:, 0] if words else drawn.mean(axis=1)  # over the profiles the LLM was asked as
    return pd.DataFrame({"problem": np.repeat(reference.problems, k), "response": answers.reshape(-1)})


def _manifest(
    arguments: Sequence[str], population: str, twins: str | None, out: Path, seed: int, counts: dict[str, int]
) -> None:
    from crowdllm_stats._base.manifest import described_file, write_manifest
    from crowdllm_stats.generator.shipped import FOLDER, POPULATIONS

    place = FOLDER / f"{population}.npz" if population in POPULATIONS else Path(population)
    inputs = [described_file(place)]
    if twins is not None:
        inputs.append(described_file(Path(twins)) if Path(twins).exists() else {"name": twins})
    write_manifest(out, arguments=arguments, inputs=inputs, seed=seed, counts=counts, rows=counts["answers"])
