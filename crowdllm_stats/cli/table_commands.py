"""The commands on a human and a digital table: each reads them, calls the function of its job and reports."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats._base.messages import Message
from crowdllm_stats._base.shown import one_line
from crowdllm_stats._base.words import split_list
from crowdllm_stats.cli.options import Level, Seed, Tables, Unpaired
from crowdllm_stats.cli.output import Report, bars
from crowdllm_stats.cli.terminal import Progress

if TYPE_CHECKING:
    from crowdllm_stats.cli.inputs import Loaded
    from crowdllm_stats.survey.comparison import Comparison
    from crowdllm_stats.survey.result import SurveyResult

Alternative = Annotated[
    str,
    typer.Option(metavar="SIDE", help="Give both ends (two-sided), a lower end (larger) or an upper end (smaller)."),
]
PopulationSize = Annotated[
    int | None,
    typer.Option(metavar="M", help="Take the mean of M people as the target, those of the human table among them."),
]
Reference = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Read the LLM's plain answers from this file with the columns problem and response."
    ),
]
ReferenceParticipant = Annotated[
    str | None,
    typer.Option(metavar="ID", help="Take this participant of DIGITAL as the plain LLM, instead of --reference."),
]

#: The step after reading.
COMPUTING = "computing"

#: Problems whose intervals compare draws on the screen at most.
DRAWN = 3


def _report(command: str, found: SurveyResult, loaded: Loaded, seed: int | None = None, **others: Any) -> Report:
    """What a command has to say of a result."""

    def keep(folder: Path, **others: Any) -> list[Path]:
        from crowdllm_stats.report.keep import keep_results

        everything = dataclasses.replace(
            found, notes=[*loaded.notes, *found.notes], notices=[*loaded.notices, *found.notices]
        )
        return keep_results(
            folder, everything, command=command, human=loaded.human, digital=loaded.digital, inputs=loaded.inputs,
            seed=seed, **others,
        )  # fmt: skip

    read = [sentence if sentence.endswith(".") else f"{sentence}." for sentence in loaded.notes]
    return Report(
        command=command,
        answer=found.answer,
        basis=Message.joined([found.basis, *read]),
        results=list(found.rows),
        summary=found.summary,
        excluded=[{"problem": problem, "reason": reason} for problem, reason in found.excluded.items()],
        notes=[*loaded.notes, *found.notes],
        counts=found.counts,
        why=found.why,
        show=found.columns,
        inputs=loaded.inputs,
        seed=seed,
        keep=keep,
        notices=[*loaded.notices, *found.notices],
        **others,
    )


def interval(
    tables: Tables,
    say: Progress,
    method: Annotated[
        str, typer.Option(metavar="METHOD", help="Use this interval method; auto chooses by numbers and scale alone.")
    ] = "auto",
    level: Level = 0.95,
    alternative: Alternative = "two-sided",
    population_size: PopulationSize = None,
    unpaired: Unpaired = False,
    seed: Seed = None,
) -> Report:
    """Give a confidence interval for what people answer on average: one row per problem, and the mean over all.

    A digital answer with a human's problem and participant is that human's twin, every other one is unlabelled; with
    --match, twins are built from profiles. Without DIGITAL, or with --unpaired, human answers stand alone.
    """
    from crowdllm_stats._base.checks import ALTERNATIVES, check_choice
    from crowdllm_stats.cli.inputs import load, say_why_whole, too_many
    from crowdllm_stats.inference.intervals.methods import CHOICES
    from crowdllm_stats.survey.intervals import check_interval, interval_from

    check_interval(method, level, alternative, population_size)
    large = too_many(tables)
    loaded = large or load(tables)
    if not large:
        say_why_whole(tables)
    say(COMPUTING)
    found = interval_from(
        tables.humans if large else loaded.human, loaded.digital, scale=tables.scale if large else None,
        match=loaded.match, unpaired=unpaired, as_given=True, level=level,
        method=check_choice("method", method, CHOICES),
        alternative=check_choice("alternative", alternative, ALTERNATIVES), population_size=population_size, seed=seed,
    )  # fmt: skip
    return _report("interval", found, loaded, figure=found.plot, seed=seed)


def across(
    tables: Tables,
    say: Progress,
    covariates: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS",
            help="Use these numeric columns of HUMANS, which have one value per problem, for instance words,year.",
        ),
    ] = None,
    level: Level = 0.95,
    population_size: PopulationSize = None,
) -> Report:
    """Estimate each problem's human mean from its own few answers, all other problems and the digital crowd.

    The human means are regressed on the digital ones over problems, and each is combined with its regression. People
    may answer many problems; what they have in common is measured and added. DIGITAL may be left out. The "effective n"
    column says how many human answers alone would do as well; the level holds on average over problems.
    """
    from crowdllm_stats._base.checks import check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.across import across_from

    check_level(level)
    names = split_list(covariates or "")
    if covariates is not None and not names:
        raise ValueError("--covariates needs at least one column, for instance --covariates words,year")
    if tables.match is not None:
        raise ValueError(
            "--match builds twins, which this command does not use: it takes the digital means as they are"
        )
    loaded = load(tables, names)
    say(COMPUTING)
    found = across_from(
        loaded.human, loaded.digital, covariates=names, as_given=True, population_size=population_size, level=level
    )
    return _report("across", found, loaded, figure=found.plot)


def new_questions(
    tables: Tables, say: Progress, level: Level = 0.95,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Set the seed of the split of the questions.")] = 0,
) -> Report:  # fmt: skip
    """Foresee what people would answer to questions that only the digital people have answered.

    The questions that both tables hold say how far off the digital means are. The intervals hold on average over new
    questions that are like those, for the mean of as many people as answered them.
    """
    from crowdllm_stats._base.checks import check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.new_questions import new_questions_from

    check_level(level)
    if tables.match is not None:
        raise ValueError("--match builds twins, and twins play no part in new questions: leave it out")
    loaded = load(dataclasses.replace(tables, problem=None))
    say(COMPUTING)
    found = new_questions_from(*loaded.tables, problems=tables.problem, as_given=True, level=level, seed=seed)
    return _report("new-questions", found, loaded, figure=found.plot, seed=seed)


def safe_interval(
    tables: Tables,
    say: Progress,
    reference: Reference = None,
    reference_participant: ReferenceParticipant = None,
    kappa: Annotated[
        float | None, typer.Option(metavar="K", help="Bound |Delta| by K, by default estimated from the problems.")
    ] = None,
    eta: Annotated[
        float | None,
        typer.Option(
            metavar="V",
            help="Set the variance of one LLM answer, 0 if it always answers alike, by default estimated "
            "from repeated plain answers.",
        ),
    ] = None,
    level: Level = 0.95,
) -> Report:
    """Decide for each problem whether the crowd's mean is no worse than asking the bare LLM once.

    The human answers decide. The verdicts are: not worse, worse, undecided, after Benjamini-Hochberg over the problems.
    The crowd's gap is its mean less the humans': a crowd can be no worse than the LLM and far off. A digital person's
    belief is the answer less the mean reference answer; inside published and inside exact say whether the belief mean
    lies in Theorem 3's interval.
    """
    from crowdllm_stats.cli.inputs import load, read_plain
    from crowdllm_stats.survey.decisions import check_safe, safe_decision_from

    check_safe(kappa, eta, level)
    _check_reference(reference, reference_participant)
    loaded = load(tables)
    say(COMPUTING)
    plain = read_plain(reference, tables, loaded)
    found = safe_decision_from(
        *loaded.tables, plain, reference_participant=reference_participant, match=loaded.match,
        as_given=True, kappa=kappa, eta=eta, level=level,
    )  # fmt: skip
    return _report("safe-interval", found, loaded, figure=found.plot)


def _check_reference(reference: str | None, participant: str | None) -> None:
    """Refuse anything but exactly one place of the plain answers."""
    if reference is not None and participant is not None:
        raise ValueError(
            "--reference and --reference-participant both name the LLM's plain answers: give one, not both"
        )
    if reference is None and participant is None:
        raise ValueError(
            "the LLM's plain answers are needed: give either --reference FILE or --reference-participant ID"
        )


def risk(
    tables: Tables,
    say: Progress,
    reference: Reference = None,
    reference_participant: ReferenceParticipant = None,
    level: Level = 0.95,
) -> Report:
    """Show how far the crowd's mean is from the humans' mean, and in which parts: per problem, and on average.

    Only people with a twin count. Several answers of one person to one problem separate noise from the person, and
    make parts identifiable that single answers leave open. With the LLM's plain answers, its own risk is shown too.
    """
    from crowdllm_stats._base.checks import check_level
    from crowdllm_stats.cli.inputs import load, read_plain
    from crowdllm_stats.survey.risk import risk_from

    check_level(level)
    if reference is not None or reference_participant is not None:
        _check_reference(reference, reference_participant)
    loaded = load(tables)
    say(COMPUTING)
    plain = read_plain(reference, tables, loaded)
    found = risk_from(
        *loaded.tables, plain, reference_participant=reference_participant, match=loaded.match,
        as_given=True, level=level,
    )  # fmt: skip
    return _report("risk", found, loaded, figure=found.plot)


def compare(
    tables: Tables,
    say: Progress,
    first: Annotated[
        int | None, typer.Option(metavar="N", help="Show the first N problems instead of the mean over all.")
    ] = None,
    level: Level = 0.95,
    alternative: Alternative = "two-sided",
    unpaired: Unpaired = False,
    seed: Seed = None,
) -> Report:
    """Show every interval method side by side: for the problems named by --problem, the first N, or the mean over all.

    Picking the narrowest one afterwards breaks its level; the star marks what "auto" uses.
    """
    from crowdllm_stats._base.checks import ALTERNATIVES, check_choice, check_count
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.comparison import compare_from
    from crowdllm_stats.survey.intervals import check_interval

    check_interval("auto", level, alternative, None)
    if first is not None:
        check_count("--first", first)
    loaded = load(tables)
    say(COMPUTING)
    found = compare_from(
        *loaded.tables, match=loaded.match, unpaired=unpaired, as_given=True,
        first=first if first is not None or not tables.problem else len(tables.problem), level=level,
        alternative=check_choice("alternative", alternative, ALTERNATIVES), seed=seed,
    )  # fmt: skip
    return _report("compare", found, loaded, figure=found.plot, seed=seed, pictures=_drawn(found))


def _drawn(found: Comparison) -> list[str]:
    """The first problems' intervals in characters."""
    texts = []
    for problem, rows in list(found.panels().items())[:DRAWN]:
        labelled = [row | {"label": f"{row['method']}{' *' if row['chosen'] else ''}"} for row in rows]
        texts.append(f"\n{one_line(problem)}\n{bars(labelled, 'label')}")
    return [*texts, "* what auto uses"]


