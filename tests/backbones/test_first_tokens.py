"""Probabilities of first tokens, and what is not seen of them."""

from __future__ import annotations

import math

import pytest

from crowdllm_stats.backbones.chat_api import first_tokens_clash, read_tokens
from crowdllm_stats.backbones.options import Options

FIVE = Options.of([1, 2, 3, 4, 5])


def entries(pairs):
    return [{"token": token, "logprob": math.log(p), "bytes": [1]} for token, p in pairs]


def test_first_tokens_are_added_up_by_answer():
    found = read_tokens(entries([("3", 0.4), (" 3", 0.1), ("1", 0.2), ("The", 0.15), ("\n", 0.05)]), FIVE)
    assert found.masses == pytest.approx((0.2, 0, 0.5, 0, 0))
    assert found.unseen == 3
    assert found.unseen_bound == pytest.approx(0.1)  # three times 0.05 would be more than is left over
    found = read_tokens(entries([("3", 0.5), ("4", 0.2), ("1", 0.1), ("2", 0.05), ("a", 0.01)]), FIVE)
    assert (found.unseen, found.unseen_bound) == (1, pytest.approx(0.01))
    full = read_tokens(entries([(str(n), 0.15) for n in range(1, 6)]), FIVE)
    assert (full.unseen, full.unseen_bound) == (0, 0.0)


def test_the_beginning_of_a_word_counts_into_the_bound():
    found = read_tokens(entries([("off", 0.3), (" yes", 0.5), ("x", 0.1)]), Options.of(["offensive", "yes", "no"]))
    assert found.masses == pytest.approx((0, 0.5, 0))
    assert found.unseen_bound == pytest.approx(0.3 + 0.1)


def test_a_token_of_no_probability_is_no_trouble():
    found = read_tokens([{"token": "1", "logprob": 0.0}, {"token": "2", "logprob": -9999.0}], FIVE)
    assert found.masses == (1.0, 0.0, 0.0, 0.0, 0.0)
    assert found.unseen_bound == 0.0


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "sum to 0"),
        ([{"token": "1"}], "not a token with a log-probability"),
        ([{"token": 1, "logprob": -1.0}], "not a token with"),
        ([{"token": "1", "logprob": "-1"}], "not a token with"),
        ([{"token": "1", "logprob": True}], "not a token with"),
        (["1"], "not a token with"),
        ([{"token": "1", "logprob": math.nan}], "at most 0"),
        ([{"token": "1", "logprob": 0.7}], "at most 0"),
        ([{"token": "1", "logprob": -0.1}, {"token": "2", "logprob": -0.1}], "sum to 1.81"),
    ],
)
def test_nonsense_log_probabilities_are_refused(tokens, message):
    with pytest.raises(ValueError, match=message):
        read_tokens(tokens, FIVE)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([1, 2, 10], "answer '10' begins with answer '1'"),
        (["no", "None"], "answer 'None' begins with answer 'no'"),
        ([-1, 2], "more than one token"),
        ([0.5, 2], "more than one token"),
        (["very bad", "good"], "more than one token"),
        ([1, 2, 3], None),
        (["yes", "no"], None),
    ],
)
def test_answers_that_one_token_does_not_tell_apart(answers, reason):
    found = first_tokens_clash(Options.of(answers))
    assert found is None if reason is None else reason in found
