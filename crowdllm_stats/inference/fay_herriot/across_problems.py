"""Problems inform each other: the human mean of few answers combined with the digital crowd (Fay-Herriot)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from crowdllm_stats._base.checks import FloatArray, check_array, check_bounds, check_inside, check_level
from crowdllm_stats._base.messages import BadInput
from crowdllm_stats._base.result import Result
from crowdllm_stats.inference.fay_herriot.checks import counts, features, grid_step, known_variances, variances
from crowdllm_stats.inference.fay_herriot.dispersion import Dispersion, bounded_dispersion, free_dispersion
from crowdllm_stats.inference.fay_herriot.logit_regression import LogitRegression, fit_logit_regression
from crowdllm_stats.inference.fay_herriot.model import Prior, fit_fay_herriot, regression_rows
from crowdllm_stats.inference.fay_herriot.predictive import (
    Ahead,
    Predicted,
    predict_bounded,
    predict_free,
    predict_known,
)

#: Up to this many problems each one is left out on its own; beyond, problems are left out in FOLDS groups.
LEAVE_ONE_OUT = 40
FOLDS = 20
#: Problems needed beyond the number of regression coefficients.
SPARE_PROBLEMS = 8
#: On a bounded scale digital means enter as they are or as logits of so much moved off the ends, whichever fits best.
OFF_ENDS = (0.02, 0.0005)
#: What the form from means alone takes for granted.
DIFFERENT_PEOPLE = (
    "Assumes that different people answered the different problems, so that their errors are independent; if the same "
    "people answered several problems, use across_from, which needs the single answers with their people."
)
#: What was measured with bounds: reports/inference/across_problems_simulation.md.
LOWEST_GROUP = (
    "The level holds on average over problems: at 0.95 coverage was 0.936 or more in all settings measured, but among "
    "problems whose few answers all agree, or with the lowest variance or prediction, as low as 0.89."
)

#: Ratings whose median variance is below this, in squared steps, nearly agree; and what was measured there.
CONSENSUS_VAR = 0.25
CONSENSUS = (
    "In most problems answers differ by less than a step. Such ratings vary least where their mean is a whole number, "
    "which no smooth variance shows: coverage at 0.95 was as low as 0.69 (reports/inference/limits.md). Use interval, "
    "a problem at a time."
)


@dataclass(frozen=True)
class Direct:
    """Checked input of :func:`combine`: what T problems' own answers say, and what there is on the digital side.

    ``mean``, ``var``, ``count`` (T,): human mean, sample variance of single answers about the problem's own mean (ddof
    1; 0 where ``count`` is 1), number of answers. ``columns``: (T, k) arrays of regression columns, the digital means
    first, then covariates. ``ends``: of the scale, or None. ``people`` (T,): population sizes, or None; ``grid``: the
    step of the scale where ends of intervals shall be attainable, or None.
    """

    mean: FloatArray
    var: FloatArray
    count: FloatArray
    columns: tuple[FloatArray, ...]
    ends: tuple[float, float] | None = None
    people: FloatArray | None = None
    grid: float | None = None


@dataclass(frozen=True, eq=False)
class AcrossProblems(Result):
    """One estimate and interval per problem; every array has shape (T,).

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
    human_var: ArrayLike | None,
    n_human: ArrayLike | None,
    digital_mean: ArrayLike,
    *,
    sampling_var: ArrayLike | None = None,
    covariates: ArrayLike | None = None,
    population_size: ArrayLike | None = None,
    level: float = 0.95,
    bounds: ArrayLike | None = None,
    step: float | None = None,
) -> AcrossProblems:
    """Estimate every problem's human mean from its own few answers and from all other problems.

    ``estimate_t = w_t ybar_t + (1 - w_t) mu_t``: own human mean against a regression on the digital side, ``w_t``
    larger the more answers there are, the less single answers vary and the more problem means vary about the
    regression (Fay and Herriot). Variances, weights and regression are not fixed at estimates: the result is averaged
    over what the problems together leave possible, and a problem's own sample variance counts, shrunk towards a curve
    over predicted means by as much as the problems' variances are alike.

    **With ``bounds``** (to be preferred for ratings, shares and yes/no answers): the regression is logit-linear in the
    digital mean or in its logit, whichever fits better; a problem's mean is Beta about it, and n answers count as ``n /
    phi_t`` yes/no answers, ``phi_t`` the variance of one answer over ``(theta - low)(high - theta)`` (1 where all
    answers are at the two ends). Unanimous answers need no exception. The interval is the shortest one of the resulting
    mixture of Betas. Everything is fitted on all problems at once.

    **Without** ``bounds`` answers' means and problems' means are normal about a straight line; the interval has equal
    tails. Regression and variances come from other problems: each is left out on its own (T <= 40) or with every 20th
    other one, by position.

    **With** ``sampling_var`` the variance of every human mean is known (``human_var`` and ``n_human`` are then None, or
    n_human alone is given): the estimate is the EBLUP, the between-problem variance by REML, from all problems.

    The level holds on average over problems like these, not for one named problem. The model is never exactly true, so
    the interval holds ``1 - 0.75 (1 - level) T / (T + 5)`` of the model's probability: coverage is above the level
    where the model is true (near 1 where the digital mean explains everything), about at it where it is not. What it
    was on made and on real answers is in ``reports/inference/across_problems_simulation.md``.

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
        sampling_var: (T,) known variances of the human means, in place of ``human_var``.
        covariates: (T,) or (T, k) further regression columns, known for every problem.
        population_size: (T,) or one number, at least n_human; None for a large population.
        level: of the intervals.
        bounds: (low, high) of the answer scale.
        step: distance of neighbouring answers; taken as 1 when the bounds and all sums of answers are whole. Used with
            ``bounds`` and ``population_size``, to end intervals at attainable means.

    Returns:
        AcrossProblems, in the units of the answers (variances squared). ``effective_n`` solves
        ``within_var (1/n - 1/m) = variance of the estimate``; with ``sampling_var`` and no n_human a human mean counts
        as one answer.

    Raises:
        ValueError: on shapes that do not match, values off the scale, fewer problems than coefficients + 8, fewer than
            10 degrees of freedom for the variances, variances that are zero in all but one problem (with ``bounds``:
            in all, unless every mean is at an end), ``population_size`` below ``n_human``, ``sampling_var`` together
            with ``human_var``, ``bounds`` or ``population_size``.

    Source: Fay and Herriot 1979; flat prior for the between-problem variance: Morris 1983, Morris and Tang 2011;
    shrunk variances: Smyth 2004; predicting the part of a finite population that was not sampled: Royall 1970.

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
        raise ValueError(f"human_mean must have one axis (T,), one entry per problem; got shape {mean.shape}")
    columns = [features("digital_mean", digital_mean, len(mean))]
    if covariates is not None:
        columns.append(features("covariates", covariates, len(mean)))
    if sampling_var is not None:
        refused = {"human_var": human_var, "bounds": bounds, "population_size": population_size}
        sampling = known_variances(sampling_var, mean, refused)
        count = counts("n_human", 1.0 if n_human is None else n_human, len(mean))
        return _known(Direct(mean, sampling * count, count, tuple(columns)), level)
    if human_var is None or n_human is None:
        raise ValueError("human_var and n_human are needed, or sampling_var, the known variances of the human means")
    count = counts("n_human", n_human, len(mean))
    ends = None if bounds is None else check_bounds(bounds)
    if ends is not None:
        check_inside("human_mean", mean, ends)
    var = variances(human_var, mean, count, ends)
    people = None if population_size is None else counts("population_size", population_size, len(mean))
    if people is not None and np.any(people < count):
        row = int(np.argmax(people < count))
        raise ValueError(
            f"population_size must be at least n_human; problem {row} has {people[row]:g} people and "
            f"{count[row]:g} answers"
        )
    grid = None if ends is None or people is None else grid_step(step, ends, mean * count)
    notices = (DIFFERENT_PEOPLE,) if ends is None else (DIFFERENT_PEOPLE, LOWEST_GROUP)
    if ends is not None and _nearly_agree(mean * count, var, count, ends):
        notices = (*notices, CONSENSUS)
    return combine(Direct(mean, var, count, tuple(columns), ends, people, grid), level, notices)


def _nearly_agree(total: FloatArray, var: FloatArray, count: FloatArray, ends: tuple[float, float]) -> bool:
    """Whether most problems' answers, whole numbers on three points or more, differ by less than a step."""
    several = count > 1.0
    whole = bool(np.all(np.abs(total - np.round(total)) < 1e-6)) and ends[1] - ends[0] >= 2.0
    return whole and bool(np.median(var[several]) < CONSENSUS_VAR)


