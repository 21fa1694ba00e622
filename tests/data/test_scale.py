"""Scales: what they admit, how they are read, what they refuse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdllm_stats.data.crowd import Scale, approval, categorical, continuous, ordinal
from crowdllm_stats.data.scale import as_scale


def test_bounds_and_kinds():
    assert continuous(0, 10).bounds == (0.0, 10.0)
    assert continuous().bounds is None
    assert ordinal([5, 1, 3]).levels == (1.0, 3.0, 5.0)
    assert ordinal([5, 1, 3]).bounds == (1.0, 5.0)
    assert categorical(["yes", "no"]).bounds is None
    assert approval(["a", "b", "c"], k=2).bounds is None
    assert [scale.numeric for scale in (continuous(), ordinal([1, 2]), categorical(["a", "b"]))] == [True, True, False]


def test_admits_ends_and_levels_only():
    answers = np.array([0.9, 1.0, 2.5, 5.0, 5.1])
    assert continuous(1, 5).admits(answers).tolist() == [False, True, True, True, False]
    assert ordinal([1, 2.5, 5]).admits(answers).tolist() == [False, True, True, True, False]
    assert continuous().admits(answers).all()
    with pytest.raises(ValueError, match="words"):
        categorical(["a", "b"]).admits(answers)


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("1:5", continuous(1, 5)),
        ("-1.5:2", continuous(-1.5, 2)),
        ("1,2,3", ordinal([1, 2, 3])),
        ("yes, no", categorical(["yes", "no"])),
        ("1,2,other", categorical(["1", "2", "other"])),
    ],
)
def test_parse(text, scale):
    assert Scale.parse(text) == scale


@pytest.mark.parametrize("text", ["", "5", "1:", "a:b", "1:2:3", "a,,b", ","])
def test_parse_says_the_three_forms(text):
    with pytest.raises(ValueError, match=r'write "1:5", "1,2,3,4,5" or "yes,no"'):
        Scale.parse(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: continuous(5, 1), "low < high"),
        (lambda: continuous(1), "both ends or none"),
        (lambda: continuous(float("nan"), 1), "NaN"),
        (lambda: Scale.parse("5:1"), "lower end first"),
        (lambda: ordinal([1]), "at least two"),
        (lambda: ordinal([1, 1, 2]), "different"),
        (lambda: ordinal(["low", "high"]), "number the words"),
        (lambda: categorical(["a"]), "at least two"),
        (lambda: categorical(["a", "a"]), "different"),
        (lambda: categorical("yes,no"), "list of words"),
        (lambda: categorical(["a", " b"]), "whitespace"),
        (lambda: approval(["a|b", "c"]), "ballot"),
        (lambda: approval(["a", "b"], k=3), "only 2 options"),
        (lambda: approval(["a", "b"], k=0), "at least 1"),
    ],
)
def test_refusals_are_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True))
def test_parse_reads_back_written_levels(levels):
    assert Scale.parse(",".join(map(str, levels))) == ordinal(levels)


def test_as_scale_takes_a_scale_a_text_or_nothing():
    assert as_scale(ordinal([1, 2])) == as_scale("1,2") == ordinal([1, 2])
    assert as_scale(None) == continuous()
    for wrong in ((1, 5), [1, 2, 3], 5):
        with pytest.raises(ValueError, match=r'scale must be a text such as "1:5"'):
            as_scale(wrong)


def test_whole_floats_are_the_same_options_as_whole_numbers():
    assert categorical([1, 2.0]).options == ("1", "2")
