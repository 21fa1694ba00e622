"""Problems inform each other: the human mean of few answers combined with the digital crowd (Fay-Herriot)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats.inference.checks import FloatArray, check_array, check_bounds, check_inside, check_level
from crowdllm_stats.inference.fay_herriot import Prior, fit_fay_herriot, regression_rows
from crowdllm_stats.inference.predictive import Prediction, add_shared, shortest_interval, update
from crowdllm_stats.inference.result import Result

#: Up to this many problems each one is left out on its own; beyond, problems are left out in FOLDS groups.
LEAVE_ONE_OUT = 40
FOLDS = 20
#: Below this number of problems, those whose few answers all agree fall short of the level in simulations.
FEW_PROBLEMS = 40
#: Problems needed beyond the number of regression coefficients.
SPARE_PROBLEMS = 8
#: Problems whose answers differ, over all problems: one alone would say nothing to itself when it is left out.
LEAST_POSITIVE = 2


#: What the form from means alone takes for granted.
DIFFERENT_PEOPLE = (
    "Assumes that different people answered the different problems, so that their errors are independent; if the same "
    "people answered several problems, use across_from, which needs the single answers with their people."
)


@dataclass(frozen=True)
class Direct:
    """Checked input of :func:`combine`: what T problems' own answers say, and what there is on the digital side.

    ``mean``, ``var``, ``count`` (T,): human mean, sample variance of single answers about the problem's own mean (ddof
    1; 0 where ``count`` is 1), number of answers. ``columns``: (T, k) arrays of regression columns, the digital means
    first, then covariates. ``ends``: of the scale, or None. ``people`` (T,): population sizes, or None; ``grid``: the
    step of the scale where ends of intervals shall be attainable, or None.

    ``shared_var`` (T,): variance, in squared units of the answers, of an error that the human means of all problems
    have in common (the same people answered them, say). The regression takes it for its own, so it is not learned from
    the means: it is added to every problem's variance, as one estimated on ``shared_degrees`` degrees of freedom.
    ``var / count`` must then be the variance of the rest of the error of ``mean``. None: errors are independent.
    """

    mean: FloatArray
    var: FloatArray
    count: FloatArray
    columns: tuple[FloatArray, ...]
    ends: tuple[float, float] | None = None
    people: FloatArray | None = None
    grid: float | None = None
    shared_var: FloatArray | None = None
    shared_degrees: float = np.inf


@dataclass(frozen=True, eq=False)
class AcrossProblems(Result):
    """One estimate and interval a problem; every array has shape (T,).

    ``estimate = weight * human_mean + (1 - weight) * synthetic``; ``synthetic`` is the regression on the digital side.
    ``between_var``: variance of problem means about it; ``within_var``: variance of one human answer. ``effective_n``:
    how many human answers alone would give this variance, ``saved`` that minus n.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "estimate", "lower", "upper", "half_width", "weight", "synthetic", "between_var", "within_var", "effective_n",
        "saved",
    )  # fmt: skip

    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray
    half_width: FloatArray
    level: float
    weight: FloatArray
    synthetic: FloatArray
    between_var: FloatArray
    within_var: FloatArray
    effective_n: FloatArray
    saved: FloatArray


