"""Verdicts on the paper's five insights: one of four words for each condition, its power, and Holm over the five."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.simulators.figure9.contrasts import INSIGHTS, Condition, Panels, stronger_first

LEVEL, POWER = 0.95, 0.9
REPRODUCED, CONTRADICTED, EQUAL, UNDECIDED = "reproduced", "contradicted", "equal", "undecided"
NOT_JUDGED = "not judged"

#: Half the width of "equal", on the scale of the contrast: a ratio within 10%, a slope within 0.01 per doubling.
SAME_RATIO, SAME_SLOPE = float(np.log(1.10)), 0.01


@dataclass(frozen=True)
class ConditionVerdict:
    """One condition held against the replicates.

    Attributes:
        text: the condition.
        ratio: whether numbers are ratios of (geometric mean) errors, else slopes of log error.
        estimate: mean contrast.
        lower: of the 95% interval, same scale.
        upper: likewise.
        margin: same scale.
        above: whether the claimed side is above the margin.
        verdict: "reproduced": the whole 95% interval is on the claimed side of the margin. "contradicted": the whole
            interval at the level ``1 - 0.05 / conditions of the insight`` is on the other side. "equal": neither, and
            both ends of the 90% interval are within 10% of no difference, a slope's within 0.01. Else "undecided".
        p_claimed: one-sided times two, of the contrast being at the margin against the claimed side.
        p_other: likewise against the other side.
        smallest: the least distance from the margin that so many replicates find with probability 0.9 (two-sided t test
            at 5%): as a factor (1.05 is 5%), or a slope.
        needed: replicates that decide an undecided condition with probability 0.9 if the true contrast is the estimate;
            None where it is decided.
        replicates: behind it.
        failed: replicates left out since a fit failed.
    """

    text: str
    ratio: bool
    estimate: float
    lower: float
    upper: float
    margin: float
    above: bool
    verdict: str
    p_claimed: float
    p_other: float
    smallest: float
    needed: int | None
    replicates: int
    failed: int

    @property
    def interval(self) -> str:
        """Estimate, 95% interval and verdict in words."""
        digits = 2 if self.ratio else 3
        return f"{self.estimate:.{digits}f} [{self.lower:.{digits}f}, {self.upper:.{digits}f}] {self.verdict}"

    @property
    def finds(self) -> str:
        """The smallest effect that is found, and the replicates that an undecided condition takes, in words."""
        words = f"finds {100 * (self.smallest - 1):.1f}%" if self.ratio else f"finds {self.smallest:.3f}"
        return words + ("" if self.needed is None else f"; {self.needed:,} replicates would decide")

    def __str__(self) -> str:
        sign = "above" if self.above else "below"
        return f"{self.text}: {self.interval}, claimed {sign} {self.margin:.3g}; {self.finds}"


@dataclass(frozen=True)
class InsightVerdict:
    """One insight's verdict.

    Attributes:
        insight: 1 to 5.
        text: what the paper says.
        verdict: "reproduced" if all conditions are, "contradicted" if one is, both after Holm over the five; "equal" if
            all conditions are reproduced or equal and one is equal; else "undecided"; or "not judged".
        conditions: all of them.
        p_holm: p of the insight after Holm; None if not judged.
        why: what the grid lacks, if not judged.
    """

    insight: int
    text: str
    verdict: str
    conditions: tuple[ConditionVerdict, ...]
    p_holm: float | None
    why: str = ""

    @property
    def evidence(self) -> str:
        """The conditions' words and numbers."""
        if self.p_holm is None:
            return self.why
        words = "; ".join(map(str, self.conditions)) + f"; p after Holm {self.p_holm:.2g}"
        failed = sum(one.failed for one in self.conditions)
        return words + (f"; {failed} replicates of conditions left out, a fit failed" if failed else "")

    def __str__(self) -> str:
        return f"{self.insight}. {self.text}: {self.verdict}; {self.evidence}"


