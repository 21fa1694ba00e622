"""Measures: the formulas of Morris, White and Crowther 2019 by hand, and against repeating whole studies."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from crowdllm_stats.studies.engine.measures import MeasureSpec, contrast, measure

# Five replicates: truth 2, estimates 1, 2, 3, 4, 5; standard errors 1, 1, 2, 2, 2.
MADE = {
    "estimate": np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    "standard_error": np.array([1.0, 1.0, 2.0, 2.0, 2.0]),
    "truth": np.full(5, 2.0),
    "lower": np.array([-1.0, 0.0, -1.0, 2.5, 1.0]),
    "upper": np.array([1.5, 4.0, 7.0, 8.0, 9.0]),
    "null": np.zeros(5),
    "hit": np.array([1.0, 1.0, 0.0, 1.0, 0.0]),
    "asked": np.array([1.0, 0.0, 1.0, 1.0, 1.0]),
}
SQ = np.sqrt

BY_HAND = {
    # mean error 1; sum of squares about the mean 10; sqrt(10 / (5 * 4))
    "bias": (1.0, SQ(0.5)),
    # sqrt(10 / 4); over sqrt(2 * 4)
    "empirical_se": (SQ(2.5), SQ(2.5) / SQ(8.0)),
    # squares 1, 1, 4, 4, 4: mean 14/5, variance 2.7; sqrt(2.7 / (4 * 5 * 2.8))
    "model_se": (SQ(2.8), SQ(2.7 / (4 * 5 * 2.8))),
    # 100 (sqrt(2.8 / 2.5) - 1); 100 sqrt(2.8 / 2.5) sqrt(2.7 / (4 * 5 * 2.8^2) + 1 / 8)
    "relative_error_model_se": (100 * (SQ(1.12) - 1), 100 * SQ(1.12) * SQ(2.7 / (20 * 7.84) + 0.125)),
    # squared errors 1, 0, 1, 4, 9: mean 3; about it 4, 9, 4, 1, 36 = 54; sqrt(54 / (5 * 4))
    "mse": (3.0, SQ(54 / 20)),
    "rmse": (SQ(3.0), SQ(54 / 20) / (2 * SQ(3.0))),
    # 1, 0, 1, 2, 3: mean 7/5, variance 1.3
    "mae": (1.4, SQ(1.3 / 5)),
    # intervals 2, 3 and 5 contain 2
    "coverage": (0.6, SQ(0.6 * 0.4 / 5)),
    "too_low": (0.2, SQ(0.2 * 0.8 / 5)),
    "too_high": (0.2, SQ(0.2 * 0.8 / 5)),
    # the mean estimate is 3: all but the first contain it
    "bias_eliminated_coverage": (0.8, SQ(0.8 * 0.2 / 5)),
    # 2.5, 4, 8, 5.5, 8: mean 5.6, sum of squares 180.5 - 5 * 31.36 = 23.7
    "width": (5.6, SQ(23.7 / 20)),
    # 0 is left out by the fourth and the fifth; the second's end is 0 itself
    "power": (0.4, SQ(0.4 * 0.6 / 5)),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_a_measure_and_its_standard_error_by_hand(kind):
    found = measure(MeasureSpec(kind, kind), MADE)
    assert (found.value, found.mcse) == pytest.approx(BY_HAND[kind], rel=1e-12)
    assert found.n == 5


def test_means_shares_and_ratios_by_hand():
    mean = measure(MeasureSpec("a", "mean", "hit"), MADE, ("hit",))
    assert (mean.value, mean.mcse, mean.successes) == pytest.approx((0.6, SQ(0.6 * 0.4 / 5), 3))
    plain = measure(MeasureSpec("a", "mean", "hit"), MADE)  # not a proportion: sd with 4 degrees of freedom
    assert (plain.value, plain.mcse, plain.successes) == (pytest.approx(0.6), pytest.approx(SQ(0.3 / 5)), None)
    share = measure(MeasureSpec("a", "share", "hit", "asked"), MADE)
    assert (share.value, share.mcse, share.n) == pytest.approx((0.5, SQ(0.25 / 4), 4))
    half = {**MADE, "upper": MADE["lower"] + np.array([2.0, 2.0, 4.0, 4.0, 2.0])}
    ratio = measure(MeasureSpec("a", "width_ratio"), MADE, reference=half)
    # 5.6 / 2.8 = 2; residuals 2.5 - 4, 4 - 4, 8 - 8, 5.5 - 8, 8 - 4 over 2.8; squares sum to 24.5
    assert ratio.value == pytest.approx(2.0)
    assert ratio.mcse == pytest.approx(SQ(24.5 / (5 * 4)) / 2.8)
    made = {"kept": np.array([0.5, 0.25, 0.0, 0.5, 0.25]), "called": np.array([1.0, 0.5, 0.0, 0.5, 0.5])}
    found = measure(MeasureSpec("a", "ratio", "kept", "called"), made)
    # 0.3 / 0.5 = 0.6; residuals -0.1, -0.05, 0, 0.2, -0.05 over 0.5; squares sum to 0.055
    assert found.value == pytest.approx(0.6)
    assert found.mcse == pytest.approx(SQ(0.055 / (5 * 4)) / 0.5)
    empty = measure(MeasureSpec("a", "ratio", "kept", "called"), {**made, "called": np.zeros(5)})
    assert np.isnan(empty.value)
    with pytest.raises(ValueError, match="width_ratio needs the outcomes of a reference method"):
        measure(MeasureSpec("a", "width_ratio"), MADE)


def test_a_contrast_of_means_is_the_paired_difference():
    other = {**MADE, "estimate": np.array([2.0, 2.0, 4.0, 1.0, 3.0])}
    spec = MeasureSpec("bias", "bias")
    found = contrast(measure(spec, MADE), measure(spec, other))
    difference = MADE["estimate"] - other["estimate"]
    assert found.value == pytest.approx(difference.mean())
    assert found.mcse == pytest.approx(difference.std(ddof=1) / SQ(5))
    with pytest.raises(ValueError, match="the same replicates on both sides; got 5 and 4"):
        contrast(measure(spec, MADE), measure(spec, {name: values[1:] for name, values in MADE.items()}))


def test_intervals_of_proportions_are_those_of_statsmodels():
    found = measure(MeasureSpec("coverage", "coverage"), MADE)
    for ours, theirs in (("wilson", "wilson"), ("clopper-pearson", "beta")):
        limits = found.interval(0.9, ours)
        assert (limits.lower, limits.upper) == pytest.approx(proportion_confint(3, 5, alpha=0.1, method=theirs))
    mean = measure(MeasureSpec("bias", "bias"), MADE).interval()
    assert (mean.lower, mean.upper) == pytest.approx((1 - 1.959964 * SQ(0.5), 1 + 1.959964 * SQ(0.5)), abs=1e-6)
    with pytest.raises(ValueError, match="proportion must be one of"):
        found.interval(proportion="wald")


def test_nothing_infinite_and_constant_values():
    none = {name: values[:0] for name, values in MADE.items()}
    for kind in BY_HAND:
        found = measure(MeasureSpec(kind, kind), none)
        assert np.isnan(found.value)
        assert found.n == 0
        assert np.isnan(found.interval().lower)
    unlimited = measure(MeasureSpec("width", "width"), {**MADE, "upper": np.full(5, np.inf)})
    assert unlimited.value == np.inf
    assert np.isnan(unlimited.mcse)
    assert np.isnan(measure(MeasureSpec("a", "width_ratio"), MADE, reference={**MADE, "upper": MADE["lower"]}).value)
    still = {**MADE, "estimate": np.full(5, 2.0)}
    for kind in ("bias", "empirical_se", "mse", "rmse", "mae"):
        found = measure(MeasureSpec(kind, kind), still)
        assert (found.value, found.mcse) == (0.0, 0.0)
    missing = measure(MeasureSpec("model_se", "model_se"), {**MADE, "standard_error": np.full(5, np.nan)})
    assert np.isnan(missing.value)


@functools.cache
def repeated(count, replicates):
    """Whole studies of two methods on the same 12 normal answers: their mean, and one shrunken by a tenth whose
    standard error knows 8 of them only."""
    answers = 1.0 + np.random.default_rng(8).standard_normal((count, replicates, 12))
    made = []
    for factor, used in ((0.9, 8), (1.0, 12)):
        centre = factor * answers.mean(axis=-1)
        error = answers[..., :used].std(axis=-1, ddof=1) / SQ(12)
        made.append(
            {
                "estimate": centre,
                "standard_error": error,
                "lower": centre - 1.9 * error,
                "upper": centre + 1.9 * error,
                "truth": np.ones_like(centre),
                "null": np.full_like(centre, 0.5),
            }
        )
    return made


@pytest.mark.parametrize("kind", [*BY_HAND, "width_ratio"])
def test_standard_errors_equal_the_spread_over_repeated_studies(kind):
    """600 studies of 200 replicates: sd over studies within 15% of the mean mcse, for the measure and its contrast.

    The sd of 600 normal values is known to 2.9%: 5.2 standard errors, false-alarm rate 6e-6 over all 28 comparisons.
    """
    spec = MeasureSpec(kind, kind)
    values, errors, differences, paired = [], [], [], []
    for row in range(600):
        one, other = ({name: numbers[row] for name, numbers in part.items()} for part in repeated(600, 200))
        found = measure(spec, one, reference=other)
        values.append(found.value)
        errors.append(found.mcse)
        if kind != "width_ratio":
            versus = contrast(found, measure(spec, other))
            differences.append(versus.value)
            paired.append(versus.mcse)
    assert np.std(values, ddof=1) == pytest.approx(np.mean(errors), rel=0.15)
    if differences:
        assert np.std(differences, ddof=1) == pytest.approx(np.mean(paired), rel=0.15)