def combine(direct: Direct, level: float, notices: tuple[str, ...]) -> AcrossProblems:
    """The estimates of :func:`across_problems` from checked input; ``notices`` go before what it has to say itself.

    Raises:
        ValueError: if there are too few problems for the regression.
    """
    design, lost = _design(direct.columns)
    rest = np.full_like(direct.mean, np.inf) if direct.people is None else direct.people - direct.count
    ahead = Ahead(np.where(rest == 0.0, 1.0, rest), level)
    flags: dict[str, Any] = {}
    if np.any(rest == 0.0):
        flags["all people of the problem answered: nothing is left to estimate"] = rest == 0.0
    if direct.ends is None:
        prior = _cross_fit(design, direct.mean, direct.var, direct.count)
        spread = free_dispersion(prior.within, prior.within_error, direct.var, direct.count - 1.0)
        prediction = predict_free(prior, spread, direct.mean, direct.count, ahead)
        if np.any(prior.raised > 0.0):
            flags["the fitted variance of one answer was far below the pooled one and was raised"] = prior.raised > 0.0
    else:
        prediction = _on_the_scale(direct, direct.ends, ahead)
    return _assemble(prediction, direct, ahead, _why(direct, lost), flags, notices)


def _known(direct: Direct, level: float) -> AcrossProblems:
    design, lost = _design(direct.columns)
    ahead = Ahead(np.full_like(direct.mean, np.inf), level)
    prediction = predict_known(design, direct.mean, direct.var / direct.count, ahead)
    prediction = replace(prediction, within=direct.var)
    note = f" {lost} constant or collinear regression column(s) carried nothing and were left out." if lost else ""
    why = (
        "Target: the population's mean. Fay-Herriot model with known sampling variances: estimates are EBLUPs, the "
        "between-problem variance by REML, from all problems; intervals keep the doubt about that variance, with "
        f"normal errors. The level holds on average over problems that are alike, not for one named problem.{note}"
    )
    return _assemble(prediction, direct, ahead, why, {}, (DIFFERENT_PEOPLE,))


