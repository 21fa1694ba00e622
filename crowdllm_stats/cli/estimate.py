"""Intervals for many problems of different sizes: one vectorised call a shape, a reason for every problem left out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from crowdllm_stats.cli.wording import several

if TYPE_CHECKING:
    from crowdllm_stats.cli.output import Row
    from crowdllm_stats.inference.intervals import Interval
    from crowdllm_stats.pairing import Block, Pairing

HUMAN_ONLY = ("classical", "classical-small")

#: Beginnings of the methods for one problem at a time: each person answers once.
ONE_PROBLEM = ("set-", "crowdllm", "cross-fitted")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which interval: the method and what goes with it."""

    method: str
    level: float
    alternative: str
    bounds: tuple[float, float] | None
    step: float | None
    population_size: int | None
    seed: int | None


def check_wanted(wanted: Wanted) -> None:
    """Refuse options that no problem could be computed with.

    Raises:
        ValueError: naming the option.
    """
    from crowdllm_stats.inference.checks import ALTERNATIVES, check_choice, check_count, check_level
    from crowdllm_stats.inference.intervals import METHODS

    known = ("auto", *(name for name in METHODS if not name.startswith("cross-fitted")))
    if wanted.method.startswith("cross-fitted"):
        raise ValueError(
            f"--method {wanted.method!r} needs one digital table a fold: use crowdllm_stats.interval in Python"
        )
    check_choice("--method", wanted.method, known)
    check_level(wanted.level)
    check_choice("--alternative", wanted.alternative, ALTERNATIVES)
    if wanted.population_size is not None:
        check_count("--population-size", wanted.population_size, 2)
    needs_bounds = wanted.method == "classical-small" or wanted.method.startswith("set-")
    if needs_bounds and wanted.bounds is None:
        raise ValueError(f"--method {wanted.method!r} needs the ends of the answer scale, for instance --scale 1:5")


def per_problem(pairing: Pairing, wanted: Wanted) -> tuple[list[Row], list[Row], str]:
    """Rows of results, rows of excluded problems, and what the intervals need.

    With "auto", a problem whose every human has a twin is computed with the pairs, any other from the human answers
    alone (dropping people who lack a twin could shift the mean).

    Raises:
        ValueError: if twins are needed and there are none, or no problem can be computed.
    """
    results: list[Row] = []
    excluded: list[Row] = []
    whys: dict[str, str] = {}
    for block in _blocks(pairing, wanted):
        try:
            answer = _one(block, wanted, pairing.census)
        except ValueError as reason:
            excluded += [{"problem": problem, "reason": str(reason)} for problem in block.problems]
            continue
        whys.setdefault(answer.method, answer.why)
        results += _rows(block, answer)
    if wanted.method not in ("auto", *HUMAN_ONLY):
        lacking = [problem for problem, pairs in zip(pairing.problems, pairing.n_pairs, strict=True) if not pairs]
        needed = f"no human answer has a twin, which method {wanted.method!r} needs"
        excluded += [{"problem": problem, "reason": needed} for problem in lacking]
    if not results:
        raise ValueError(f"no problem could be computed: {excluded[0]['reason']}")
    place = {problem: number for number, problem in enumerate(pairing.problems)}
    results.sort(key=lambda row: place[row["problem"]])
    excluded.sort(key=lambda row: place[row["problem"]])
    return results, excluded, " ".join(f"{method}: {why}" for method, why in whys.items())


def _blocks(pairing: Pairing, wanted: Wanted) -> list[Block]:
    if wanted.method in HUMAN_ONLY:
        return list(pairing.blocks(paired=False))
    if wanted.method != "auto":
        if not pairing.n_pairs.any():
            raise ValueError(
                f"--method {wanted.method!r} needs digital twins, and no digital answer has a human's problem and "
                "participant: give --match COLUMNS to build twins from profiles, or use --method classical"
            )
        return list(pairing.blocks(paired=True))
    paired = pairing.fully_paired
    return [*pairing.blocks(paired=True, chosen=paired), *pairing.blocks(paired=False, chosen=~paired)]


def _one(block: Block, wanted: Wanted, census: bool) -> Interval:
    from crowdllm_stats.inference.intervals import interval

    return interval(
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
    )


def _rows(block: Block, answer: Interval) -> list[Row]:
    rows: list[Row] = answer.to_frame(index=list(block.problems)).reset_index().to_dict("records")
    for row, left in zip(rows, block.left_out.tolist(), strict=True):
        row["saved"] = _saved(row)
        if left:
            row["note"] = _joined(row["note"], f"{left} human answers without a twin are not used")
    return rows


