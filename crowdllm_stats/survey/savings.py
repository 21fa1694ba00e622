"""What the digital answers brought over all problems, in one sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from crowdllm_stats._base.words import several
from crowdllm_stats.inference.intervals import HUMAN_ONLY
from crowdllm_stats.inference.intervals.methods import MethodName
from crowdllm_stats.inference.planner import answers_for_width
from crowdllm_stats.survey.pairing import Pairing
from crowdllm_stats.survey.per_problem import Wanted, per_problem
from crowdllm_stats.survey.result import Row
from crowdllm_stats.survey.twin_tables import FloatArray

#: Problems from which on the saving is said as a number of answers.
ENOUGH = 5


def savings(pairing: Pairing, rows: Sequence[Row], wanted: Wanted) -> str:
    """One sentence: how much shorter the digital answers made the intervals, and why.

    Mean half-width with digital answers against the mean half-width from human answers alone, over the problems that
    were computed with them. By mean widths, since the mean of single problems' variance ratios is far noisier, and
    biased upwards. How many human answers that is worth is said from :data:`ENOUGH` problems on, with a 95% interval
    over problems (of the log ratio of the two means, linearised, Student's t): in a single one it is mostly noise.

    Args:
        pairing: human answers with their twins.
        rows: of the problems that were computed.
        wanted: the interval, two-sided.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> pairing = pair(example.human, example.digital)
        >>> wanted = Wanted("auto", 0.95, "two-sided", (1.0, 5.0), None, None, None)
        >>> savings(pairing, per_problem(pairing, wanted)[0], wanted)[:60]
        'Over the 12 problems with digital answers the mean half-widt'
    """
    used = [row for row in rows if row["method"] not in HUMAN_ONLY]
    if not used:
        return "No problem was computed with digital answers: all intervals rest on the human answers alone."
    scaled: MethodName = "classical" if wanted.bounds is None else "classical-small"
    alone: dict[str, MethodName] = {
        row["problem"]: "binomial" if row["method"] == "ppi++-binomial" else scaled for row in used
    }
    other: dict[str, float] = {}
    for method in set(alone.values()):
        found = per_problem(pairing, dataclasses.replace(wanted, method=method))[0]
        other |= {row["problem"]: row["half_width"] for row in found if alone.get(row["problem"]) == method}
    both = [row for row in used if row["problem"] in other]
    ours = np.array([row["half_width"] for row in both], dtype=float)
    theirs = np.array([other[row["problem"]] for row in both], dtype=float)
    correlation, equal = within_problems(pairing)
    zero = sum(row["lam"] == 0.0 for row in used)
    which = f"the {len(used)} problems" if len(used) > 1 else "the problem"
    words = (
        f"Over {which} with digital answers the mean half-width is {ours.mean():.3g}, from human answers alone "
        f"({' and '.join(sorted(set(alone.values())))}) {theirs.mean():.3g}"
    )
    if len(both) >= ENOUGH:
        words += f"; {_worth(ours, theirs, float(np.mean([row['n_labeled'] for row in both])), wanted.level)}"
    words += f". Within a problem humans and twins correlate at {correlation:.2f}"
    if zero:
        words += f"; lambda is 0 in {several(zero, 'problem')}, in {equal} because all twins are equal"
    return f"{words}."


def _worth(ours: FloatArray, theirs: FloatArray, n: float, level: float) -> str:
    """How many further human answers would have made the human intervals as short, with its interval."""
    if not (ours.mean() > 0.0 and theirs.mean() > 0.0):
        return "the digital answers save nothing per problem"
    ratio = float(ours.mean() / theirs.mean())
    error = float(np.std(ours / ours.mean() - theirs / theirs.mean(), ddof=1) / np.sqrt(len(ours)))
    reach = float(stdtrit(len(ours) - 1, 0.975)) * error
    gain, least, most = (
        answers_for_width(n, min(1.0, ratio * float(np.exp(step))), level) - round(n) for step in (0.0, reach, -reach)
    )
    interval = f"95% interval over problems: {least} to {most}"
    if gain < 0.05 * n:
        return f"the digital answers save next to nothing per problem ({gain} human answers, {interval})"
    return f"by widths the digital answers are worth {gain} more human answers per problem, beside {n:.0f} ({interval})"


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
