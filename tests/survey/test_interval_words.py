"""The sentence of an interval: its ends, shares of two values, and how many people it says are needed."""

import numpy as np
import pytest

from crowdllm_stats.inference.planner import answers_for_width
from crowdllm_stats.survey.interval_words import between, interval_answer
from crowdllm_stats.survey.per_problem import Wanted, worth


def wanted(level=0.95, alternative="two-sided", population_size=None):
    return Wanted("auto", level, alternative, None, None, population_size, None)


def row(alone, n=20, half=0.5, name="q"):
    return {
        "problem": name, "lower": 3.0 - half, "upper": 3.0 + half, "half_width": half, "half_width_alone": alone,
        "n_labeled": n,
    }  # fmt: skip


def needed(answer):
    """The number of people in a sentence."""
    return int(answer.partition("you would need ")[2].split()[1])


@pytest.mark.parametrize("level", [0.8, 0.9, 0.99])
@pytest.mark.parametrize("alternative", ["two-sided", "larger", "smaller"])
def test_people_needed_are_those_whose_interval_would_be_as_wide(level, alternative):
    """A limit of level L is an end of the two-sided interval of level 2 L - 1."""
    answer = interval_answer([row(0.7)], None, wanted(level, alternative), None, alone=False)
    two_sided = level if alternative == "two-sided" else 2.0 * level - 1.0
    assert needed(answer) == answers_for_width(20, 0.5 / 0.7, two_sided)
    assert "instead of 20." in answer


@pytest.mark.parametrize("alone", [0.5, 0.4])
def test_digital_answers_that_save_nothing_are_said_to(alone):
    answer = interval_answer([row(alone)], None, wanted(), None, alone=False)
    assert answer.endswith("; the digital ones save nothing: the 20 people alone would be as precise.")


def test_uneven_numbers_of_people_make_no_saving_by_rounding():
    assert worth(np.array([0.5, 0.5]), np.array([0.5, 0.5]), 8.5, 0.9).answers == 0
    rows = [row(0.5, n=8, name="a"), row(0.5, n=9, name="b")]
    assert "the 9 people per question alone" in interval_answer(rows, None, wanted(), None, alone=False)


def test_questions_without_digital_answers_are_told_apart():
    rows = [row(0.7, name="a"), row(None, name="b"), row(0.7, name="c")]
    answer = interval_answer(rows, {"lower": 2.0, "upper": 2.5}, wanted(), None, alone=False)
    assert answer.startswith("Over all 3 questions people answer between 2.00 and 2.50 on average (95% interval)")
    assert "; in the 2 computed with digital answers, without these you would need roughly " in answer


def test_nothing_is_said_of_digital_answers_where_there_are_none():
    assert interval_answer([row(None)], None, wanted(), None, alone=True) == (
        "Question q: people answer between 2.50 and 3.50 on average (95% interval)."
    )
    assert "from human answers alone" in interval_answer([row(None)], None, wanted(), None, alone=False)
    assert "you would need" not in interval_answer([row(0.7)], None, wanted(population_size=50), None, alone=False)


@pytest.mark.parametrize(
    ("ends", "two", "alternative", "words"),
    [
        ((0.25, 0.5), (0.0, 1.0), "two-sided", "1 in between 25% and 50% of cases (95% interval)"),
        ((-0.5, 0.5), (-1.0, 1.0), "two-sided", "1, rather than -1, in between 25% and 75% of cases (95% interval)"),
        ((0.0, 0.5), (0.0, 1.0), "smaller", "1 in at most 50% of cases (95% upper limit)"),
        ((1.5, 5.0), None, "larger", "at least 1.5 on average (95% lower limit)"),
        ((1.5, np.inf), None, "larger", "at least 1.50 on average (95% lower limit)"),
    ],
)
def test_ends_are_those_of_the_interval(ends, two, alternative, words):
    assert between({"lower": ends[0], "upper": ends[1]}, wanted(alternative=alternative), two) == words
