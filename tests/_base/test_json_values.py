"""JSON without infinities and NaN: what becomes of them, and that nothing else changes."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdllm_stats._base.json_values import json_object, json_text, table_rows

INF = float("inf")


@dataclasses.dataclass(frozen=True)
class Ends:
    lower: object
    upper: object


def test_a_number_that_is_not_finite_is_null_and_named_by_the_object_that_holds_it():
    made = json_object({"rows": [{"lower": -INF, "upper": 2.0, "lam": None}, {"lower": 1}], "kappa": INF})
    assert made == {
        "rows": [{"lower": None, "upper": 2.0, "lam": None, "not_finite": {"lower": "-inf"}}, {"lower": 1}],
        "kappa": None,
        "not_finite": {"kappa": "inf"},
    }
    assert json_object({"a": float("nan")}) == {"a": None, "not_finite": {"a": "nan"}}


def test_arrays_keep_their_shape_and_are_named_place_by_place():
    made = json_object({"upper": np.array([[1.5, INF], [-INF, 2.0], [3.0, 4.0]]), "lower": np.array([1, 2])})
    assert made["upper"] == [[1.5, None], [None, 2.0], [3.0, 4.0]]
    assert made["not_finite"] == {"upper": [[None, "inf"], ["-inf", None], None]}
    assert made["lower"] == [1, 2]


def test_numpy_values_dataclasses_and_tuples_become_plain():
    made = json_object({"ends": Ends(np.float64(1.5), np.inf), "n": np.int64(3), "safe": np.bool_(True), 7: (1, "x")})
    assert made == {
        "ends": {"lower": 1.5, "upper": None, "not_finite": {"upper": "inf"}}, "n": 3, "safe": True, "7": [1, "x"],
    }  # fmt: skip
    assert [type(value) for value in made.values()] == [dict, int, bool, list]


def test_done_twice_is_done_once_and_a_taken_key_is_refused():
    once = json_object({"upper": INF, "rows": [{"x": INF}]})
    assert json_object(once) == once
    with pytest.raises(ValueError, match="the key 'not_finite' is taken, and upper must be named there; rename it"):
        json_object({"upper": INF, "not_finite": 3})


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=2), plain, max_size=4))
def test_any_content_is_read_back_by_a_strict_reader(content):
    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(json_text(content), parse_constant=refuse) == json_object(content)


def test_missing_cells_of_a_table_are_null_and_infinite_ones_stay():
    frame = pd.DataFrame({"n": [1, 2, 3], "value": [0.5, np.nan, np.inf], "word": ["a", None, "b"]})
    assert table_rows(frame) == [
        {"n": 1, "value": 0.5, "word": "a"},
        {"n": 2, "value": None, "word": None},
        {"n": 3, "value": INF, "word": "b"},
    ]
    assert [type(value) for value in table_rows(frame)[0].values()] == [int, float, str]


def test_what_is_no_value_is_refused():
    with pytest.raises(TypeError, match="object"):
        json_text({"x": object()})
