"""`crowdllm-stats across`: every problem's human mean, helped by all other problems and by the digital crowd."""

from __future__ import annotations

from typing import Annotated

import typer

from crowdllm_stats.cli.command_interval import PopulationSize
from crowdllm_stats.cli.options import Level, Tables
from crowdllm_stats.cli.output import Report, excluded_rows

SHOW = ("problem", "estimate", "lower", "upper", "n_labeled", "effective_n", "weight", "synthetic")

Covariates = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMNS", help="Numeric columns of HUMANS with one value per problem, for instance words,year."
    ),
]


def across(
    tables: Tables,
    covariates: Covariates = None,
    level: Level = 0.95,
    population_size: PopulationSize = None,
) -> Report:
    """An interval for every problem's human mean from its own few answers, all other problems and the digital crowd.

    The human means are regressed on the digital ones over problems, and each is combined with its regression. People
    may answer many problems; what they have in common is measured and added. DIGITAL may be left out. The "effective n"
    column says how many human answers alone would do as well; the level holds on average over problems.
    """
    from crowdllm_stats._base.checks import check_level
    from crowdllm_stats.cli.inputs import load, load_humans
    from crowdllm_stats.survey.across import across_from

    check_level(level)
    names = [name.strip() for name in (covariates or "").split(",") if name.strip()]
    if covariates is not None and not names:
        raise ValueError("--covariates needs at least one column, for instance --covariates words,year")
    if tables.match is not None:
        raise ValueError(
            "--match builds twins, which this command does not use: it takes the digital means as they are"
        )
    if tables.digital:
        both = load(tables, names)
        human, digital, notes, inputs = both.human, both.digital, both.notes, both.inputs
    else:
        alone = load_humans(tables, names)
        human, digital, notes, inputs = alone.human, None, alone.notes, alone.inputs
    found = across_from(human, digital, covariates=names, as_given=True, population_size=population_size, level=level)
    return Report(
        command="across",
        title=f"Population mean of each problem, from all problems together, level {level:g}",
        results=list(found.rows),
        excluded=excluded_rows(found.excluded),
        notes=[*notes, *found.notes],
        counts=found.counts,
        why=found.why,
        show=SHOW,
        inputs=inputs,
        notices=found.notices,
    )