def _saved(row: Row) -> float:
    """Human answers saved: effective number less number; none where no digital answer was used."""
    return 0.0 if row["method"] in HUMAN_ONLY else float(row["effective_n"]) - float(row["n_labeled"])


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def pooled_row(pairing: Pairing, wanted: Wanted) -> tuple[list[Row], str]:
    """The mean over all problems, people as independent units, as a row; and how it was made, or why there is none."""
    if wanted.method.startswith(ONE_PROBLEM):
        return [], (
            f"No row over all problems: method {wanted.method!r} knows no people who answered several problems; "
            "auto, classical, ppi, ppi++, ppi-small and ppi++-small do."
        )
    try:
        row, remark = _pooled(pairing, wanted)
    except ValueError as reason:
        return [], f"No row over all problems: {reason}"
    return [row], remark


def _pooled(pairing: Pairing, wanted: Wanted) -> tuple[Row, str]:
    from crowdllm_stats.inference.intervals import auto_method, interval
    from crowdllm_stats.pooled import pool

    pooled = pool(pairing)
    people = len(set(pooled.people))
    method, why = wanted.method, pooled.why
    if method == "auto":
        crowd = 0 if pooled.crowd is None else len(pooled.crowd)
        method = auto_method(people, crowd, pooled.crowd is not None, False)
        if crowd and method in HUMAN_ONLY:
            why = f"{why} Computed from human answers: auto wants at least as many further digital people as humans."
    elif method not in HUMAN_ONLY and pooled.crowd is None:
        method, why = "classical", f"{why} So the method is classical."
    elif method == "classical-small":
        method, why = "classical", f"{why} Answers centred by problem have no bounds, so the method is classical."
    used = method not in HUMAN_ONLY
    answer = interval(
        pooled.human,
        pooled.twin if used else None,
        pooled.crowd if used else None,
        clusters=pooled.people,
        method=method,
        level=wanted.level,
        alternative=wanted.alternative,
    )
    row = {"problem": "all", **answer.to_frame().to_dict("records")[0]}
    row["saved"] = _saved(row)
    wider = "" if wanted.population_size is None else "for the wider population: --population-size is not used here"
    row["note"] = _joined(row["note"], f"{several(len(pooled.problems), 'problem')}, {people} people", wider)
    return row, f"all: {why}"


def savings(pairing: Pairing, results: list[Row], wanted: Wanted) -> str:
    """One sentence: what the digital answers brought per problem, and why."""
    import numpy as np

    from crowdllm_stats.inference.planner import answers_for_width

    used = [row for row in results if row["method"] not in HUMAN_ONLY]
    if not used:
        return "No problem was computed with digital answers: all intervals rest on the human answers alone."
    alone = dataclasses.replace(wanted, method="classical" if wanted.bounds is None else "classical-small")
    other = {row["problem"]: row["half_width"] for row in per_problem(pairing, alone)[0]}
    ours = float(np.mean([row["half_width"] for row in used if row["problem"] in other]))
    theirs = float(np.mean([other[row["problem"]] for row in used if row["problem"] in other]))
    mean_n = float(np.mean([row["n_labeled"] for row in used]))
    # by mean widths: the mean of single problems' variance ratios is far noisier, and biased upwards
    factor = min(1.0, ours / theirs) if theirs > 0.0 and ours > 0.0 else 1.0
    gain = answers_for_width(mean_n, factor, wanted.level) - round(mean_n)
    correlation, equal = within_problems(pairing)
    zero = sum(row["power"] == 0.0 for row in used)
    which = f"the {len(used)} problems" if len(used) > 1 else "the problem"
    words = (
        f"Over {which} with digital answers the mean half-width is {ours:.3g}, from human answers alone "
        f"({alone.method}) {theirs:.3g}; "
    )
    if gain < 0.05 * mean_n:
        words += "the digital answers save next to nothing per problem"
    else:
        words += f"by widths the digital answers are worth {gain} more human answers a problem, beside {mean_n:.0f}"
    words += f". Within a problem humans and twins correlate at {correlation:.2f}"
    if zero:
        words += f"; lambda is 0 in {several(zero, 'problem')}, in {equal} because all twins are equal"
    return f"{words}."


def within_problems(pairing: Pairing) -> tuple[float, int]:
    """Correlation of humans with their twins within problems, and the number of problems whose twins are all equal.

    The correlation is 0 where either side never varies within a problem.
    """
    import numpy as np

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
