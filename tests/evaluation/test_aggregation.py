"""Aggregates: by hand, against Crowd-Kit called directly, with the tie rule, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest

import crowdllm_stats
from crowdllm_stats.data.crowd import CrowdData, approval, categorical, continuous, ordinal
from crowdllm_stats.evaluation.aggregation import METHODS, aggregate


def data_of(answers, scale, **others):
    """``answers``: problem -> list of answers, of participants w0, w1, ..."""
    cells = [(name, f"w{who}", one) for name, given in answers.items() for who, one in enumerate(given)]
    frame = pd.DataFrame(cells, columns=["problem", "participant", "response"])
    return CrowdData.from_frame(frame, scale=scale, **others)


def crowd(n_problems=60, n_workers=7, n_noisy=4, seed=0):
    """Words with a true answer; 3 workers are right in 95%, 4 say the same wrong word for "b" nine times in ten."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(["b", "c", "a"], size=n_problems)
    answers = {}
    for row, right in enumerate(truth):
        given = [right if rng.random() < 0.95 else rng.choice(["a", "b", "c"]) for _ in range(n_workers)]
        for who in range(n_noisy):
            if right == "b" and rng.random() < 0.9:
                given[who] = "c"
        answers[f"q{row}"] = given
    return truth, data_of(answers, categorical(["c", "b", "a"]))


def test_mean_and_median_by_hand():
    data = data_of({"x": [1, 2, 9], "y": [1, 2, 4, 9], "z": [3]}, continuous(0, 10))
    assert aggregate(data).answers.tolist() == [4.0, 4.0, 3.0]
    median = aggregate(data, "median")
    assert median.answers.tolist() == [2.0, 3.0, 3.0]
    assert median.n_answers.tolist() == [3, 4, 1]
    assert median.problems == ("x", "y", "z")
    assert median.to_frame()["answer"].tolist() == [2.0, 3.0, 3.0]
    assert str(median).startswith("Aggregate (median) of 3 problems, 8 answers")


@pytest.mark.parametrize("how", ["majority", "dawid-skene", "glad"])
def test_ties_go_to_what_comes_first_on_the_scale(how):
    """Two workers who disagree everywhere are interchangeable, so every posterior is even."""
    numbers = data_of({"x": [5, 2], "y": [2, 5]}, ordinal([1, 2, 5]))
    assert aggregate(numbers, how).answers.tolist() == [2.0, 2.0]
    words = data_of({"x": ["apple", "zebra"], "y": ["zebra", "apple"]}, categorical(["zebra", "middle", "apple"]))
    assert aggregate(words, how).answers.tolist() == ["zebra", "zebra"]


def test_majority_counts_votes():
    data = data_of({"x": [1, 3, 3, 2], "y": [1, 1, 2, 3], "z": [2]}, ordinal([1, 2, 3]))
    assert aggregate(data, "majority").answers.tolist() == [3.0, 1.0, 2.0]


@pytest.mark.parametrize("how", ["dawid-skene", "glad"])
def test_labels_are_crowd_kits_own(how):
    from crowdkit.aggregation import GLAD, DawidSkene

    _, data = crowd()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = {"glad": GLAD, "dawid-skene": DawidSkene}[how]().fit_predict(data.to_crowdkit())
    found = aggregate(data, how)
    assert found.answers.tolist() == expected.loc[list(found.problems)].tolist()


def test_dawid_skene_sees_through_a_common_error_that_outvotes_the_truth():
    truth, data = crowd(n_problems=120)
    right = {how: np.mean(aggregate(data, how).answers == truth) for how in ("majority", "dawid-skene")}
    assert right["majority"] < 0.85
    assert right["dawid-skene"] > 0.95


@pytest.mark.parametrize("how", METHODS)
def test_one_and_the_same_answer_everywhere(how):
    data = data_of({"x": [4, 4], "y": [4, 4, 4]}, ordinal([1, 4, 5]))
    assert aggregate(data, how).answers.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("how", METHODS)
def test_problems_without_answers_are_named(how):
    problems = pd.DataFrame({"problem": ["x", "none", "y"]})
    data = data_of({"y": [1, 2, 2], "x": [5, 5, 1]}, ordinal([1, 2, 5]), problems=problems)
    result = aggregate(data, how)
    assert result.problems == ("x", "y")
    assert result.unanswered == ("none",)
    assert "left out: 1 problem(s) without an answer" in str(result)
    if how == "majority":
        assert result.answers.tolist() == [5.0, 2.0]


def test_scales_that_do_not_suit_the_method_are_refused():
    words = data_of({"x": ["yes", "no"]}, categorical(["yes", "no"]))
    for how in ("mean", "median"):
        with pytest.raises(ValueError, match=rf"how='{how}' needs numbers, and the answers are words .*use majority"):
            aggregate(words, how)
    for how in ("majority", "dawid-skene", "glad"):
        with pytest.raises(ValueError, match="needs a scale of single answers"):
            aggregate(data_of({"x": [0.5, 0.7]}, continuous(0, 1)), how)
    ballots = data_of({"x": ["a|b", "a"]}, approval(["a", "b", "c"]))
    for how in METHODS:
        with pytest.raises(ValueError, match="these are ballots"):
            aggregate(ballots, how)
    with pytest.raises(ValueError, match="how must be one of 'mean', 'median', 'majority', 'dawid-skene', 'glad'"):
        aggregate(words, "mode")


def test_it_is_at_the_package_root():
    assert crowdllm_stats.aggregate is aggregate