def _design(columns: tuple[FloatArray, ...]) -> tuple[FloatArray, int]:
    """Regression rows, and how many columns carried nothing; refused if there are too few problems for them."""
    design, lost = regression_rows(*columns)
    refuse_few(design)
    return design, lost


def refuse_few(design: FloatArray) -> None:
    """Refuse problems too few for their regression.

    Args:
        design: (T, p) regression rows.

    Raises:
        ValueError: on fewer than p + 8 problems.

    Example:
        >>> import numpy as np
        >>> refuse_few(np.ones((9, 1)))
    """
    problems, coefficients = design.shape
    if problems < coefficients + SPARE_PROBLEMS:
        raise BadInput(
            f"{problems} problems are too few for {coefficients} regression coefficients: at least "
            f"{coefficients + SPARE_PROBLEMS} are needed",
            python="use fewer covariates, or interval(...) for each problem alone",
            command="use fewer --covariates, or the command interval for each problem alone",
        )


def _on_the_scale(direct: Direct, ends: tuple[float, float], ahead: Ahead) -> Predicted:
    """The bounded model on the scale from 0 to 1, its numbers moved back to the scale of the answers."""
    low, length = ends[0], ends[1] - ends[0]
    share, var = (direct.mean - low) / length, direct.var / length**2
    rough = (direct.count * share + 1.0) / (direct.count + 2.0)
    spread = bounded_dispersion(share, var, direct.count, logit(rough))
    fit = _best_fit(direct.columns, ends, share, direct.count, spread.mean)
    spread = bounded_dispersion(share, var, direct.count, logit(fit.mean))
    held = spread.weight.max(axis=0) > 1e-4
    spread = Dispersion(spread.value[:, held], spread.weight[:, held])
    got = predict_bounded(fit, spread, share, direct.count, ahead)
    places = {name: low + length * getattr(got, name) for name in ("mean", "lower", "upper", "center")}
    squares = {name: length**2 * getattr(got, name) for name in ("var", "between", "within")}
    return replace(got, **places, **squares)


