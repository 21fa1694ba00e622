"""How many human answers a wanted half-width takes, for every problem of two tables that serve as a pilot."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crowdllm_stats._base.checks import FloatArray, check_level
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.shown import percent
from crowdllm_stats.inference.intervals.dispatch import CROWD_FROM, PAIRED_FROM
from crowdllm_stats.inference.planner import Plan, half_width_alone, half_width_with_digital, plan_answers
from crowdllm_stats.survey.by_shape import by_shape, joined, rows_of
from crowdllm_stats.survey.first_look import open_survey
from crowdllm_stats.survey.pairing import Batch, Pairing
from crowdllm_stats.survey.result import Row, SurveyResult

if TYPE_CHECKING:
    from crowdllm_stats.data.crowd import CrowdData, Scale
    from crowdllm_stats.survey.tables import Answers

#: A slope, a correlation and their uncertainty need so many pairs.
LEAST_PAIRS = 4

TOO_FEW = f"fewer than {LEAST_PAIRS} human answers with a twin, or fewer than 2 unlabelled digital answers"

#: A standard deviation of zero in a pilot does not mean that it is zero in the population.
ALL_EQUAL = "all pilot answers are equal, so they do not show how much answers vary, and the plan cannot be relied on"

TWO_VALUES = (
    "The plan is for answers of many values: of two values, as these are, auto uses a binomial interval, whose "
    "width is not planned here; near a share of 0 or 1 and with few answers it is wider."
)


#: Columns of the rows, the most important first.
COLUMNS = (
    "problem", "n_pilot", "human_sd", "correlation", "n_human_only", "n_with_digital", "saved", "n_human_only_low",
    "n_human_only_high", "n_with_digital_low", "n_with_digital_high", "n_digital",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Plans(SurveyResult):
    """How many human answers are needed, with and without the digital population."""

    def plot(self) -> Any:
        """The expected half-width of a typical question over the number of people, without and with digital ones.

        Returns:
            The matplotlib figure.

        Raises:
            ModuleNotFoundError: without matplotlib (install ``crowdllm-stats[plot]``).
        """
        from matplotlib.figure import Figure

        assert self.overall is not None
        typical, level = self.overall, self.overall["level"]
        alone, paired = typical["n_human_only"], typical["n_with_digital"]
        figure = Figure(figsize=(7.0, 4.0), layout="constrained")
        axis = figure.subplots()
        n = np.unique(np.linspace(2, 1.3 * alone + 10, 200).round())
        axis.plot(n, half_width_alone(n, typical["human_sd"], level), color="0.5", label="human answers alone")
        used = n[(n >= PAIRED_FROM) & (n <= typical["n_digital"] // CROWD_FROM)]
        if len(used):
            with_digital = half_width_with_digital(
                used, typical["human_sd"], typical["correlation"], typical["n_digital"], level
            )
            axis.plot(used, with_digital, color="tab:blue", label="with the digital population")
        axis.axhline(typical["half_width"], color="black", linewidth=0.8, linestyle=":", label="wanted")
        axis.plot([alone, paired], [typical["half_width"]] * 2, "o", color="black", markersize=5)
        axis.set_ylim(0.0, 4.0 * typical["half_width"])
        axis.set_xlabel("people per question")
        axis.set_ylabel(f"expected half-width, level {percent(level)}")
        axis.set_title(f"A typical question: {alone} people alone, {paired} with the digital population", fontsize=10)
        axis.legend(frameon=False)
        return figure


def plan_from(
    human: Answers,
    digital: Answers,
    half_width: float,
    *,
    scale: Scale | str | None = None,
    match: Sequence[str] = (),
    as_given: bool = False,
    level: float = 0.95,
) -> Plans:
    """How many human answers a wanted half-width takes, with and without the digital population.

    The two tables serve as a pilot: within each problem they give the standard deviation of the human answers and their
    correlation with the twins, from which :func:`crowdllm_stats.inference.planner.plan_answers` plans. The command
    ``crowdllm-stats planner`` is this function.

    Args:
        human: answers of people, as :func:`crowdllm_stats.interval_from` takes them.
        digital: answers of the digital population to the same problems, likewise.
        half_width: the wanted half-width, in units of the answers.
        scale: what the answers of both tables can be, for instance "1:5"; by default as CrowdData has it, and any
            number in a frame or file.
        match: profile columns to build twins from; empty pairs by the participants' names.
        as_given: whether the tables are in the right order, though they look exchanged.
        level: confidence level of the intervals planned, in (0, 1).

    Returns:
        Plans. Its rows have the columns of a plan, ``n_pilot`` and ``n_digital``, in numbers of answers;
        ``overall`` is the plan for a typical problem, of average standard deviation and correlation.

    Raises:
        ValueError: on bad input, a half-width of half the scale or more, if (almost) nobody has a twin, or if no
            problem has four human answers with a twin and two unlabelled digital answers.

    Example:
        >>> from crowdllm_stats import load_example
        >>> example = load_example()
        >>> found = plan_from(example.human, example.digital, 0.4)
        >>> [found.overall[name] for name in ("n_human_only", "n_with_digital", "saved")]
        [40, 23, 17]
    """
    check_level(level)
    check_half_width(half_width)
    survey = open_survey(human, digital, scale=scale, match=match, as_given=as_given)
    _check_reach(half_width, survey.human.scale.bounds)
    pairing = survey.pairing
    survey.refuse_strangers(alone=False)

    def calculate(block: Batch) -> tuple[list[Row], Plan]:
        return _planned(block, half_width, level)

    blocks = [block for block in pairing.blocks(paired=True) if _serves(block)]
    served = {problem for block in blocks for problem in block.problems}
    others = dict.fromkeys((problem for problem in pairing.problems if problem not in served), TOO_FEW)
    nothing = "no problem can serve as a pilot: {}"
    found = by_shape(blocks, calculate, pairing.problems, others=others, nothing=nothing)
    typical = _typical(pairing, [block for block, _ in found.answers], half_width, level)
    notes = [*survey.coding, *pairing.notes()]
    notices = [
        *_two_values(survey.human),
        *survey.looks(),
        *survey.law.notices("So auto would use the human answers alone, and a plan with twins is void."),
    ]
    why = found.answers[-1][1].why
    answer = _in_words(typical, half_width, level)
    counts = survey.counts({row["problem"] for row in found.rows})
    return Plans(
        found.rows, typical, found.reasons, notes, counts, why, notices, (), answer, survey.basis(counts), COLUMNS
    )  # fmt: skip


def check_half_width(half_width: float) -> None:
    """Refuse a half-width that nobody could want.

    Raises:
        ValueError: naming the argument and its value.

    Example:
        >>> check_half_width(0.0)
        Traceback (most recent call last):
        ...
        crowdllm_stats...BadInput: half_width must be positive and finite; got 0.0
    """
    if not 0.0 < half_width < math.inf:
        raise BadInput("must be positive and finite", argument="half_width", given=half_width)


def _check_reach(half_width: float, bounds: tuple[float, float] | None) -> None:
    """Refuse a half-width that any interval on the scale has."""
    if bounds is not None and half_width >= 0.5 * (bounds[1] - bounds[0]):
        raise BadInput(
            f"is half of the scale {bounds[0]:g} to {bounds[1]:g} or more, which no answer at all would give",
            argument="half_width",
            given=half_width,
            python="ask for less",
        )


def _two_values(human: CrowdData) -> list[str]:
    """What the plan is not, where the pilot's answers are of two values."""
    return [] if human.responses["response"].nunique() > 2 else [TWO_VALUES]


