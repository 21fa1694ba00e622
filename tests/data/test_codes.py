"""Codes for a missing answer: named they are left out, unnamed they are asked about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data.crowd import CrowdData


def table(answers, problem="q"):
    return pd.DataFrame(
        {"problem": problem, "participant": [f"p{place}" for place in range(len(answers))], "response": answers}
    )


@pytest.mark.parametrize(
    ("answers", "codes"),
    [
        ([0, 3, 10, 5, 7, 99, 99], "99"),
        ([0, 3, 10, 5, 7, 77, 88, 99], "77,88,99"),
        ([0, 3, 10, 5, 7, -9, -99, -99], "-99"),
        ([1, 2, 5, 4, 3, 99, 99], "99"),
        ([0, 1, 0, 1, 1, 9, 9], "9"),
    ],
)
def test_numbers_far_outside_all_others_are_asked_about(answers, codes):
    with pytest.raises(ValueError, match=rf"missing_codes=\[{codes}\]; if they are answers, declare the scale"):
        CrowdData.from_frame(table(answers))
    assert len(CrowdData.from_frame(table(answers), scale="-100:100").responses) == len(answers)


@pytest.mark.parametrize(
    "answers",
    [
        [0, 3, 10, 5, 7, 99],  # once
        [1, 2, 3, 4, 5, 7, 7],  # not far
        [1, 1, 1, 1, 1, 5, 5],  # two values, neither of which is the scale
        [10, 20, 35, 80, 150, 150, 150],
        [0.5, 0.7, 0.1, 9.5, 9.5],  # measurements
        [1, 2, 99, 99, 99],  # as many as the others
    ],
)
def test_answers_that_may_be_answers_are_not(answers):
    assert len(CrowdData.from_frame(table(answers)).responses) == len(answers)


@pytest.mark.parametrize(
    ("scale", "codes", "named"),
    [
        (range(8), [-9, -9, -9], "-9"),
        (range(8), [-1, -1, -9], "-9,-1"),
        (range(8), [9, 9, 9], "9"),
        (range(1, 6), [8, 9, 9], "8,9"),
        (range(1, 6), [7, 8, 9], "7,8,9"),
        (range(1, 8), [9, 9], "9"),
        (range(1, 5), [-2, -1, -1], "-2,-1"),
        (range(3), [-1, -1], "-1"),
    ],
)
def test_codes_near_the_scale_are_asked_about(scale, codes, named):
    """Also where each problem has a single one."""
    answers = [*(list(scale) * 8), *codes]
    for problem in ("q", [f"q{place % 5}" for place in range(len(answers))]):
        with pytest.raises(ValueError, match=rf"missing_codes=\[{named}\]"):
            CrowdData.from_frame(table(answers, problem))


@pytest.mark.parametrize(
    "answers",
    [
        [-1, 0, 1, 1, 0, 1, 1, 1, -1],
        [-2, -1, 0, 1, 2, 2, 1, 2, 1],
        [-2, -1, 1, 2, 2, 1, 2, 1],  # no middle
        [-2, -1, 0, 1, 2, 3, 2, 3, 3],  # -3 was not given
        [-1, 1, 1, -1, 1],
        [-40, -12, 3, 20, -7, -1, -3, 55, 8, 20, 30, 31],  # changes
        [-1.5, -1.5, 0.5, 2, 7, 3],  # measurements
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9],
    ],
)
def test_scales_about_zero_and_longer_ones_are_not(answers):
    assert len(CrowdData.from_frame(table(answers)).responses) == len(answers)


def test_ratings_from_0_to_10_whose_scale_nobody_named_are_seldom_asked_about():
    """False-alarm rate: at most 2% of tables of 10 problems with 10 people; 7 of 100 have chance below 0.005."""
    rng = np.random.default_rng(3)
    alarms = 0
    for place in range(100):
        shares = [(1, 1), (2, 2), (1, 4), (3, 1)][place % 4]
        answers = rng.binomial(10, rng.beta(*shares, size=100))
        try:
            CrowdData.from_frame(table(answers, np.repeat(np.arange(10), 10)))
        except ValueError:
            alarms += 1
    assert alarms <= 6


def test_problems_of_different_scales_are_looked_at_one_by_one():
    frames = [table([1, 2, 3, 4, 5, 5], "a"), table([60, 80, 75, 99, 99, 88], "b")]
    assert len(CrowdData.from_frame(pd.concat(frames)).responses) == 12


def test_long_tailed_measurements_raise_hardly_a_question():
    """Continuous answers never repeat; counts with a long tail seldom have such a gap (at most 1 in 200 tables)."""
    rng = np.random.default_rng(2)
    asked = 0
    for _ in range(200):
        for answers in (rng.lognormal(0.0, 1.5, 60), rng.poisson(3.0, 60), rng.geometric(0.2, 60)):
            try:
                CrowdData.from_frame(table(answers))
            except ValueError:
                asked += 1
    assert asked <= 3


def test_named_codes_are_left_out_and_counted_whatever_the_scale():
    data = CrowdData.from_frame(table(["0", "3", "99", "10", "77"]), scale="0:10", missing_codes=(77, 88, 99))
    assert data.responses["response"].tolist() == [0.0, 3.0, 10.0]
    assert data.exclusions == {"missing response (coded 77, 88, 99)": 2}


def test_an_empty_cell_beside_named_codes_is_still_refused():
    with pytest.raises(ValueError, match="is empty in 1 of 3 rows"):
        CrowdData.from_frame(table(["3", "", "99"]), missing_codes=(99,))


@pytest.mark.parametrize(("codes", "scale"), [(((1, 2),), None), ((np.nan,), None), ((1,), "no,yes")])
def test_codes_that_are_none_are_refused(codes, scale):
    answers = ["no", "yes"] if scale else [1, 2]
    with pytest.raises(ValueError, match="missing_codes"):
        CrowdData.from_frame(table(answers), scale=scale, missing_codes=codes)
