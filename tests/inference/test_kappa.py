"""kappa over problems: uncorrected and corrected for noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from crowdllm_stats.inference.kappa import backbone_quality


def study(rng, problems, *, bias=0.3, spread=0.5, n=5, answers=3, noise=1.0):
    gap = bias + spread * rng.normal(size=(problems, 1))
    human = 3.0 + gap + noise * rng.normal(size=(problems, n))
    return human, 3.0 + 0.4 * rng.normal(size=(problems, answers)), gap[:, 0]


# --- golden ------------------------------------------------------------------------------------------------------


def test_uncorrected_is_the_order_statistic():
    human = np.array([[1.0, 3.0], [2.0, 2.5], [4.0, 5.0], [0.0, 1.0]])
    reference = np.array([[2.0], [2.0], [5.5], [0.0]])
    sizes = sorted([0.0, 0.25, 1.0, 0.5])
    assert backbone_quality(human, reference, level=0.8).kappa == sizes[3]  # ceil(5 * 0.8) = 4
    assert backbone_quality(human, reference, level=0.6).kappa == sizes[2]
    few = backbone_quality(human, reference, level=0.9)
    assert few.kappa == np.inf
    assert few.least_problems == 9
    assert "needs at least 9" in str(few)
    assert (few.to_dict()["kappa"], few.to_dict()["not_finite"]) == (None, {"kappa": "inf"})


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_least_problems_is_where_kappa_becomes_finite(level):
    rng = np.random.default_rng(1)
    human, reference, _ = study(rng, 120)
    least = backbone_quality(human, reference, level=level).least_problems
    assert np.isfinite(backbone_quality(human[: max(2, least)], reference[: max(2, least)], level=level).kappa)
    if least > 2:
        assert backbone_quality(human[: least - 1], reference[: least - 1], level=level).kappa == np.inf


def test_ragged_and_rectangular_input_agree():
    human, reference, _ = study(np.random.default_rng(2), 11)
    whole = backbone_quality(human, reference, level=0.8, n_boot=30, seed=1)
    ragged = backbone_quality(list(human), [tuple(row) for row in reference], level=0.8, n_boot=30, seed=1)
    assert ragged.kappa == pytest.approx(whole.kappa)
    assert ragged.kappa_corrected == pytest.approx(whole.kappa_corrected)
    assert ragged.corrected_upper == pytest.approx(whole.corrected_upper)
    uneven = [row[: 2 + i % 4] for i, row in enumerate(human)]
    result = backbone_quality(uneven, reference, level=0.8)
    assert result.bias == pytest.approx(np.mean([a.mean() - b.mean() for a, b in zip(uneven, reference, strict=True)]))
    variances = [a.var(ddof=1) / a.size + b.var(ddof=1) / b.size for a, b in zip(uneven, reference, strict=True)]
    assert result.noise_sd == pytest.approx(np.sqrt(np.mean(variances)))


# --- statistical -------------------------------------------------------------------------------------------------


def test_uncorrected_holds_for_a_new_problem():
    """2,000 studies of 29 problems at level 0.8: the new problem's observed gap is covered at ceil(24)/30 = 0.8.

    Within 4.5 standard errors: false-alarm rate 7e-6. The noise-free gap is covered at least as often here.
    """
    rng = np.random.default_rng(3)
    observed, true = [], []
    for _ in range(2_000):
        human, reference, gap = study(rng, 30)
        kappa = backbone_quality(human[:-1], reference[:-1], level=0.8).kappa
        observed.append(abs(human[-1].mean() - reference[-1].mean()) <= kappa)
        true.append(abs(gap[-1]) <= kappa)
    assert abs(np.mean(observed) - 0.8) < 4.5 * np.sqrt(0.16 / 2_000)
    assert np.mean(true) > 0.8


def test_corrected_is_near_the_noise_free_quantile_with_many_answers():
    """100 studies of 150 problems with 40 answers, normal gaps: the mean is within 0.04 of the true 0.9 quantile.

    The mean's standard error is 0.005; with 5 answers the uncorrected one lies more than 0.1 above the corrected one.
    """
    rng = np.random.default_rng(4)
    truth = np.quantile(np.abs(0.3 + 0.5 * rng.normal(size=400_000)), 0.9)
    many = [backbone_quality(*study(rng, 150, n=40, answers=30)[:2], level=0.9) for _ in range(100)]
    assert np.mean([r.kappa_corrected for r in many]) == pytest.approx(truth, abs=0.04)
    assert np.mean([r.gap_sd for r in many]) == pytest.approx(0.5, abs=0.02)
    few = [backbone_quality(*study(rng, 150)[:2], level=0.9) for _ in range(100)]
    assert np.mean([r.kappa for r in few]) > np.mean([r.kappa_corrected for r in few]) + 0.1
    assert np.mean([r.kappa_corrected for r in few]) > truth


@pytest.mark.parametrize("problems", [5, 12, 40])
@pytest.mark.parametrize(("spread", "bias"), [(0.1, 0.5), (0.1, 0.0), (0.3, 0.3), (1.0, 0.0)])
def test_corrected_covers_a_new_problem_where_gaps_are_small_beside_their_noise(problems, spread, bias):
    """200 studies a setting, level 0.8, exact normal probabilities; the plain estimate of tau covered 0.6 to 0.7.

    The mean coverage's standard error is at most 0.018: four of them below the level is a false alarm in 30,000.
    """
    rng = np.random.default_rng(20 + problems)
    covered = []
    for _ in range(200):
        human, reference, _ = study(rng, problems, bias=bias, spread=spread)
        kappa = backbone_quality(human, reference, level=0.8).kappa_corrected
        covered.append(norm.cdf((kappa - bias) / spread) - norm.cdf((-kappa - bias) / spread))
    assert np.mean(covered) >= 0.8 - 4 * np.std(covered) / np.sqrt(200)


def test_bootstrap_interval_holds_roughly():
    """60 studies of 100 problems with 40 answers: the 0.95 interval covers at least 48 (false alarm 1e-5 at 0.95)."""
    rng = np.random.default_rng(5)
    truth = np.quantile(np.abs(0.3 + 0.5 * rng.normal(size=400_000)), 0.9)
    hits = 0
    for _ in range(60):
        r = backbone_quality(*study(rng, 100, n=40, answers=30)[:2], level=0.9, n_boot=200, seed=1)
        hits += r.corrected_lower <= truth <= r.corrected_upper
    assert hits >= 48


# --- edges -------------------------------------------------------------------------------------------------------


def test_gaps_without_spread_of_their_own():
    r = backbone_quality([[1.0, 3.0], [0.0, 4.0], [1.5, 2.5], [1.0, 3.0]], [[1.0]] * 4, level=0.6)
    assert r.gap_sd == 0.0
    assert r.kappa_corrected is not None
    assert 1.0 <= r.kappa_corrected < 2.0  # the bias is 1, and what spread there may be
    assert "spread no more than their noise" in str(r)


def test_exact_answers_need_no_correction():
    human = np.array([[2.0, 2.0], [3.0, 3.0], [5.0, 5.0]])
    r = backbone_quality(human, np.ones((3, 1)), level=0.7)
    assert r.kappa_corrected == pytest.approx(r.kappa)
    assert r.noise_sd == 0.0


def test_three_noisy_problems_tell_no_spread():
    r = backbone_quality([[1.0, 3.0], [0.0, 4.0], [1.5, 2.5]], [[1.0], [1.0], [1.0]], level=0.6, n_boot=5, seed=1)
    assert (r.kappa_corrected, r.corrected_lower) == (None, None)
    assert "not identifiable from 3 problems, at least 4" in r.why


def test_single_human_answer_leaves_the_correction_out():
    r = backbone_quality([[1.0], [2.0, 3.0], [4.0, 4.5]], [[1.0, 2.0], [1.0], [2.0]], level=0.6)
    assert r.kappa_corrected is None
    assert r.noise_sd is None
    assert "single human answer" in r.why
    assert "not identifiable" in str(r)


@pytest.mark.parametrize(
    ("human", "reference", "options", "message"),
    [
        (np.ones((3, 2)), np.ones((4, 2)), {}, "human has 3 problems but reference_answers 4"),
        (np.ones((1, 2)), np.ones((1, 2)), {}, "needs at least 2"),
        ([[1.0], []], [[1.0], [2.0]], {}, "human: problem 1 has no answers"),
        ([], [[1.0]], {}, "human: it is empty"),
        ([[1.0, np.nan], [2.0]], [[1.0], [2.0]], {}, "human holds 1 value"),
        ([["a"], [2.0]], [[1.0], [2.0]], {}, "sequence of one-dimensional arrays"),
        ([[[1.0, 2.0]], [[2.0, 3.0]]], [[1.0], [2.0]], {}, "one one-dimensional array per problem"),
        (np.ones((2, 3, 4)), np.ones((2, 3)), {}, r"shape \(problems, answers\)"),
        (np.ones(3), np.ones((3, 1)), {}, "human must have at least 2 axis"),
        (np.ones((3, 2)), np.ones((3, 2)), {"level": 1.0}, "level must lie"),
        (np.ones((3, 2)), np.ones((3, 2)), {"n_boot": 1.5}, "n_boot must be a whole number"),
    ],
)
def test_bad_input_is_refused(human, reference, options, message):
    with pytest.raises(ValueError, match=message):
        backbone_quality(human, reference, **options)