def distribution(
    tables: Tables,
    say: Progress,
    level: Level = 0.95,
    n_boot: Annotated[
        int,
        typer.Option("--n-boot", metavar="B", help="Draw B bootstrap samples for bounds per problem; 0 draws none."),
    ] = 0,
    seed: Seed = None,
) -> Report:
    """Measure how far the digital answers' distribution is from the humans': in location, spread and shape.

    There is one row per problem, and the mean over all. "sd_ratio" below 1 says that the digital answers are too
    uniform, "cost_of_uniformity" what that adds to the squared distance. Who is whose twin plays no part here.
    """
    from crowdllm_stats._base.checks import check_count, check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.distribution import distribution_from

    check_level(level)
    check_count("--n-boot", n_boot, least=0)
    if tables.match is not None:
        raise ValueError("--match builds twins, and twins play no part in the distribution of answers: leave it out")
    loaded = load(tables)
    say(COMPUTING)
    found = distribution_from(*loaded.tables, as_given=True, level=level, n_boot=n_boot, seed=seed)
    return _report("distribution", found, loaded, figure=found.plot, seed=seed)


def planner(
    tables: Tables,
    say: Progress,
    half_width: Annotated[float, typer.Option(metavar="H", help="Plan for this half-width, in units of the answers.")],
    level: Level = 0.95,
) -> Report:
    """Plan how many human answers a wanted half-width takes, with and without the digital population.

    The two tables serve as a pilot: they give the spread of human answers and their correlation with the twins, for
    each problem and over all of them.
    """
    from crowdllm_stats._base.checks import check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.plan import check_half_width, plan_from

    check_level(level)
    check_half_width(half_width)
    loaded = load(tables)
    say(COMPUTING)
    found = plan_from(*loaded.tables, half_width, match=loaded.match, as_given=True, level=level)
    return _report("planner", found, loaded, figure=found.plot)
