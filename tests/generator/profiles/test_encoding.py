"""ProfileEncoder: golden codings by hand, a round trip through JSON, and every refusal."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.generator.profiles.columns import ProfileColumn, read_columns
from crowdllm_stats.generator.profiles.encoding import ProfileEncoder

AGES = ["18-24", "25-44", "45-64", ">65"]
PEOPLE = pd.DataFrame({
    "participant": ["a", "b", "c"],
    "gender": ["Woman", "Man", "Woman"],
    "age": ["18-24", ">65", "25-44"],
    "income": [1.0, 4.0, 1.0],
    "votes": [True, False, True],
})  # fmt: skip


def test_each_kind_is_coded_as_stated():
    encoder = ProfileEncoder.fit(PEOPLE, {"age": AGES})
    assert encoder.names == ("gender=Man", "gender=Woman", "age", "income", "votes=False", "votes=True")
    root = np.sqrt(2.0)  # mean 2, sd sqrt(2)
    np.testing.assert_allclose(
        encoder.transform(PEOPLE),
        [[0, 1, 0, -1 / root, 0, 1], [1, 0, 1, 2 / root, 1, 0], [0, 1, 1 / 3, -1 / root, 0, 1]],
    )


def test_ordered_columns_one_hot_on_request():
    encoder = ProfileEncoder.fit(PEOPLE[["age"]], {"age": AGES}, ordered="score and one-hot")
    assert encoder.names == ("age", "age=18-24", "age=25-44", "age=45-64", "age=>65")
    np.testing.assert_allclose(encoder.transform(PEOPLE)[1], [1, 0, 0, 0, 1])


def test_a_categorical_dtype_brings_its_levels_and_their_order():
    made = pd.Categorical(["mid", "low"], categories=["low", "mid", "high"], ordered=True)
    encoder = ProfileEncoder.fit(pd.DataFrame({"class": made}))
    np.testing.assert_allclose(encoder.transform(pd.DataFrame({"class": ["high", "mid", "low"]})), [[1], [0.5], [0]])
    loose = ProfileEncoder.fit(pd.DataFrame({"class": made.as_unordered()}))
    assert loose.names == ("class=low", "class=mid", "class=high")


def test_no_profile_columns_give_no_coordinates():
    encoder = ProfileEncoder.fit(PEOPLE[["participant"]])
    assert encoder.names == ()
    assert encoder.transform(PEOPLE).shape == (3, 0)


def test_a_constant_continuous_column_has_spread_1():
    encoder = ProfileEncoder.fit(pd.DataFrame({"income": [0.1] * 7}))
    np.testing.assert_allclose(encoder.transform(pd.DataFrame({"income": [0.1, 2.1]})), [[0], [2]], atol=1e-12)


def test_numeric_levels_are_sorted_as_numbers():
    column = read_columns(pd.DataFrame({"step": [10, 9, 2]}), {"step": "ordered"})[0]
    assert column == ProfileColumn("step", "ordered", (2, 9, 10))
    assert column.codes(pd.Series([10.0, 2.0]), "x").tolist() == [2, 0]


@pytest.mark.parametrize("ordered", ["score", "score and one-hot"])
def test_json_round_trip(ordered):
    encoder = ProfileEncoder.fit(PEOPLE, {"age": AGES}, ordered=ordered)
    again = ProfileEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again == encoder
    np.testing.assert_array_equal(again.transform(PEOPLE), encoder.transform(PEOPLE))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gender": ["Woman", "Robot", "Robot"]}, r"'gender' holds 'Robot' \(1 unknown value\(s\) in 2 row\(s\)\)"),
        ({"gender": ["Woman", None, "Man"]}, "'gender' has 1 missing value"),
        ({"age": ["", "", ">65"]}, "'age' has 2 missing value"),
        ({"income": [1.0, np.nan, 2.0]}, "'income' has 1 missing value"),
        ({"income": [1.0, np.inf, 2.0]}, "'income' holds 1 infinite"),
        ({"income": ["low", "low", "low"]}, "'income' is continuous, but holds 'low'"),
    ],
)
def test_what_it_was_not_fitted_to_is_refused(change, says):
    encoder = ProfileEncoder.fit(PEOPLE, {"age": AGES})
    with pytest.raises(ValueError, match=says):
        encoder.transform(PEOPLE.assign(**change))
    with pytest.raises(ValueError, match=r"lacks the column\(s\) 'income'"):
        encoder.transform(PEOPLE.drop(columns="income"))


@pytest.mark.parametrize(
    ("table", "kinds", "says"),
    [
        (PEOPLE, {"colour": "ordered"}, "kinds names 'colour'"),
        (PEOPLE, {"age": "ordered"}, "order of 'age' cannot be known"),
        (PEOPLE, {"age": "nominal"}, "must be one of categorical, ordered, continuous"),
        (PEOPLE, {"age": AGES[:2]}, "'age' holds '>65'"),
        (PEOPLE, {"age": [*AGES, ">65"]}, "must be different values"),
        (PEOPLE, {"gender": "continuous"}, "'gender' is continuous, but holds 'Woman'"),
        (PEOPLE.assign(gender=[None, "Man", "Man"]), None, "'gender' has 1 missing"),
        (PEOPLE.assign(gender=[(1,), (2,), (3,)]), None, "one text, number or boolean"),
        (PEOPLE[:0], None, "holds no value"),
        (PEOPLE[:0][["income"]], None, "no value to learn its scale"),
        (pd.concat([PEOPLE, PEOPLE], axis=1), None, "stands twice"),
        ([1, 2], None, "must be a pandas DataFrame"),
    ],
)
def test_fit_refuses(table, kinds, says):
    with pytest.raises(ValueError, match=says):
        ProfileEncoder.fit(table, kinds)


def test_other_refusals():
    with pytest.raises(ValueError, match="ordered must be one of"):
        ProfileEncoder.fit(PEOPLE, ordered="rank")
    whole = ProfileEncoder.fit(PEOPLE).to_dict()
    with pytest.raises(ValueError, match="not a whole profile encoder"):
        ProfileEncoder.from_dict({name: value for name, value in whole.items() if name != "spreads"})
    with pytest.raises(ValueError, match="not a whole profile encoder"):
        ProfileEncoder.from_dict({**whole, "spreads": [1.0]})
    with pytest.raises(ValueError, match="kind 'text'"):
        ProfileColumn.from_dict({"name": "x", "kind": "text", "levels": ["a"]})
    with pytest.raises(ValueError, match="with 0 levels"):
        ProfileColumn.from_dict({"name": "x", "kind": "ordered", "levels": []})