def across_problems(
    human_mean: ArrayLike,
    human_var: ArrayLike,
    n_human: ArrayLike,
    digital_mean: ArrayLike,
    *,
    covariates: ArrayLike | None = None,
    population_size: ArrayLike | None = None,
    level: float = 0.95,
    bounds: ArrayLike | None = None,
    step: float | None = None,
) -> AcrossProblems:
    """Estimate every problem's human mean from its own few answers and from all other problems.

    ``estimate_t = w_t ybar_t + (1 - w_t) x_t' beta``, ``w_t = B_t / (B_t + v_t / n_t)``: own human mean against a
    regression on the digital mean, ``v_t`` the variance of one answer (a smooth function of the predicted mean, learned
    from all problems' sample variances) and ``B_t`` the variance of problem means about the regression. Everything
    fitted (beta, v, B) comes from other problems: each problem is left out on its own (T <= 40) or with every 20th
    other one, by position, so a result can depend a little on the order of the problems but on no chance.

    Without ``bounds``, answers' means and problems' means are taken as normal about the regression, with the variances
    above; the interval is symmetric. With ``bounds`` (to be preferred for ratings) the model is quasi-binomial:
    both variances shrink as ``(mu - low)(high - mu)`` towards the ends, and the interval is the shortest one of a Beta
    distribution on the scale, so it is skewed near the ends. The uncertainty of ``B`` is integrated out (flat prior),
    that of ``v`` enters by a t quantile. The level holds on average over problems like these, under the model; it is
    not a guarantee for one named problem. Expect coverage above the level where the digital mean leaves nothing to
    explain (B near 0), and a little below it for ratings and yes/no answers that pile up at an end, which no straight
    line follows: 0.935 to 0.95 in simulations with a large population (at 15 and at 200 problems), at least 0.94 with
    ``population_size``. Among problems whose few answers all agree it was 0.88 to 0.93 with 15 problems, 0.93 or more
    from 40 on (``reports/inference/across_problems_simulation.md``).

    Few answers can show no spread at all, so the fitted ``v`` stays within a factor 3 (without ``bounds`` 10) of its
    pooled level, which with ``bounds`` counts two more degrees of freedom of answers at the two ends; a flag says where
    it was raised. With ``bounds`` a problem's mean varies no more about the regression than a uniform one.

    With ``population_size`` m the target is the mean over the m_t people of whom n_t, drawn at random, answered,
    ``(n_t ybar_t + (m_t - n_t) rest_t) / m_t``: only the rest is predicted. Otherwise it is the mean of a large
    population.

    Args:
        human_mean: (T,) mean of each problem's human answers.
        human_var: (T,) sample variance of each problem's single answers (ddof 1); ignored, and NaN allowed, where
            n_human is 1.
        n_human: (T,) or one number: how many human answers, at least 1.
        digital_mean: (T,) mean of the digital answers, or (T, p) features of the digital crowd. Digital means may be
            biased, constant or anti-correlated: they enter by regression alone.
        covariates: (T,) or (T, k) further regression columns, known for every problem.
        population_size: (T,) or one number, at least n_human; None for a large population.
        level: of the intervals.
        bounds: (low, high) of the answer scale.
        step: distance of neighbouring answers; taken as 1 when the bounds and all sums of answers are whole. Used with
            ``bounds`` and ``population_size``, to end intervals at attainable means.

    Returns:
        AcrossProblems, in the units of the answers (variances squared). ``effective_n`` solves
        ``within_var (1/n - 1/m) = variance of the estimate``.

    Raises:
        ValueError: on shapes that do not match, values off the scale, fewer problems than coefficients + 8, variances
            that are zero in all but one problem, fewer than 10 degrees of freedom for them, ``population_size`` below
            ``n_human``.

    Source: Fay and Herriot 1979; flat prior for B: Morris 1983, Morris and Tang 2011; predicting the part of a finite
    population that was not sampled: Royall 1970.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> digital = rng.normal(3, 1, 60)
        >>> people = digital[:, None] + rng.normal(0, 0.3, (60, 1)) + rng.normal(0, 1, (60, 4))
        >>> result = across_problems(people.mean(1), people.var(1, ddof=1), 4, digital)
        >>> bool(result.effective_n.mean() > 8)
        True
    """
    level = check_level(level)
    mean = check_array("human_mean", human_mean, least_ndim=1)
    if mean.ndim != 1:
        raise ValueError(f"human_mean must have one axis (T,), one entry a problem; got shape {mean.shape}")
    count = _counts("n_human", n_human, len(mean))
    ends = None if bounds is None else check_bounds(bounds)
    if ends is not None:
        check_inside("human_mean", mean, ends)
    var = _variances(human_var, mean, count, ends)
    people = None if population_size is None else _counts("population_size", population_size, len(mean))
    if people is not None and np.any(people < count):
        row = int(np.argmax(people < count))
        raise ValueError(
            f"population_size must be at least n_human; problem {row} has {people[row]:g} people and "
            f"{count[row]:g} answers"
        )
    columns = [_features("digital_mean", digital_mean, len(mean))]
    if covariates is not None:
        columns.append(_features("covariates", covariates, len(mean)))
    grid = None if ends is None or people is None else _grid_step(step, ends, mean * count)
    direct = Direct(mean, var, count, tuple(columns), ends, people, grid)
    return combine(direct, level, (DIFFERENT_PEOPLE,))


