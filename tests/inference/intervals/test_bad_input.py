"""What the door refuses, and a property-based search for anything that slips through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from crowdllm_stats import compare_intervals, interval
from crowdllm_stats.inference.intervals import METHODS

HUMAN, TWINS, CROWD = [1.0, 2.0, 4.0], [1.0, 3.0, 3.0], [2.0, 3.0, 3.0, 1.0]

CASES = [
    ({"human": []}, "human is empty"),
    ({"human": 3.0}, "at least 1 axis"),
    ({"human": [2.0], "digital_labeled": [1.0]}, "at least 2 are needed"),
    ({"human": [1.0, np.nan, 2.0]}, "1 value.* NaN or infinite"),
    ({"human": [1.0, np.inf, 2.0]}, "NaN or infinite"),
    ({"human": ["a", "b", "c"]}, "array of numbers"),
    ({"human": [[1.0, 2.0], [1.0]]}, "rows of unequal length"),
    ({"human": [1e300, 2.0, 3.0]}, "rescale"),
    ({"digital_labeled": [1.0, 2.0]}, "one twin's answer for each human"),
    ({"digital_labeled": None, "method": "ppi"}, "digital_labeled is missing"),
    ({"digital_unlabeled": None, "method": "ppi++-small"}, "digital_unlabeled is missing"),
    ({"digital_unlabeled": [2.0]}, "at least 2 answers"),
    ({"digital_unlabeled": [[1.0, 2.0], [2.0, 3.0]]}, "batch shape"),
    ({"level": 95}, "did you mean 0.95"),
    ({"level": 0.0}, "strictly between 0 and 1"),
    ({"level": 1.0}, "strictly between 0 and 1"),
    ({"level": "high"}, "level must be a number"),
    ({"level": float("nan")}, "strictly between 0 and 1"),
    ({"alternative": "greater"}, "'larger'"),
    ({"method": "t-test"}, "'classical-small'"),
    ({"bounds": (5, 1)}, "low < high"),
    ({"bounds": (2, 5)}, "1 answer.* outside the bounds"),
    ({"bounds": 5}, "bounds must"),
    ({"method": "classical-small"}, "give bounds"),
    ({"method": "betting"}, "give bounds"),
    ({"method": "betting", "bounds": (1, 4), "weights": [1.0, 1.0, 2.0]}, "takes no weights"),
    ({"method": "set-betting"}, "give bounds"),
    ({"method": "set-hoeffding", "bounds": (1, 4), "digital_unlabeled": [0.0, 2.0]}, "digital_unlabeled holds 1"),
    ({"weights": [1.0, -1.0, 1.0]}, "1 that are zero or negative"),
    ({"weights": [1.0, 0.0, 2.0]}, "leave people without weight out"),
    ({"weights": [1.0, 1e-9, 1e-9]}, "effectively 1 independent"),
    ({"weights": [1.0, 1.0]}, "does not fit"),
    ({"clusters": ["a", "a", "a"]}, "single cluster"),
    ({"clusters": ["a", None, "b"]}, "missing labels"),
    ({"clusters": [1.0, np.nan, 2.0]}, "holds NaN"),
    ({"clusters": [1, 2]}, "does not fit"),
    ({"clusters": [1, 1, 2], "weights": [1.0, 1.0, 1e-9]}, "effectively 1 independent"),
    ({"clusters": [1, 1, 2], "method": "ppi++-small"}, "about 3 independent people"),
    ({"population_size": 2}, "at least the number of human answers"),
    ({"population_size": 5.5}, "must be whole"),
    ({"population_size": [5, 6]}, "one number, or one per problem"),
    ({"population_size": 9, "weights": [1.0, 1.0, 2.0]}, "cannot be combined"),
    ({"census": True}, "give population_size too"),
    ({"census": True, "population_size": 9}, "twins of all people"),
    ({"method": "set-betting", "bounds": (1, 4), "population_size": 9}, "needs census=True"),
    ({"beliefs": [1.0]}, "must match"),
    ({"beliefs": [1.0], "digital_unlabeled": None}, "missing"),
    ({"eta": -1.0}, "must not be negative"),
    ({"eta": 1.0, "method": "crowdllm"}, "counted twice"),
    ({"step": -1.0}, "must be positive"),
    ({"step": 0.0}, "must be positive"),
    ({"folds": [0, 1, 0]}, r"shape \(\.\.\., F, N\)"),
    ({"method": "cross-fitted"}, "needs folds"),
    ({"folds": [0, 1, 2], "digital_unlabeled": [CROWD, CROWD], "method": "cross-fitted"}, "from 0 to 1"),
    ({"folds": [0, 1], "digital_unlabeled": [CROWD, CROWD], "method": "cross-fitted"}, "give one per person"),
    ({"folds": [0, 1, 0], "digital_unlabeled": [CROWD, CROWD], "method": "ppi"}, "does not use folds"),
]


@pytest.mark.parametrize(("change", "message"), CASES)
def test_refusals_name_the_argument_and_the_remedy(change, message):
    arguments = {"human": HUMAN, "digital_labeled": TWINS, "digital_unlabeled": CROWD, **change}
    with pytest.raises(ValueError, match=message):
        interval(**arguments)


def test_compare_lists_what_does_not_apply_and_refuses_unknown_methods():
    table = compare_intervals(HUMAN)
    assert list(table.intervals) == ["classical"]
    assert "give bounds" in table.skipped["classical-small"]
    assert set(table.intervals) | set(table.skipped) == set(METHODS)
    with pytest.raises(ValueError, match="known are"):
        compare_intervals(HUMAN, methods=["t"])
    with pytest.raises(ValueError, match="no method applies"):
        compare_intervals(HUMAN, methods=["ppi"])


ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True, width=64)
SMALL = st.integers(1, 7)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), n=st.integers(0, 6), size=st.integers(0, 9), method=st.sampled_from(["auto", *METHODS]))
def test_any_numbers_give_a_finite_interval_or_a_clear_refusal(data, n, size, method):
    human = data.draw(arrays.arrays(np.float64, n, elements=ANY_FLOAT))
    twins = data.draw(arrays.arrays(np.float64, data.draw(st.sampled_from([n, n + 1])), elements=ANY_FLOAT))
    crowd = data.draw(arrays.arrays(np.float64, size, elements=ANY_FLOAT))
    level = data.draw(st.one_of(st.floats(0.01, 0.99), ANY_FLOAT))
    bounds = data.draw(st.sampled_from([None, (0.0, 1.0), (-1e6, 1e6), (1.0, 1.0)]))
    answer, refusal = None, ""
    try:
        answer = interval(human, twins, crowd, method=method, level=level, bounds=bounds)
    except ValueError as error:
        refusal = str(error)
    if answer is None:
        assert len(refusal) > 20
        assert "\n" not in refusal
        return
    for value in (answer.estimate, answer.lower, answer.upper, answer.half_width, answer.effective_n):
        assert np.isfinite(value)
    assert answer.lower <= answer.upper


@settings(max_examples=200, deadline=None)
@given(data=st.data(), problems=st.integers(1, 3), n=st.integers(2, 6), size=st.integers(2, 9))
def test_answers_on_a_scale_always_get_an_interval_on_the_scale(data, problems, n, size):
    """Zero variance, equal twins, N smaller than n, all at one end: no NaN, and small-sample ends on the scale."""
    cells = st.integers(1, 5).map(float)
    human, twins, crowd = (
        data.draw(arrays.arrays(np.float64, (problems, count), elements=cells)) for count in (n, n, size)
    )
    table = compare_intervals(human, twins, crowd, bounds=(1, 5))
    for name, answer in table.intervals.items():
        for value in (answer.estimate, answer.lower, answer.upper, answer.effective_n):
            assert np.all(np.isfinite(value)), name
        assert np.all(answer.lower <= answer.upper), name
        if name.endswith("-small") or name.startswith("set-"):
            assert np.all(answer.lower >= 1.0 - 1e-9), name
            assert np.all(answer.upper <= 5.0 + 1e-9), name
            if name.endswith("-small"):
                assert np.all(answer.upper > answer.lower), f"{name} claims to know the mean exactly"


@settings(max_examples=100, deadline=None)
@given(
    data=st.data(),
    n=st.integers(2, 6),
    scale=st.sampled_from([1e-100, 1e-6, 1.0, 1e6, 1e100]),
    method=st.sampled_from(["classical", "ppi", "ppi++", "ppi-small", "ppi++-small", "crowdllm"]),
)
def test_the_unit_of_measurement_does_not_matter(data, n, scale, method):
    if n < 3 and method == "ppi++-small":
        return
    cells = st.floats(-4.0, 4.0, width=32)
    human, twins, crowd = (data.draw(arrays.arrays(np.float64, count, elements=cells)) for count in (n, n, 7))
    one = interval(human, twins, crowd, method=method)
    other = interval(human * scale, twins * scale, crowd * scale, method=method)
    if one.lam is not None and method.startswith("ppi++") and one.lam != pytest.approx(other.lam, abs=1e-9):
        return  # a slope at the edge of rounding may fall to either side
    for mine, theirs in ((one.lower, other.lower), (one.upper, other.upper)):
        assert theirs / scale == pytest.approx(mine, rel=1e-6, abs=1e-6)
