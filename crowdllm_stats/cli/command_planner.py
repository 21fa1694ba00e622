"""`crowdllm-stats planner`: how many human answers a wanted half-width takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crowdllm_stats.cli.options import Level, Tables
from crowdllm_stats.cli.output import Report, Row

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData
    from crowdllm_stats.survey.pairing import Pairing

#: A slope, a correlation and their uncertainty need this many pairs.
LEAST_PAIRS = 4

#: A spread of zero in a pilot is no spread of zero in the population.
ALL_EQUAL = "all pilot answers are equal, so they do not show the spread, and the plan is no guide"

SHOW = ("problem", "n_pilot", "human_sd", "correlation", "n_human_only", "n_with_digital", "saved")


def planner(
    tables: Tables,
    half_width: Annotated[float, typer.Option(metavar="H", help="The wanted half-width, in units of the answers.")],
    level: Level = 0.95,
) -> Report:
    """How many human answers a wanted half-width takes, with and without the digital population.

    The two tables serve as a pilot: they give the spread of human answers and their correlation with the twins, for
    each problem and over all of them.
    """
    from crowdllm_stats._base.checks import check_level
    from crowdllm_stats.cli.inputs import load
    from crowdllm_stats.survey.first_look import first_look, refuse_strangers
    from crowdllm_stats.survey.one_law import survey_law
    from crowdllm_stats.survey.pairing import pair

    check_level(level)
    if not half_width > 0:
        raise ValueError(f"--half-width must be positive, got {half_width:g}")
    loaded = load(tables)
    _check_reach(half_width, loaded.human.scale.bounds)
    pairing = pair(loaded.human, loaded.digital, match=loaded.match)
    refuse_strangers(pairing, loaded.digital, alone=False)
    results, excluded, sums, why = _problems(pairing, half_width, level)
    typical = _typical(pairing, sums, half_width, level)
    return Report(
        command="planner",
        title=f"Human answers a problem for a half-width of {half_width:g} at level {level:g}",
        results=results,
        summary=[typical],
        excluded=excluded,
        notes=[*loaded.notes, *pairing.notes(), _in_words(typical, half_width)],
        counts=pairing.counts,
        why=why,
        show=SHOW,
        inputs=loaded.inputs,
        notices=[
            *loaded.notices,
            *_two_values(loaded.human),
            *first_look(pairing, loaded.human, loaded.digital),
            *survey_law(pairing).notices("So auto would use the human answers alone, and a plan with twins is void."),
        ],
    )


def _check_reach(half_width: float, bounds: tuple[float, float] | None) -> None:
    """Refuse a half-width that any interval on the scale has."""
    if bounds is not None and half_width >= 0.5 * (bounds[1] - bounds[0]):
        raise ValueError(
            f"--half-width {half_width:g} is half of the scale {bounds[0]:g} to {bounds[1]:g} or more, which no answer "
            "at all would give; ask for less"
        )


def _two_values(human: CrowdData) -> list[str]:
    """What the plan is not, where the pilot's answers are of two values."""
    if human.responses["response"].nunique() > 2:
        return []
    return [
        "The plan is for answers of many values: of two values, as these are, auto uses a binomial interval, whose "
        "width is not planned here; near a share of 0 or 1 and with few answers it is wider."
    ]


def _problems(pairing: Pairing, half_width: float, level: float) -> tuple[list[Row], list[Row], Any, str]:
    """A plan for every problem with enough pairs, and the sums of squares and products within problems."""
    import numpy as np

    from crowdllm_stats.inference.planner import plan_answers

    results: list[Row] = []
    sums = np.zeros(4)  # humans squared, twins squared, products, degrees of freedom
    why = ""
    for block in pairing.blocks(paired=True):
        count, further = block.human.shape[1], 0 if block.crowd is None else block.crowd.shape[1]
        if count < LEAST_PAIRS or further < 2 or block.twin is None:
            continue
        human = block.human - block.human.mean(axis=1, keepdims=True)
        twin = block.twin - block.twin.mean(axis=1, keepdims=True)
        squares, products = (human**2).sum(axis=1), (human * twin).sum(axis=1)
        scale = np.sqrt(squares * (twin**2).sum(axis=1))
        rho = np.clip(np.divide(products, scale, out=np.zeros_like(scale), where=scale > 0), -1.0, 1.0)
        sums += [squares.sum(), (twin**2).sum(), products.sum(), len(human) * (count - 1)]
        plan = plan_answers(
            half_width,
            np.sqrt(squares / (count - 1)),
            np.maximum(rho, 0.0),
            n_digital=further,
            n_pilot=count,
            level=level,
        )
        rows = plan.to_frame(index=list(block.problems)).reset_index().to_dict("records")
        for row in rows:
            row |= {"n_pilot": count, "n_digital": further}
            if row["human_sd"] == 0.0:
                row["note"] = "; ".join(filter(None, [row.get("note"), ALL_EQUAL]))
        results += rows
        why = plan.why
    place = {problem: number for number, problem in enumerate(pairing.problems)}
    results.sort(key=lambda row: place[row["problem"]])
    planned = {row["problem"] for row in results}
    reason = f"fewer than {LEAST_PAIRS} human answers with a twin, or fewer than 2 unlabelled digital answers"
    excluded = [{"problem": problem, "reason": reason} for problem in pairing.problems if problem not in planned]
    if not results:
        raise ValueError(f"no problem can serve as a pilot: {reason}")
    return results, excluded, sums, why


def _typical(pairing: Pairing, sums: Any, half_width: float, level: float) -> Row:
    """The plan for a problem of average spread and correlation; its pilot are all answers within their problems."""
    import numpy as np

    from crowdllm_stats.inference.planner import plan_answers

    squares, twins, products, freedom = (float(value) for value in sums)
    rho = products / np.sqrt(squares * twins) if squares * twins > 0 else 0.0
    further = int(np.median(pairing.n_crowd))
    pilot = int(freedom) + 1
    plan = plan_answers(half_width, np.sqrt(squares / freedom), rho, n_digital=further, n_pilot=pilot, level=level)
    row = {"problem": "typical", **plan.to_frame().to_dict("records")[0]}
    if row["human_sd"] == 0.0:
        row["note"] = ALL_EQUAL
    return {**row, "n_pilot": pilot, "n_digital": further}


def _in_words(typical: Row, half_width: float) -> str:
    if typical["human_sd"] == 0.0:
        return f"Warning: {ALL_EQUAL}. Take a larger pilot."
    alone, paired = typical["n_human_only"], typical["n_with_digital"]
    spans = f"{typical['n_human_only_low']} to {typical['n_human_only_high']}"
    text = f"A typical problem needs {alone} human answers for a half-width of {half_width:g} ({spans} by the pilot)"
    if paired == alone:
        rho = typical["correlation"]
        return f"{text}; the digital population would save none: humans and twins correlate at {rho:.2f}."
    spans = f"{typical['n_with_digital_low']} to {typical['n_with_digital_high']}"
    return f"{text}, and {paired} with the digital population ({spans}): {typical['saved']} saved."
