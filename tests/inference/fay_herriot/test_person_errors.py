"""What people carry from question to question: exact where the same people answer all, unbiased where they do not."""

import numpy as np
import pytest

from crowdllm_stats.inference.fay_herriot.person_errors import AnswersOfPeople, person_errors


def crossed(questions, people):
    return np.repeat(np.arange(questions), people), np.tile(np.arange(people), questions)


def test_same_people_give_the_variance_of_their_mean_answer():
    rng = np.random.default_rng(3)
    question, person = crowd = crossed(11, 6)
    table = rng.normal(size=(11, 6)) + rng.normal(size=6)
    found = person_errors(AnswersOfPeople(table.ravel(), *crowd), np.ones((11, 1)), np.ones(11))
    np.testing.assert_allclose(found.regression_var, table.mean(axis=0).var(ddof=1) / 6)
    np.testing.assert_allclose(found.overlap, 1.0)
    np.testing.assert_allclose(found.member, 1.0)
    assert found.degrees == pytest.approx(5.0)
    # intraclass correlation of the two-way analysis of variance, levels of people over levels and rest
    rest = (table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()).var() * 66 / 50
    level = table.mean(axis=0).var(ddof=1) - rest / 11
    assert found.share == pytest.approx(level / (level + rest))


def test_same_people_give_the_cluster_robust_variance_of_a_line():
    rng = np.random.default_rng(4)
    crowd = crossed(9, 5)
    table = rng.normal(size=(9, 5))
    rows = np.column_stack([np.ones(9), rng.normal(size=9)])
    weight = rng.uniform(0.5, 2.0, 9)
    found = person_errors(AnswersOfPeople(table.ravel(), *crowd), rows, weight)
    # every person's own weighted line; the fitted line is the mean of them
    lines = np.linalg.solve((rows * weight[:, None]).T @ rows, (rows * weight[:, None]).T @ table)
    np.testing.assert_allclose(found.regression_var, (rows @ lines).var(axis=1, ddof=1) / 5)


def test_different_people_share_nothing_that_can_be_estimated():
    rng = np.random.default_rng(5)
    question = np.repeat(np.arange(30), 4)
    answers = AnswersOfPeople(rng.normal(size=120), question, np.arange(120))
    found = person_errors(answers, np.ones((30, 1)), np.ones(30))
    assert not found.estimable
    assert found.share == 0.0
    np.testing.assert_allclose(found.regression_var, answers.var.mean() / 4 / 30)
    np.testing.assert_allclose(found.member, 0.0, atol=1e-12)
    assert found.degrees > 60


def test_degrees_for_many_people_agree_with_the_exact_ones(monkeypatch):
    rng = np.random.default_rng(6)
    question = np.repeat(np.arange(60), 5)
    person = np.concatenate([rng.choice(40, 5, replace=False) for _ in range(60)])
    answers = AnswersOfPeople(rng.normal(size=300), question, np.unique(person, return_inverse=True)[1])
    exact = person_errors(answers, np.ones((60, 1)), np.ones(60)).degrees
    monkeypatch.setattr("crowdllm_stats.inference.fay_herriot.person_errors.DENSE_PEOPLE", 1)
    assert person_errors(answers, np.ones((60, 1)), np.ones(60)).degrees == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_random_subsets_of_people_are_unbiased(share):
    """Mean over 1,500 draws against the variance of the mean error: wrong in 1 of 15,000 (four standard errors)."""
    rng = np.random.default_rng(7)
    question = np.repeat(np.arange(25), 4)
    person = np.concatenate([rng.choice(9, 4, replace=False) for _ in range(25)])
    errors, stated = np.empty(1500), np.empty(1500)
    for run in range(1500):
        noise = np.sqrt(share) * rng.normal(size=9)[person] + np.sqrt(1 - share) * rng.normal(size=100)
        answers = AnswersOfPeople(noise, question, person)
        errors[run] = answers.mean.mean()
        stated[run] = person_errors(answers, np.ones((25, 1)), np.ones(25)).regression_var[0]
    gap = errors**2 - stated
    # k is exact for the person's level; for the rest it is a little too large, never too small
    assert gap.mean() < 4 * gap.std() / np.sqrt(1500)
    assert stated.mean() < 1.35 * np.mean(errors**2)
