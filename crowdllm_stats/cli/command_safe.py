"""`crowdllm-stats safe-interval`: is the digital crowd no worse than the bare LLM, problem by problem?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats.cli.options import Level, Tables
from crowdllm_stats.cli.output import Report, excluded_rows

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData

SHOW = (
    "problem",
    "verdict",
    "crowd_gap",
    "gap_lower",
    "gap_upper",
    "inside_published",
    "inside_exact",
    "p_adjusted",
    "belief_mean",
    "published_lower",
    "published_upper",
    "exact_lower",
    "exact_upper",
)

Reference = Annotated[
    str | None, typer.Option(metavar="FILE", help="The LLM's plain answers: columns problem and response.")
]
ReferenceParticipant = Annotated[
    str | None,
    typer.Option(metavar="ID", help="The plain LLM's participant id inside DIGITAL, instead of --reference."),
]


def safe_interval(
    tables: Tables,
    reference: Reference = None,
    reference_participant: ReferenceParticipant = None,
    kappa: Annotated[
        float | None, typer.Option(metavar="K", help="Bound on |Delta|; estimated from the problems by default.")
    ] = None,
    eta: Annotated[
        float | None,
        typer.Option(
            metavar="V",
            help="Variance of one LLM answer, 0 if it always answers alike; by default from repeated plain answers.",
        ),
    ] = None,
    level: Level = 0.95,
) -> Report:
    """Is the crowd's mean no worse than asking the bare LLM once? Decided for each problem from the human answers.

    Verdicts: not worse, worse, undecided, after Benjamini-Hochberg over the problems. The crowd's gap is its mean less
    the humans': a crowd can be no worse than the LLM and far off. A digital person's belief is the answer less the mean
    reference answer; inside published and inside exact say whether the belief mean lies in Theorem 3's interval.
    """
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.decisions import check_safe, safe_decision_from

    check_safe(kappa, eta, level)
    check_reference(reference, reference_participant)
    loaded = load(tables)
    answers, inputs = read_plain(tables, reference)
    found = safe_decision_from(
        loaded.human,
        loaded.digital,
        answers,
        reference_participant=reference_participant,
        match=loaded.match,
        as_given=True,  # asked about while reading
        kappa=kappa,
        eta=eta,
        level=level,
    )
    return Report(
        command="safe-interval",
        title=f"Is the digital crowd no worse than asking the bare LLM once? Tests at level {level:g}",
        results=list(found.rows),
        excluded=excluded_rows(found.excluded),
        notes=[*loaded.notes, *found.notes],
        counts=found.counts,
        why=found.why,
        show=SHOW,
        inputs=[*loaded.inputs, *inputs],
        notices=[*loaded.notices, *found.notices],
    )


def check_reference(reference: str | None, participant: str | None) -> None:
    """Refuse anything but exactly one place of the plain answers.

    Raises:
        ValueError: naming both options.

    Example:
        >>> check_reference("plain.csv", None)
    """
    if reference is not None and participant is not None:
        raise ValueError(
            "--reference and --reference-participant both name the LLM's plain answers: give one, not both"
        )
    if reference is None and participant is None:
        raise ValueError(
            "the LLM's plain answers are needed: give either --reference FILE or --reference-participant ID"
        )


def read_plain(tables: Tables, reference: str | None) -> tuple[CrowdData | None, list[dict[str, Any]]]:
    """The plain answers of ``--reference`` and a description of their file; nothing without the option."""
    from crowdllm_stats.cli.inputs import read_reference

    if reference is None:
        return None, []
    answers, source = read_reference(reference, tables)
    return answers, [source]
