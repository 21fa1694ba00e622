"""Further ways in which people differ: found where there are some, seldom where there are none."""

import numpy as np

from crowdllm_stats.inference.fay_herriot.person_errors import AnswersOfPeople, person_factors


def survey(rng, questions=60, people=5, loading=None, sd=0.6):
    table = rng.normal(size=(questions, people)) + 0.5 * rng.normal(size=people)
    if loading is not None:
        table = table + sd * np.outer(loading, rng.normal(size=people))
    return AnswersOfPeople(
        table.ravel(), np.repeat(np.arange(questions), people), np.tile(np.arange(people), questions)
    )


def test_a_level_alone_is_no_further_way():
    """At most 8 of 120 surveys without any: more than that has probability 0.006 at the nominal 1 in 40."""
    rng = np.random.default_rng(1)
    found = [person_factors(survey(rng), np.ones((60, 1))).shape[1] for _ in range(120)]
    assert np.count_nonzero(found) <= 8


def test_items_worded_both_ways_are_found():
    """At least 24 of 30 surveys of 8 people at loadings of 1 standard deviation; fewer: probability below 0.001."""
    rng = np.random.default_rng(2)
    sign = np.where(np.arange(60) % 3 == 0, -1.0, 1.0)
    found = [person_factors(survey(rng, people=8, loading=sign, sd=1.0), np.ones((60, 1))) for _ in range(30)]
    likeness = [abs(np.corrcoef(columns[:, 0], sign)[0, 1]) for columns in found if columns.shape[1]]
    assert len(likeness) >= 24
    assert np.mean(likeness) > 0.75


def test_a_way_along_a_regression_column_is_no_further_way():
    rng = np.random.default_rng(3)
    x = rng.normal(size=60)
    rows = np.column_stack([np.ones(60), x])
    found = [person_factors(survey(rng, loading=x, sd=1.0), rows).shape[1] for _ in range(20)]
    assert np.count_nonzero(found) <= 4


def test_too_few_questions_or_answers_per_person_give_no_column():
    rng = np.random.default_rng(4)
    sign = np.tile([-1.0, 1.0], 10)
    assert person_factors(survey(rng, 20, 5, sign, 2.0), np.ones((20, 1))).shape == (20, 0)
    different = AnswersOfPeople(rng.normal(size=160), np.repeat(np.arange(40), 4), np.arange(160))
    assert person_factors(different, np.ones((40, 1))).shape == (40, 0)


def test_the_same_answers_give_the_same_columns_in_any_order():
    rng = np.random.default_rng(5)
    answers = survey(rng, people=8, loading=np.tile([-1.0, 1.0], 30), sd=1.5)
    order = rng.permutation(len(answers.value))
    other = AnswersOfPeople(answers.value[order], answers.question[order], answers.person[order])
    one, two = (person_factors(each, np.ones((60, 1)))[:, 0] for each in (answers, other))
    assert abs(abs(np.corrcoef(one, two)[0, 1]) - 1.0) < 1e-9