def combine(direct: Direct, level: float, notices: tuple[str, ...]) -> AcrossProblems:
    """The estimates of :func:`across_problems` from checked input; ``notices`` go before what it has to say itself.

    Raises:
        ValueError: if there are too few problems for the regression.
    """
    design, lost = regression_rows(*direct.columns)
    problems = len(direct.mean)
    if problems < design.shape[1] + SPARE_PROBLEMS:
        raise ValueError(
            f"{problems} problems are too few for {design.shape[1]} regression coefficients: at least "
            f"{design.shape[1] + SPARE_PROBLEMS} are needed; use fewer covariates, or interval(...) a problem at a time"
        )
    prior = _cross_fit(design, direct.mean, direct.var, direct.count, direct.ends)
    return _assemble(prior, direct, level, lost, notices)


def _cross_fit(
    design: FloatArray, mean: FloatArray, var: FloatArray, count: FloatArray, ends: tuple[float, float] | None
) -> Prior:
    """Every problem's prior from a fit to the problems of the other folds."""
    problems = len(mean)
    fold = np.arange(problems) % (problems if problems <= LEAVE_ONE_OUT else FOLDS)
    parts: list[Prior] = []
    for number in range(int(fold.max()) + 1):
        others = fold != number
        spread = var[others]
        if not np.any(spread > 0.0):  # all spread there is lies in this fold: no curve, but its level is known
            spread = np.full(len(spread), float((count - 1.0) @ var / np.sum(count - 1.0)))
        fit = fit_fay_herriot(design[others], mean[others], spread, count[others], ends)
        parts.append(fit.predict(design[~others]))
    order = np.argsort(np.concatenate([np.flatnonzero(fold == number) for number in range(int(fold.max()) + 1)]))
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])[order] for name in Prior.__dataclass_fields__
    }
    return Prior(**joined)


def _assemble(prior: Prior, direct: Direct, level: float, lost: int, notices: tuple[str, ...]) -> AcrossProblems:
    mean, count, people, ends, grid = direct.mean, direct.count, direct.people, direct.ends, direct.grid
    rest = np.full_like(mean, np.inf) if people is None else people - count
    complete = rest == 0.0
    seen = np.zeros_like(mean) if people is None else count / people
    some = np.where(complete, 1.0, rest)
    ahead: Prediction = update(prior, mean, count, some, ends, level)
    if direct.shared_var is not None:
        ahead = add_shared(ahead, direct.shared_var, direct.shared_degrees, level)
    spacing = None if grid is None else grid / some
    lower, upper = shortest_interval(ahead.mean, ahead.var, ends, level, spacing)
    estimate = seen * mean + (1.0 - seen) * ahead.mean
    lower = np.minimum(seen * mean + (1.0 - seen) * lower, estimate)
    upper = np.maximum(seen * mean + (1.0 - seen) * upper, estimate)
    share = 0.0 if people is None else 1.0 / people
    effective = 1.0 / ((1.0 - seen) ** 2 * ahead.plain_var / ahead.within + share)
    flags: dict[str, Any] = {}
    if np.any(complete):
        flags["all people of the problem answered: nothing is left to estimate"] = complete
    if np.any(prior.clipped > 0.0):
        flags["the regression left the scale and was held 5% inside it"] = prior.clipped > 0.0
    if np.any(prior.raised > 0.0):
        flags["the fitted variance of one answer was far below the pooled one and was raised"] = prior.raised > 0.0
    return AcrossProblems(
        why=_why(people is not None, ends, len(mean), lost),
        flags=flags,
        estimate=estimate,
        lower=lower,
        upper=upper,
        half_width=0.5 * (upper - lower),
        level=level,
        weight=seen + (1.0 - seen) * ahead.weight,
        synthetic=prior.mean,
        between_var=prior.between,
        within_var=ahead.within,
        effective_n=effective,
        saved=effective - count,
        notices=notices,
    )


