"""Money and seconds of answers, from the least to the most of everything given."""

from __future__ import annotations

import pytest

from crowdllm_stats import answering_cost


def test_numbers_by_hand():
    found = answering_cost(
        (1000, 2000), prompt_tokens=(100, 150), reply_tokens=4, prompt_price=(2.0, 5.0), reply_price=10.0,
        answer_price=0.001, answer_seconds=(0.2, 3.0), at_once=5,
    )  # fmt: skip
    assert found.money_lower == pytest.approx(1000 * (100 * 2e-6 + 4e-5 + 0.001))
    assert found.money_upper == pytest.approx(2000 * (150 * 5e-6 + 4e-5 + 0.001))
    assert (found.seconds_lower, found.seconds_upper) == pytest.approx((40.0, 1200.0))


def test_people_are_paid_by_the_answer():
    found = answering_cost(9, answer_price=(0.05, 0.1))
    assert (found.money_lower, found.money_upper, found.seconds_upper) == pytest.approx((0.45, 0.9, 0.0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_answers": -1}, "n_answers"),
        ({"n_answers": 5, "answer_price": (0.2, 0.1)}, "answer_price must be one number or a pair, the smaller"),
        ({"n_answers": 5, "reply_tokens": (1, 2, 3)}, "reply_tokens must be one number or a pair"),
        ({"n_answers": 5, "at_once": 0}, "at_once must be a whole number of at least 1"),
        ({"n_answers": float("nan")}, "n_answers"),
    ],
)
def test_bad_input(given, message):
    with pytest.raises(ValueError, match=message):
        answering_cost(**given)
