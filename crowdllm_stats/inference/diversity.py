"""How far the digital answers' distribution is from the humans', and how much of it is a lack of diversity."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import (
    FloatArray,
    check_array,
    check_bounds,
    check_count,
    check_inside,
    check_level,
    check_same_batch,
)
from crowdllm_stats._base.result import Result, unbatch
from crowdllm_stats.inference.table_distance import table_parts

PARTS = ("total", "location", "spread", "rest", "shape", "finite_n_human", "finite_n_digital", "energy_total", "energy")
#: Parts that suppose laws of one shape: not identified where answers have few levels.
ONE_SHAPE = ("shape", "finite_n_human", "finite_n_digital")
SPREADS = ("human_sd", "digital_sd", "sd_ratio", "cost_of_uniformity")
#: What the bootstrap and the average over problems give intervals for.
BOUNDED = ("location", "spread", "shape", "energy", "sd_ratio", "cost_of_uniformity")
#: Up to this many levels the finite parts take too much from the shape (reports/inference/distribution_shape.md).
FEW_LEVELS = 20
#: ... if more than this share of the problems has few levels.
SOME = 0.1
LEAST = 3


@dataclasses.dataclass(frozen=True, eq=False)
class DistributionError(Result):
    """The distance of two tables of answers and its parts; one value per problem, in squared units of the answers.

    ``total = location + spread + rest`` is the squared Wasserstein-2 distance of the tables as they stand, and ``rest =
    shape + finite_n_human + finite_n_digital``: location, spread and shape are for the laws behind the tables, the
    finite parts come from few answers. Where answers have few levels the three parts of the rest are not identified
    and are None.
    ``energy_total`` is the squared energy distance of the tables, ``energy`` its unbiased estimate for the laws
    (units of the answers). ``human_sd`` and ``digital_sd`` are standard deviations of the human and digital
    answers, ``sd_ratio`` the second over the first (inf where the humans all agree), ``cost_of_uniformity`` the
    spread part where the digital answers are the narrower ones. Estimates of small parts may fall below 0. ``lower``
    and ``upper`` map names to bounds, None without a bootstrap.
    """

    columns: ClassVar[tuple[str, ...]] = (*PARTS, *SPREADS)

    total: Any
    location: Any
    spread: Any
    rest: Any
    shape: Any
    finite_n_human: Any
    finite_n_digital: Any
    energy_total: Any
    energy: Any
    human_sd: Any
    digital_sd: Any
    sd_ratio: Any
    cost_of_uniformity: Any
    n_human: int
    n_digital: int
    level: float
    lower: dict[str, Any] | None
    upper: dict[str, Any] | None

    def average(self, level: float | None = None) -> DistributionError:
        """Over the problems: means of the parts, spreads from the mean variances, Student t bounds.

        ``cost_of_uniformity`` is that of the pooled spreads, ``(human_sd - digital_sd)^2`` where the digital one
        is smaller: at most the mean of ``spread``, and free of the choice of problems that look narrow by chance.

        Raises:
            ValueError: with fewer than two problems.
        """
        return _average(self, self.level if level is None else check_level(level))

    def plot(self) -> Any:
        """Bars of the parts of ``total``; over several problems, of their means.

        Returns:
            The matplotlib figure.
        """
        known = ((name, getattr(self, name)) for name in PARTS)
        return plot_distance({name: None if value is None else float(np.mean(value)) for name, value in known})


def plot_distance(values: Mapping[str, Any]) -> Any:
    """Draw the parts of a distance as bars, one on top of the other, and their total.

    Args:
        values: name -> value of every part; None where it is not identified.

    Returns:
        The matplotlib figure.

    Example:
        >>> len(plot_distance({"location": 0.2, "spread": 0.1, "rest": 0.4, "shape": None}).axes)
        1
    """
    from matplotlib.figure import Figure

    split = values["shape"] is not None
    names = ("location", "spread", *(ONE_SHAPE if split else ("rest",)))
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axis = figure.subplots()
    place = 0.0
    for number, value in enumerate(values[name] for name in names):
        law = number < (3 if split else 2)
        axis.bar(number, value, bottom=place, color="#4C72B0" if law else "#BBBBBB", width=0.7)
        place += value
    axis.bar(len(names), place, color="#555555", width=0.7)
    axis.axhline(0.0, color="grey", linewidth=0.6)
    rest = ["shape", "few human\nanswers", "few digital\nanswers"] if split else ["shape and\nfew answers"]
    labels = ["location", "spread", *rest, "total"]
    axis.set_xticks(range(len(labels)), labels)
    axis.set_ylabel("squared answer units")
    axis.set_title("Digital against human answers: squared Wasserstein-2 distance")
    return figure


def distribution_error(
    human: ArrayLike,
    digital: ArrayLike,
    *,
    level: float = 0.95,
    n_boot: int = 0,
    seed: int | np.random.Generator | None = None,
    bounds: ArrayLike | None = None,
    few_levels: bool | None = None,
) -> DistributionError:
    """Split the distance of the digital answers' distribution from the humans': location, spread, shape, few answers.

    With means m, standard deviations s and quantile functions Q of any two laws,
    ``W2^2 = int (Q1 - Q2)^2 = (m1 - m2)^2 + (s1 - s2)^2 + 2 s1 s2 (1 - r)``, ``r`` the correlation of the quantile
    functions: exact. Two tables of n and N answers lie further apart than their laws; ``E total`` exceeds ``W2^2`` by
    what finite tables lose of ``2 int Q1 Q2``, which for two laws of one shape is ``2 s1 s2 (1 - kappa(n, N))``.
    ``location`` is unbiased for any laws; ``spread`` up to order 1/n^2 (jackknifed standard deviations); the two
    ``finite_n`` parts are computed for laws of one shape, that of the longer table; ``shape`` is what
    remains. Where answers have few levels and the shapes differ, the finite parts are smaller than supposed and that
    remainder is too small, by half and more at five levels: ``shape`` and the finite parts are then None.

    The energy distance ``2 E|y - yt| - E|y - y'| - E|yt - yt'|`` has no such split, but exact finite-table terms:
    ``E energy_total = energy + E|y - y'| / n + E|yt - yt'| / N`` for any laws, so ``energy`` is unbiased: the number to
    average over problems, above all for answers on few levels, where no unbiased estimate of W2^2 exists.

    Who is whose twin plays no part: the distance depends on the two marginal distributions alone.

    Args:
        human: (..., n) answers of different people, n of at least 3.
        digital: (..., N) answers of different digital people, N of at least 3.
        level: of the bounds.
        n_boot: bootstrap samples of people and of digital people; 0 for no bounds.
        seed: of the bootstrap.
        bounds: (low, high) of the answer scale, to check the answers against.
        few_levels: whether the answers have few levels, as ratings do; None finds out: in over a tenth of
            the problems all answers lie within 20 whole numbers, or on at most 20 levels with four answers per level.
            False computes all parts.

    Returns:
        DistributionError; scalars for one problem, else arrays of the batch shape. Bounds put the spread of the
        resampled values about their own centre around the estimate, widened for n as in ``risk_decomposition``.
        Bounds from few people per problem are optimistic, as bootstrap bounds of a spread are.
        With few people per problem, ``average`` over problems is the better evidence.

    Raises:
        ValueError: on fewer than 3 answers, unequal batch shapes, answers off the scale or not finite.

    Source: the identity is in Irpino and Romano 2007; energy distance: Szekely and Rizzo 2013. Derivation in
    ``theory/diversity``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> error = distribution_error(rng.normal(3.0, 1.0, (200, 9)), rng.normal(3.3, 0.6, (200, 500)))
        >>> overall = error.average()
        >>> round(overall.sd_ratio, 1), round(overall.cost_of_uniformity, 2), round(overall.location, 2)
        (0.6, 0.16, 0.11)
    """
    level = check_level(level)
    n_boot = check_count("n_boot", n_boot, least=0)
    y, t = check_array("human", human, least_ndim=1), check_array("digital", digital, least_ndim=1)
    batch = check_same_batch(human=y, digital=t)
    for name, table in (("human", y), ("digital", t)):
        if table.shape[-1] < LEAST:
            raise ValueError(
                f"{name} has {table.shape[-1]} answer(s) per problem (shape {table.shape}); at least {LEAST} are "
                "needed to distinguish the spread of answers from chance; leave out problems with fewer"
            )
        if bounds is not None:
            check_inside(name, table, check_bounds(bounds))
    y, t = y.reshape(-1, y.shape[-1]), t.reshape(-1, t.shape[-1])
    few = share_with_few_levels(y, t) > SOME if few_levels is None else bool(few_levels)
    point = table_parts(y, t)
    lower, upper = _bootstrap(y, t, point, level, n_boot, seed) if n_boot else (None, None)
    shaped = {name: unbatch(value.reshape(batch)) for name, value in point.items() if name in DistributionError.columns}
    bounded = [
        None if ends is None else {name: unbatch(ends[name].reshape(batch)) for name in BOUNDED}
        for ends in (lower, upper)
    ]
    if few:
        shaped |= dict.fromkeys(ONE_SHAPE)
        for ends in bounded:
            if ends is not None:
                del ends["shape"]
    return DistributionError(
        why=_why(y.shape[-1], t.shape[-1], n_boot, few),
        flags=_flags(shaped, bounded[0], bounded[1]),
        **shaped,
        n_human=y.shape[-1],
        n_digital=t.shape[-1],
        level=level,
        lower=bounded[0],
        upper=bounded[1],
    )


def share_with_few_levels(human: FloatArray, digital: FloatArray) -> float:
    """Share of the problems whose answers have few levels.

    Few: all within 20 whole numbers, or at most 20 levels with 4 answers per level.

    Args:
        human: (..., n) answers.
        digital: (..., N) answers, same batch shape.

    Example:
        >>> share_with_few_levels(np.array([[1.0, 5.0, 4.0], [0.25, 0.7, 0.1]]), np.array([[2.0, 2.0], [0.9, 0.3]]))
        0.5
    """
    both = np.sort(np.concatenate([human, digital], axis=-1), axis=-1)
    levels = 1 + np.count_nonzero(np.diff(both, axis=-1), axis=-1)
    whole = np.all(both == np.floor(both), axis=-1) & (both[..., -1] - both[..., 0] <= FEW_LEVELS)
    return float(np.mean(whole | ((levels <= FEW_LEVELS) & (both.shape[-1] >= 4 * levels))))


def _bootstrap(
    y: FloatArray,
    t: FloatArray,
    point: dict[str, FloatArray],
    level: float,
    n_boot: int,
    seed: int | np.random.Generator | None,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Bounds from resampled people; the ratio on the log scale, the rest as it is."""
    from scipy.stats import norm
    from scipy.stats import t as student

    rng = np.random.default_rng(seed)
    n, m = y.shape[1], t.shape[1]
    draws: dict[str, list[FloatArray]] = {name: [] for name in BOUNDED}
    for _ in range(n_boot):
        parts = table_parts(y[:, rng.integers(n, size=n)], t[:, rng.integers(m, size=m)])
        parts["sd_ratio"] = _log_ratio(parts, point)
        for name in BOUNDED:
            draws[name].append(parts[name])
    tails, few = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0]), min(n, m)
    widen = np.sqrt(few / (few - 1)) * student.ppf(tails[1], few - 1) / norm.ppf(tails[1])
    lower, upper = {}, {}
    for name, values in draws.items():
        stacked = np.stack(values)
        low, high = widen * np.quantile(stacked - np.median(stacked, axis=0), tails, axis=0)
        if name == "sd_ratio":
            lower[name], upper[name] = point[name] * np.exp(low), point[name] * np.exp(high)
        elif name == "cost_of_uniformity":
            lower[name], upper[name] = np.maximum(point[name] + low, 0.0), np.maximum(point[name] + high, 0.0)
        else:
            lower[name], upper[name] = point[name] + low, point[name] + high
    return lower, upper


