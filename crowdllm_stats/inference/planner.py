"""How many human answers a wanted half-width takes, with and without a digital population."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, ndtri, poch, stdtrit

from crowdllm_stats._base.checks import FloatArray, check_array, check_count, check_level
from crowdllm_stats._base.result import Result, unbatch
from crowdllm_stats.inference.intervals.dispatch import CROWD_FROM, PAIRED_FROM

#: Fewest human answers with an interval.
LEAST_ALONE = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Plan(Result):
    """Human answers needed for a wanted half-width, see :func:`plan_answers`; scalars, or arrays of the batch shape.

    Attributes:
        half_width: wanted, in units of the answers.
        human_sd: standard deviation of the human answers to one problem.
        correlation: of humans with their twins within a problem.
        n_human_only: answers without a digital population.
        n_human_only_low: lower end of its range by the pilot; None unless the pilot's size was given.
        n_human_only_high: upper end.
        n_with_digital: answers with the digital population.
        n_with_digital_low: lower end of its range by the pilot, or None.
        n_with_digital_high: upper end.
        saved: ``n_human_only - n_with_digital``.
        n_digital: N, None for as many as one likes.
        n_pilot: size of the pilot, or None.
        level: of the planned interval, and of the ranges.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "half_width",
        "human_sd",
        "correlation",
        "n_human_only",
        "n_human_only_low",
        "n_human_only_high",
        "n_with_digital",
        "n_with_digital_low",
        "n_with_digital_high",
        "saved",
    )

    half_width: Any
    human_sd: Any
    correlation: Any
    n_human_only: Any
    n_human_only_low: Any
    n_human_only_high: Any
    n_with_digital: Any
    n_with_digital_low: Any
    n_with_digital_high: Any
    saved: Any
    n_digital: int | None
    n_pilot: int | None
    level: float


def plan_answers(
    half_width: ArrayLike,
    human_sd: ArrayLike,
    correlation: ArrayLike,
    *,
    n_digital: int | None = None,
    n_pilot: int | None = None,
    level: float = 0.95,
) -> Plan:
    """Smallest numbers of human answers whose expected half-width is at most the wanted one.

    It plans for the methods that ``interval`` uses with ``method="auto"``: the digital population counts from 8 human
    answers on, if there are 3 times as many further digital answers; below, the human answers stand alone.

    Human answers alone, Student's t: ``E h(n) = t_{n-1} c(n) s / sqrt(n)`` with ``c(n) = E sd / s`` for n normal
    answers. With a digital population, the method "ppi++-small" (two-phase regression) on n pairs and N further
    digital answers: ``E h(n)^2 ~ t^2 (A + B)``, ``A = (1 - (2 - k) k r^2) s^2 c(n)^2 / n (1 + k / (n - 2))`` for what
    twins leave unexplained and the price of the slope, ``B = k^2 (r^2 + (1 - r^2) / (n - 1)) s^2 / N`` for the sampling
    error of the digital answers, ``k = 1 / (1 + n/N)``, and t with that method's degrees of freedom. Against
    simulated means for normal answers, r from 0.3 and a slope of humans on twins within [0, 1]: within 2 % from n = 10
    and N = 40 on, 3.5 % at n = N = 10; optimistic below, by up to 6 % at n = 6 and 14 % at n = 4.
    The expectation is reached on average: about half of all studies end up somewhat wider.

    Args:
        half_width: wanted half-width, in units of the answers, > 0.
        human_sd: standard deviation of the human answers to one problem, >= 0.
        correlation: correlation of a human's answer with the twin's within a problem, in [-1, 1]; a negative one
            counts as 0, as the interval then leaves the twins out.
        n_digital: digital answers without a human, N >= 2; None for as many as one likes.
        n_pilot: answers (pairs) that ``human_sd`` and ``correlation`` were estimated from, >= 4; gives the ranges.
            The ranges hold with probability ``level`` for normal answers: chi-square for the standard deviation; for
            the plan with a digital population also Fisher's z for the correlation, each at ``(1 + level) / 2``.
        level: confidence level of the planned interval.

    The first three may be arrays that broadcast against each other (one entry per problem).

    Returns:
        Plan with ``n_human_only`` (at least 2), ``n_with_digital`` (at least 8 and at most ``n_digital / 3``, or
        ``n_human_only`` where the digital population is not used or does not help) and ``saved``, their difference.

    Raises:
        ValueError: if a half-width is not positive, a standard deviation negative, a correlation outside [-1, 1],
            a count too small, or the shapes do not broadcast.

    Source: Cochran 1977, Sampling Techniques, section 12.6 (regression in double sampling).

    Example:
        >>> plan = plan_answers(0.2, human_sd=1.0, correlation=0.6)
        >>> plan.n_human_only, plan.n_with_digital
        (98, 65)
    """
    level = check_level(level)
    wanted, spread, rho = _check_inputs(half_width, human_sd, correlation)
    further = None if n_digital is None else check_count("n_digital", n_digital, 2)
    pilot = None if n_pilot is None else check_count("n_pilot", n_pilot, 4)
    alone, paired = _counts(wanted, spread, rho, further, level)
    ranges: dict[str, Any] = dict.fromkeys(_RANGES)
    if pilot is not None:
        ranges = {name: unbatch(value) for name, value in _ranges(wanted, spread, rho, further, pilot, level).items()}
    return Plan(
        half_width=unbatch(wanted),
        human_sd=unbatch(spread),
        correlation=unbatch(rho),
        n_human_only=unbatch(alone),
        n_with_digital=unbatch(paired),
        saved=unbatch(alone - paired),
        n_digital=further,
        n_pilot=pilot,
        level=level,
        why=_why(further, pilot, level),
        flags=_flags(alone, paired),
        **ranges,
    )


