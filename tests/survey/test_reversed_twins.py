"""Twins that fall as humans rise are asked about: over problems, within all of them, and in a single one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.survey.first_look import backwards
from crowdllm_stats.survey.pairing import pair


def question(human, twin):
    """What is said of arrays (problems, people)."""
    problems, people = np.indices(np.shape(human))
    frames = [
        pd.DataFrame({
            "problem": np.char.add("q", problems.ravel().astype(str)),
            "participant": np.char.add("p", people.ravel().astype(str)),
            "response": np.asarray(answers, dtype=float).ravel(),
        })
        for answers in (human, twin)
    ]  # fmt: skip
    return backwards(pair(*(CrowdData.from_frame(frame, scale="-100:100") for frame in frames)))


def answers(rng, problems, people, link, ratings=True):
    """Ratings 1 to 5 of people with levels of their own, and twins whose levels are linked to theirs."""
    own = rng.normal(size=people)
    other = link * own + np.sqrt(1 - link**2) * rng.normal(size=people)
    noise, echo = rng.normal(size=(2, problems, people))
    both = (0.6 * own + 0.8 * noise, 0.6 * other + 0.8 * (link * noise + np.sqrt(1 - link**2) * echo))
    return [np.clip(np.round(3 + 1.2 * side), 1, 5) if ratings else np.exp(side) for side in both]


@pytest.mark.parametrize(("problems", "people"), [(1, 40), (3, 20), (9, 12), (20, 8)])
def test_reversed_twins_are_asked_about_however_few_the_questions(problems, people):
    human, twin = answers(np.random.default_rng(4), problems, people, 0.8)
    assert question(human, twin) == ""
    assert "is one of the two scales reversed?" in question(human, 6 - twin)


def test_one_reversed_question_among_others_is_named():
    human, twin = answers(np.random.default_rng(5), 7, 40, 0.8)
    twin[4] = 6 - twin[4]
    assert question(human, twin).startswith("Twins fall as humans rise in 1 problem (correlation -0.")
    assert "in 'q4'): is the scale reversed there?" in question(human, twin)


@pytest.mark.parametrize(("problems", "people"), [(1, 10), (1, 60), (4, 12), (4, 30), (9, 9), (24, 8)])
@pytest.mark.parametrize("ratings", [True, False])
def test_twins_that_have_nothing_to_do_with_their_humans_are_not(problems, people, ratings):
    """False-alarm rate: 0.003 (three tests of 0.001); 4 or more of 100 surveys have chance below 0.0003."""
    rng = np.random.default_rng(6)
    alarms = sum(question(*answers(rng, problems, people, 0.0, ratings)) != "" for _ in range(100))
    assert alarms <= 3
