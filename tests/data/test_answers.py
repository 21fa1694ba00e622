"""Answers in words: one option, however it is written."""

from __future__ import annotations

import pandas as pd
import pytest

from crowdllm_stats.data.answers import as_answers
from crowdllm_stats.data.scale import as_scale


@pytest.mark.parametrize(
    ("scale", "given", "read"),
    [
        ("no,yes", ["No", "YES", " yes ", "no"], ["no", "yes", "yes", "no"]),
        ("no,yes", [True, False, "TRUE"], ["yes", "no", "yes"]),
        ("false,true", ["False", "TRUE"], ["false", "true"]),
        ("False,True", [False, True], ["False", "True"]),
        ("false,true", ["yes", "No"], ["true", "false"]),
        ("Agree,Disagree", ["agree", "DISAGREE"], ["Agree", "Disagree"]),
    ],
)
def test_words_are_read_without_regard_to_case(scale, given, read):
    answers = as_answers(pd.Series(given, dtype=object), as_scale(scale), "column 'response'")
    assert answers.given.tolist() == read
    assert not answers.missing.any()


def test_a_column_of_truth_values_is_one_of_yes_and_no():
    assert as_answers(pd.Series([True, False]), as_scale("no,yes"), "response").given.tolist() == ["yes", "no"]


@pytest.mark.parametrize(("scale", "given"), [("a,A", "á"), ("no,No,yes", "NO"), ("no,yes", "maybe"), ("a,b", True)])
def test_words_of_no_option_or_of_two_are_refused(scale, given):
    with pytest.raises(ValueError, match="unknown options"):
        as_answers(pd.Series([given], dtype=object), as_scale(scale), "column 'response'")
