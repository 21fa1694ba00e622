"""Properties that hold exactly: special cases that must agree, and how an interval must move."""

from __future__ import annotations

import numpy as np
import pytest

from crowdllm_stats import interval
from crowdllm_stats.inference.intervals import METHODS

UNFOLDED = [name for name, method in METHODS.items() if not method.folds]
TWO_VALUED = [name for name, method in METHODS.items() if method.two_values]
WEIGHTED = ["classical", "classical-small", "ppi", "ppi++", "ppi-small", "ppi++-small"]
NO_WEIGHTS = [name for name, method in METHODS.items() if not method.clusters]


@pytest.fixture
def batch():
    """Three problems, eleven humans, 47 digital people on a 1-5 scale."""
    rng = np.random.default_rng(42)
    human = rng.integers(1, 6, (3, 11)).astype(float)
    twins = np.clip(human + rng.integers(-1, 2, (3, 11)), 1, 5)
    crowd = rng.integers(1, 6, (3, 47)).astype(float)
    return human, twins, crowd


def fitting(method, *tables):
    """The answers as they are; of two values, 1 and 5, for the methods that need that."""
    return tuple(np.where(table > 3, 5.0, 1.0) if method in TWO_VALUED else table for table in tables)


def assert_same(one, other):
    np.testing.assert_allclose(one.lower, other.lower, rtol=1e-12)
    np.testing.assert_allclose(one.upper, other.upper, rtol=1e-12)
    np.testing.assert_allclose(one.estimate, other.estimate, rtol=1e-12)


@pytest.mark.parametrize("method", UNFOLDED)
@pytest.mark.parametrize("alternative", ["two-sided", "larger", "smaller"])
def test_a_batch_equals_its_problems_one_by_one(batch, method, alternative):
    batch = fitting(method, *batch)
    whole = interval(*batch, method=method, alternative=alternative, bounds=(1, 5))
    for row in range(3):
        single = interval(*(part[row] for part in batch), method=method, alternative=alternative, bounds=(1, 5))
        assert single.lower == pytest.approx(whole.lower[row], rel=1e-12)
        assert single.upper == pytest.approx(whole.upper[row], rel=1e-12)
        assert isinstance(single.lower, float)


@pytest.mark.parametrize("method", UNFOLDED)
def test_leading_axes_of_any_number(batch, method):
    batch = fitting(method, *batch)
    human, twins, crowd = (np.stack([part, part[::-1]]) for part in batch)
    answer = interval(human, twins, crowd, method=method, bounds=(1, 5))
    assert answer.lower.shape == (2, 3)
    np.testing.assert_allclose(answer.lower[0], answer.lower[1][::-1], rtol=1e-12)


@pytest.mark.parametrize("method", UNFOLDED)
def test_a_higher_level_is_wider_and_ends_enclose_the_estimate(batch, method):
    batch = fitting(method, *batch)
    if method in ("set-hoeffding", "set-bernstein"):  # eleven answers leave these two the whole scale
        batch = tuple(np.tile(part, 90) for part in batch)
    narrow = interval(*batch, method=method, level=0.8, bounds=(1, 5))
    wide = interval(*batch, method=method, level=0.99, bounds=(1, 5))
    assert np.all(wide.lower <= narrow.lower + 1e-12)
    assert np.all(wide.upper >= narrow.upper - 1e-12)
    assert np.any(wide.upper > narrow.upper)
    if method != "set-betting":
        assert np.all((narrow.lower <= narrow.estimate) & (narrow.estimate <= narrow.upper))


@pytest.mark.parametrize(
    "method", [name for name in UNFOLDED if not name.startswith(("set-", "betting")) and name not in TWO_VALUED]
)
def test_one_sided_ends_are_the_two_sided_ends_of_the_doubled_error(batch, method):
    """Not so for bets, sized by the error, the sets of Theorem 4, whose error is split by a rule of the sides, and
    Blaker's interval, whose sides share theirs."""
    two = interval(*batch, method=method, level=0.9, bounds=(1, 5))
    larger = interval(*batch, method=method, level=0.95, alternative="larger", bounds=(1, 5))
    smaller = interval(*batch, method=method, level=0.95, alternative="smaller", bounds=(1, 5))
    np.testing.assert_allclose(larger.lower, two.lower, rtol=1e-9)
    np.testing.assert_allclose(smaller.upper, two.upper, rtol=1e-9)


@pytest.mark.parametrize("method", UNFOLDED)
def test_reflecting_the_scale_reflects_the_interval(batch, method):
    batch = fitting(method, *batch)
    one = interval(*batch, method=method, bounds=(1, 5))
    mirror = interval(*(6.0 - part for part in batch), method=method, bounds=(1, 5))
    tolerance = 0.05 if method in ("betting", "set-betting") else 1e-9  # betting tries candidates on a grid
    np.testing.assert_allclose(mirror.lower, 6.0 - one.upper, atol=tolerance)
    np.testing.assert_allclose(mirror.upper, 6.0 - one.lower, atol=tolerance)


