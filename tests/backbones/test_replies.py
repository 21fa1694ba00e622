"""Reading replies: the one answer that a reply is or begins with, or the kind of reply without an answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.replies import LONGEST, SILENCES, ReplyReader

FIVE = Options.of([1, 2, 3, 4, 5])
YES_NO = Options.of(["yes", "no"])
TWO = Options.of(["not offensive", "offensive"])
AGREE = Options.of(["strongly disagree", "disagree", "neutral", "agree", "strongly agree"])


def reads(options, replies, expected):
    reader = ReplyReader(options)
    said = {reply: reader.read(reply) for reply in replies}
    found = {reply: options.answers[one] if isinstance(one, int) else one for reply, one in said.items()}
    assert found == dict.fromkeys(replies, expected)


@pytest.mark.parametrize(
    ("answer", "replies"),
    [
        (1, ["1", "\u201c1\u201d", "1 = not at all", "Rating: **1**"]),
        (2, ["I say 2, because of 2.", "I choose option 2.", "On a scale of 1 to 5, I would rate this comment as a 2.",
             "On a scale from 1 to 5, where 1 is mild, I'd give it a 2", "<think>3? No.</think>\n2", "2 2",
             "I'd rate the tone of this text a 2 out of 5.", "I think it is a 2", "Option 2",
             "My choice would be 2."]),
        (3, ["3", " 3\n", "**3**", "Rating: 3", "3 = moderately offensive", "3, I think", "{'rating': 3}", "3/5",
             '{"rating": 3, "confidence": 5}', '```json\n{"rating": 3}\n```', "$\\boxed{3}$", "3</s>", "3<|im_end|>",
             "3 because 4 people complained", "Sure! 3", "Sure, here is my rating: 3", "<answer>3</answer>", "3.",
             "The rating for this comment is 3", "Final answer: **3**", "It's a 3", "3 (moderate)", "3\ufe0f\u20e3",
             "Rating (1-5): 3", "3 on a scale of 1 to 5.", "Rating: 3\nConfidence: 4", "3 - moderate", "3, not 4",
             "Based on the text, I would rate this comment a 3.", "I\u2019d give this comment a rating of 3"]),
        (4, ["(4)", "Answer:4!", "4 out of 5", "Score: 4/5", "**Rating: 4/5**", "4 stars because it is good", "A: 4"]),
        (5, ["5.", "5 \U0001f600", "I would say 5", "5\n\nThe comment attacks 1 person."]),
        ("several answers", ["3 or 4", "1 to 5", "5 to 5", "5 - 10", "3 to 7", "4 or 6", "3, 7",
                             "4 if it is meant, otherwise 2", "1-5", "3 - 4", "2, 3", "1. Mild\n2. Strong", "1 2 3 4 5",
                             "3, maybe 4", "1, 2, 3, 4, 5", "I'd rate this between 2 and 3", "from a 2 to a 4",
                             "3/5/2020", '{"confidence": 5, "rating": 3}', "3. Actually, 4."]),
        ("off the scale", ["4.5", "65", "0.3", "-3", "+3", "3%", "3 %", "1,000", "10:30", "3rd", "6", "3.0", "3/10",
                           "7 out of 10", "4 stars out of 10", "3 on a scale of 1 to 10", "On a scale of 0 to 5, 3.",
                           "Rating: 9", "2 and a half", "3 or more"]),
        ("refusal", ["As an AI, I cannot rate this. 3", "I'm sorry, but 3 is all I see", "I cannot answer that.",
                     "3. As an AI language model, I don't have personal opinions."]),
        ("chatter", ["", "three", "v2", "\u0664", "see policy section 4", "Section 4", "GPT-4", "4 people",
                     "Step 1: read", "<3", "$3", "less than 3", "I would not rate this a 3",
                     "I'd say more than a 3", "I am 4 years old", "<think>3", "The comment",
                     "The answer is not 3", "1. The comment is mild.", "3 points to consider", "3?",
                     "3) It is rude", "Based on a scale, I would say 1 is the highest"]),
    ],
)  # fmt: skip
def test_numbers_in_replies(answer, replies):
    reads(FIVE, replies, answer)


@pytest.mark.parametrize(
    ("answer", "replies"),
    [
        ("no", ["No.", "NO!", "no", "no, because it is mild", "**No**", "Answer: no", "The answer is no",
                '"No"', "no no no", "No \u2014 it is mild", "No: it is", "No it is not", "No because",
                "I would say no", "In my opinion, no.", "I believe the answer is no.", "Hmm, no.",
                "No, yes would be wrong", "No<|im_end|>", "no;",
                "No, I can't say it is.", "No, I will not share it."]),
        ("yes", ["Yes, there is no doubt", "Yes!\n\nExplanation: There is no excuse.", "Yes \U0001f44d", "YES",
                 "My answer is: **Yes**", "Yes this comment is offensive", "Yes, I can't help but agree"]),
        ("several answers", ["Yes and no", "yes/no", "Yes, no", "Yes. No.", "Yes\nNo", "Yes or no?",
        "**Yes and no** of it", "No. Wait, yes.",
                             "Yes. Actually, no."]),
        ("refusal", ["As an AI, I have no opinion", "I'm sorry, but no", "I\u2019m sorry, but no.", "No comment",
                     "No opinion", "No, I cannot help with that", "No, as an AI I do not have personal opinions.",
                     "No. I'm just an AI.", "No, I'm not comfortable answering that", "Unable to answer.",
                     "No, it would not be appropriate for me to rate people."]),
        ("chatter", ["There is no doubt that it is", "No doubt about it", "No one knows", "No-one",
                     "No problem!", "no answer", "No longer", "Answer: no answer", "It is no surprise",
                     "I think it is no big deal", "Not no",
                     "The answer is not yes", "I say no to drugs", "Absolutely not.", "yesterday", "**No** doubt",
                     "'No' means no", "I do not know", "No.4", "No?",
                     "Yes, I'd be happy to help!", "Yes. Please provide the comment."]),
    ],
)  # fmt: skip
def test_words_in_replies(answer, replies):
    reads(YES_NO, replies, answer)


def test_words_of_several_words():
    reads(TWO, ["Not offensive.", "It is not offensive", "not offensive because it is mild"], "not offensive")
    reads(
        TWO, ["offensive", "It is offensive!", "OFFENSIVE offensive", "The comment is clearly offensive."], "offensive"
    )
    reads(TWO, ["inoffensive", "It is not at all offensive", "It is an offensive comment"], "chatter")
    reads(TWO, ["offensive or not offensive"], "several answers")
    reads(AGREE, ["I agree.", "Agree with the statement", "agree (4)", "I agree that it is", "I would agree"], "agree")
    reads(AGREE, ["I strongly agree with this statement.", "My response: Strongly Agree"], "strongly agree")
    reads(FIVE, ["Rating: 3. The comment is rude.", "3.\nThe comment is rude", "3: The comment is rude"], 3)
    reads(AGREE, ["I am neutral", "I'm neutral on this"], "neutral")
    reads(AGREE, ["I do not agree", "I don't agree", "Somewhat agree", "I agree to differ"], "chatter")
    reads(AGREE, ["I agree to disagree", "Agree. I disagree with this."], "several answers")


def test_an_answer_that_begins_with_another():
    reader = ReplyReader(Options.of(["bad", "bad enough", "good"]))
    assert [reader.place(text) for text in ("Bad.", "bad enough", "Bad enough, not bad")] == [0, 1, 1]


def test_an_answer_may_look_like_a_refusal():
    reader = ReplyReader(Options.of(["yes", "no", "I cannot answer that", "No opinion"]))
    assert [reader.place(text) for text in ("I cannot answer that.", "No opinion.", "No.")] == [2, 3, 1]


def test_the_label_of_an_answer_may_follow_it():
    reader = ReplyReader(Options.of([1, 2, 3], {1: "Not at all", 2: "Very much so", 3: "very"}))
    found = [
        reader.read(text) for text in ("2 very much so", "1. Not at all", "2 not at all", "3 = very much so", "3: very")
    ]
    assert found == [1, 0, "chatter", "chatter", 2]
    words = ReplyReader(Options.of(["yes", "no"], {"yes": "it is", "no": "it is not"}))
    assert [words.read(text) for text in ("No, it is mild.", "No, it is not.", "Yes, it is")] == [1, 1, 0]


def test_other_numeric_scales():
    reader = ReplyReader(Options.of([-1, 0, 0.5, 10]))
    texts = ("-1", "0", "0.5", "10", "1", "0.55", "Rating: -1.", "100", "-10", "\u22121", "0/10", "5/10")
    off = "off the scale"
    assert [reader.read(text) for text in texts] == [0, 1, 2, 3, off, off, 0, off, off, 0, 1, off]
    pair = ReplyReader(Options.of([0, 1]))
    assert [pair.read(text) for text in ("0/1", "1", "0 or 1")] == ["several answers", 1, "several answers"]


def test_long_replies_take_no_long_time():
    reader, words = ReplyReader(FIVE), ReplyReader(YES_NO)
    start = time.perf_counter()
    for piece in ("*", "i think ", "the ", "3,", "my answer ", "(", "yes, ", "</", "on a scale of ", "`json ", "\n- "):
        text = (piece * LONGEST)[:LONGEST]
        reader.read(text), words.read(text)
    assert time.perf_counter() - start < 20
    assert reader.read("3" + " " * LONGEST + ".") == "chatter"
    assert reader.read("<think>" + "3 " * LONGEST + "</think>4") == 3


@given(st.text(max_size=30))
def test_any_reply_is_read_or_not(reply):
    said = ReplyReader(FIVE).read(reply)
    assert FIVE.texts[said] in reply if isinstance(said, int) else said in SILENCES


@given(st.sampled_from(["No", "no", "yes", "Yes"]), st.from_regex(r"[a-z]{2,9}", fullmatch=True))
def test_a_word_answer_that_runs_on_is_none(answer, word):
    """Unless the next word begins a reason, the answer is part of another phrase."""
    said = ReplyReader(YES_NO).read(f"{answer} {word} of them")
    reasons = "because since as and but or so though although given if it its this that the he she they there my yes no"
    assert isinstance(said, str) or word in reasons.split()


@given(st.integers(-(10**6), 10**6))
def test_a_number_off_the_scale_is_never_an_answer(number):
    said = ReplyReader(FIVE).read(f"{number}")
    assert said == (number - 1 if 1 <= number <= 5 else "off the scale")


def test_answers_that_differ_in_case_alone_are_refused():
    with pytest.raises(ValueError, match="'yes' and 'Yes' differ in case alone"):
        ReplyReader(Options.of(["yes", "Yes"]))
