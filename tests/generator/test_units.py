"""A generator of answers on another scale is the same generator: predictions, draws, losses, files and twins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

jax = pytest.importorskip("jax")

from crowdllm_stats import CrowdData, CrowdLLM, continuous, ordinal
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.settings import Settings
from crowdllm_stats.generator.training_set import prepare, training_unit
from crowdllm_stats.generator.twins import twins_by_problem

from .conftest import PROBLEMS, SMALL

SCALES = {
    "normal": lambda by: continuous(),
    "truncated": lambda by: continuous(-20.0 * by, 30.0 * by),
    "ordinal": lambda by: ordinal([by * level for level in (1, 2, 3, 4, 5)]),
}
#: Held-out problems, which cost a second program, for one family.
CHOSEN = {family: {**SMALL, "held_out": 0.3 if family == "normal" else 0.0, "steps": 60} for family in SCALES}


def times(made, by, scale):
    """The same answers and references, each multiplied."""
    told = made.data
    rows = told.responses.assign(response=by * told.responses["response"])
    data = CrowdData.from_frame(rows, participants=told.participants, scale=scale)
    answers = [by * float(answer) for answer in made.reference.answers]
    return data, Reference.from_probabilities(PROBLEMS, answers, made.reference.probabilities)


@pytest.fixture(scope="module")
def pairs(made, numbers):
    """By family: the factor, a generator, and the one of answers multiplied by it; powers of two, which are exact."""
    found = {}
    for (family, scale), by in zip(SCALES.items(), (128.0, 1 / 64, 32.0), strict=True):
        crowd = made if family == "ordinal" else numbers
        fits = [CrowdLLM(**CHOSEN[family]).fit(*times(crowd, at, scale(at)), seed=3) for at in (1.0, by)]
        found[family] = (by, *fits)
    return found


@pytest.mark.parametrize("family", SCALES)
def test_predictions_and_draws_are_multiplied(pairs, family):
    by, one, other = pairs[family]
    assert one.blender.family == family
    small, large = one.predict(), other.predict()
    np.testing.assert_allclose(large.mean, by * small.mean, rtol=1e-5, atol=1e-5 * by)
    np.testing.assert_allclose(large.variance, by**2 * small.variance, rtol=1e-3)
    np.testing.assert_allclose(large.belief_second_moment, by**2 * small.belief_second_moment, rtol=1e-4)
    assert other.fitted.new_problem_sd == pytest.approx(by * one.fitted.new_problem_sd, rel=1e-6)
    drawn, more = (model.simulate(n=9, seed=4).responses["response"] for model in (one, other))
    np.testing.assert_allclose(more, by * drawn, rtol=1e-4, atol=1e-4 * by)
    if family == "ordinal":
        np.testing.assert_allclose(large.probabilities, small.probabilities, atol=1e-6)


@pytest.mark.parametrize("family", SCALES)
def test_losses_of_numbers_move_by_the_logarithm_those_of_levels_do_not(pairs, family):
    by, one, other = pairs[family]
    shift = 0.0 if family == "ordinal" else np.log(by)
    np.testing.assert_allclose(other.fitted.history, one.fitted.history + shift, atol=1e-4)
    if family == "normal":
        np.testing.assert_allclose(other.fitted.tuning["loss"], one.fitted.tuning["loss"] + shift, atol=1e-4)
        np.testing.assert_allclose(other.fitted.tuning["sd"], by * one.fitted.tuning["sd"], rtol=1e-6)


def test_files_and_twins_keep_the_unit(pairs, numbers, tmp_path):
    by, one, other = pairs["normal"]
    other.save(tmp_path / "large.npz")
    read = CrowdLLM.load(tmp_path / "large.npz")
    np.testing.assert_allclose(read.predict().variance, other.predict().variance, rtol=1e-4)
    small, large = (
        twins_by_problem(model, times(numbers, at, continuous())[0], folds=2, seed=1).digital.responses["response"]
        for model, at in ((one, 1.0), (read, by))
    )
    np.testing.assert_allclose(large, by * small, rtol=1e-3, atol=1e-3 * by)


def prepared(values, scale, says):
    frame = pd.DataFrame({"problem": list("ab") * 3, "participant": list("uuvvww"), "response": values})
    reference = Reference.from_probabilities(list("ab"), says, np.full((2, 2), 0.5))
    data, blender = CrowdData.from_frame(frame, scale=scale), Blender.of_scale(scale, None)
    return prepare(data, reference, None, blender, Settings()).answers, blender


@pytest.mark.parametrize(
    ("values", "scale", "says", "unit"),
    [
        ([1, 2, 3, 4, 5, 2], ordinal(range(1, 6)), [2, 4], 1.0),  # standard deviation 1.34
        ([3, 3, 3, 3, 3, 3], ordinal(range(1, 6)), [2, 4], 1.0),  # the gap between levels
        ([0, 100, 25, 75, 50, 50], ordinal(range(0, 101, 25)), [25, 75], 32.0),  # 32.3
        ([0.0, 0.1, 0.2, 0.3, 0.1, 0.2], continuous(), [0.1, 0.2], 0.125),  # 0.096
        ([9.0, 9.0, 9.0, 9.0, 9.0, 9.0], continuous(), [3, 9], 1.0),  # a third of 3
    ],
)
def test_the_unit_is_the_power_of_two_next_to_the_beliefs_size(values, scale, says, unit):
    assert training_unit(*prepared(values, scale, says), "likelihood") == unit


def test_the_papers_objective_keeps_its_units_and_refuses_wide_answers():
    answers = prepared([2.0, 4.0, 6.0, 8.0, 3.0, 9.0], continuous(), [2, 8])
    assert training_unit(*answers, "paper") == 1.0
    wide = prepared([0, 100, 25, 75, 50, 50], ordinal(range(0, 101, 25)), [25, 75])
    with pytest.raises(ValueError, match="standard deviation 32.3.*at most 5.*divide answers"):
        training_unit(*wide, "paper")
