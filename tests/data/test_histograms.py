"""Counting answers: every answer once, in the order of the scale, problems without answers kept or refused."""

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data.crowd import CrowdData, approval, categorical, continuous, ordinal
from crowdllm_stats.data.histograms import Histograms, histograms


def survey(scale, answers, repeats="refuse"):
    frame = pd.DataFrame({"problem": ["b", "b", "a", "b"], "participant": ["u", "v", "u", "w"], "response": answers})
    return CrowdData.from_frame(
        frame, scale=scale, problems=pd.DataFrame({"problem": ["a", "b", "c"]}), repeats=repeats
    )


def test_counts_by_hand_on_numbers_and_words():
    table = histograms(survey(ordinal([1, 3, 9]), [9, 1, 3, 9]))
    assert table.problems == ("a", "b", "c")
    assert table.counts.tolist() == [[0, 1, 0], [1, 0, 2], [0, 0, 0]]
    assert table.numbers.tolist() == [1, 3, 9]
    words = histograms(survey(categorical(["yes", "no"]), ["no", "no", "yes", "yes"]), ["b"])
    assert (words.answers, words.counts.tolist()) == (("yes", "no"), [[1, 2]])


def test_problems_without_answers_are_kept_until_left_out():
    table = histograms(survey(ordinal([1, 3, 9]), [9, 1, 3, 9]))
    with pytest.raises(ValueError, match=r"1 problem\(s\) have no answer, for instance 'c'"):
        _ = table.shares
    assert table.answered().problems == ("a", "b")
    np.testing.assert_allclose(table.answered().shares[1], [1 / 3, 0, 2 / 3])


def test_selection_keeps_the_order_asked():
    table = histograms(survey(ordinal([1, 3, 9]), [9, 1, 3, 9]))
    assert table.select(["b", "a"]).counts.tolist() == [[1, 0, 2], [0, 1, 0]]
    assert table.to_frame().columns.tolist() == ["problem", "1", "3", "9"]
    with pytest.raises(ValueError, match="1 not in the table, for instance 'z'"):
        table.select(["a", "z"])


def test_scales_that_cannot_be_counted_are_refused():
    with pytest.raises(ValueError, match="cannot be counted one by one"):
        histograms(survey(continuous(0, 10), [9, 1, 3, 9]))
    with pytest.raises(ValueError, match="cannot be counted one by one"):
        histograms(survey(approval(["x", "y"]), ["x", "x|y", "y", "y"]))
    with pytest.raises(ValueError, match="are words"):
        _ = histograms(survey(categorical(["yes", "no"]), ["no", "no", "yes", "yes"])).numbers


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"counts has shape \(1, 2\)"):
        Histograms(("a",), (1.0, 2.0, 3.0), np.ones((1, 2)))
    with pytest.raises(ValueError, match="must not be negative"):
        Histograms(("a",), (1.0, 2.0), np.array([[1.0, -1.0]]))
    with pytest.raises(ValueError, match="stands there twice"):
        Histograms(("a", "a"), (1.0, 2.0, 3.0), np.ones((2, 3)))
