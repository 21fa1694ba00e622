"""Proposition 1: the bare LLM's risk."""

from __future__ import annotations

import numpy as np
import pytest

from crowdllm_stats.inference.theorem2_risk import llm_risk


def data(rng, problems, people=6, repeats=2, answers=4):
    """Given people with unequal noise, and an LLM with eta = 0.81."""
    mean = np.linspace(-1.0, 2.0, people)
    eta2 = np.linspace(0.1, 1.1, people)
    human = mean + np.sqrt(eta2) * rng.normal(size=(problems, repeats, people))
    return human, 1.2 + 0.9 * rng.normal(size=(problems, answers)), mean, eta2


@pytest.mark.parametrize("k", [1, 3, 4, 10])
@pytest.mark.parametrize("repeats", [1, 2])
def test_every_part_is_unbiased(k, repeats):
    """30,000 data sets, 8 runs of 7 parts, |z| < 4.5: false-alarm rate 4e-4."""
    human, answers, mean, eta2 = data(np.random.default_rng(20 + k), 30_000, repeats=repeats)
    known = eta2 if repeats == 1 else None
    r = llm_risk(human, answers, k_averaged=k, axis_replicate=-2, human_noise_var=known)
    gap, l2, people = mean.mean() - 1.2, eta2.mean(), mean.size
    truth = {
        "exact": gap**2 + l2 / people + 0.81 / k,
        "published": mean.var() + (1 - 1 / people) * l2 + l2 + np.mean((mean - 1.2) ** 2) + 0.81 / k,
        "L1": mean.var() + (1 - 1 / people) * l2,
        "L2": l2,
        "discrepancy": np.mean((mean - 1.2) ** 2),
        "gap_squared": gap**2,
        "eta": 0.81,
    }
    assert truth["published"] - truth["exact"] == pytest.approx(2 * mean.var() + 2 * (1 - 1 / people) * l2)
    for name, value in truth.items():
        draws = np.broadcast_to(getattr(r, name), (30_000,))
        assert abs(draws.mean() - value) < 4.5 * draws.std() / np.sqrt(draws.size) + 1e-12, name


def test_estimates_obey_both_formulas():
    human, answers, _, _ = data(np.random.default_rng(30), 5)
    r = llm_risk(human, answers, k_averaged=3, axis_replicate=-2)
    np.testing.assert_allclose(r.exact, r.gap_squared + r.L2 / 6 + r.eta / 3, rtol=1e-12)
    np.testing.assert_allclose(r.published, r.L1 + r.L2 + r.discrepancy + r.eta / 3, rtol=1e-12)


def test_averaging_the_llm_takes_off_its_noise():
    human, answers, _, _ = data(np.random.default_rng(31), 5)
    one, many = (llm_risk(human, answers, k_averaged=k, axis_replicate=-2) for k in (1, 9))
    np.testing.assert_allclose(one.exact - many.exact, one.eta * (1 - 1 / 9), rtol=1e-12)


def test_single_answer_gives_its_own_risk_alone():
    r = llm_risk([1.0, 2.0, 6.0], [2.0])
    assert r.exact == pytest.approx(1.0)
    assert r.published == pytest.approx(np.var([1, 2, 6]) + np.mean([1, 0, 16]))
    assert r.eta is None
    assert r.gap_squared is None
    assert "single LLM answer" in r.why
    assert "answered once" in r.why
    mean = llm_risk([1.0, 2.0, 6.0], [2.0], k_averaged=5)
    assert mean.exact is None
    assert mean.published is None
    assert "give at least 2 answers" in mean.why


def test_average_and_flags():
    human, answers, _, _ = data(np.random.default_rng(32), 7)
    r = llm_risk(human, answers, axis_replicate=-2)
    assert r.average(level=0.8).mean["exact"] == pytest.approx(r.exact.mean())
    low = llm_risk([0.9, 1.1], [0.0, 2.0, 1.0], human_noise_var=1.0)
    assert low.gap_squared < 0
    assert "gap_squared is estimated below zero" in str(low)


@pytest.mark.parametrize(
    ("human", "answers", "options", "message"),
    [
        ([1.0], [1.0], {}, "human holds 1 person"),
        (np.ones((3, 4)), np.ones((2, 5)), {}, r"shape \(3,\) but reference_answers \(2,\)"),
        ([1.0, 2.0], [1.0, np.inf], {}, "reference_answers holds 1 value"),
        ([1.0, 2.0], [1.0], {"k_averaged": 0}, "k_averaged must be a whole number"),
        ([1.0, 2.0], [1.0], {"human_noise_var": np.ones(3)}, "does not broadcast"),
    ],
)
def test_bad_input_is_refused(human, answers, options, message):
    with pytest.raises(ValueError, match=message):
        llm_risk(human, answers, **options)
