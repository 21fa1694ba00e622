"""Answers of two values: golden numbers, one interval for every coding, exact levels by enumeration, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom
from statsmodels.stats.proportion import proportion_confint

from crowdllm_stats import compare_intervals, interval
from crowdllm_stats.inference.intervals.binomial_limits import exact_ends, smooth_ends

CODINGS = [(0.0, 1.0), (-1.0, 1.0), (0.0, 100.0), (1.0, 2.0), (3.0, 2.5), (1.0, 0.0), (100.0, 0.0), (-7.3, 12.9)]
TWO = ("classical-small", "ppi-small", "ppi++-small", "binomial", "exact", "ppi++-binomial", "auto")


def answers_of(count, n):
    """All samples with these numbers of ones, one a row."""
    return (np.arange(n) < np.asarray(count)[..., None]).astype(float)


def rows_of(table):
    """Humans and twins of 2x2 tables with counts (both 1, human 1 only, twin 1 only, neither)."""
    human = np.concatenate([[1.0] * int(table[0] + table[1]), [0.0] * int(table[2] + table[3])])
    cells = [(1.0, table[0]), (0.0, table[1]), (1.0, table[2]), (0.0, table[3])]
    return human, np.concatenate([[value] * int(count) for value, count in cells])


# ---------------------------------------------------------------- golden values


@pytest.mark.parametrize(
    ("x", "n", "level", "lower", "upper"),
    [
        (0, 10, 0.95, 0.0, 0.2829347),
        (1, 10, 0.95, 0.0051170, 0.4444470),
        (3, 10, 0.95, 0.0872650, 0.6194100),
        (5, 20, 0.95, 0.1040810, 0.4739880),
    ],
)
def test_two_sided_limits_are_blakers(x, n, level, lower, upper):
    """Where the acceptability function of Blaker (2000), listed on a grid of a million shares, exceeds 1 - level."""
    answer = interval(answers_of(x, n), method="exact", bounds=(0, 1), level=level)
    assert answer.lower == pytest.approx(lower, abs=2e-6)
    assert answer.upper == pytest.approx(upper, abs=2e-6)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_one_sided_limits_are_clopper_and_pearsons(level):
    for n in (3, 10, 47):
        human = answers_of(np.arange(n + 1), n)
        lower, upper = proportion_confint(np.arange(n + 1), n, 2 * (1 - level), method="beta")
        larger = interval(human, method="exact", bounds=(0, 1), level=level, alternative="larger")
        smaller = interval(human, method="exact", bounds=(0, 1), level=level, alternative="smaller")
        np.testing.assert_allclose(larger.lower, np.nan_to_num(lower), atol=1e-10)
        np.testing.assert_allclose(smaller.upper, np.nan_to_num(upper, nan=1.0), atol=1e-10)
        np.testing.assert_array_equal(larger.upper, 1.0)
        np.testing.assert_array_equal(smaller.lower, 0.0)


def test_smooth_limits_at_whole_counts_are_clopper_and_pearsons():
    """0 of 10: 0.3085."""
    lower, upper = smooth_ends(np.arange(11.0), np.full(11, 10.0), 0.975)
    wanted = proportion_confint(np.arange(11), 10, 0.05, method="beta")
    np.testing.assert_allclose(lower, np.nan_to_num(wanted[0]), atol=1e-10)
    np.testing.assert_allclose(upper, np.nan_to_num(wanted[1], nan=1.0), atol=1e-10)
    assert upper[0] == pytest.approx(0.3085, abs=5e-5)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
def test_the_exact_interval_lies_within_clopper_and_pearsons(level):
    for n in (3, 10, 33, 100):
        lower, upper = exact_ends(np.arange(n + 1.0), n, None, level, "two-sided")
        wide = smooth_ends(np.arange(n + 1.0), np.full(n + 1, float(n)), 0.5 + level / 2)
        assert np.all(lower >= wide[0] - 1e-12)
        assert np.all(upper <= wide[1] + 1e-12)


# ---------------------------------------------------------------- one interval for every coding


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    n=st.integers(3, 14),
    coding=st.sampled_from(CODINGS),
    alternative=st.sampled_from(["two-sided", "larger", "smaller"]),
    declared=st.booleans(),
    method=st.sampled_from(TWO),
)
def test_every_coding_gives_the_same_interval(data, n, coding, alternative, declared, method):
    bits = st.integers(0, 1)
    human, twins, crowd = (
        np.array(data.draw(st.lists(bits, min_size=size, max_size=size)), dtype=float) for size in (n, n, 43)
    )
    first, second = coding
    low, high = min(coding), max(coding)
    step = high - low if declared else None
    plain = interval(human, twins, crowd, method=method, bounds=(0, 1), alternative=alternative)
    if second < first and alternative != "two-sided":
        alternative = "smaller" if alternative == "larger" else "larger"
    coded = [np.where(part == 1.0, second, first) for part in (human, twins, crowd)]
    other = interval(*coded, method=method, bounds=(low, high), step=step, alternative=alternative)
    ends = [first + (second - first) * end for end in (plain.lower, plain.upper)]
    assert other.method == plain.method
    assert [other.lower, other.upper] == pytest.approx(sorted(ends), abs=1e-8 * (high - low))
    assert other.effective_n == pytest.approx(plain.effective_n, rel=1e-6)


@pytest.mark.parametrize("coding", [(0.0, 1.0), (3.0, 2.5), (-1.0, 1.0), (0.1, 0.7)])
def test_twins_without_covariance_leave_the_binomial_interval(coding):
    """Two of six and one of three: the covariance is 0, whatever rounding makes of it in a coding."""
    answers = ([0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0, 0, 1], [0] * 30 + [1] * 13)
    human, twins, crowd = (np.where(np.array(part) == 1, coding[1], coding[0]) for part in answers)
    bounds = (min(coding), max(coding))
    found = interval(human, twins, crowd, method="ppi++-binomial", bounds=bounds)
    alone = interval(human, method="binomial", bounds=bounds)
    assert found.lam == 0.0
    assert [found.lower, found.upper] == pytest.approx([alone.lower, alone.upper], rel=1e-12)


@pytest.mark.parametrize("count", range(11))
def test_no_answer_of_ten_counts_the_same_in_every_coding_without_a_step(count):
    """The coverage of 0/100 answers was 0.68 where that of 0/1 answers was 0.98."""
    plain = interval(answers_of(count, 10), bounds=(0, 1))
    for low, high in ((-1, 1), (0, 100), (1, 2), (0, 2)):
        other = interval(low + (high - low) * answers_of(count, 10), bounds=(low, high))
        assert other.method == "binomial"
        assert other.upper == pytest.approx(low + (high - low) * plain.upper, rel=1e-12)


def test_answers_between_the_ends_are_not_of_two_values():
    human, inside = [0, 100, 100, 0, 100], [0, 100, 100, 0, 50]
    assert interval(human, bounds=(0, 100)).method == "binomial"
    assert interval(inside, bounds=(0, 100)).method == "classical-small"
    assert interval(human, bounds=(0, 100), step=1).method == "classical-small"
    assert interval(human, human, [0, 100, 50] * 9, bounds=(0, 100)).method == "classical-small"
    assert interval([human, inside], bounds=(0, 100)).method == "classical-small"
    assert "give step=" in interval(human, bounds=(0, 100)).why
    assert "give step=" not in interval(human, bounds=(0, 100), step=100).why


def test_a_rating_scale_needs_both_ends_to_count_as_two_values():
    """Five people who all answer 5 on a scale from 1 to 5 do not say that 2, 3 and 4 cannot be answered."""
    assert interval([5] * 5, bounds=(1, 5)).method == "classical-small"
    assert interval([5] * 5, bounds=(1, 5), step=4).method == "binomial"
    assert interval([5, 5, 1, 5, 5], bounds=(1, 5)).method == "binomial"
    assert interval([5, 5, 1, 5, 5], bounds=(1, 5), step=1).method == "classical-small"


def test_shares_predicted_for_yes_and_no_are_twins_too():
    rng = np.random.default_rng(3)
    human = (rng.random(20) < 0.4).astype(float)
    answer = interval(human, 0.3 + 0.4 * human, rng.random(90), bounds=(0, 1))
    assert answer.method == "ppi++-binomial"
    assert 0.0 < answer.lower < answer.estimate < answer.upper < 1.0


# ---------------------------------------------------------------- levels, by enumeration


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("alternative", ["two-sided", "larger", "smaller"])
def test_the_exact_interval_keeps_its_level_for_every_share(level, alternative):
    """No chance involved: all samples, and shares just beside every end, where coverage is lowest."""
    for n in (2, 3, 5, 8, 13, 40, 100):
        lower, upper = exact_ends(np.arange(n + 1.0), n, None, level, alternative)
        ends = np.concatenate([lower, upper])
        beside = np.concatenate([ends - 1e-9, ends + 1e-9, np.linspace(0.001, 0.999, 333)])
        shares = beside[(beside > 0.0) & (beside < 1.0)]
        covers = (lower[:, None] <= shares) & (shares <= upper[:, None])
        coverage = (binom.pmf(np.arange(n + 1)[:, None], n, shares) * covers).sum(axis=0)
        assert coverage.min() >= level - 1e-9


@pytest.mark.parametrize("alternative", ["two-sided", "larger", "smaller"])
def test_in_a_finite_population_it_keeps_its_level_for_every_number_of_ones(alternative):
    for size, n, level in ((7, 5, 0.95), (20, 8, 0.9), (61, 12, 0.95), (200, 30, 0.99), (40, 40, 0.95)):
        counts, ones = np.arange(n + 1.0), np.arange(size + 1)
        lower, upper = exact_ends(counts, n, np.full(n + 1, float(size)), level, alternative)
        weight = hypergeom.pmf(counts[:, None], size, ones, n)
        covers = (lower[:, None] <= ones / size + 1e-12) & (ones / size <= upper[:, None] + 1e-12)
        assert (weight * covers).sum(axis=0).min() >= level - 1e-9


def test_a_large_finite_population_is_as_good_as_unlimited():
    counts = np.arange(21.0)
    for alternative in ("two-sided", "larger"):
        finite = exact_ends(counts, 20, np.full(21, 4e6), 0.95, alternative)
        np.testing.assert_allclose(finite, exact_ends(counts, 20, None, 0.95, alternative), atol=2e-5)


@pytest.mark.parametrize("method", ["auto", "exact", "classical-small"])
@pytest.mark.parametrize("n", [3, 10, 50])
def test_one_more_yes_never_lowers_an_end(method, n):
    """0 of 50 had a longer upper end than 1 of 50."""
    if method == "classical-small" and n == 50:
        return
    for alternative in ("two-sided", "larger", "smaller"):
        for size in (None, 2 * n):
            human = answers_of(np.arange(n + 1), n)
            answer = interval(human, bounds=(0, 1), method=method, alternative=alternative, population_size=size)
            assert np.all(np.diff(answer.lower) >= -1e-12)
            assert np.all(np.diff(answer.upper) >= -1e-12)


# ---------------------------------------------------------------- with twins


def test_useless_twins_leave_the_binomial_interval():
    """All equal, or falling as their humans rise."""
    human = answers_of(4, 12)
    alone = interval(human, bounds=(0, 1), method="binomial")
    for twins in (np.ones(12), 1.0 - human):
        answer = interval(human, twins, np.tile([0.0, 1.0], 30), bounds=(0, 1), method="ppi++-binomial")
        assert answer.lam == 0.0
        assert (answer.lower, answer.upper) == (alone.lower, alone.upper)
        assert answer.effective_n == pytest.approx(12.0)


def test_many_answers_give_the_interval_of_ppi_plus_plus():
    rng = np.random.default_rng(5)
    human = (rng.random(40_000) < 0.3).astype(float)
    twins = np.where(rng.random(40_000) < 0.8, human, 1.0 - human)
    crowd = (rng.random(200_000) < 0.38).astype(float)
    ours = interval(human, twins, crowd, bounds=(0, 1))
    theirs = interval(human, twins, crowd, bounds=(0, 1), method="ppi++")
    assert ours.method == "ppi++-binomial"
    assert ours.estimate == pytest.approx(theirs.estimate, abs=0.02 * theirs.half_width)
    assert ours.half_width == pytest.approx(theirs.half_width, rel=0.01)
    assert ours.effective_n == pytest.approx(theirs.effective_n, rel=0.01)


@pytest.mark.parametrize("crowd_share", [0.1, 0.35, 0.7])
def test_its_level_with_twins_over_all_tables_of_ten_people(crowd_share):
    """All 286 tables of humans and twins; twins unrelated, half and fully related, unbiased and biased.

    No chance involved but in the crowd, which is as good as infinite and exactly of its share.
    """
    n, size = 10, 2000
    tables = np.array(
        [(a, b, c, n - a - b - c) for a in range(n + 1) for b in range(n + 1 - a) for c in range(n + 1 - a - b)]
    )
    human, twins = (np.stack(part) for part in zip(*(rows_of(table) for table in tables), strict=True))
    crowd = np.broadcast_to(answers_of(round(crowd_share * size), size), (len(tables), size))
    answer = interval(human, twins, crowd, bounds=(0, 1), check_law=False)
    alone = interval(human, bounds=(0, 1))
    from scipy.stats import multinomial

    for share in (0.05, 0.2, 0.35, 0.5):
        for relation in (0.0, 0.5, 1.0):
            both = share * crowd_share + relation * (min(share, crowd_share) - share * crowd_share)
            cells = [both, share - both, crowd_share - both, 1.0 - share - crowd_share + both]
            chance = multinomial.pmf(tables, n, cells)
            coverage = chance @ ((answer.lower <= share) & (share <= answer.upper))
            assert coverage >= 0.94
            if relation == 0.0:
                assert chance @ answer.half_width <= 1.03 * (chance @ alone.half_width)


def test_one_person_whose_twin_agrees_by_chance_is_not_taken_for_certainty():
    """1 of 12, and the twin of that one is the only 1: perfectly correlated, and worth little."""
    human = answers_of(1, 12)
    answer = interval(human, human, np.tile([0.0, 0.0, 0.0, 1.0], 20), bounds=(0, 1))
    assert answer.half_width > 0.5 * interval(human, bounds=(0, 1)).half_width


# ---------------------------------------------------------------- weights, clusters, refusals


def test_weights_and_clusters_make_it_longer():
    human = answers_of(6, 20)
    weights = np.tile([1.0, 6.0], 10)
    plain = interval(human, bounds=(0, 1))
    for options in ({"weights": weights}, {"clusters": np.repeat(np.arange(10), 2)}):
        answer = interval(human, bounds=(0, 1), **options)
        assert answer.method == "binomial"
        assert answer.half_width > plain.half_width
        assert 0.0 <= answer.lower <= answer.estimate <= answer.upper <= 1.0
    paired = interval(human, human[::-1], np.tile([0.0, 1.0], 40), bounds=(0, 1), weights=weights)
    assert paired.method == "ppi++-binomial"


def test_unanimous_clusters_count_as_clusters():
    human = np.zeros(30)
    answer = interval(human, bounds=(0, 1), clusters=np.repeat(np.arange(10), 3))
    assert answer.upper == pytest.approx(0.3085, abs=5e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bounds": None}, r"'exact' needs .* give bounds=\(low, high\)"),
        ({"human": [0.0, 1.0, 0.5]}, "human holds 1 between them"),
        ({"step": 0.5}, "step=0.5 leaves room"),
        ({"weights": [1.0, 1.0, 2.0]}, "takes no weights or clusters"),
        ({"method": "ppi++-binomial"}, "digital_labeled is missing"),
        ({"method": "binomial", "human": [0.0, 1.0, 0.2]}, "betting"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        interval(**{"human": [0.0, 1.0, 1.0], "method": "exact", "bounds": (0, 1), **change})


def test_compare_lists_the_methods_and_what_auto_takes():
    table = compare_intervals([0, 1, 1, 0, 1], bounds=(0, 1))
    assert {"binomial", "exact"} <= set(table.intervals)
    assert table.chosen == "binomial"