_RANGES = ("n_human_only_low", "n_human_only_high", "n_with_digital_low", "n_with_digital_high")


def half_width_alone(n: ArrayLike, human_sd: ArrayLike, level: float) -> FloatArray:
    """Expected half-width of Student's t interval, ``t_{n-1} c(n) s / sqrt(n)``, for n >= 2 normal answers.

    Example:
        >>> round(float(half_width_alone(10, 1.0, 0.95)), 3)
        0.696
    """
    count = np.asarray(n, dtype=np.float64)
    result = stdtrit(count - 1.0, 0.5 + level / 2.0) * _mean_sd(count) * np.asarray(human_sd) / np.sqrt(count)
    return np.asarray(result, dtype=np.float64)


def answers_for_width(n: float, factor: float, level: float) -> int:
    """Smallest number of human answers whose expected Student t half-width is at most ``factor`` times that of n.

    Args:
        n: human answers now, at least 2.
        factor: wanted width over the present one, in (0, 1].
        level: confidence level.

    Raises:
        ValueError: if ``factor`` is not in (0, 1].

    Example:
        >>> answers_for_width(8, 0.8, 0.95)
        12
    """
    if not 0.0 < factor <= 1.0:
        raise ValueError(f"factor must lie in (0, 1], got {factor:g}")
    wanted = factor * float(half_width_alone(n, 1.0, level))
    candidates = np.arange(2, int(np.ceil(n / factor**2)) + 2)
    return int(candidates[np.argmax(half_width_alone(candidates, 1.0, level) <= wanted * (1.0 + 1e-12))])


def half_width_with_digital(
    n: ArrayLike, human_sd: ArrayLike, correlation: ArrayLike, n_digital: int | None, level: float
) -> FloatArray:
    """Expected half-width of the regression interval on n >= 3 pairs and N further digital answers.

    The formula stands in :func:`plan_answers`; ``n_digital=None`` is the limit of large N.

    Example:
        >>> round(float(half_width_with_digital(10, 1.0, 0.6, None, 0.95)), 3)
        0.602
    """
    count = np.asarray(n, dtype=np.float64)
    further = np.inf if n_digital is None else float(n_digital)
    explained = np.square(np.maximum(np.asarray(correlation, dtype=np.float64), 0.0))
    shrink = 1.0 / (1.0 + count / further)
    slope_price = 1.0 + shrink / (count - 2.0)
    left = (1.0 - (2.0 - shrink) * shrink * explained) * np.square(_mean_sd(count)) / count * slope_price
    crowd = shrink**2 * (explained + (1.0 - explained) / (count - 1.0)) / further
    share = np.divide(left, left + crowd, out=np.ones_like(left + crowd), where=left + crowd > 0.0)
    freedom = 1.0 / (share / (count - 2.0) + (1.0 - share) / (further - 1.0))
    quantile = stdtrit(freedom, 0.5 + level / 2.0)
    return np.asarray(quantile * np.asarray(human_sd) * np.sqrt(left + crowd), dtype=np.float64)


def _mean_sd(n: FloatArray) -> FloatArray:
    """Expected standard deviation (ddof = 1) of n normal answers of variance 1."""
    half = (n - 1.0) / 2.0
    return np.asarray(poch(half, 0.5) / np.sqrt(half))


