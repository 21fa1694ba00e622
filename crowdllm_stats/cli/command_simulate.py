"""`crowdllm-stats simulate`: answers of digital people, from a shipped population or a generator file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats._base.json_values import json_text
from crowdllm_stats._base.shown import several
from crowdllm_stats.cli.model_options import AskOptions
from crowdllm_stats.cli.new_questions import Asked, known_questions, new_questions, read_rows
from crowdllm_stats.cli.option_groups import given_options
from crowdllm_stats.cli.options import (
    AsJson,
    DataFolder,
    KeepFormulas,
    Plot,
    Problems,
    ReadAnswers,
    ReadOptions,
    Scheduler,
    check_seed,
)
from crowdllm_stats.cli.out_check import check_file, check_folder, check_plot
from crowdllm_stats.cli.output import write_figure
from crowdllm_stats.cli.terminal import Progress

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
        Path,
        typer.Option(
            metavar="FILE",
            help="Write the answers to this .csv, .csv.gz or .parquet file; a name without an ending is a folder of "
            "Parquet files, for any number of people.",
        ),
    ],
    reading: ReadOptions,
    asking: AskOptions,
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
    backbone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Take the reference answers to new --problems from here, as in fit."),
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Embed new --problems with this, by default with the embedder of the fit."),
    ] = None,
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
    scheduler: Scheduler = None,
    data: DataFolder = None,
    plot: Plot = None,
    keep_formulas: KeepFormulas = False,
    as_json: AsJson = False,
) -> None:
    """Write answers of digital people to the problems a generator knows, with a manifest beside them.

    With --problems FILE they answer the problems of this file, new ones too; with --participants FILE and without
    --twins, they are people of these profiles.

    A folder as --out is filled in parts: the same command goes on with those that are missing after it was stopped, and
    --scheduler has them computed by a Dask cluster.

    With --twins, every human answer gets a digital one from a generator that was not fitted to it, and unlabelled
    people come from the same generators: what interval, safe-interval and risk compare.
    """
    from crowdllm_stats._base.checks import check_choice, check_count
    from crowdllm_stats._base.manifest import described_file, write_manifest
    from crowdllm_stats.data.files import SUFFIXES, write_table
    from crowdllm_stats.generator.parts import IDENTITY
    from crowdllm_stats.generator.shipped import FOLDER, POPULATIONS, load_population

    folder = not out.suffix
    if folder:
        check_folder("--out", out, (IDENTITY,), given.params)
    else:
        check_file("--out", out, SUFFIXES, given.params)
    check_file("--reference-out", reference_out, SUFFIXES, given.params)
    if reference_out is not None:
        check_count("--k", k)
    check_plot(plot, given.params)
    if folder and plot is not None:
        raise ValueError("--plot draws the answers of one file: name one with --out, such as answers.parquet")
    check_seed(seed)
    check_choice("--by", by, ("people", "problems"))
    _check_parts(folder, twins, reading, scheduler)
    _check_together(twins, by, n, effect, problem, reading, asking, backbone, embedding)
    model = load_population(population)
    if reading.problems is None:
        asked = known_questions(model.fitted, problem)
    else:
        with Progress("reading new problems") as say:
            asked = new_questions(model.fitted, reading, problem, backbone, embedding, asking, data, say)
    plain = None if reference_out is None else _references(model, asked, k, seed)
    # The warnings are of people far from the fit.
    with Progress("simulating") as bar, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        if twins is None:
            count = USUAL if n is None else n
            if folder:
                written, people, notes = _parts(model, out, asked, count, effect, seed, scheduler, bar)
            else:
                written, people, notes = _plain(model, out, asked, n, reading, effect, seed, bar, keep_formulas)
            source = [] if reading.participants is None else [described_file(reading.participants)]
        else:
            human, left = _humans(twins, model, data, reading)
            count = USUAL if n is None else n
            written, people, note = _twins(model, out, human, by, count, folds, seed, bar, keep_formulas)
            notes = [note, *left]
            source = [described_file(Path(twins)) if Path(twins).exists() else {"name": twins}]
    notes += dict.fromkeys(str(one.message) for one in said if issubclass(one.category, UserWarning))
    if reference_out is not None and plain is not None:
        write_table(plain, reference_out, keep_formulas=keep_formulas)
    note = " ".join([*notes, *asked.notes])
    made = {"population": population, "people": people, "answers": written, "out": str(out), "note": note}
    place = FOLDER / f"{population}.npz" if population in POPULATIONS else Path(population)
    inputs = [described_file(place), *source, *asked.inputs]
    counts = {"people": people, "answers": written}
    described = out / IDENTITY if folder else out
    write_manifest(described, arguments=given.obj, inputs=inputs, seed=seed, counts=counts, rows=written)
    if plot is not None:
        from crowdllm_stats.data.answer_picture import answer_picture
        from crowdllm_stats.data.files import read_table

        write_figure(answer_picture(read_table(out)), plot)
    if as_json:
        print(json_text(made))
        return
    print(f"{written:,} answers of {people:,} digital people in {out}\n{note}")
    if plot is not None:
        print(f"Plot: {plot}")


def _parts(
    model: CrowdLLM, folder: Path, asked: Asked, n: int, effect: str, seed: int, scheduler: str | None, bar: Any
) -> tuple[int, int, list[str]]:
    from crowdllm_stats.cli.stopping import say_when_stopped
    from crowdllm_stats.generator.parts import simulate_parts

    say_when_stopped(f"finished parts stay in {folder}, the same command goes on")
    made = simulate_parts(
        model, folder, asked.problems, n, seed=seed, reference=asked.reference, embedding=asked.embedding,
        effect=effect, scheduler=scheduler, progress=bar,
    )  # fmt: skip
    notes = [f"{several(len(asked.problems), 'problem')}, effect {effect}; {several(made.parts, 'part')}"]
    return made.answers, n, [f"{notes[0]}, {made.found} of them found there. Without profiles."]


def _check_parts(folder: bool, twins: str | None, reading: ReadOptions, scheduler: str | None) -> None:
    """Refuse what does not go with a folder of parts, and what needs one."""
    from crowdllm_stats._base.cluster import check_address, need_dask

    if scheduler is not None:
        if not folder:
            raise ValueError("--scheduler computes parts, which make a folder: name one with --out, without an ending")
        need_dask("--scheduler")
        check_address(scheduler)
    if folder and (twins is not None or reading.participants is not None):
        what = "--twins" if twins is not None else "--participants"
        raise ValueError(f"{what} gives one file: name one with --out, such as answers.parquet")


def _plain(
    model: CrowdLLM, out: Path, asked: Asked, n: int | None, reading: ReadOptions, effect: str, seed: int, bar: Any,
    keep_formulas: bool,
) -> tuple[int, int, list[str]]:  # fmt: skip
    problems = asked.problems
    known: dict[str, Any] = {"reference": asked.reference, "embedding": asked.embedding}
    notes = [
        f"{several(len(problems), 'problem')}, effect {effect}; an answer depends only on seed, person and problem."
    ]
    people = None
    count = USUAL if n is None else n
    if reading.participants is not None:
        people = read_rows(reading.participants, "participant", reading.columns)
        count = len(people) if n is None else n
    streamed = count * len(problems) > STREAMED
    if streamed and out.suffix.lower() != ".parquet":
        raise ValueError(f"{count * len(problems):,} answers are streamed to .parquet only; got --out {out}")
    if streamed:
        written = model.simulate_to(
            out, problems, count, seed=seed, people=people, effect=effect, progress=bar, **known
        )
        return written, count, [*notes, "Without profiles."]
    answers = model.simulate(problems, count, seed=seed, people=people, effect=effect, **known)
    answers.write(out, keep_formulas=keep_formulas)
    return len(answers.responses), count, notes


def _check_together(
    twins: str | None, by: str, n: int | None, effect: str, problem: list[str] | None, reading: ReadOptions,
    asking: AskOptions, backbone: str | None, embedding: str | None,
) -> None:  # fmt: skip
    """Refuse options that the others leave without effect."""
    of_new = ["--backbone"] * (backbone is not None) + ["--embedding"] * (embedding is not None) + given_options(asking)
    if of_new and reading.problems is None:
        raise ValueError(f"{of_new[0]} is for new problems, and there is no --problems FILE; give one or drop it")
    if twins is None:
        needed = {"--problem-column": reading.problems, "--participant-column": reading.participants}
        useless = [
            one for one in reading.options if needed.get(one) is None and one not in ("--problems", "--participants")
        ]
        if useless:
            raise ValueError(f"{useless[0]} says how the table of --twins is read, and there is no --twins")
        return
    if problem or reading.problems:
        what = "--problem" if problem else "--problems"
        raise ValueError(f"{what} cannot be joined with --twins: the generators need all problems; choose later")
    if effect != "fitted":
        raise ValueError(f"--effect {effect} cannot be joined with --twins, which never saw what they answer; drop it")
    if by == "problems" and n is not None:
        raise ValueError(
            f"--n {n}: with --twins by problems the crowd is everybody else in {twins}; drop --n, or say --by people"
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


def _humans(name: str, model: CrowdLLM, data: Path | None, reading: ReadOptions) -> ReadAnswers:
    from crowdllm_stats.cli.inputs import named_data

    if ":" in name and not Path(name).exists():
        reading.refuse_named(name)
        return ReadAnswers(named_data(name, data), [])
    return reading.read(name, model.fitted.scale)


def _references(model: CrowdLLM, asked: Asked, k: int, seed: int) -> pd.DataFrame:
    """K plain answers of the LLM per problem, columns problem and response."""
    import numpy as np
    import pandas as pd

    from crowdllm_stats.generator.shipped import stored_reference

    reference = (stored_reference(model.fitted) if asked.reference is None else asked.reference).select(asked.problems)
    drawn = np.asarray(reference.sample(k, seed=seed))
    words = drawn.dtype.kind in "US"
    if words and drawn.shape[1] > 1:
        raise ValueError(
            f"--reference-out: the LLM was asked as {drawn.shape[1]} personas, and words have no mean; drop it"
        )
    answers = drawn[:, 0] if words else drawn.mean(axis=1)  # over the profiles the LLM was asked as
    return pd.DataFrame({"problem": np.repeat(reference.problems, k), "response": answers.reshape(-1)})
