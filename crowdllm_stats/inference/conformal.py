"""Intervals for problems with no human answer: split-conformal, calibrated on the problems that have some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from crowdllm_stats._base.checks import FloatArray, check_array, check_bounds, check_inside, check_level
from crowdllm_stats._base.result import Result
from crowdllm_stats.inference.fay_herriot.dispersion import fit_variance_function
from crowdllm_stats.inference.fay_herriot.model import keep_inside, regression_rows

#: Problems in the fitted part, beyond the number of regression coefficients.
SPARE_PROBLEMS = 5


@dataclass(frozen=True, eq=False)
class ConformalIntervals(Result):
    """One estimate and interval for each of S new problems, and on how many problems the intervals are calibrated.

    Attributes:
        estimate: shape (S,), inside the scale where it has ends.
        lower: shape (S,).
        upper: shape (S,).
        half_width: half of ``upper - lower``, shape (S,).
        level: of the intervals, on average over splits and new problems.
        n_calibration: C, the problems whose scores make the width.
    """

    columns: ClassVar[tuple[str, ...]] = ("estimate", "lower", "upper", "half_width")

    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray
    half_width: FloatArray
    level: float
    n_calibration: int


def conformal_new_problems(
    human_mean: ArrayLike,
    digital_mean: ArrayLike,
    digital_mean_new: ArrayLike,
    *,
    covariates: ArrayLike | None = None,
    covariates_new: ArrayLike | None = None,
    level: float = 0.95,
    bounds: ArrayLike | None = None,
    seed: int | None = None,
) -> ConformalIntervals:
    """Predict the human mean of problems nobody has answered yet, from the digital crowd and the problems with answers.

    The T answered problems are split at random. On one part the human mean is regressed on the digital side (f), and
    the size of the residuals is smoothed over f (s). On the other, of C problems, the scores
    ``|human_mean - f| / s`` are ranked; the interval is ``f +- s * q`` with q the ``ceil((C + 1) level)``-th smallest.
    If old and new problems are exchangeable, it holds the new problem's observed human mean with probability at least
    ``level`` for any C and any distribution, on average over splits and problems, and at most 1/(C + 1) more where
    scores do not tie. The target is the OBSERVED mean of as many raters as the old problems had, noise included, not
    the noise-free mean of a large population: with fewer raters the interval is wider, and right to be.

    Args:
        human_mean: (T,) human means of the answered problems; all with similarly many raters.
        digital_mean: (T,) or (T, p) digital mean, or features of the digital crowd.
        digital_mean_new: (S,) or (S, p) the same for the new problems.
        covariates: (T,) or (T, k) further regression columns.
        covariates_new: (S,) or (S, k) the same for the new problems; needed exactly when ``covariates`` is given.
        level: of the intervals.
        bounds: (low, high) of the answer scale; intervals are cut at its ends, where no mean can lie.
        seed: of the random split; the same seed gives the same split.

    Returns:
        ConformalIntervals, in the units of the answers. An interval whose calibration needs every calibration
        problem is as wide as the worst of them.

    Raises:
        ValueError: on shapes that do not match, means off the scale, and on too few problems for the level: the
            calibration part needs ``ceil(level / (1 - level))``, 19 for 0.95, and the fitted part 5 more than there are
            regression coefficients.

    Source: Papadopoulos et al. 2002; Vovk, Gammerman and Shafer 2005; Lei et al. 2018, section 5.2 (scaled residuals).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> digital = rng.normal(3, 1, 80)
        >>> human = digital + rng.normal(0, 0.5, 80)
        >>> new = conformal_new_problems(human[:70], digital[:70], digital[70:], level=0.9, seed=1)
        >>> int(np.sum((new.lower <= human[70:]) & (human[70:] <= new.upper))), new.n_calibration
        (9, 35)
    """
    level = check_level(level)
    mean = check_array("human_mean", human_mean, least_ndim=1)
    if mean.ndim != 1:
        raise ValueError(f"human_mean must have one axis (T,), one entry per problem; got shape {mean.shape}")
    ends = None if bounds is None else check_bounds(bounds)
    if ends is not None:
        check_inside("human_mean", mean, ends)
    old, new = _columns(mean, digital_mean, digital_mean_new, covariates, covariates_new)
    design, lost = regression_rows(np.concatenate([old, new]))
    fitted, calibration = _split(len(mean), design.shape[1], level, seed)
    center, size = _fit(design, mean, fitted, ends)
    scores = np.sort(np.abs(mean[calibration] - center[calibration]) / size[calibration])
    cut = scores[_rank(len(calibration), level) - 1]
    estimate = center[len(mean) :]
    half = cut * size[len(mean) :]
    lower, upper = estimate - half, estimate + half
    if ends is not None:
        lower, upper = np.clip(lower, *ends), np.clip(upper, *ends)
    note = f" {lost} constant or collinear regression column(s) carried nothing and were left out." if lost else ""
    return ConformalIntervals(
        why=(
            "Target: the observed human mean of a new problem with as many raters as the old ones had, its sampling "
            f"noise included. Split-conformal: regression on {len(fitted)} problems, scores of {len(calibration)} "
            "others. Holds its level on average over new problems exchangeable with the old ones, whatever the "
            f"distribution.{note}"
        ),
        flags={},
        estimate=estimate,
        lower=lower,
        upper=upper,
        half_width=0.5 * (upper - lower),
        level=level,
        n_calibration=len(calibration),
    )


def _columns(
    mean: FloatArray,
    digital: ArrayLike,
    digital_new: ArrayLike,
    covariates: ArrayLike | None,
    covariates_new: ArrayLike | None,
) -> tuple[FloatArray, FloatArray]:
    """Regression columns of the old and of the new problems, (T, p) and (S, p)."""
    if (covariates is None) != (covariates_new is None):
        given, absent = ("covariates", "covariates_new") if covariates_new is None else ("covariates_new", "covariates")
        raise ValueError(f"{given} is given but {absent} is not; a regression column must be known for all problems")
    pairs: list[tuple[str, ArrayLike, ArrayLike]] = [("digital_mean", digital, digital_new)]
    if covariates is not None and covariates_new is not None:
        pairs.append(("covariates", covariates, covariates_new))
    old: list[FloatArray] = []
    new: list[FloatArray] = []
    for name, values, values_new in pairs:
        first, second = check_array(name, values, least_ndim=1), check_array(f"{name}_new", values_new, least_ndim=1)
        if first.ndim > 2 or len(first) != len(mean):
            raise ValueError(f"{name} must have shape ({len(mean)},) or ({len(mean)}, p); got {first.shape}")
        if second.shape[1:] != first.shape[1:]:
            raise ValueError(f"{name}_new must have the columns of {name}, {first.shape[1:]}; got {second.shape[1:]}")
        if new and len(second) != len(new[0]):
            raise ValueError(f"{name}_new has {len(second)} problems but digital_mean_new has {len(new[0])}")
        old.append(first.reshape(len(first), -1))
        new.append(second.reshape(len(second), -1))
    return np.concatenate(old, axis=1), np.concatenate(new, axis=1)


def _rank(calibration: int, level: float) -> int:
    """Which of the sorted scores bounds the interval; beyond ``calibration`` where there are too few."""
    return int(np.ceil((calibration + 1) * level - 1e-9))


def _split(problems: int, coefficients: int, level: float, seed: int | None) -> tuple[Any, Any]:
    """Positions of the fitted and of the calibration problems: halves, or as many as the level needs."""
    needed = int(np.ceil(level / (1.0 - level) - 1e-9))
    least = coefficients + SPARE_PROBLEMS
    if problems < needed + least:
        raise ValueError(
            f"{problems} answered problems are too few for level {level:g} with {coefficients} regression coefficients"
            f": {needed} are needed to calibrate and {least} to fit, {needed + least} in all; "
            "add problems or lower the level"
        )
    calibration = min(max(needed, problems // 2), problems - least)
    order = np.random.default_rng(seed).permutation(problems)
    return order[calibration:], order[:calibration]


def _fit(
    design: FloatArray, mean: FloatArray, fitted: Any, ends: tuple[float, float] | None
) -> tuple[FloatArray, FloatArray]:
    """Predicted mean and typical size of the residual for all rows of ``design``, from the fitted problems alone."""
    rows = design[fitted]
    inverse = np.linalg.pinv(rows)
    coefficients = inverse @ mean[fitted]
    center = keep_inside(design @ coefficients, ends)
    # Residuals as if each problem had been left out: those of the fit itself are too small where a row has pull.
    pull = np.minimum(np.sum(rows * inverse.T, axis=1), 0.99)
    residual = (mean[fitted] - rows @ coefficients) / (1.0 - pull)
    scale = max(float(np.abs(mean[fitted]).max()), 1e-300)
    if float(np.abs(residual).max()) <= 1e-9 * scale:  # a perfect fit: any constant scale will do
        return center, np.ones_like(center)
    curve = fit_variance_function(center[fitted], residual**2, np.ones(len(rows)), ends)
    size: FloatArray = np.sqrt(curve.value(center))
    return center, size
