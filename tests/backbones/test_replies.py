"""Reading replies: exactly one answer named, or none; probabilities of first tokens, and what is not seen of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.replies import ReplyReader, first_tokens_clash, read_tokens

FIVE = Options.of([1, 2, 3, 4, 5])
WORDS = Options.of(["not offensive", "offensive", "Yes"])


def entries(pairs):
    return [{"token": token, "logprob": math.log(p), "bytes": [1]} for token, p in pairs]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("3", 3), (" 3\n", 3), ("**3**", 3), ("Rating: 3", 3), ("3 = moderately offensive", 3), ("(4)", 4), ("5.", 5),
        ("I say 2, because of 2.", 2), ("Answer:4!", 4), ("\u201c1\u201d", 1), ("3, I think", 3), ("{'rating': 3}", 3),
        ("", None), ("three", None), ("4.5", None), ("65", None), ("0.3", None), ("3/5", None), ("3 or 4", None),
        ("-3", None), ("+3", None), ("3%", None), ("3 %", None), ("1,000", None), ("10:30", None), ("3rd", None),
        ("v2", None), ("6", None), ("3.0", None), ("\u0664", None), ("As an AI I cannot say", None),
    ],
)  # fmt: skip
def test_numbers_in_replies(reply, answer):
    place = ReplyReader(FIVE).place(reply)
    assert (None if place is None else FIVE.answers[place]) == answer


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        ("Not offensive.", 0), ("offensive", 1), ("It is offensive!", 1), ("not offensive, yes", None), ("YES", 2),
        ("yesterday", None), ("inoffensive", None), ("offensive or not offensive", None), ("OFFENSIVE offensive", 1),
    ],
)  # fmt: skip
def test_words_in_replies(reply, place):
    assert ReplyReader(WORDS).place(reply) == place


def test_an_answer_that_begins_with_another():
    reader = ReplyReader(Options.of(["bad", "bad enough", "good"]))
    assert [reader.place(text) for text in ("Bad.", "bad enough", "Bad enough, not bad")] == [0, 1, None]


def test_other_numeric_scales():
    reader = ReplyReader(Options.of([-1, 0, 0.5, 10]))
    assert [reader.place(text) for text in ("-1", "0", "0.5", "10", "1", "0.55", "Rating: -1.", "100", "-10")] == [
        0, 1, 2, 3, None, None, 0, None, None,
    ]  # fmt: skip


@given(st.text(max_size=30))
def test_any_reply_is_read_or_not(reply):
    place = ReplyReader(FIVE).place(reply)
    assert place is None or FIVE.texts[place] in reply


@given(st.integers(-(10**6), 10**6))
def test_a_number_off_the_scale_is_never_an_answer(number):
    place = ReplyReader(FIVE).place(f"{number}")
    assert place == (number - 1 if 1 <= number <= 5 else None)


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
        ([{"token": "1"}], "no token with a log-probability"),
        ([{"token": 1, "logprob": -1.0}], "no token with"),
        ([{"token": "1", "logprob": "-1"}], "no token with"),
        ([{"token": "1", "logprob": True}], "no token with"),
        (["1"], "no token with"),
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


def test_answers_that_differ_in_case_alone_are_refused():
    with pytest.raises(ValueError, match="'yes' and 'Yes' differ in case alone"):
        ReplyReader(Options.of(["yes", "Yes"]))
