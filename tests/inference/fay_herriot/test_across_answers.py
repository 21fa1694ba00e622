"""across_answers: coverage where the same people answer all problems, agreement with the form from means, bad input."""

import numpy as np
import pytest

from crowdllm_stats import across_answers, across_problems


def crossed(problems, people):
    return np.repeat(np.arange(problems), people), np.tile(np.arange(people), problems)


def survey(rng, problems=22, people=5, share=0.3):
    """Answers (T, n) of the same people, digital means and the truth."""
    digital = rng.normal(size=problems)
    truth = 3.0 + 0.8 * digital + 0.5 * rng.normal(size=problems)
    own = np.sqrt(1.0 - share) * rng.normal(size=(problems, people))
    return truth[:, None] + np.sqrt(share) * rng.normal(size=people) + own, digital, truth


def test_the_same_people_in_all_problems_are_covered_where_means_alone_are_not():
    """40 surveys of 22 problems: standard error over surveys 0.01; below 0.93 with probability about 0.001."""
    rng = np.random.default_rng(11)
    mine, apart = [], []
    for _ in range(40):
        table, digital, truth = survey(rng)
        got = across_answers(table.ravel(), *crossed(22, 5), digital)
        mine.append(np.mean((got.lower <= truth) & (truth <= got.upper)))
        alone = across_problems(table.mean(axis=1), table.var(axis=1, ddof=1), 5, digital)
        apart.append(np.mean((alone.lower <= truth) & (truth <= alone.upper)))
    assert np.mean(mine) > 0.93
    assert np.mean(apart) < min(0.94, np.mean(mine) - 0.01)
    assert np.mean(np.array(mine) < 0.8) < 0.1


def test_different_people_give_nearly_the_form_from_means():
    rng = np.random.default_rng(12)
    digital = rng.normal(3.0, 0.7, 60)
    table = np.clip(np.round(digital[:, None] + rng.normal(size=(60, 4))), 1, 5)
    for bounds in (None, (1, 5)):
        problem = np.repeat(np.arange(60), 4)
        got = across_answers(table.ravel(), problem, np.arange(240), digital, bounds=bounds)
        means = across_problems(table.mean(axis=1), table.var(axis=1, ddof=1), 4, digital, bounds=bounds)
        np.testing.assert_allclose(got.estimate, means.estimate)
        np.testing.assert_allclose(got.half_width, means.half_width, rtol=0.1)
        assert got.person_share is None
        assert got.notices == ()


def test_order_of_answers_and_names_of_people_do_not_matter():
    rng = np.random.default_rng(13)
    table, digital, _ = survey(rng, 30, 4)
    problem, person = crossed(30, 4)
    got = across_answers(table.ravel(), problem, person, digital)
    order = rng.permutation(table.size)
    names = np.array(["dora", "ann", "cem", "bob"])[person]
    other = across_answers(table.ravel()[order], problem[order], names[order], digital)
    for name in ("estimate", "lower", "upper", "shared_var"):
        np.testing.assert_allclose(getattr(got, name), getattr(other, name), rtol=1e-9)


def test_a_scale_turned_round_turns_the_intervals_round():
    rng = np.random.default_rng(14)
    table, digital, _ = survey(rng, 30, 6)
    table = np.clip(np.round(table), 1, 5)
    got = across_answers(table.ravel(), *crossed(30, 6), digital, bounds=(1, 5))
    other = across_answers(6.0 - table.ravel(), *crossed(30, 6), digital, bounds=(1, 5))
    np.testing.assert_allclose(other.lower, 6.0 - got.upper, atol=1e-6)
    np.testing.assert_allclose(other.upper, 6.0 - got.lower, atol=1e-6)
    assert np.all((got.lower >= 1.0) & (got.upper <= 5.0))


