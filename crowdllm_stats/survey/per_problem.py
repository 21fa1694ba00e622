"""The interval of every problem of a pairing, one call of the calculator for all problems of one shape."""

from __future__ import annotations

import dataclasses

from crowdllm_stats._base.checks import Alternative
from crowdllm_stats._base.messages import BadInput, Message, said
from crowdllm_stats.inference.intervals import HUMAN_ONLY, Interval
from crowdllm_stats.inference.intervals import interval as calculator
from crowdllm_stats.inference.intervals.methods import MethodChoice
from crowdllm_stats.survey.pairing import Block, Pairing
from crowdllm_stats.survey.result import Row


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which interval: the method and what goes with it.

    Attributes:
        method: as of ``interval``.
        level: of confidence.
        alternative: "two-sided", "larger" or "smaller".
        bounds: ends of the answer scale, None without.
        step: distance of neighbouring answers, that of the bounds where there are no others, None where they say it.
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
    """Rows of results, problem -> reason of those left out, and what the intervals need; one call a shape.

    Raises:
        ValueError: if twins are needed and there are none, or no problem can be computed.
    """
    rows: list[Row] = []
    reasons: dict[str, str] = {}
    whys: dict[str, str] = {}
    for block in _blocks(pairing, wanted):
        try:
            answer = _one(block, wanted, pairing.census)
        except ValueError as reason:
            reasons |= dict.fromkeys(block.problems, said(reason))
            continue
        whys.setdefault(answer.method, answer.why)
        rows += _rows(block, answer)
    if wanted.method not in ("auto", *HUMAN_ONLY):
        needed = f"no human answer has a twin, which method {wanted.method!r} needs"
        lacking = [problem for problem, pairs in zip(pairing.problems, pairing.n_pairs, strict=True) if not pairs]
        reasons |= dict.fromkeys(lacking, needed)
    if not rows:
        raise BadInput(Message.filled("no problem could be computed: {}", next(iter(reasons.values()))))
    place = {problem: number for number, problem in enumerate(pairing.problems)}
    rows.sort(key=lambda row: place[row["problem"]])
    excluded = {problem: reasons[problem] for problem in pairing.problems if problem in reasons}
    return rows, excluded, " ".join(f"{method}: {why}" for method, why in whys.items())


def _blocks(pairing: Pairing, wanted: Wanted) -> list[Block]:
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


def _one(block: Block, wanted: Wanted, census: bool) -> Interval:
    return calculator(
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


def _rows(block: Block, answer: Interval) -> list[Row]:
    rows: list[Row] = answer.to_frame(index=list(block.problems)).reset_index().to_dict("records")
    for row, left in zip(rows, block.left_out.tolist(), strict=True):
        row["saved"] = saved(row)
        if left:
            row["note"] = joined(row["note"], f"{left} human answers without a twin are not used")
    return rows


def saved(row: Row) -> float:
    """Human answers that the digital ones are worth: ``effective_n - n_labeled``; 0 where none was used.

    Example:
        >>> saved({"method": "ppi++", "effective_n": 13.5, "n_labeled": 8})
        5.5
    """
    return 0.0 if row["method"] in HUMAN_ONLY else float(row["effective_n"]) - float(row["n_labeled"])


def joined(*parts: str) -> str:
    """Remarks as one, the empty ones left out.

    Example:
        >>> joined("few answers", "", "no twin")
        'few answers; no twin'
    """
    return "; ".join(part for part in parts if part)