def _why(finite: bool, ends: tuple[float, float] | None, problems: int, lost: int) -> str:
    target = (
        "the mean over all people of the problem, those who answered included" if finite else "the population's mean"
    )
    shape = (
        "normal errors and symmetric intervals; give bounds for ratings, whose errors are skewed near the ends"
        if ends is None
        else f"variances shrinking towards {ends[0]:g} and {ends[1]:g} and the shortest interval of a Beta distribution"
    )
    limits = []
    if not finite:
        limits.append("0.935 was measured for 0.95 where ratings pile up at an end of the scale")
    if problems < FEW_PROBLEMS:
        limits.append(f"with fewer than {FEW_PROBLEMS} problems 0.88 among those whose few answers all agree")
    few = f" Limits: {'; '.join(limits)}." if limits else ""
    how = "each problem left out in turn" if problems <= LEAVE_ONE_OUT else f"{FOLDS} folds by position"
    note = f" {lost} constant or collinear regression column(s) carried nothing and were left out." if lost else ""
    return (
        f"Target: {target}. Fay-Herriot combination of the own human mean and a regression on the digital side, with "
        f"{shape}. Constants are fitted on other problems ({how}). The level holds on average over problems that are "
        f"alike (exchangeable given the digital side), not for one named problem.{few}{note}"
    )


def _counts(name: str, values: ArrayLike, problems: int) -> FloatArray:
    counts = check_array(name, values)
    if counts.ndim > 1 or (counts.ndim == 1 and counts.shape != (problems,)):
        raise ValueError(f"{name} must be one number or have shape ({problems},) as human_mean; got {counts.shape}")
    if np.any(counts < 1.0) or np.any(counts != np.floor(counts)):
        raise ValueError(f"{name} must hold whole numbers of at least 1; smallest value is {float(counts.min()):g}")
    return np.broadcast_to(counts, (problems,)).astype(np.float64)


def _variances(values: ArrayLike, mean: FloatArray, count: FloatArray, ends: tuple[float, float] | None) -> FloatArray:
    """The sample variances, 0 where there is one answer only (they get no weight)."""
    several = count > 1.0
    try:
        raw = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raw = np.asarray(check_array("human_var", values))
    if raw.shape != mean.shape:
        raise ValueError(f"human_var must have shape {mean.shape} as human_mean; got {raw.shape}")
    var = check_array("human_var", np.where(several, raw, 0.0), least_ndim=1, nonnegative=True)
    degrees = float(np.sum(count - 1.0))
    if degrees < 10.0:
        raise ValueError(
            f"n_human leaves {degrees:g} degrees of freedom for the variance of single answers, summed over problems; "
            "at least 10 are needed: more problems with two answers or more"
        )
    positive = int(np.sum(several & (var > 0.0)))
    if positive < LEAST_POSITIVE:
        raise ValueError(
            f"human_var is zero in all but {positive} problem(s) with two answers or more; at least {LEAST_POSITIVE} "
            "must show some spread of single answers: pass their sample variance (ddof 1) and more problems"
        )
    if ends is not None:
        most = (mean - ends[0]) * (ends[1] - mean) * count / np.maximum(count - 1.0, 1.0)
        wrong = several & (var > most * (1.0 + 1e-6) + 1e-9 * (ends[1] - ends[0]) ** 2)
        if np.any(wrong):
            row = int(np.argmax(wrong))
            raise ValueError(
                f"human_var of problem {row} is {var[row]:g}, more than answers with mean {mean[row]:g} inside the "
                f"bounds can have ({most[row]:g}); check human_var (a variance, ddof 1) and the bounds"
            )
    return var


def _features(name: str, values: ArrayLike, problems: int) -> FloatArray:
    table = check_array(name, values, least_ndim=1)
    if table.ndim > 2 or len(table) != problems:
        raise ValueError(
            f"{name} must have shape ({problems},) or ({problems}, p) to match human_mean; got {table.shape}"
        )
    return table.reshape(problems, -1)


def _grid_step(step: float | None, ends: tuple[float, float], totals: FloatArray) -> float | None:
    """The scale's step: as given, or 1 where bounds and all sums of answers are whole numbers."""
    if step is not None:
        value = float(check_array("step", step))
        if not 0.0 < value <= ends[1] - ends[0]:
            raise ValueError(
                f"step must be positive and no more than the scale's length {ends[1] - ends[0]:g}; got {value:g}"
            )
        return value
    whole = (
        float(ends[0]).is_integer()
        and float(ends[1]).is_integer()
        and bool(np.all(np.abs(totals - np.round(totals)) < 1e-6))
    )
    return 1.0 if whole else None
