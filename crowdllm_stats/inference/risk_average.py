"""The mean of risk components over problems, with a Student t interval."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import check_level
from crowdllm_stats._base.result import Result


@dataclasses.dataclass(frozen=True, eq=False)
class RiskAverage(Result):
    """Means over problems, each with Student's t interval over problems.

    Attributes:
        mean: component -> mean.
        lower: component -> lower end.
        upper: component -> upper end.
        level: of each interval.
        n_problems: number of problems.
    """

    mean: dict[str, float]
    lower: dict[str, float]
    upper: dict[str, float]
    level: float
    n_problems: int

    def to_frame(self, index: Any = None) -> pd.DataFrame:
        """One row per component: its mean over problems and the interval's ends.

        Args:
            index: other labels for the rows.

        Raises:
            ValueError: if ``index`` has another length than there are components.
        """
        labels = list(self.mean) if index is None else list(index)
        if len(labels) != len(self.mean):
            raise ValueError(f"index has {len(labels)} labels for {len(self.mean)} components")
        rows = {"mean": self.mean, "lower": self.lower, "upper": self.upper}
        return pd.DataFrame(
            {name: list(values.values()) for name, values in rows.items()}, index=pd.Index(labels, name="component")
        )

    def __str__(self) -> str:
        table = self.to_frame().to_string(float_format=lambda value: f"{value:.4g}").splitlines()
        head = f"RiskAverage over {self.n_problems} problems, level {self.level:g}"
        why = textwrap.wrap(self.why, 100, initial_indent="  ", subsequent_indent="  ")
        return "\n".join([head, *(f"  {line}" for line in table), *why])


def average_over_problems(components: Mapping[str, Any], level: float) -> RiskAverage:
    """Mean of each component over problems, with the Student t interval ``mean +- t s / sqrt(P)``.

    Args:
        components: name -> values, one per problem (any batch shape), or None where not identifiable (left out,
            and named in ``why``).
        level: confidence level.

    Returns:
        RiskAverage.

    Raises:
        ValueError: with fewer than two problems, or a level outside (0, 1).

    Example:
        >>> average_over_problems({"L": np.array([1.0, 2.0, 3.0])}, 0.95).mean["L"]
        2.0
    """
    from scipy.stats import t as student

    level = check_level(level)
    known = {name: np.ravel(np.asarray(value, dtype=np.float64)) for name, value in components.items()
             if value is not None}  # fmt: skip
    count = next(iter(known.values())).size
    if count < 2:
        raise ValueError(
            f"average needs at least 2 problems to have an interval, got {count}; "
            "put problems on the leading axes, or read the components themselves"
        )
    mean, lower, upper = {}, {}, {}
    quantile = float(student.ppf((1 + level) / 2, count - 1))
    for name, values in known.items():
        mean[name] = float(values.mean())
        reach = quantile * float(values.std(ddof=1)) / float(np.sqrt(count))
        lower[name], upper[name] = mean[name] - reach, mean[name] + reach
    absent = [name for name in components if name not in known]
    why = (
        "Student t over problems: the problems are a random sample, and their components are independent of each other"
    )
    why += " (people who answer many problems link them, and then the interval is for these people)."
    if absent:
        why += f" Not identifiable from these data: {', '.join(absent)}."
    return RiskAverage(why=why, flags={}, mean=mean, lower=lower, upper=upper, level=level, n_problems=count)