def test_more_problems_do_not_take_the_level_of_few_people_away():
    rng = np.random.default_rng(15)
    lengths, shared = {}, {}
    for problems in (12, 300):
        table, digital, _ = survey(rng, problems, 4, 0.6)
        got = across_answers(table.ravel(), *crossed(problems, 4), digital)
        lengths[problems], shared[problems] = got.half_width.mean(), got
    level = table.mean(axis=0).var(ddof=1) / 4
    np.testing.assert_allclose(shared[300].shared_var, level, rtol=0.3)
    assert shared[300].shared_degrees == pytest.approx(3.0)
    assert lengths[300] > 3.18 * np.sqrt(level)


def test_a_whole_population_leaves_nothing_open():
    rng = np.random.default_rng(16)
    table, digital, _ = survey(rng, 15, 6)
    got = across_answers(table.ravel(), *crossed(15, 6), digital, population_size=6)
    np.testing.assert_allclose(got.estimate, table.mean(axis=1))
    np.testing.assert_allclose(got.half_width, 0.0, atol=1e-9)
    half = across_answers(table.ravel(), *crossed(15, 6), digital, population_size=12)
    large = across_answers(table.ravel(), *crossed(15, 6), digital)
    np.testing.assert_allclose(half.shared_var, 0.5 * large.shared_var, rtol=0.1)


def test_problems_with_one_answer_and_without_digital_means():
    rng = np.random.default_rng(17)
    problem, person = crossed(20, 4)
    kept = (problem >= 6) | (person == 0)
    table, _, _ = survey(rng, 20, 4)
    got = across_answers(table.ravel()[kept], problem[kept], person[kept])
    assert got.n_labeled.tolist() == [1.0] * 6 + [4.0] * 14
    assert np.all(np.isfinite(got.half_width))
    assert got.half_width[:6].mean() > got.half_width[6:].mean()
    assert len(got.to_frame()) == 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answers": np.ones((2, 30))}, r"answers must have one axis \(A,\).*got shape \(2, 30\)"),
        ({"answers": np.full(60, np.nan)}, "answers holds 60 value"),
        ({"answers": np.full(60, 2.0)}, "answers are all equal in all but 0 problem"),
        ({"bounds": (0, 1)}, "answers holds .* outside the bounds"),
        ({"problem": np.zeros(59)}, r"problem must have shape \(60,\) as answers; got \(59,\)"),
        ({"problem": np.repeat(np.arange(20), 3) - 1}, "problem must hold whole numbers from 0"),
        ({"problem": np.repeat(np.arange(20), 3) * 2}, "problem 1 has no answer; leave it out"),
        ({"person": np.zeros(59)}, r"person must have shape \(60,\) as answers; got \(59,\)"),
        ({"person": ["ann"] * 60}, "at least 2 people are needed"),
        ({"person": ["ann", "ann", "bob"] * 20}, "person ann answers problem 0 more than once"),
        ({"digital_mean": np.ones(19)}, r"digital_mean must have shape \(20,\).*got \(19,\)"),
        ({"covariates": np.ones((19, 2))}, r"covariates must have shape \(20,\).*got \(19, 2\)"),
        ({"covariates": np.random.default_rng(1).normal(size=(20, 13))}, "20 problems are too few for 15"),
        ({"population_size": 2}, "population_size must hold whole numbers.*problem 0 has 2 people and 3 answers"),
        ({"population_size": 10.5}, "population_size must hold whole numbers"),
        ({"population_size": np.full(19, 5)}, r"population_size must be one number or have shape \(20,\)"),
        ({"level": 95}, "did you mean 0.95"),
    ],
)
def test_bad_input_is_refused(change, words):
    rng = np.random.default_rng(18)
    table, digital, _ = survey(rng, 20, 3)
    problem, person = crossed(20, 3)
    given = {"answers": table.ravel(), "problem": problem, "person": person, "digital_mean": digital} | change
    with pytest.raises(ValueError, match=words):
        across_answers(
            given.pop("answers"), given.pop("problem"), given.pop("person"), given.pop("digital_mean"), **given
        )


def test_too_few_repeated_answers_are_refused():
    problem, person = np.array([*range(12), 0, 1]), np.array([*range(12), 1, 0])
    with pytest.raises(ValueError, match="2 degrees of freedom .* at least 10 are needed"):
        across_answers(np.arange(14.0), problem, person)