@pytest.mark.parametrize("method", WEIGHTED)
def test_equal_weights_and_single_person_clusters_change_nothing(batch, method):
    plain = interval(*batch, method=method, bounds=(1, 5))
    assert_same(plain, interval(*batch, method=method, bounds=(1, 5), clusters=np.arange(11)))
    if method != "ppi++-small":  # with weights its variance is the sandwich's, not the normal model's
        assert_same(plain, interval(*batch, method=method, bounds=(1, 5), weights=np.full(11, 3.0)))


@pytest.mark.parametrize("method", WEIGHTED)
def test_whole_weights_move_the_estimate_as_repeated_people_do(batch, method):
    human, twins, crowd = batch
    counts = np.array([1, 2, 1, 3, 1, 1, 2, 1, 1, 1, 1])
    repeated = np.repeat(human, counts, axis=1), np.repeat(twins, counts, axis=1), crowd
    owner = np.repeat(np.arange(11), counts)
    bounds = (1, 5) if method == "classical-small" else None
    weighted = interval(*batch, method=method, weights=counts, bounds=bounds)
    clustered = interval(*repeated, method=method, clusters=owner, bounds=bounds)
    np.testing.assert_allclose(weighted.estimate, clustered.estimate, rtol=0.02 if method == "ppi++" else 1e-12)
    if method in ("classical", "ppi-small"):
        np.testing.assert_allclose(weighted.half_width, clustered.half_width, rtol=1e-12)


@pytest.mark.parametrize("method", NO_WEIGHTS)
@pytest.mark.parametrize("argument", ["weights", "clusters"])
def test_methods_that_cannot_take_weights_or_clusters_refuse(batch, method, argument):
    with pytest.raises(ValueError, match="no weights or clusters"):
        interval(*batch, method=method, bounds=(1, 5), **{argument: np.arange(1, 12)})


def test_twins_that_cannot_tell_people_apart_give_the_classical_answer(batch):
    human, _, crowd = batch
    flat = np.full(human.shape, 3.0)
    assert_same(interval(human, flat, crowd, method="ppi++-small"), interval(human, method="classical"))
    bounded = interval(human, flat, crowd, method="ppi++-small", bounds=(1, 5))
    assert_same(bounded, interval(human, method="classical-small", bounds=(1, 5)))
    assert np.all(bounded.lam == 0.0)
    assert any("all equal" in sentence for sentence in bounded.flags)


def test_a_constant_added_to_twins_and_crowd_changes_nothing(batch):
    human, twins, crowd = batch
    for method in ("ppi", "ppi++-small", "ppi-small"):
        assert_same(interval(*batch, method=method), interval(human, twins + 7.0, crowd + 7.0, method=method))


@pytest.mark.parametrize("method", UNFOLDED)
def test_asking_the_whole_population_leaves_nothing_open(method):
    rng = np.random.default_rng(7)
    human = rng.integers(1, 6, (2, 9)).astype(float)
    human, twins = fitting(method, human, np.clip(human + 1, 1, 5))
    answer = interval(human, twins, twins, method=method, bounds=(1, 5), population_size=9, census=True)
    if method in (*TWO_VALUED, "classical", "classical-small", "ppi", "ppi++", "ppi-small", "ppi++-small", "set-clt"):
        np.testing.assert_allclose(answer.lower, human.mean(axis=1), atol=1e-12)
        np.testing.assert_allclose(answer.upper, human.mean(axis=1), atol=1e-12)
    assert np.all(answer.lower <= human.mean(axis=1) + 1e-12)
    assert np.all(answer.upper >= human.mean(axis=1) - 1e-12)


@pytest.mark.parametrize("method", [name for name in UNFOLDED if name != "set-bernstein"])
def test_a_finite_population_is_never_harder_than_an_unlimited_one(batch, method):
    human, twins, _ = batch
    rng = np.random.default_rng(1)
    people = np.clip(np.concatenate([twins, rng.integers(1, 6, (3, 9))], axis=1), 1, 5)
    human, twins, people = fitting(method, human, twins, people)
    unlimited = interval(human, twins, people, method=method, bounds=(1, 5))
    finite = interval(human, twins, people, method=method, bounds=(1, 5), population_size=20, census=True)
    assert np.all(finite.upper - finite.lower <= unlimited.upper - unlimited.lower + 1e-9)


def test_effective_n_is_the_variance_ratio(batch):
    answer = interval(*batch, method="ppi-small")
    human, twins, crowd = batch
    ratio = (human.var(axis=1, ddof=1) / 11) / (
        (human - twins).var(axis=1, ddof=1) / 11 + crowd.var(axis=1, ddof=1) / 47
    )
    np.testing.assert_allclose(answer.effective_n, 11 * ratio, rtol=1e-12)


def test_a_published_interval_always_contains_plain_ppi(batch):
    published, plain = interval(*batch, method="crowdllm"), interval(*batch, method="ppi")
    assert np.all(published.lower <= plain.lower)
    assert np.all(published.upper >= plain.upper)


