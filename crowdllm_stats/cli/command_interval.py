"""`crowdllm-stats interval`: a confidence interval for every problem's human mean, and for the mean over all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crowdllm_stats.cli.options import Level, Seed, Tables
from crowdllm_stats.cli.output import Report, Row

if TYPE_CHECKING:
    from crowdllm_stats.cli.estimate import Wanted
    from crowdllm_stats.cli.inputs import Loaded
    from crowdllm_stats.pairing import Pairing

SHOW = (
    "problem",
    "estimate",
    "lower",
    "upper",
    "saved",
    "method",
    "half_width",
    "n_labeled",
    "n_digital",
    "power",
    "note",
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
    seed: Seed = None,
) -> Report:
    """A confidence interval for what people on average answer: one row a problem, and the mean over all.

    A digital answer with a human's problem and participant is that human's twin, every other one is unlabelled; with
    --match, twins are built from profiles. The "saved" column says how many human answers the digital ones are worth.
    """
    from crowdllm_stats.cli.estimate import Wanted, check_wanted, per_problem, pooled_row, savings
    from crowdllm_stats.cli.inputs import load

    check_wanted(Wanted(method, level, alternative, (0.0, 1.0), None, population_size, seed))
    loaded = load(tables)
    wanted = Wanted(method, level, alternative, loaded.bounds, loaded.step, population_size, seed)
    check_wanted(wanted)
    pairing = paired_for(loaded, wanted)
    results, excluded, why = per_problem(pairing, wanted)
    notes = [*loaded.notes, *pairing.notes()]
    if not pairing.n_pairs.any():
        notes.append(
            "no digital answer is a human's twin: human answers alone; --match COLUMNS builds twins from profiles"
        )
    elif method not in ("classical", "classical-small") and alternative == "two-sided":
        notes.append(savings(pairing, results, wanted))
    summary: list[Row] = []
    if len(results) > 1:
        summary, remark = pooled_row(pairing, wanted)
        notes.append(remark)
    return Report(
        command="interval",
        title=f"Population mean of each problem, level {level:g}",
        results=results,
        summary=summary,
        excluded=excluded,
        notes=notes,
        counts=pairing.counts,
        why=f"{pairing.why} {why}",
        show=SHOW,
        inputs=loaded.inputs,
        seed=seed,
    )


def paired_for(loaded: Loaded, wanted: Wanted) -> Pairing:
    """The pairing; as a census where the digital answers cover exactly the population asked for."""
    from crowdllm_stats.pairing import pair

    if wanted.population_size is not None:
        census = pair(loaded.human, loaded.digital, match=loaded.match, census=True)
        if (census.n_crowd == wanted.population_size).all():
            return census
    return pair(loaded.human, loaded.digital, match=loaded.match)
