"""Profile and problem columns: one form, whatever they came from."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdllm_stats.data.attributes import plain


@pytest.mark.parametrize(
    ("values", "expected", "dtype"),
    [
        (["35", "41"], [35, 41], np.int64),
        (["35", ""], [35.0, None], np.float64),
        (["0.5", "2"], [0.5, 2.0], np.float64),
        ([1, 2], [1, 2], np.int64),
        ([1.0, None], [1.0, None], np.float64),
        (["123456789012345678", "1"], [123456789012345678, 1], np.int64),
    ],
)
def test_plain_numbers_are_numbers(values, expected, dtype):
    column = plain(pd.Series(values), "column 'age'")
    assert column.dtype == dtype
    assert [None if pd.isna(value) else value for value in column.tolist()] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["007", "8"], ["007", "8"]),
        (["1e5", "2"], ["1e5", "2"]),
        (["nan", "inf"], ["nan", "inf"]),
        (["Woman", None], ["Woman", ""]),
        ([None, None], ["", ""]),
        ([True, False], ["True", "False"]),
        ([False, 0, None, True, 1], ["False", "0", "", "True", "1"]),
        ([1, "one"], ["1", "one"]),
        (["\u0663"], ["\u0663"]),
        ([" a "], [" a "]),
    ],
)
def test_other_values_are_text(values, expected):
    assert plain(pd.Series(values), "column 'group'").tolist() == expected


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["9007199254740993", ""], None, ["9007199254740993", ""]),
        (["9007199254740993", "0.5"], None, ["9007199254740993", "0.5"]),
        ([9007199254740993, None], object, ["9007199254740993", ""]),
        ([9007199254740993, None], "Int64", ["9007199254740993", ""]),
        ([2**63 + 5, 1], np.uint64, ["9223372036854775813", "1"]),
        ([9007199254740993, 1], "Int64", [9007199254740993, 1]),
    ],
)
def test_no_digit_of_a_whole_number_is_lost(values, dtype, expected):
    assert plain(pd.Series(values, dtype=dtype), "column 'panel'").tolist() == expected


def test_what_is_no_single_value_is_refused():
    with pytest.raises(ValueError, match="column 'age' holds 1 infinite"):
        plain(pd.Series([1.0, np.inf]), "column 'age'")
    with pytest.raises(ValueError, match="holds lists"):
        plain(pd.Series([[1], [2]]), "column 'age'")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_numbers_survive_their_text(values):
    column = plain(pd.Series([repr(value) for value in values]), "column 'weight'")
    assert column.tolist() == values
