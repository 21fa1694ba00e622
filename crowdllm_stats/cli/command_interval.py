"""`crowdllm-stats interval`: a confidence interval for every problem's human mean, and for the mean over all."""

from __future__ import annotations

from typing import Annotated

import typer

from crowdllm_stats.cli.options import Level, Seed, Tables, Unpaired
from crowdllm_stats.cli.output import Report, excluded_rows

SHOW = (
    "problem",
    "estimate",
    "lower",
    "upper",
    "method",
    "n_labeled",
    "n_digital",
    "lam",
)

Method = Annotated[
    str, typer.Option(metavar="METHOD", help="Interval method; auto chooses by numbers and scale alone.")
]
Alternative = Annotated[str, typer.Option(metavar="SIDE", help="two-sided, larger (a lower end) or smaller.")]
PopulationSize = Annotated[
    int | None, typer.Option(metavar="M", help="The target is the mean of M people, the human table's among them.")
]


def interval(
    tables: Tables,
    method: Method = "auto",
    level: Level = 0.95,
    alternative: Alternative = "two-sided",
    population_size: PopulationSize = None,
    unpaired: Unpaired = False,
    seed: Seed = None,
) -> Report:
    """A confidence interval for what people on average answer: one row a problem, and the mean over all.

    A digital answer with a human's problem and participant is that human's twin, every other one is unlabelled; with
    --match, twins are built from profiles. Without DIGITAL, or with --unpaired, human answers stand alone.
    """
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.intervals import check_interval, interval_from

    check_interval(method, level, alternative, population_size)
    loaded = load(tables)
    found = interval_from(
        loaded.human,
        loaded.digital if tables.digital else None,
        match=loaded.match,
        unpaired=unpaired,
        as_given=True,  # asked about while reading
        method=method,
        level=level,
        alternative=alternative,
        population_size=population_size,
        seed=seed,
    )
    return Report(
        command="interval",
        title=f"Population mean of each problem, level {level:g}",
        results=list(found.rows),
        summary=[] if found.overall is None else [found.overall],
        excluded=excluded_rows(found.excluded),
        notes=[*loaded.notes, *found.notes],
        counts=found.counts,
        why=found.why,
        show=SHOW,
        inputs=loaded.inputs,
        seed=seed,
        notices=[*loaded.notices, *found.notices],
    )