def _best_fit(
    columns: tuple[FloatArray, ...], ends: tuple[float, float], share: FloatArray, count: FloatArray, phi: FloatArray
) -> LogitRegression:
    """The fit of greatest evidence: digital means as they are or, where they lie on the scale, as logits."""
    digital = (columns[0] - ends[0]) / (ends[1] - ends[0])
    forms = [columns[0]]
    if np.all((digital >= 0.0) & (digital <= 1.0)):
        forms += [logit(off + (1.0 - 2.0 * off) * digital) for off in OFF_ENDS]
    fits = [fit_logit_regression(_design((form, *columns[1:]))[0], share, count, phi) for form in forms]
    return max(fits, key=lambda fit: fit.evidence)


def _cross_fit(design: FloatArray, mean: FloatArray, var: FloatArray, count: FloatArray) -> Prior:
    """Every problem's prior from a fit to the problems of the other folds."""
    problems = len(mean)
    fold = np.arange(problems) % (problems if problems <= LEAVE_ONE_OUT else FOLDS)
    parts: list[Prior] = []
    for number in range(int(fold.max()) + 1):
        others = fold != number
        spread = var[others]
        if not np.any(spread > 0.0):  # all spread there is lies in this fold: no curve, but its level is known
            spread = np.full(len(spread), float((count - 1.0) @ var / np.sum(count - 1.0)))
        fit = fit_fay_herriot(design[others], mean[others], spread, count[others])
        parts.append(fit.predict(design[~others]))
    order = np.argsort(np.concatenate([np.flatnonzero(fold == number) for number in range(int(fold.max()) + 1)]))
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])[order] for name in Prior.__dataclass_fields__
    }
    return Prior(**joined)


def _assemble(
    got: Predicted, direct: Direct, ahead: Ahead, why: str, flags: dict[str, Any], notices: tuple[str, ...]
) -> AcrossProblems:
    mean, count, people = direct.mean, direct.count, direct.people
    seen = np.zeros_like(mean) if people is None else count / people
    lower, upper = got.lower, got.upper
    if direct.grid is not None and direct.ends is not None:  # to the nearest attainable mean: continuity correction
        spacing, low = direct.grid / ahead.rest, direct.ends[0]
        lower, upper = (low + np.round((end - low) / spacing) * spacing for end in (lower, upper))
    estimate = seen * mean + (1.0 - seen) * got.mean
    lower = np.minimum(seen * mean + (1.0 - seen) * lower, estimate)
    upper = np.maximum(seen * mean + (1.0 - seen) * upper, estimate)
    share = 0.0 if people is None else 1.0 / people
    effective = 1.0 / ((1.0 - seen) ** 2 * got.var / got.within + share)
    return AcrossProblems(
        why=why,
        flags=flags,
        estimate=estimate,
        lower=lower,
        upper=upper,
        half_width=0.5 * (upper - lower),
        level=ahead.level,
        weight=seen + (1.0 - seen) * got.weight,
        synthetic=got.center,
        between_var=got.between,
        within_var=got.within,
        effective_n=effective,
        saved=effective - count,
        notices=notices,
    )


def _why(direct: Direct, lost: int) -> str:
    target = (
        "the population's mean"
        if direct.people is None
        else "the mean over all people of the problem, those who answered included"
    )
    problems = len(direct.mean)
    if direct.ends is None:
        how = "each problem left out in turn" if problems <= LEAVE_ONE_OUT else f"{FOLDS} folds by position"
        shape = (
            "normal errors and intervals of equal tails; for ratings give the ends of the scale, near which errors are "
            "skewed. "
            f"Constants are fitted on other problems ({how})"
        )
    else:
        shape = (
            f"a logit regression between {direct.ends[0]:g} and {direct.ends[1]:g}, Beta means about it, "
            "quasi-binomial answers, and the shortest interval"
        )
    note = f" {lost} constant or collinear regression column(s) carried nothing and were left out." if lost else ""
    return (
        f"Target: {target}. Fay-Herriot combination of the own human mean and a regression on the digital side, with "
        f"{shape}. A problem's own variance counts, shrunk towards the other problems'. The level holds on average "
        f"over problems that are alike (exchangeable given the digital side), not for one named problem.{note}"
    )
