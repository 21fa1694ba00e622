"""`crowdllm-stats safe-interval`: is the digital crowd no worse than the bare LLM, problem by problem?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats.cli.options import Level, Tables
from crowdllm_stats.cli.output import Report, Row, word
from crowdllm_stats.cli.wording import several

if TYPE_CHECKING:
    import numpy as np

    from crowdllm_stats.cli.inputs import Loaded
    from crowdllm_stats.inference.backbone_quality import BackboneQuality

SHOW = (
    "problem",
    "decision",
    "adjusted",
    "p_value",
    "belief_mean",
    "delta",
    "published_lower",
    "published_upper",
    "exact_lower",
    "exact_upper",
    "note",
)

#: Probability with which kappa bounds the gap, as the paper's example has it.
KAPPA_LEVEL = 0.9

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
        typer.Option(metavar="V", help="Variance of one LLM answer; from repeated reference answers by default."),
    ] = None,
    level: Level = 0.95,
) -> Report:
    """Is the crowd's mean no worse than one answer of the bare LLM? Decided for each problem from the human answers.

    A digital person's belief is the answer less the mean reference answer. The published and the exact interval of
    safe belief means are both given; only the exact one is a guarantee.
    """
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.inference.checks import check_level

    check_level(level)
    if kappa is not None and not kappa >= 0:
        raise ValueError(f"--kappa must not be negative, got {kappa:g}")
    if eta is not None and not eta >= 0:
        raise ValueError(f"--eta must not be negative, got {eta:g}")
    loaded = load(tables)
    answers, inputs = reference_answers(tables, loaded, reference, reference_participant)
    cases, excluded, counts = _cases(loaded, answers, reference_participant)
    quality = None if kappa is not None else _quality(cases)
    bound = kappa if kappa is not None else _kappa(quality)
    results, whys = _results(cases, bound, eta, level, loaded.bounds, loaded.step)
    _adjust(results, level)
    notes = [*loaded.notes, *_notes(results, quality, bound, eta, [len(case["reference"]) for case in cases], level)]
    return Report(
        command="safe-interval",
        title=f"Is the digital crowd no worse than one answer of the bare LLM? Tests at level {level:g}",
        results=results,
        excluded=excluded,
        notes=notes,
        counts=counts,
        why=whys,
        show=SHOW,
        inputs=[*loaded.inputs, *inputs],
    )


def reference_answers(
    tables: Tables, loaded: Loaded, reference: str | None, participant: str | None
) -> tuple[dict[str, np.ndarray[Any, Any]], list[dict[str, Any]]]:
    """The plain LLM's answers by problem, and a description of the file they came from.

    Raises:
        ValueError: unless exactly one of the two options is given; if the participant is not in the digital table.
    """
    from crowdllm_stats.cli.inputs import read_reference

    if reference is not None and participant is not None:
        raise ValueError(
            "--reference and --reference-participant both name the LLM's plain answers: give one, not both"
        )
    if reference is None and participant is None:
        raise ValueError(
            "the LLM's plain answers are needed: give either --reference FILE or --reference-participant ID"
        )
    inputs = []
    if reference is not None:
        frame, source = read_reference(reference, tables)
        inputs.append(source)
    else:
        responses = loaded.digital.responses
        frame = responses[responses["participant"] == participant]
        if frame.empty:
            raise ValueError(f"--reference-participant {participant!r} has no answer in the digital table")
    grouped = frame.groupby("problem", sort=False)["response"]
    return {str(problem): values.to_numpy(dtype=float) for problem, values in grouped}, inputs


def _cases(
    loaded: Loaded, answers: dict[str, np.ndarray[Any, Any]], participant: str | None
) -> tuple[list[Row], list[Row], dict[str, int]]:
    """Each problem's human, crowd and reference answers; problems that lack one of them, with the reason."""
    import dataclasses

    from crowdllm_stats.pairing import pair

    digital = loaded.digital
    if participant is not None and not loaded.match:  # by profile it also stands in for people without a persona
        rest = digital.responses[digital.responses["participant"] != participant]
        digital = dataclasses.replace(digital, responses=rest.reset_index(drop=True))
    pairing = pair(loaded.human, digital, match=loaded.match, census=True)
    cases: list[Row] = []
    excluded: list[Row] = []
    by_problem = {
        problem: block.human[place]
        for block in pairing.blocks(paired=False)
        for place, problem in enumerate(block.problems)
    }
    for place, problem in enumerate(pairing.problems):
        human, size = by_problem[problem], int(pairing.n_crowd[place])
        if len(human) < 2:
            reason = "fewer than 2 human answers"
        elif size < 2:
            reason = "fewer than 2 digital answers"
        elif problem not in answers:
            reason = "no reference answer"
        else:
            cases.append(
                {"problem": problem, "human": human, "crowd": pairing.crowd_of(place), "reference": answers[problem]}
            )
            continue
        excluded.append({"problem": problem, "reason": reason})
    if not cases:
        raise ValueError(f"no problem can be judged: {excluded[0]['reason']}")
    return cases, excluded, pairing.counts


def _quality(cases: list[Row]) -> BackboneQuality | None:
    from crowdllm_stats.inference.backbone_quality import backbone_quality

    if len(cases) < 2:
        return None
    return backbone_quality([case["human"] for case in cases], [case["reference"] for case in cases], level=KAPPA_LEVEL)


def _kappa(quality: BackboneQuality | None) -> float | None:
    """The guaranteed kappa where it is finite, else the corrected one; None where neither is."""
    import math

    if quality is None:
        return None
    return quality.kappa if math.isfinite(quality.kappa) else quality.kappa_corrected


