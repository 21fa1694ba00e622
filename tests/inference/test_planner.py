"""The planner: golden values, properties, its promise against simulation, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import t as student

from crowdllm_stats.inference.intervals import auto_method, interval
from crowdllm_stats.inference.planner import half_width_alone, half_width_with_digital, plan_answers


# Golden values --------------------------------------------------------------------------------------------------------
def test_half_width_alone_of_two_answers_in_closed_form() -> None:
    # Two answers: E sd = sqrt(2 / pi); the t quantile with one degree of freedom is tan(pi level / 2).
    expected = np.tan(np.pi * 0.95 / 2.0) * np.sqrt(2.0 / np.pi) / np.sqrt(2.0)
    assert half_width_alone(2, 1.0, 0.95) == pytest.approx(expected, rel=1e-9)


def test_large_counts_agree_with_the_normal_formula() -> None:
    # n = (1.959964 * sd / h)^2, and (1 - r^2) of it with digital answers without limit.
    plan = plan_answers(0.001, 1.0, 0.6)
    assert plan.n_human_only == pytest.approx(1.959963985**2 * 1e6, rel=1e-5)
    assert plan.n_with_digital == pytest.approx(0.64 * plan.n_human_only, rel=1e-5)


def test_it_plans_for_the_method_that_will_be_used() -> None:
    """Below 8 answers 'auto' uses the humans alone: 7 pairs at r = 0.9 would have been enough for 'ppi++-small'."""
    assert half_width_with_digital(7, 1.0, 0.9, 500, 0.95) <= 0.5
    plan = plan_answers(0.5, 1.0, 0.9, n_digital=500)
    assert plan.n_with_digital == 8
    assert auto_method(plan.n_with_digital, 500, paired=True, bounded=False) == "ppi++-small"
    few = plan_answers(1.0, 1.0, 0.9, n_digital=500)
    assert few.n_human_only == few.n_with_digital < 8
    assert "from 8 human answers on" in few.to_frame()["note"].iloc[0]
    small = plan_answers(0.3, 1.0, 0.9, n_digital=30)  # 'auto' wants 3 digital answers a human one: 10 pairs at most
    assert half_width_with_digital(11, 1.0, 0.9, 30, 0.95) > 0.3
    assert small.n_with_digital == small.n_human_only


def test_two_digital_answers_are_worth_nothing_and_many_approach_the_limit() -> None:
    counts = [plan_answers(0.1, 1.0, 0.8, n_digital=number).n_with_digital for number in (2, 50, 1000, 10**8)]
    limit = plan_answers(0.1, 1.0, 0.8).n_with_digital
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == plan_answers(0.1, 1.0, 0.8).n_human_only
    assert counts[-1] == limit


# Properties -----------------------------------------------------------------------------------------------------------
@settings(max_examples=100, deadline=None)
@given(
    half_width=st.floats(0.01, 5.0),
    sd=st.floats(0.0, 10.0),
    correlation=st.floats(-1.0, 1.0),
    n_digital=st.none() | st.integers(2, 5000),
    level=st.floats(0.5, 0.99),
)
def test_the_count_is_the_smallest_one_that_is_enough(
    half_width: float, sd: float, correlation: float, n_digital: int | None, level: float
) -> None:
    plan = plan_answers(half_width, sd, correlation, n_digital=n_digital, level=level)
    assert half_width_alone(plan.n_human_only, sd, level) <= half_width
    if plan.saved > 0:
        assert half_width_with_digital(plan.n_with_digital, sd, correlation, n_digital, level) <= half_width
        assert auto_method(plan.n_with_digital, n_digital or 10**9, paired=True, bounded=False) == "ppi++-small"
    if 8 < plan.n_with_digital < plan.n_human_only:
        assert half_width_with_digital(plan.n_with_digital - 1, sd, correlation, n_digital, level) > half_width
    assert plan.saved >= 0
    assert plan.saved == plan.n_human_only - plan.n_with_digital


@settings(max_examples=50, deadline=None)
@given(correlation=st.floats(-0.99, 0.99), scale=st.floats(0.1, 10.0))
def test_units_do_not_matter_and_a_negative_correlation_saves_nothing(correlation: float, scale: float) -> None:
    plan = plan_answers(0.3, 1.1, correlation, n_digital=50)
    other = plan_answers(0.3 * scale * (1 + 1e-12), 1.1 * scale, correlation, n_digital=50)
    assert (plan.n_human_only, plan.n_with_digital) == (other.n_human_only, other.n_with_digital)
    assert plan_answers(0.3, 1.1, -abs(correlation)).saved == 0


def test_a_batch_gives_what_each_problem_gives_alone() -> None:
    wanted = np.array([0.2, 0.4])[:, None]
    sd = np.array([0.5, 1.0, 1.5])
    plan = plan_answers(wanted, sd, 0.5, n_digital=40, n_pilot=12)
    assert plan.n_with_digital.shape == (2, 3)
    for row in range(2):
        for column in range(3):
            alone = plan_answers(wanted[row, 0], sd[column], 0.5, n_digital=40, n_pilot=12)
            assert plan.n_with_digital[row, column] == alone.n_with_digital
            assert plan.n_with_digital_high[row, column] == alone.n_with_digital_high
    assert len(plan.to_frame()) == 6


def test_ranges_hold_the_plan_and_twins_that_save_nothing_are_flagged() -> None:
    plan = plan_answers(0.2, 1.0, 0.6, n_pilot=20)
    assert plan.n_human_only_low < plan.n_human_only < plan.n_human_only_high
    assert plan.n_with_digital_low < plan.n_with_digital < plan.n_with_digital_high
    useless = plan_answers(0.2, 1.0, 0.0)
    assert useless.saved == 0
    assert "saves nothing" in useless.to_frame()["note"].iloc[0]


# Statistical tests ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("n", "n_digital", "correlation"), [(10, 40, 0.9), (15, 60, 0.8), (30, 40, 0.6), (12, 1000, 0.9), (10, 200, 0.3)]
)
def test_expected_half_width_against_the_interval_itself(n: int, n_digital: int, correlation: float) -> None:
    """ "ppi++-small" on 20,000 simulated studies.

    Limit: 2.5 % for the approximation (the slope clipped to [0, 1]) plus 5 Monte Carlo standard errors, so a false
    alarm has probability < 1e-6.
    """
    rng = np.random.default_rng(20260101)
    reps = 20_000
    twin = rng.normal(size=(reps, n))
    human = correlation * twin + np.sqrt(1 - correlation**2) * rng.normal(size=(reps, n))
    crowd = rng.normal(size=(reps, n_digital))
    simulated = interval(human, twin, crowd, method="ppi++-small").half_width
    error = simulated.std() / np.sqrt(reps)
    planned = float(half_width_with_digital(n, 1.0, correlation, n_digital, 0.95))
    assert abs(planned - simulated.mean()) < 0.025 * simulated.mean() + 5 * error


def test_student_half_width_against_simulation() -> None:
    """40,000 studies of 6 normal answers; limit 5 Monte Carlo standard errors: false alarm < 1e-6."""
    rng = np.random.default_rng(20260102)
    answers = rng.normal(size=(40_000, 6))
    simulated = student.ppf(0.95, 5) * answers.std(axis=1, ddof=1) / np.sqrt(6)
    error = simulated.std() / np.sqrt(len(answers))
    assert abs(float(half_width_alone(6, 1.0, 0.9)) - simulated.mean()) < 5 * error


def test_ranges_hold_the_true_need_as_often_as_they_say() -> None:
    """4,000 pilots of 14 normal pairs, level 0.9; one-sided binomial limit, false alarm 1e-4 for each of the two.

    Fisher's z is off by under one point at 14 pairs; the Bonferroni joint range has more than that to spare.
    """
    rng = np.random.default_rng(20260103)
    reps, pilot, rho, sd = 4_000, 14, 0.6, 1.3
    twin = rng.normal(size=(reps, pilot))
    human = sd * (rho * twin + np.sqrt(1 - rho**2) * rng.normal(size=(reps, pilot)))
    deviations_h, deviations_t = (a - a.mean(1, keepdims=True) for a in (human, twin))
    sums = np.sum(deviations_h**2, 1), np.sum(deviations_t**2, 1)
    correlation = np.sum(deviations_h * deviations_t, 1) / np.sqrt(sums[0] * sums[1])
    truth = plan_answers(0.25, sd, rho, level=0.9)
    plan = plan_answers(0.25, np.sqrt(sums[0] / (pilot - 1)), correlation, n_pilot=pilot, level=0.9)
    least = binom.ppf(1e-4, reps, 0.9)
    assert (
        np.sum((plan.n_human_only_low <= truth.n_human_only) & (truth.n_human_only <= plan.n_human_only_high)) >= least
    )
    held = (plan.n_with_digital_low <= truth.n_with_digital) & (truth.n_with_digital <= plan.n_with_digital_high)
    assert np.sum(held) >= least


# Refusals -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"half_width": 0.0}, "half_width must be positive"),
        ({"human_sd": -1.0}, "human_sd must not be negative"),
        ({"correlation": 1.5}, "correlation must lie between -1 and 1; got 1.5"),
        ({"correlation": float("nan")}, "correlation holds 1 value"),
        ({"n_digital": 1}, "n_digital must be a whole number of at least 2"),
        ({"n_pilot": 3}, "n_pilot must be a whole number of at least 4"),
        ({"level": 95}, "did you mean 0.95"),
        ({"human_sd": [1.0, 2.0], "correlation": [0.1, 0.2, 0.3]}, "do not broadcast"),
        ({"half_width": 1e-9}, "millionth"),
    ],
)
def test_bad_input_is_refused_by_name(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan_answers(**({"half_width": 0.2, "human_sd": 1.0, "correlation": 0.5} | arguments))  # type: ignore[arg-type]