def _counts(
    wanted: FloatArray, spread: FloatArray, rho: FloatArray, further: int | None, level: float
) -> tuple[Any, Any]:
    """Counts without and with the digital population; the second is the first where it does not help."""
    # Beyond twice the normal count plus a margin for the t quantile, Student's t is below the target.
    enough = np.ceil(2.0 * np.square(float(ndtri(0.5 + level / 2.0)) * spread / wanted)) + 30.0
    while np.any(half_width_alone(enough, spread, level) > wanted):
        enough = 2.0 * enough
    alone = _smallest(lambda n: half_width_alone(n, spread, level) <= wanted, LEAST_ALONE, enough)

    def good(n: FloatArray) -> Any:
        return half_width_with_digital(n, spread, rho, further, level) <= wanted

    # Only as many pairs as 'auto' uses; where even that many are not enough, the humans stand alone.
    limit = np.inf if further is None else further // CROWD_FROM
    most = np.minimum(alone, limit)
    used = most >= PAIRED_FROM
    most = np.where(used, most, float(PAIRED_FROM))
    paired = np.where(used & good(most), _smallest(good, PAIRED_FROM, most), alone)
    return alone.astype(np.int64), paired.astype(np.int64)


def _flags(alone: Any, paired: Any) -> dict[str, Any]:
    few = alone < PAIRED_FROM
    return {
        f"the digital population saves nothing: 'auto' uses it from {PAIRED_FROM} human answers on": few,
        "the digital population saves nothing: plan without it, and leave it out of the interval": (
            ~few & (paired == alone)
        ),
    }


def _smallest(good: Callable[[FloatArray], Any], least: int, most: FloatArray) -> FloatArray:
    """Smallest whole n from least to most that is good, most being so; bisection for all problems at once."""
    low, high = np.full(most.shape, float(least)), most
    while np.any(low < high):
        middle = np.floor((low + high) / 2.0)
        reached = good(middle)
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1.0, high))
    return high


def _ranges(
    wanted: FloatArray, spread: FloatArray, rho: FloatArray, further: int | None, pilot: int, level: float
) -> dict[str, Any]:
    sd_low, sd_high = _sd_range(spread, pilot, level)
    # Two ranges, each at (1 + level) / 2, hold together with probability level at least.
    both = 0.5 + level / 2.0
    joint_low, joint_high = _sd_range(spread, pilot, both)
    weakest, strongest = _correlation_range(rho, pilot, both)
    values = (
        _counts(wanted, sd_low, rho, further, level)[0],
        _counts(wanted, sd_high, rho, further, level)[0],
        _counts(wanted, joint_low, strongest, further, level)[1],
        _counts(wanted, joint_high, weakest, further, level)[1],
    )
    return dict(zip(_RANGES, values, strict=True))


def _sd_range(spread: FloatArray, pilot: int, level: float) -> tuple[FloatArray, FloatArray]:
    degrees = pilot - 1.0
    tail = (1.0 - level) / 2.0
    return spread * np.sqrt(degrees / chdtri(degrees, tail)), spread * np.sqrt(degrees / chdtri(degrees, 1.0 - tail))


def _correlation_range(rho: FloatArray, pilot: int, level: float) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest correlation that the pilot leaves possible."""
    reach = float(ndtri(0.5 + level / 2.0)) / np.sqrt(pilot - 3.0)
    most = 1.0 - 1e-12
    centre = np.arctanh(np.clip(rho, -most, most))
    return np.tanh(centre - reach), np.tanh(centre + reach)


def _check_inputs(
    half_width: ArrayLike, human_sd: ArrayLike, correlation: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    wanted = check_array("half_width", half_width)
    spread = check_array("human_sd", human_sd, nonnegative=True)
    rho = check_array("correlation", correlation)
    if np.any(wanted <= 0.0):
        raise ValueError(f"half_width must be positive, in units of the answers; got {float(wanted.min()):g}")
    if np.any(np.abs(rho) > 1.0):
        raise ValueError(f"correlation must lie between -1 and 1; got {float(rho.flat[np.argmax(np.abs(rho))]):g}")
    try:
        shape = np.broadcast_shapes(wanted.shape, spread.shape, rho.shape)
    except ValueError:
        raise ValueError(
            f"half_width {wanted.shape}, human_sd {spread.shape} and correlation {rho.shape} do not broadcast: "
            "give one entry per problem, or single numbers"
        ) from None
    wanted, spread, rho = (np.array(np.broadcast_to(array, shape)) for array in (wanted, spread, rho))
    if np.any(spread / wanted > 1e6):
        raise ValueError("half_width is below a millionth of human_sd: that would take over 10^12 answers")
    return wanted, spread, rho


def _why(further: int | None, pilot: int | None, level: float) -> str:
    crowd = "as many digital answers as one likes" if further is None else f"{further} digital answers without a human"
    ranges = "" if pilot is None else f"; the ranges carry the pilot's uncertainty ({pilot} answers, normal theory)"
    return (
        f"Smallest n whose expected half-width at level {level:g} is at most the wanted one: Student's t for human "
        f"answers alone, regression on the twins with {crowd}, as 'auto' uses it: from {PAIRED_FROM} human answers on, "
        f"with {CROWD_FROM} times as many further digital ones; half of all studies end up somewhat wider{ranges}."
    )
