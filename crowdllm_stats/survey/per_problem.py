"""The interval of every problem of a pairing, and what the digital answers brought over all of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats._base.checks import Alternative, FloatArray
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.shown import several
from crowdllm_stats.inference.intervals import HUMAN_ONLY, Interval
from crowdllm_stats.inference.intervals import interval as calculator
from crowdllm_stats.inference.intervals.methods import MethodChoice, MethodName
from crowdllm_stats.inference.planner import answers_for_width
from crowdllm_stats.survey.by_shape import by_shape, joined, rows_of
from crowdllm_stats.survey.pairing import Batch, Pairing
from crowdllm_stats.survey.result import Row


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which interval: the method and what goes with it.

    Attributes:
        method: as of ``interval``.
        level: of confidence.
        alternative: "two-sided", "larger" or "smaller".
        bounds: ends of the answer scale, None without.
        step: distance between neighbouring answers; None where it follows from the bounds.
        population_size: of a finite population, None for an unlimited one.
        seed: for methods that draw random numbers.
        twins: whether "auto" may use the digital answers.
    """

    method: MethodChoice
    level: float
    alternative: Alternative
    bounds: tuple[float, float] | None
    step: float | None
    population_size: int | None
    seed: int | None
    twins: bool = True


def per_problem(pairing: Pairing, wanted: Wanted) -> tuple[list[Row], dict[str, str], str]:
    """One row per problem, problem -> reason of those left out, and what the intervals need.

    Raises:
        ValueError: if twins are needed and there are none, or no problem can be computed.
    """

    def calculate(block: Batch) -> tuple[list[Row], Interval]:
        return block_rows(block, wanted, pairing.census)

    lacking = {} if wanted.method in ("auto", *HUMAN_ONLY) else _without_pair(pairing, wanted.method)
    nothing = "no problem could be computed: {}"
    found = by_shape(_blocks(pairing, wanted), calculate, pairing.problems, others=lacking, nothing=nothing)
    whys: dict[str, str] = {}
    for _, answer in found.answers:
        whys.setdefault(answer.method, answer.why)
    excluded = {problem: found.reasons[problem] for problem in pairing.problems if problem in found.reasons}
    return found.rows, excluded, " ".join(f"{method}: {why}" for method, why in whys.items())


def _without_pair(pairing: Pairing, method: str) -> dict[str, str]:
    needed = f"no human answer has a twin, which method {method!r} needs"
    return {problem: needed for problem, pairs in zip(pairing.problems, pairing.n_pairs, strict=True) if not pairs}


def _blocks(pairing: Pairing, wanted: Wanted) -> list[Batch]:
    if wanted.method in HUMAN_ONLY:
        return list(pairing.blocks(paired=False))
    if wanted.method != "auto":
        if not pairing.n_pairs.any():
            raise BadInput(
                f"method {wanted.method!r} needs digital twins, and no digital answer has a human's problem and "
                "participant",
                python="give match=[...] to build twins from profiles, or use method='classical'",
                command="give --match COLUMNS to build twins from profiles, or use --method classical",
            )
        return list(pairing.blocks(paired=True, filled=True))
    paired = pairing.fully_paired & wanted.twins
    return [*pairing.blocks(paired=True, filled=True, chosen=paired), *pairing.blocks(paired=False, chosen=~paired)]


def block_rows(block: Batch, wanted: Wanted, census: bool) -> tuple[list[Row], Interval]:
    """The rows of problems of one shape, and the interval they come from.

    Args:
        block: the problems.
        wanted: the interval.
        census: whether the digital people of a problem are the whole population asked about.

    Raises:
        ValueError: where the method cannot be used on them.
    """
    answer = calculator(
        block.human,
        block.twin,
        block.crowd,
        method=wanted.method,
        level=wanted.level,
        alternative=wanted.alternative,
        bounds=wanted.bounds,
        step=wanted.step,
        population_size=wanted.population_size,
        census=census and block.crowd is not None,
        seed=wanted.seed,
        check_law=False,  # done over the whole survey
    )
    rows = rows_of(answer, block.problems)
    for row, left in zip(rows, block.left_out.tolist(), strict=True):
        row["saved"] = saved(row)
        if left:
            row["note"] = joined(row["note"], f"{left} human answers without a twin are not used")
    return rows, answer


def saved(row: Row) -> float:
    """Human answers that the digital ones are worth: ``effective_n - n_labeled``; 0 where none was used.

    Example:
        >>> saved({"method": "ppi++", "effective_n": 13.5, "n_labeled": 8})
        5.5
    """
    return 0.0 if row["method"] in HUMAN_ONLY else float(row["effective_n"]) - float(row["n_labeled"])