@dataclass(frozen=True)
class InsightVerdicts:
    """The five verdicts on one reading and length.

    Attributes:
        insights: in their order.
        stronger: the conditions of insight 1 in its stronger form (errors rise with W), beside the five and without
            Holm; none if the grid lacks its cells.
    """

    insights: tuple[InsightVerdict, ...]
    stronger: tuple[ConditionVerdict, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per condition, of the five insights."""
        return pd.DataFrame(
            {
                "insight": one.insight,
                "condition": condition.text,
                "estimate": condition.estimate,
                "lower": condition.lower,
                "upper": condition.upper,
                "margin": condition.margin,
                "claimed": "above" if condition.above else "below",
                "verdict": condition.verdict,
                "smallest": condition.smallest,
                "needed": condition.needed,
                "p_claimed": condition.p_claimed,
                "p_other": condition.p_other,
                "replicates": condition.replicates,
                "failed": condition.failed,
                "p_holm": one.p_holm,
                "insight_verdict": one.verdict,
            }
            for one in self.insights
            for condition in one.conditions
        )

    def __str__(self) -> str:
        return "\n".join(map(str, self.insights))


def judge(panels: Panels) -> InsightVerdicts:
    """Hold the five insights against one reading and length.

    The unit is the replicate; a condition has the t interval of its contrast and one of four words, see
    :class:`ConditionVerdict`. An insight's p is the smaller of two: that all its conditions hold (the largest of their
    p), that one is contradicted (the smallest of their p times their number). Reproduced or contradicted takes a p of
    at most 0.05 after Holm over the five. Replicates with a failed fit are left out of the contrasts that they would
    enter, and counted.

    Args:
        panels: log errors.

    Raises:
        ValueError: if a contrast has fewer than two replicates.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> workers, noise = np.log2([10, 20, 40]), np.arange(3.0)[:, None, None, None, None]
        >>> log_error = 0.2 * noise - 0.1 * workers[:, None] + 0.01 * rng.normal(size=(3, 3, 3, 3, 10))
        >>> found = judge(Panels([0, 1, 2], [0, 1, 2], [5, 10, 40], [10, 20, 40], log_error))
        >>> found.insights[0].verdict, found.insights[4].verdict
        ('contradicted', 'reproduced')
    """
    from statsmodels.stats.multitest import multipletests

    judged: dict[int, tuple[ConditionVerdict, ...]] = {}
    lacking: dict[int, str] = {}
    for number, (_, conditions) in INSIGHTS.items():
        try:
            judged[number] = _all_of(conditions(panels))
        except LookupError as error:
            lacking[number] = f"the grid lacks {error}"
    p = [min(_p_all(found), _p_one(found)) for found in judged.values()]
    adjusted = multipletests(p, method="holm")[1] if p else []
    holm = dict(zip(judged, np.asarray(adjusted, dtype=np.float64).tolist(), strict=True))
    insights = []
    for number, (text, _) in INSIGHTS.items():
        if number in lacking:
            insights.append(InsightVerdict(number, text, NOT_JUDGED, (), None, lacking[number]))
            continue
        found = judged[number]
        insights.append(InsightVerdict(number, text, _word(found, holm[number]), found, holm[number]))
    try:
        stronger = _all_of(stronger_first(panels))
    except LookupError:
        stronger = ()
    return InsightVerdicts(tuple(insights), stronger)


def _all_of(conditions: Sequence[Condition]) -> tuple[ConditionVerdict, ...]:
    return tuple(judge_condition(one, len(conditions)) for one in conditions)


def _p_all(conditions: Sequence[ConditionVerdict]) -> float:
    return max(one.p_claimed for one in conditions)


def _p_one(conditions: Sequence[ConditionVerdict]) -> float:
    return min(1.0, len(conditions) * min(one.p_other for one in conditions))


def _word(conditions: Sequence[ConditionVerdict], p_holm: float) -> str:
    said = {one.verdict for one in conditions}
    if p_holm <= 1 - LEVEL:
        return CONTRADICTED if _p_one(conditions) <= _p_all(conditions) else REPRODUCED
    return EQUAL if EQUAL in said and said <= {REPRODUCED, EQUAL} else UNDECIDED


def judge_condition(condition: Condition, conditions: int = 1) -> ConditionVerdict:
    """One condition's interval, word and power.

    Args:
        condition: with its contrast.
        conditions: how many its insight has, over which "contradicted" is corrected.

    Raises:
        ValueError: with fewer than two replicates.
    """
    values = condition.contrast[np.isfinite(condition.contrast)]
    n = len(values)
    if n < 2:
        raise ValueError(
            f"{condition.text}: {n} of {len(condition.contrast)} replicates are left, at least 2 are needed"
        )
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    error = sd / math.sqrt(n)
    distance = (mean - condition.margin) * (1.0 if condition.above else -1.0)
    t = distance / error if error > 0 else math.copysign(math.inf, distance) if distance else 0.0
    p_claimed, p_other = (min(1.0, 2 * float(stats.t.sf(side * t, n - 1))) for side in (1, -1))
    reach = {level: float(stats.t.ppf(0.5 + level / 2, n - 1)) * error for level in (LEVEL, 0.90)}
    band = SAME_RATIO if condition.ratio else SAME_SLOPE
    if p_claimed < 1 - LEVEL:
        verdict = REPRODUCED
    elif conditions * p_other < 1 - LEVEL:
        verdict = CONTRADICTED
    else:
        verdict = EQUAL if abs(mean) + reach[0.90] < band else UNDECIDED
    alpha = (1 - LEVEL) / (conditions if distance < 0 else 1)
    scale = math.exp if condition.ratio else float
    return ConditionVerdict(
        text=condition.text,
        ratio=condition.ratio,
        estimate=scale(mean),
        lower=scale(mean - reach[LEVEL]),
        upper=scale(mean + reach[LEVEL]),
        margin=scale(condition.margin),
        above=condition.above,
        verdict=verdict,
        p_claimed=p_claimed,
        p_other=p_other,
        smallest=scale(_smallest(sd, n)),
        needed=_needed(abs(distance), band - abs(mean), sd, alpha) if verdict == UNDECIDED else None,
        replicates=n,
        failed=len(condition.contrast) - n,
    )


def _smallest(sd: float, n: int) -> float:
    """The mean that a two-sided t test of n values finds with probability 0.9."""
    limit = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1))
    centrality = optimize.brentq(lambda one: float(stats.nct.sf(limit, n - 1, one)) - POWER, 0.0, 50.0 * limit)
    return sd * float(centrality) / math.sqrt(n)


def _needed(distance: float, room: float, sd: float, alpha: float) -> int:
    """Replicates that find the distance from the margin, or that show equality where there is room for it.

    Either with probability 0.9 (normal approximation); each of the two one-sided tests of equality is given 0.95.
    """

    def size(effect: float, level: float, power: float) -> float:
        return float((special.ndtri(1 - level) + special.ndtri(power)) * sd / max(effect, 1e-9)) ** 2

    found = size(distance, alpha / 2, POWER)
    return math.ceil(min(found, size(room, 0.05, (1 + POWER) / 2)) if room > 0 else found)


def panels_of(table: pd.DataFrame) -> Panels:
    """Panels from one row per fit: columns noise, diversity, questions, workers, replicate, error.

    Raises:
        ValueError: unless every combination stands there once.
    """
    axes = ["noise", "diversity", "questions", "workers", "replicate"]
    levels: list[Sequence[float]] = [sorted(table[name].unique().tolist()) for name in axes]
    size = int(np.prod([len(one) for one in levels]))
    if len(table) != size or table.duplicated(axes).any():
        raise ValueError(f"the table has {len(table)} rows; every combination of {', '.join(axes)} once makes {size}")
    errors = table.sort_values(axes)["error"].to_numpy(dtype=np.float64)
    log_error: FloatArray = np.log(errors).reshape([len(one) for one in levels])
    noise, diversity, questions, workers, _ = levels
    return Panels(noise, diversity, [int(one) for one in questions], [int(one) for one in workers], log_error)