def _log_ratio(parts: dict[str, FloatArray], point: dict[str, FloatArray]) -> FloatArray:
    """Log of the ratio; a resample whose answers are all alike counts as a thirtieth of the table's own spread."""
    digital = np.maximum(parts["digital_sd"], point["digital_sd"] / 30.0)
    human = np.maximum(parts["human_sd"], point["human_sd"] / 30.0)
    both = (digital > 0.0) & (human > 0.0)
    return np.log(np.divide(digital, human, out=np.ones_like(digital), where=both))


def _flags(values: dict[str, Any], lower: dict[str, Any] | None, upper: dict[str, Any] | None) -> dict[str, Any]:
    flags = {
        "all human answers are alike: their spread is not a yardstick": np.asarray(values["human_sd"]) == 0.0,
        "all digital answers are alike": np.asarray(values["digital_sd"]) == 0.0,
    }
    if lower is not None and upper is not None:
        flags["the digital answers are too uniform"] = np.asarray(upper["sd_ratio"]) < 1.0
        flags["the digital answers are too spread out"] = np.asarray(lower["sd_ratio"]) > 1.0
    return {sentence: mask for sentence, mask in flags.items() if np.any(mask)}


def _why(n: int, m: int, n_boot: int, few: bool) -> str:
    rest = (
        "the rest holds the difference of shapes and what comes from few answers; they are not identified from answers "
        "with few levels, so shape and finite_n are left out."
        if few
        else "finite_n supposes laws of one shape."
    )
    bounds = " The bounds resample people and are rough below some 30 people." if n_boot else ""
    return (
        f"{n} human and {m} digital answers per problem, each table a random sample of its own law; pairing plays no "
        "part. total is the squared Wasserstein-2 distance of the tables, split exactly; location is unbiased, spread "
        f"nearly; {rest} energy is unbiased for any laws.{bounds}"
    )