def beside_alone(pairing: Pairing, rows: Sequence[Row], wanted: Wanted) -> None:
    """Write ``half_width_alone`` into the rows: the half-width from human answers alone; None where ours is that.

    Args:
        pairing: human answers with their twins.
        rows: of the problems that were computed.
        wanted: the interval.
    """
    scaled: MethodName = "classical" if wanted.bounds is None else "classical-small"
    alone: dict[str, MethodName] = {
        row["problem"]: "binomial" if row["method"] == "ppi++-binomial" else scaled
        for row in rows
        if row["method"] not in HUMAN_ONLY
    }
    other: dict[str, float] = {}
    for method in sorted(set(alone.values())):
        found = per_problem(pairing, dataclasses.replace(wanted, method=method))[0]
        other |= {row["problem"]: row["half_width"] for row in found if alone.get(row["problem"]) == method}
    for row in rows:
        row["half_width_alone"] = other.get(row["problem"])


def savings(pairing: Pairing, rows: Sequence[Row], wanted: Wanted) -> str:
    """One sentence: how much shorter the digital answers made the intervals, and why.

    Mean half-width with digital answers against the mean half-width from human answers alone, over the problems that
    were computed with them. By mean widths, since the mean of single problems' variance ratios is far noisier, and
    biased upwards.

    Args:
        pairing: human answers with their twins.
        rows: of the problems that were computed, with ``half_width_alone``.
        wanted: the interval, two-sided.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> pairing = pair(example.human, example.digital)
        >>> wanted = Wanted("auto", 0.95, "two-sided", (1.0, 5.0), None, None, None)
        >>> rows = per_problem(pairing, wanted)[0]
        >>> beside_alone(pairing, rows, wanted)
        >>> savings(pairing, rows, wanted)[:60]
        'Over the 12 problems with digital answers the mean half-widt'
    """
    used = [row for row in rows if row["method"] not in HUMAN_ONLY]
    if not used:
        return "No problem was computed with digital answers: all intervals rest on the human answers alone."
    both = [row for row in used if row["half_width_alone"] is not None]
    ours, theirs = (np.array([row[name] for row in both], dtype=float) for name in ("half_width", "half_width_alone"))
    correlation, equal = within_problems(pairing)
    zero = sum(row["lam"] == 0.0 for row in used)
    which = f"the {len(used)} problems" if len(used) > 1 else "the problem"
    words = (
        f"Over {which} with digital answers the mean half-width is {ours.mean():.3g}, from human answers alone "
        f"{theirs.mean():.3g}; by these widths, not by variances as effective_n, people needed are counted"
    )
    words += f". Within a problem humans and twins correlate at {correlation:.2f}"
    if zero:
        words += f"; lambda is 0 in {several(zero, 'problem')}, in {equal} because all twins are equal"
    return f"{words}."


@dataclasses.dataclass(frozen=True)
class Worth:
    """What digital answers are worth, in further human answers per problem.

    Attributes:
        ratio: mean half-width with digital answers over the mean half-width without.
        answers: further human answers that would have made the human intervals as short.
        least: lower end of its 95% interval over problems; of a single one, the number itself.
        most: upper end.
    """

    ratio: float
    answers: int
    least: int
    most: int


def worth(ours: FloatArray, theirs: FloatArray, n: float, level: float) -> Worth:
    """How many further human answers would have made the human intervals as short as those with digital answers.

    The 95% interval over problems is of the log ratio of the two mean widths, linearised, Student's t.

    Args:
        ours: half-widths with digital answers, one per problem.
        theirs: half-widths from human answers alone.
        n: human answers per problem, on average; the further ones are beyond the next whole number.
        level: of the intervals.

    Example:
        >>> worth(np.array([0.7, 0.9]), np.array([1.0, 1.0]), 8, 0.95).answers
        4
    """
    ratio = float(ours.mean() / theirs.mean())
    reach = 0.0
    if len(ours) > 1:
        error = float(np.std(ours / ours.mean() - theirs / theirs.mean(), ddof=1) / np.sqrt(len(ours)))
        reach = float(stdtrit(len(ours) - 1, 0.975)) * error
    steps = (0.0, reach, -reach)
    return Worth(
        ratio, *(answers_for_width(n, min(1.0, ratio * float(np.exp(step))), level) - math.ceil(n) for step in steps)
    )


def within_problems(pairing: Pairing) -> tuple[float, int]:
    """Correlation of humans with their twins within problems, and the number of problems whose twins are all equal.

    The correlation is 0 where either side never varies within a problem.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> correlation, equal = within_problems(pair(example.human, example.digital))
        >>> round(correlation, 2), equal
        (0.72, 0)
    """
    products = np.zeros(3)
    equal = 0
    for block in pairing.blocks(paired=True):
        if block.twin is None:
            continue
        human = block.human - block.human.mean(axis=1, keepdims=True)
        twin = block.twin - block.twin.mean(axis=1, keepdims=True)
        products += [np.sum(human * twin), np.sum(human**2), np.sum(twin**2)]
        equal += int(np.all(block.twin == block.twin[:, :1], axis=1).sum())
    scale = float(np.sqrt(products[1] * products[2]))
    return (float(products[0]) / scale if scale > 0.0 else 0.0), equal