def _results(
    cases: list[Row],
    kappa: float | None,
    eta: float | None,
    level: float,
    bounds: tuple[float, float] | None,
    step: float | None,
) -> tuple[list[Row], str]:
    import numpy as np

    from crowdllm_stats.inference.safe_decision import safe_decision

    groups: dict[tuple[int, int, int], list[Row]] = {}
    for case in cases:
        groups.setdefault((len(case["human"]), len(case["crowd"]), len(case["reference"])), []).append(case)
    results: list[Row] = []
    whys: dict[str, str] = {}  # of the first shape
    for (_, size, given), group in groups.items():
        human, crowd, reference = (np.stack([case[name] for case in group]) for name in ("human", "crowd", "reference"))
        variance = (
            np.full(len(group), eta)
            if eta is not None
            else (reference.var(axis=1, ddof=1) if given > 1 else np.zeros(len(group)))
        )
        beliefs = crowd - reference.mean(axis=1, keepdims=True)
        decision = safe_decision(
            beliefs, human, reference, n_digital=size, eta=variance, bounds=bounds,
            step=None if bounds is None else step, level=level,
        )  # fmt: skip
        rows = decision.to_frame(index=[case["problem"] for case in group]).reset_index().to_dict("records")
        for row, p_safe, p_unsafe in zip(rows, decision.p_safe, decision.p_unsafe, strict=True):
            row |= {"adjusted": row.pop("decision_adjusted"), "p_safe": float(p_safe), "p_unsafe": float(p_unsafe)}
        whys.setdefault("decision", decision.why)
        if kappa is not None:
            whys.setdefault("intervals", _add_intervals(rows, beliefs, decision, kappa, size, variance))
        results += rows
    place = {case["problem"]: number for number, case in enumerate(cases)}
    return sorted(results, key=lambda row: place[row["problem"]]), _in_one(list(whys.values()))


def _in_one(texts: list[str]) -> str:
    """Several explanations as one, each sentence once."""
    sentences = dict.fromkeys(sentence.rstrip(".") for text in texts for sentence in text.split(". "))
    return f"{'. '.join(sentences)}."


def _add_intervals(rows: list[Row], beliefs: Any, decision: Any, kappa: float, size: int, variance: Any) -> str:
    import numpy as np

    from crowdllm_stats.inference.safe_interval import safe_interval as calculator

    for row in rows:
        row["kappa"] = kappa
    ends = calculator(beliefs.mean(axis=1), (beliefs**2).mean(axis=1), decision.delta, kappa, size, eta=variance)
    for name in (
        "published_lower",
        "published_upper",
        "inside_published",
        "exact_lower",
        "exact_upper",
        "inside_exact",
    ):
        values = np.atleast_1d(getattr(ends, name)).tolist()
        empty = np.atleast_1d(ends.exact.half_width) == -np.inf
        for row, value, none in zip(rows, values, empty, strict=True):
            row[name] = None if none and name in ("exact_lower", "exact_upper") else value
    for sentence, mask in ends.flags.items():
        for row, holds in zip(rows, np.atleast_1d(mask).tolist(), strict=True):
            if holds:
                row["note"] = "; ".join(part for part in (row.get("note"), sentence) if part)
    return ends.why


def _adjust(results: list[Row], level: float) -> None:
    """Benjamini-Hochberg over all problems that were tested, whatever their sizes."""
    from scipy.stats import false_discovery_control

    tested = [row for row in results if row["belief_mean"] != 0.0 and row["delta_upper"] != float("inf")]
    if not tested:
        return
    for row, adjusted in zip(tested, false_discovery_control([row["p_value"] for row in tested]), strict=True):
        row["p_adjusted"] = float(adjusted)
        direction = "safe" if row["p_safe"] <= row["p_unsafe"] else "unsafe"
        row["adjusted"] = direction if adjusted <= 1.0 - level else "undetermined"


def _notes(
    results: list[Row],
    quality: BackboneQuality | None,
    kappa: float | None,
    eta: float | None,
    given: list[int],
    level: float,
) -> list[str]:
    counts = {name: sum(row["decision"] == name for row in results) for name in ("safe", "unsafe", "undetermined")}
    adjusted = {name: sum(row["adjusted"] == name for row in results) for name in ("safe", "unsafe")}
    notes = [
        f"Of {several(len(results), 'problem')} the crowd is safe in {counts['safe']}, unsafe in {counts['unsafe']}, "
        f"undetermined in {counts['undetermined']}; "
        f"after Benjamini-Hochberg {adjusted['safe']} safe, {adjusted['unsafe']} unsafe."
    ]
    if quality is not None:
        short = quality.n_problems < quality.least_problems
        why = f" (a finite one needs at least {several(quality.least_problems, 'problem')})" if short else ""
        corrected = "unknown" if quality.kappa_corrected is None else f"{quality.kappa_corrected:.3g}"
        notes.append(
            f"kappa at probability {quality.level:g} from {several(quality.n_problems, 'problem')}: "
            f"{quality.kappa:.3g} guaranteed{why}, {corrected} with the noise taken off; "
            f"the intervals use {word(kappa)}."
        )
    elif kappa is None:
        notes.append("kappa cannot be estimated from one problem: no intervals; give --kappa.")
    if eta is None and min(given) == 1:
        single = sum(number == 1 for number in given)
        notes.append(
            f"In {several(single, 'problem')} there is one reference answer, taken as the LLM's exact mean with eta 0; "
            "else give --eta."
        )
    if eta is None and max(given) > 1:
        notes.append("eta is estimated from the repeated reference answers, and then counts as known.")
    wrong = sum(
        bool(row.get("inside_published")) and not row["inside_exact"] for row in results if "inside_exact" in row
    )
    if wrong:
        notes.append(f"Inside the published interval but outside the exact one: {several(wrong, 'problem')}.")
    return notes
