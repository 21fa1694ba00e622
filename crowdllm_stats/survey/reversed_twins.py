"""Do digital twins fall as their humans rise, as they do where one of two scales is reversed?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtr

from crowdllm_stats._base.words import several
from crowdllm_stats.survey.pairing import Pairing
from crowdllm_stats.survey.twin_tables import FloatArray

#: Correlation below which twins are asked about, and the false alarms of each of three tests that it lies below zero.
REVERSED, ALARM = -0.3, 0.001
#: Fewest problems, people, and people of one problem that can show it.
PROBLEMS, PEOPLE, MANY = 6, 8, 20


def backwards(pairing: Pairing) -> str:
    """A question where twins fall as humans rise; empty where they do not.

    Three tests, each with 1 false alarm in 1,000 at most where twins have nothing to do with their humans: of the
    problems' means (Fisher's z); of the answers within all problems together, people as the independent units
    (Student's t of their sums of products); and of each problem with many people (Fisher's z, corrected for the number
    of problems). The correlation must lie below -0.3, too.

    Args:
        pairing: human answers with their twins.

    Example:
        >>> from crowdllm_stats import load_example
        >>> from crowdllm_stats.survey.pairing import pair
        >>> example = load_example()
        >>> backwards(pair(example.human, example.digital))
        ''
    """
    both = pairing.answers[~pairing.answers["twin"].isna()]
    if both.empty:
        return ""
    grouped = both.groupby("problem", observed=True, sort=False)[["human", "twin"]]
    means = grouped.mean()
    apart = both[["human", "twin"]] - grouped.transform("mean")
    products = pd.DataFrame({
        "xy": apart["human"] * apart["twin"], "xx": apart["human"] ** 2, "yy": apart["twin"] ** 2,
        "problem": both["problem"], "participant": both["participant"].astype(str),
    })  # fmt: skip
    over = _correlation(*(means[name].to_numpy(dtype=float) for name in ("human", "twin")))
    if len(means) >= PROBLEMS and over < REVERSED and _z(over, len(means)) < ndtri(ALARM):
        return f"Twins fall as humans rise (correlation {over:.2f} over problems): is one of the two scales reversed?"
    within = _ratio(products[["xy", "xx", "yy"]].sum().to_numpy(dtype=float))
    sums = products.groupby("participant", sort=False)["xy"].sum().to_numpy(dtype=float)
    if len(sums) >= PEOPLE and within < REVERSED and _chance_below(sums) < ALARM:
        return (
            f"Twins fall as humans rise (correlation {within:.2f} within problems): is one of the two scales reversed?"
        )
    return _single(products)


def _single(products: pd.DataFrame) -> str:
    """The question about single problems."""
    grouped = products.groupby("problem", observed=True, sort=False)[["xy", "xx", "yy"]]
    sizes = grouped.size().to_numpy()
    each = np.array([_ratio(row) for row in grouped.sum().to_numpy(dtype=float)])
    tested = sizes >= MANY
    if not tested.any():
        return ""
    bad = tested & (each < REVERSED) & (_z(each, np.maximum(sizes, MANY)) < ndtri(ALARM / int(tested.sum())))
    if not bad.any():
        return ""
    names = list(grouped.groups)
    worst = int(np.argmin(np.where(bad, each, 1.0)))
    return (
        f"Twins fall as humans rise in {several(int(bad.sum()), 'problem')} (correlation {each[worst]:.2f} in "
        f"{names[worst]!r}): is the scale reversed there?"
    )


def _correlation(first: FloatArray, second: FloatArray) -> float:
    x, y = first - first.mean(), second - second.mean()
    return _ratio(np.array([np.sum(x * y), np.sum(x * x), np.sum(y * y)]))


def _ratio(sums: FloatArray) -> float:
    """The correlation from sums of products; 0 where one side never varies."""
    scale = float(np.sqrt(sums[1] * sums[2]))
    return float(sums[0]) / scale if scale > 0.0 else 0.0


def _z(value: float | FloatArray, n: int | FloatArray) -> FloatArray:
    """Fisher's z of a correlation of n pairs, in standard errors."""
    return np.asarray(np.arctanh(np.clip(value, -1.0 + 1e-12, 1.0 - 1e-12)) * np.sqrt(np.asarray(n) - 3.0))


def _chance_below(sums: FloatArray) -> float:
    """One-sided p-value of Student's t for people's sums of products being zero on average."""
    error = float(np.std(sums, ddof=1)) / np.sqrt(len(sums))
    return float(stdtr(len(sums) - 1, sums.mean() / error)) if error > 0.0 else 1.0