def test_published_formula_by_hand():
    human, twins, crowd = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.5, 3.0]), np.array([2.0, 3.0, 1.0, 2.0])
    beliefs = crowd - 2.0
    r = human - twins
    half = np.sqrt(np.mean(r**2)) + 1.959963984540054 * np.sqrt(0.3 / 4 + beliefs.var() / 4 + r.var() / 3)
    answer = interval(human, twins, crowd, method="crowdllm", beliefs=beliefs, eta=0.3)
    assert answer.upper == pytest.approx(2.0 + half, rel=1e-12)
    assert answer.lower == pytest.approx(2.0 - half, rel=1e-12)


@pytest.mark.parametrize("method", ["ppi++", "ppi++-small"])
def test_twins_without_weight_are_worth_no_human_answer(method):
    """At lambda 0 the estimate is the human mean, so its effective n is n, whatever ddof the method's own error has."""
    answer = interval([1.0, 2.0, 5.0, 3.0], [3.0, 3.0, 3.0, 3.0], [3.0, 4.0, 3.0], method=method)
    assert answer.lam == 0.0
    assert answer.effective_n == pytest.approx(4.0)


def test_equal_weights_leave_the_effective_n_of_ppi_as_it_is(batch):
    plain = interval(*batch, method="ppi")
    weighted = interval(*batch, method="ppi", weights=np.full(11, 2.0))
    np.testing.assert_allclose(weighted.effective_n, plain.effective_n, rtol=1e-12)


@pytest.mark.parametrize("level", [3.0, 0.1, 1e6 + 0.1])
def test_twins_that_are_constant_within_folds_get_no_slope_by_rounding(level):
    """Each fold's model gives everybody its own number: what is left about the models' means is rounding alone."""
    human = np.array([1.0, 4.0, 2.0, 5.0, 3.0, 2.0, 4.0])
    folds = np.array([0, 1, 0, 1, 2, 2, 0])
    constant = level + np.array([0.1, 0.7, 1.3]) / 3.0
    crowd = np.repeat(constant[:, None], 53, axis=1)
    answer = interval(human, constant[folds], crowd, method="cross-fitted-small", folds=folds)
    assert answer.lam == 0.0
    assert answer.estimate == pytest.approx(human.mean(), rel=1e-12)
    assert answer.effective_n == pytest.approx(7.0)


def test_effective_n_never_exceeds_a_finite_population(batch):
    human, twins, _ = batch
    people = np.concatenate([twins, twins[:, :3]], axis=1)
    answer = interval(human, twins, people, method="ppi++", population_size=14, census=True)
    assert np.all(answer.effective_n <= 14.0)


def test_a_fully_asked_population_is_known_whatever_the_crowd_says(batch):
    human, twins, crowd = batch
    for method in ("ppi++", "ppi++-small", "classical"):
        answer = interval(human, twins, crowd, method=method, population_size=11)
        np.testing.assert_allclose(answer.estimate, human.mean(axis=1), rtol=1e-12)
        np.testing.assert_allclose(answer.half_width, 0.0, atol=1e-12)


@pytest.mark.parametrize("method", ["classical-small", "ppi++-small", "set-betting"])
def test_a_problem_does_not_depend_on_the_others_of_its_batch(batch, method):
    """Nor on a neighbour with an odd answer: the step comes from the scale, not from the answers."""
    human, twins, crowd = batch
    odd = human.copy()
    odd[0, 0] = 1.5
    one = interval(human, twins, crowd, method=method, bounds=(1, 5), seed=3)
    other = interval(odd, twins, crowd, method=method, bounds=(1, 5), seed=3)
    np.testing.assert_array_equal(one.lower[1:], other.lower[1:])
    np.testing.assert_array_equal(one.upper[1:], other.upper[1:])


@pytest.mark.parametrize("stretch", [1.0, 25.0, 0.25])
def test_the_step_carries_a_scale_to_other_units(batch, stretch):
    """Answers 1 to 5 written as 0, 25, ..., 100 or 0, 0.25, ..., 1 give the same interval in those units."""
    human = batch[0]
    plain = interval(human, method="classical-small", bounds=(1, 5))
    other = interval((human - 1) * stretch, method="classical-small", bounds=(0, 4 * stretch), step=stretch)
    np.testing.assert_allclose(other.upper, (plain.upper - 1) * stretch, rtol=1e-12)
    np.testing.assert_allclose(other.lower, (plain.lower - 1) * stretch, atol=1e-12)


def test_repeated_answers_of_the_same_people_do_not_narrow_a_unanimous_interval():
    once = interval([1] * 5, bounds=(1, 5), method="classical-small")
    often = interval([1] * 50, clusters=np.repeat(np.arange(5), 10), bounds=(1, 5), method="classical-small")
    assert often.upper == pytest.approx(once.upper, rel=1e-12)
    assert once.why[-60:] == often.why[-60:]
