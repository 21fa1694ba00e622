"""`crowdllm-stats risk`: the squared error of the crowd's mean, split into its parts, as published and exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crowdllm_stats.cli.command_safe import Reference, ReferenceParticipant, check_reference, read_plain
from crowdllm_stats.cli.options import Level, Tables
from crowdllm_stats.cli.output import Report, Row

if TYPE_CHECKING:
    import numpy as np

    from crowdllm_stats.cli.inputs import Loaded
    from crowdllm_stats.survey.pairing import Pairing

PARTS = ("L", "L1", "L2", "L3", "L4", "L5", "alignment", "exact", "published")

SHOW = ("problem", "n_person", *PARTS, "llm_exact", "llm_published")


def risk(
    tables: Tables, reference: Reference = None, reference_participant: ReferenceParticipant = None, level: Level = 0.95
) -> Report:
    """How far the crowd's mean is from the humans', split into its parts: each problem, and averaged.

    Only people with a twin count. Several answers of a person to a problem tell noise from the person, and make the
    parts identifiable that one answer each leaves open. With the LLM's plain answers, its own risk stands beside.
    """
    from crowdllm_stats._base.checks import check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.first_look import first_look, refuse_strangers
    from crowdllm_stats.survey.one_law import survey_law
    from crowdllm_stats.survey.pairing import pair
    from crowdllm_stats.survey.plain_answers import plain_answers

    check_level(level)
    compared = reference is not None or reference_participant is not None
    if compared:
        check_reference(reference, reference_participant)
    loaded = load(tables)
    pairing = pair(loaded.human, loaded.digital, match=loaded.match)
    refuse_strangers(pairing, loaded.digital, alone=False)
    plain: dict[str, np.ndarray[Any, Any]] = {}
    inputs: list[dict[str, Any]] = []
    if compared:
        answers, inputs = read_plain(tables, reference)
        plain = plain_answers(loaded.digital, answers, reference_participant)
    results, excluded, unused, why = _problems(pairing, loaded, plain, level)
    law = survey_law(pairing)
    law.mark(results)
    notes = [*loaded.notes, *pairing.notes(unlabelled=False)]
    if unused:
        notes.append(f"repeated answers not used: {unused}; everybody of a problem counts with equally many")
    return Report(
        command="risk",
        title="Risk of the crowd's mean: (mean of human answers - mean of digital answers)^2, in expectation",
        results=results,
        summary=_average(results, level) if len(results) > 1 else [],
        excluded=excluded,
        notes=notes,
        counts=pairing.counts,
        why=why,
        show=SHOW,
        inputs=[*loaded.inputs, *inputs],
        notices=[
            *loaded.notices,
            *first_look(pairing, loaded.human, loaded.digital),
            *law.notices("The risk here is that of the twins, not of the other digital people."),
        ],
    )


def _problems(
    pairing: Pairing, loaded: Loaded, plain: dict[str, np.ndarray[Any, Any]], level: float
) -> tuple[list[Row], list[Row], int, str]:
    """One decomposition a shape: problems with equally many people and repeats go together."""
    import numpy as np

    from crowdllm_stats.inference.theorem2_risk import risk_decomposition

    groups: dict[tuple[int, int, int], list[tuple[str, Any, Any]]] = {}
    excluded: list[Row] = []
    unused = 0
    humans = _repeats(loaded.human.responses)
    twins = {} if loaded.match else _repeats(loaded.digital.responses)
    for problem, people in pairing.answers[pairing.answers["twin"].notna()].groupby("problem", sort=False):
        names = people["participant"].tolist()
        human, over = _stacked([humans[problem, name] for name in names])
        if loaded.match:
            twin, more = people["twin"].to_numpy()[None, :], 0
        else:
            twin, more = _stacked([twins[problem, name] for name in names])
        unused += over + more
        groups.setdefault((len(names), len(human), len(twin)), []).append((str(problem), human, twin))
    results: list[Row] = []
    whys: dict[str, None] = {}
    for (count, _, _), group in groups.items():
        if count < 2:
            excluded += [{"problem": name, "reason": "fewer than 2 people with a twin"} for name, _, _ in group]
            continue
        human, twin = np.stack([human for _, human, _ in group]), np.stack([twin for _, _, twin in group])
        parts = risk_decomposition(human, twin, level=level)
        rows = parts.to_frame(index=[name for name, _, _ in group]).reset_index().to_dict("records")
        for row, answers in zip(rows, human, strict=True):
            row |= {"n_person": count, **_llm(answers, plain.get(row["problem"]))}
        whys[parts.why] = None
        results += rows
    missing = [name for name, pairs in zip(pairing.problems, pairing.n_pairs, strict=True) if not pairs]
    excluded += [{"problem": name, "reason": "no human answer has a twin"} for name in missing]
    if not results:
        raise ValueError(f"no problem can be decomposed: {excluded[0]['reason']}")
    place = {problem: number for number, problem in enumerate(pairing.problems)}
    return sorted(results, key=lambda row: place[row["problem"]]), excluded, unused, next(iter(whys))


def _repeats(responses: Any) -> dict[tuple[str, str], np.ndarray[Any, Any]]:
    """Every (problem, participant)'s answers."""
    values = responses["response"].to_numpy(dtype=float)
    groups = responses.groupby(["problem", "participant"], sort=False).indices
    return {key: values[rows] for key, rows in groups.items()}


def _stacked(answers: list[np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], int]:
    """Answers as (repeats, people), as many repeats as everybody has, and how many answers are over."""
    import numpy as np

    least = min(len(values) for values in answers)
    return np.stack([values[:least] for values in answers], axis=1), sum(len(values) - least for values in answers)


def _llm(human: np.ndarray[Any, Any], answers: np.ndarray[Any, Any] | None) -> Row:
    from crowdllm_stats.inference.proposition1_llm_risk import llm_risk

    if answers is None:
        return {}
    result = llm_risk(human, answers, axis_replicate=-2)
    return {"llm_exact": result.exact, "llm_published": result.published}


def _average(results: list[Row], level: float) -> list[Row]:
    """Mean over problems of every part that all problems have, and its Student t interval."""
    import numpy as np

    from crowdllm_stats.inference.risk_average import average_over_problems

    names = (*PARTS, "llm_exact", "llm_published")
    known = [name for name in names if all(row.get(name) is not None for row in results)]
    average = average_over_problems(
        {name: np.array([row[name] for row in results], dtype=float) for name in known}, level
    )
    people = float(np.mean([row["n_person"] for row in results]))
    return [
        {"problem": "mean", "n_person": people, **average.mean, "note": f"over {len(results)} problems"},
        {"problem": "lower", **average.lower, "note": f"level {level:g}"},
        {"problem": "upper", **average.upper, "note": f"level {level:g}"},
    ]