def _serves(block: Batch) -> bool:
    """Whether problems can serve as a pilot."""
    further = 0 if block.crowd is None else block.crowd.shape[1]
    return block.twin is not None and block.human.shape[1] >= LEAST_PAIRS and further >= 2


def _sums(block: Batch) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Each problem's sums of squares of humans and twins about their means, and of their products."""
    assert block.twin is not None
    human = block.human - block.human.mean(axis=1, keepdims=True)
    twin = block.twin - block.twin.mean(axis=1, keepdims=True)
    return (human**2).sum(axis=1), (twin**2).sum(axis=1), (human * twin).sum(axis=1)


def _planned(block: Batch, half_width: float, level: float) -> tuple[list[Row], Plan]:
    assert block.crowd is not None
    count, further = block.human.shape[1], block.crowd.shape[1]
    squares, twins, products = _sums(block)
    scale = np.sqrt(squares * twins)
    rho = np.clip(np.divide(products, scale, out=np.zeros_like(scale), where=scale > 0), -1.0, 1.0)
    plan = plan_answers(
        half_width,
        np.sqrt(squares / (count - 1)),
        rho,
        n_digital=further,
        n_pilot=count,
        level=level,
    )
    rows = rows_of(plan, block.problems)
    for row in rows:
        row |= {"n_pilot": count, "n_digital": further}
        if row["human_sd"] == 0.0:
            row["note"] = joined(row.get("note") or "", ALL_EQUAL)
    return rows, plan


def _typical(pairing: Pairing, blocks: Sequence[Batch], half_width: float, level: float) -> Row:
    """The plan for a problem of average standard deviation and correlation; all answers are its pilot."""
    squares, twins, products, freedom = 0.0, 0.0, 0.0, 0
    for block in blocks:
        humans_part, twins_part, products_part = (float(part.sum()) for part in _sums(block))
        squares, twins, products = squares + humans_part, twins + twins_part, products + products_part
        freedom += block.human.size - len(block.human)
    rho = products / np.sqrt(squares * twins) if squares * twins > 0 else 0.0
    further = int(np.median(pairing.n_crowd))
    plan = plan_answers(
        half_width, np.sqrt(squares / freedom), rho, n_digital=further, n_pilot=freedom + 1, level=level
    )
    row = {"problem": "typical", **plan.to_frame().to_dict("records")[0]}
    if row["human_sd"] == 0.0:
        row["note"] = ALL_EQUAL
    return {**row, "n_pilot": freedom + 1, "n_digital": further, "level": level}


def _in_words(typical: Row, half_width: float, level: float) -> str:
    if typical["human_sd"] == 0.0:
        return f"Warning: {ALL_EQUAL}. Take a larger pilot."
    alone, paired = typical["n_human_only"], typical["n_with_digital"]
    spans = f"{typical['n_human_only_low']} to {typical['n_human_only_high']}"
    text = (
        f"A typical question needs {alone} people to be known to within {half_width:g} ({percent(level)} interval; "
        f"{spans} people by what the pilot leaves open)"
    )
    if paired == alone:
        rho = typical["correlation"]
        return f"{text}; the digital population would save none: humans and twins correlate at {rho:.2f}."
    spans = f"{typical['n_with_digital_low']} to {typical['n_with_digital_high']}"
    return f"{text}, and {paired} with the digital population ({spans}): {typical['saved']} saved."
