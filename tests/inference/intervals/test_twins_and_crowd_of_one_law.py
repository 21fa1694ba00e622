"""Twins and crowd of two laws are found, and one law raises no alarm."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import hypergeom, pearson3, skew

from crowdllm_stats import compare_intervals, interval
from crowdllm_stats.inference.intervals.one_law import ALARM, FLAG, chance_of_sum, same_law

HUMAN = [3, 4, 2, 5, 3, 4, 2, 3, 4, 3]


def test_a_crowd_of_another_law_is_named_and_auto_leaves_it_out():
    answer = interval(HUMAN, HUMAN, [5] * 200, bounds=(1, 5))
    alone = interval(HUMAN, bounds=(1, 5))
    assert (answer.method, answer.lower, answer.upper) == (alone.method, alone.lower, alone.upper)
    assert answer.notices[0].startswith("Labelled twins and crowd differ by more than chance (p below 1e-06")
    assert answer.to_frame()["note"].iloc[0] == f"{FLAG} (mean, spread, support)"
    assert str(answer).startswith(answer.notices[0])


def test_a_method_asked_for_is_used_with_the_same_warning():
    answer = interval(HUMAN, HUMAN, [5] * 200, method="ppi++")
    assert answer.method == "ppi++"
    assert "Method 'ppi++' used them anyway." in answer.notices[0]
    assert not interval(HUMAN, HUMAN, [5] * 200, method="classical").notices


def test_all_methods_side_by_side_say_so_and_mark_the_human_answers():
    table = compare_intervals(HUMAN, HUMAN, [5] * 200, bounds=(1, 5))
    assert table.chosen == "classical-small"
    assert str(table).startswith("Labelled twins and crowd differ")
    assert table.to_dict()["notices"] == list(table.notices)


def test_one_problem_of_two_laws_turns_all_to_human_answers():
    """Twins and crowd are made alike for all problems or for none; the flag names the problem that shows it."""
    rng = np.random.default_rng(3)
    human, twins, crowd = (rng.normal(size=(4, size)) for size in (12, 12, 90))
    crowd[2] += 4.0
    answer = interval(human, twins, crowd)
    assert answer.method == "classical"
    assert [bool(note) for note in answer.to_frame()["note"]] == [False, False, True, False]
    assert "in 1 of 4 problems" in answer.notices[0]


@pytest.mark.parametrize(("n", "size", "ones"), [(8, 24, 5), (10, 100, 11), (30, 300, 40), (30, 300, 165)])
def test_two_values_give_the_hypergeometric_tail(n, size, ones):
    """Golden values from SciPy's hypergeometric distribution, down to p = 1e-20; both tails doubled."""
    for among in range(max(0, ones - size), min(n, ones) + 1):
        pool = np.zeros(n + size)
        pool[:among], pool[n : n + ones - among] = 1.0, 1.0
        law = hypergeom(n + size, ones, n)
        exact = 2 * min(law.sf(among - 1), law.cdf(among))
        if 1e-20 < exact < 0.1 and 0 < among < min(n, ones):
            assert float(chance_of_sum(pool, n, gap=1.0)) == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize("ends", ["as it is", "mirrored", "moved and stretched"])
def test_the_coding_of_answers_does_not_matter(ends):
    rng = np.random.default_rng(4)
    twins, crowd = rng.integers(1, 6, (3, 12)).astype(float), rng.integers(2, 6, (3, 60)).astype(float)
    change = {"as it is": lambda x: x, "mirrored": lambda x: 6 - x, "moved and stretched": lambda x: 7 + 25 * x}[ends]
    np.testing.assert_allclose(same_law(change(twins), change(crowd)).chance, same_law(twins, crowd).chance, rtol=1e-6)


LAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed 1-5": lambda rng, shape: rng.choice([1.0, 2, 3, 4, 5], size=shape, p=[0.55, 0.25, 0.12, 0.06, 0.02]),
    "yes/no, 10%": lambda rng, shape: rng.binomial(1, 0.1, shape).astype(float),
    "lognormal": lambda rng, shape: rng.lognormal(0.0, 1.5, shape),
    "mostly 50 of 0-100": lambda rng, shape: np.where(rng.random(shape) < 0.97, 50.0, rng.integers(0, 101, shape)),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("n", "size"), [(8, 24), (10, 100), (30, 120)])
def test_one_law_raises_an_alarm_once_in_a_hundred_at_most(law, n, size):
    """False-alarm rate of this test: below 1e-4 a case (4 binomial standard errors of 10,000 above the rate)."""
    rng = np.random.default_rng(n)
    chance = same_law(LAWS[law](rng, (10_000, n)), LAWS[law](rng, (10_000, size)), tested=1).chance
    assert np.mean(chance <= ALARM) <= 0.01 + 4 * np.sqrt(0.01 * 0.99 / 10_000)
    assert np.mean(chance <= 0.001) <= 0.001 + 4 * np.sqrt(0.001 / 10_000)


def test_a_census_holds_the_labelled_twins_and_is_of_one_law_with_them():
    rng = np.random.default_rng(6)
    crowd = rng.normal(size=(2000, 60))
    chance = same_law(crowd[:, :10], crowd, census=True, tested=1).chance
    assert np.mean(chance <= ALARM) <= 0.02
    assert same_law(np.sort(crowd)[:, :10], crowd, census=True).chance.max() < 1e-6


def test_weights_and_clusters_compare_the_means():
    rng = np.random.default_rng(7)
    human, crowd = rng.normal(size=20), rng.normal(size=100)
    for options in ({"weights": np.linspace(0.5, 1.5, 20)}, {"clusters": np.repeat(np.arange(10), 2)}):
        assert not interval(human, human + 0.0, crowd, **options).notices
        shifted = interval(human, human + 4.0, crowd, **options)
        assert (shifted.method, shifted.to_frame()["note"].iloc[0]) == ("classical", f"{FLAG} (mean)")


def test_folds_compare_each_twin_with_its_own_model():
    rng = np.random.default_rng(8)
    folds = np.arange(24) % 3
    models = np.array([0.0, 5.0, -3.0])  # every fold's model has its own level
    twins, crowd = rng.normal(size=24) + models[folds], rng.normal(size=(3, 120)) + models[:, None]
    human = rng.normal(size=24)
    assert interval(human, twins, crowd, folds=folds).method == "cross-fitted-small"
    assert interval(human, twins + 2.0, crowd, folds=folds).method == "classical"


@pytest.mark.parametrize("law", LAWS)
def test_an_early_end_of_the_search_changes_no_alarm(law):
    """Shifted by up to four spreads, so that p-values lie on both sides of the level of 10,000 problems."""
    rng = np.random.default_rng(9)
    twins, crowd = LAWS[law](rng, (2000, 12)), LAWS[law](rng, (2000, 80))
    twins = twins + crowd.std(axis=1, keepdims=True) * rng.uniform(0.0, 4.0, (2000, 1))
    early, whole = (same_law(twins, crowd, tested=tested).chances for tested in (10_000, 1))
    level = ALARM / 10_000
    assert 0 < np.count_nonzero(whole["mean"] <= level) < 2000
    for name, chance in whole.items():
        np.testing.assert_array_equal(early[name] <= level, chance <= level)
        np.testing.assert_allclose(early[name][chance <= level], chance[chance <= level], rtol=1e-9)


def test_the_chance_of_a_sum_has_the_skewness_of_all_samples():
    """Against the gamma distribution with the variance and skewness of all 35 sums of 3 of 7 values."""
    values = np.array([9.5, 1.9, 4.2, 0.7, 1.1, 0.0, 0.3])
    sums = np.array([sum(chosen) for chosen in combinations(values, 3)])
    exact = 2.0 * pearson3.sf((sums[0] - sums.mean()) / sums.std(), skew(sums))
    assert float(chance_of_sum(values, 3, screen=0.0)) == pytest.approx(exact, rel=1e-9)