def _average(result: DistributionError, level: float) -> DistributionError:
    from scipy.stats import t as student

    given = {name: getattr(result, name) for name in result.columns}
    values = {name: np.ravel(np.asarray(value, dtype=np.float64)) for name, value in given.items() if value is not None}
    count = values["total"].size
    if count < 2:
        raise ValueError(
            f"average needs at least 2 problems to have an interval, got {count}; put problems on the leading axes"
        )
    human, digital = values["human_sd"] ** 2, values["digital_sd"] ** 2
    mean: dict[str, Any] = {name: float(values[name].mean()) if name in values else None for name in PARTS}
    best, other = float(np.sqrt(human.mean())), float(np.sqrt(digital.mean()))
    ratio = other / best if best > 0.0 else (np.inf if other > 0.0 else 1.0)
    reach = float(student.ppf((1.0 + level) / 2.0, count - 1)) / float(np.sqrt(count))
    lower: dict[str, Any] = {}
    upper: dict[str, Any] = {}
    for name in (part for part in ("location", "spread", "shape", "energy") if part in values):
        centre = float(values[name].mean())
        half = reach * float(values[name].std(ddof=1))
        lower[name], upper[name] = centre - half, centre + half
    relative = _relative(digital) - _relative(human)  # the log ratio of means, linearised
    half = 0.5 * reach * float(relative.std(ddof=1))
    lower["sd_ratio"], upper["sd_ratio"] = ratio * float(np.exp(-half)), ratio * float(np.exp(half))
    narrower = 0.5 * (best * _relative(human) - other * _relative(digital))  # best - other, linearised
    half = reach * float(narrower.std(ddof=1))
    lower["cost_of_uniformity"] = max(best - other - half, 0.0) ** 2
    upper["cost_of_uniformity"] = max(best - other + half, 0.0) ** 2
    return DistributionError(
        why=f"Means over {count} problems, with Student t bounds over problems taken as a random sample. {result.why}",
        flags=_flags({"human_sd": best, "digital_sd": other}, lower, upper),
        **mean,
        human_sd=best,
        digital_sd=other,
        sd_ratio=ratio,
        cost_of_uniformity=max(best - other, 0.0) ** 2,
        n_human=result.n_human,
        n_digital=result.n_digital,
        level=level,
        lower=lower,
        upper=upper,
    )


def _relative(variances: FloatArray) -> FloatArray:
    mean = variances.mean()
    return variances / mean if mean > 0.0 else np.zeros_like(variances)
