"""Verdicts on the paper's five insights: t intervals over replicates, Holm over the five."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from crowdllm_stats._base.checks import FloatArray
from crowdllm_stats.studies.simulators.figure9.contrasts import INSIGHTS, Condition, Panels, stronger_first

LEVEL = 0.95
REPRODUCED, CONTRADICTED, INCONCLUSIVE = "reproduced", "contradicted", "inconclusive"
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class ConditionVerdict:
    """One condition held against the replicates.

    Attributes:
        text: the condition.
        estimate: mean contrast: a ratio of (geometric mean) errors, or a slope of log error.
        lower: of the 95% interval, same scale.
        upper: likewise.
        margin: same scale.
        above: whether the claimed side is above the margin.
        t: distance from the margin in standard errors, positive on the claimed side.
        p: two-sided, of the contrast being at the margin.
        replicates: behind it.
        failed: replicates left out since a fit failed.
    """

    text: str
    estimate: float
    lower: float
    upper: float
    margin: float
    above: bool
    t: float
    p: float
    replicates: int
    failed: int

    @property
    def side(self) -> str:
        """Where the whole interval lies: a verdict of this condition alone."""
        if self.lower > self.margin:
            return REPRODUCED if self.above else CONTRADICTED
        if self.upper < self.margin:
            return CONTRADICTED if self.above else REPRODUCED
        return INCONCLUSIVE

    def __str__(self) -> str:
        sign = "above" if self.above else "below"
        return (
            f"{self.text}: {self.estimate:.3f} [{self.lower:.3f}, {self.upper:.3f}], claimed {sign} {self.margin:.3g}"
        )


@dataclass(frozen=True)
class InsightVerdict:
    """One insight's verdict.

    Attributes:
        insight: 1 to 5.
        text: what the paper says.
        verdict: "reproduced", "contradicted", "inconclusive" or "not judged".
        worst: the condition that counts, the one farthest from its claimed side; None if not judged.
        conditions: all of them.
        p_holm: the worst condition's p after Holm over the five; None if not judged.
        why: what the grid lacks, if not judged.
    """

    insight: int
    text: str
    verdict: str
    worst: ConditionVerdict | None
    conditions: tuple[ConditionVerdict, ...]
    p_holm: float | None
    why: str = ""

    @property
    def evidence(self) -> str:
        """The numbers behind it, in words."""
        if self.worst is None or self.p_holm is None:
            return self.why
        words = f"worst of {len(self.conditions)} conditions: {self.worst}; p after Holm {self.p_holm:.2g}"
        if self.verdict != self.worst.side:
            words += f", so that the interval alone ({self.worst.side}) does not count"
        failed = sum(one.failed for one in self.conditions)
        return words + (f"; {failed} replicates of conditions left out, a fit failed" if failed else "")

    def __str__(self) -> str:
        return f"{self.insight}. {self.text}: {self.verdict}; {self.evidence}"


@dataclass(frozen=True)
class InsightVerdicts:
    """The five verdicts on one reading and length.

    Attributes:
        insights: in their order.
        stronger: insight 1 in its stronger form (errors rise with W), beside the five and without Holm; None if the
            grid lacks its cells.
    """

    insights: tuple[InsightVerdict, ...]
    stronger: InsightVerdict | None

    def to_frame(self) -> pd.DataFrame:
        """One row per condition, of the five insights."""
        rows = []
        for one in self.insights:
            for condition in one.conditions:
                rows.append(
                    {
                        "insight": one.insight,
                        "condition": condition.text,
                        "estimate": condition.estimate,
                        "lower": condition.lower,
                        "upper": condition.upper,
                        "margin": condition.margin,
                        "claimed": "above" if condition.above else "below",
                        "p": condition.p,
                        "replicates": condition.replicates,
                        "failed": condition.failed,
                        "alone": condition.side,
                        "p_holm": one.p_holm,
                        "verdict": one.verdict,
                    }
                )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        return "\n".join(map(str, self.insights))


def judge(panels: Panels) -> InsightVerdicts:
    """Hold the five insights against one reading and length.

    The unit is the replicate. A condition has the t interval of its contrast. The worst condition of an insight counts,
    the one with the least t towards its claimed side. Reproduced: its whole 95% interval on the claimed side of the
    margin. Contradicted: wholly on the other side. Either takes a two-sided p of at most 0.05 after Holm over the five
    insights as well; else inconclusive. Replicates with a failed fit are left out of the contrasts that they would
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
            judged[number] = tuple(judge_condition(one) for one in conditions(panels))
        except LookupError as error:
            lacking[number] = f"the grid lacks {error}"
    worst = {number: min(found, key=lambda one: one.t) for number, found in judged.items()}
    adjusted = multipletests([one.p for one in worst.values()], method="holm")[1] if worst else []
    holm = dict(zip(worst, np.asarray(adjusted, dtype=np.float64).tolist(), strict=True))
    insights = []
    for number, (text, _) in INSIGHTS.items():
        if number in lacking:
            insights.append(InsightVerdict(number, text, NOT_JUDGED, None, (), None, lacking[number]))
            continue
        side = worst[number].side if holm[number] <= 1 - LEVEL else INCONCLUSIVE
        insights.append(InsightVerdict(number, text, side, worst[number], judged[number], holm[number]))
    return InsightVerdicts(tuple(insights), _stronger(panels))


def _stronger(panels: Panels) -> InsightVerdict | None:
    try:
        found = tuple(judge_condition(one) for one in stronger_first(panels))
    except LookupError:
        return None
    worst = min(found, key=lambda one: one.t)
    return InsightVerdict(1, "noise 1 or 2, epsilon 0: the error rises with workers", worst.side, worst, found, worst.p)


def judge_condition(condition: Condition) -> ConditionVerdict:
    """The t interval of a contrast, and its p against the margin.

    Raises:
        ValueError: with fewer than two replicates.
    """
    values = condition.contrast[np.isfinite(condition.contrast)]
    n = len(values)
    if n < 2:
        raise ValueError(
            f"{condition.text}: {n} of {len(condition.contrast)} replicates are left, at least 2 are needed"
        )
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * error
    distance = (mean - condition.margin) * (1.0 if condition.above else -1.0)
    t = distance / error if error > 0 else np.inf * np.sign(distance) if distance else 0.0
    scale = np.exp if condition.ratio else float
    return ConditionVerdict(
        text=condition.text,
        estimate=float(scale(mean)),
        lower=float(scale(mean - reach)),
        upper=float(scale(mean + reach)),
        margin=float(scale(condition.margin)),
        above=condition.above,
        t=float(t),
        p=float(2 * stats.t.sf(abs(t), n - 1)),
        replicates=n,
        failed=len(condition.contrast) - n,
    )


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
