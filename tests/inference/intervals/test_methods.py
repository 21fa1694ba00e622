"""The table of methods: every field says what the method does with an input that has, or lacks, the thing."""

from typing import get_args

import numpy as np
import pytest

from crowdllm_stats import interval
from crowdllm_stats.inference.intervals import METHODS
from crowdllm_stats.inference.intervals.methods import MethodName

FOLDS = np.arange(6) % 2


def given(method, **other):
    """Answers that suit the method, of two values, as arguments of ``interval``."""
    human, twins, crowd = [1.0, 5, 5, 1, 5, 5], [1.0, 5, 1, 1, 5, 5], np.tile([1.0, 5, 5], 8)
    made = {"human": human, "method": method, "bounds": (1, 5)}
    if METHODS[method].digital:
        made |= {"digital_labeled": twins, "digital_unlabeled": crowd}
    if METHODS[method].folds:
        made |= {"digital_unlabeled": np.stack([crowd, crowd]), "folds": FOLDS}
    return {**made, **other}


def refused(**arguments):
    try:
        interval(**arguments)
    except ValueError:
        return True
    return False


def test_the_names_are_those_of_the_table():
    assert get_args(MethodName) == tuple(METHODS)
    assert all(name == method.name for name, method in METHODS.items())


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_needs_and_takes_is_what_it_refuses(name):
    method = METHODS[name]
    assert not refused(**given(name))
    assert refused(**given(name, bounds=None)) == (method.bounds == "needed")
    assert refused(**given(name, digital_labeled=None, check_law=False)) == method.digital
    assert refused(**given(name, clusters=["a", "a", "b", "c", "d", "e"])) == (not method.clusters)
    assert refused(**given(name, human=[1.0, 5, 5, 3, 5, 5])) == method.two_values
    some = {part: given(name)[part][:2] for part in ("human", "digital_labeled", "folds") if part in given(name)}
    assert refused(**given(name, **some)) == (method.least > 2)


@pytest.mark.parametrize("name", METHODS)
def test_the_ends_of_the_scale_change_the_interval_where_the_table_says_so(name):
    method = METHODS[name]
    if method.bounds == "needed":
        return
    with_ends, without = interval(**given(name)), interval(**given(name, bounds=None))
    assert (with_ends.lower != without.lower) == (method.bounds == "used")


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.digital])
def test_folds_are_for_the_methods_that_say_so(name):
    wanted = {"digital_unlabeled": np.tile([1.0, 5, 5], (2, 8)), "folds": FOLDS}
    assert refused(**given(name, **wanted)) == (not METHODS[name].folds)


def test_methods_of_two_values_name_one_for_more():
    for method in METHODS.values():
        assert (method.more_values is not None) == method.two_values
        if method.more_values:
            other = METHODS[method.more_values]
            assert other.digital == method.digital
            assert not other.two_values
            assert other.clusters
