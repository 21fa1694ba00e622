"""'auto' decides before it sees the answers; choosing afterwards breaks the level."""

from __future__ import annotations

import numpy as np
import pytest

from crowdllm_stats import compare_intervals, interval
from crowdllm_stats.inference.intervals import auto_method


@pytest.mark.parametrize(
    ("n", "size", "paired", "bounded", "chosen"),
    [
        (5, 100, True, False, "classical"),
        (5, 100, True, True, "classical-small"),
        (8, 160, True, False, "ppi++-small"),
        (8, 160, True, True, "ppi++-small"),
        (30, 89, True, True, "classical-small"),
        (30, 90, True, True, "ppi++-small"),
        (30, 600, False, False, "classical"),
    ],
)
def test_the_rule(n, size, paired, bounded, chosen):
    assert auto_method(n, size, paired, bounded) == chosen


def test_a_small_finite_population_without_a_census_leaves_the_crowd_out():
    """Of 10 people 8 were asked: the two others matter little, an independent crowd's noise more."""
    rng = np.random.default_rng(2)
    human, twins, crowd = rng.standard_normal(8), rng.standard_normal(8), rng.standard_normal(160)
    assert interval(human, twins, crowd, population_size=10).method == "classical"
    assert interval(human, twins, crowd, population_size=1000).method == "ppi++-small"
    assert interval(human, twins, np.resize(crowd, 24), population_size=24, census=True).method == "ppi++-small"


def test_auto_does_not_look_at_the_human_answers():
    """Whatever people answered, the method is the same; the digital answers show whether they are of one law."""
    rng = np.random.default_rng(1)
    twins, crowd = 2 + rng.standard_normal(9), 2 + rng.standard_normal(70)
    chosen = set()
    for spread in (0.0, 0.01, 1.0, 30.0):
        human = np.full(9, 2.0) + spread * rng.standard_normal(9)
        chosen.add(interval(human, twins, crowd).method)
        chosen.add(compare_intervals(human, twins, crowd).chosen)
    assert chosen == {"ppi++-small"}


def test_choosing_the_narrowest_interval_on_the_data_breaks_the_level():
    """Two intervals that each keep 0.95 at n = 8; the narrower of the two does not.

    False-alarm rate: the narrower one's true coverage is 0.932; with 40,000 replicates it exceeds 0.94 with chance
    below 1e-9, and each of the two falls under 0.945 with chance below 1e-5.
    """
    rng = np.random.default_rng(8)
    human = rng.standard_normal((40_000, 8))
    twins = 0.5 * human + np.sqrt(0.75) * rng.standard_normal(human.shape)
    crowd = rng.standard_normal((40_000, 160))
    one = interval(human, method="classical")
    other = interval(human, twins, crowd, method="ppi++-small")
    hits = [(answer.lower <= 0) & (answer.upper >= 0) for answer in (one, other)]
    assert min(np.mean(hit) for hit in hits) >= 0.945
    narrower = np.where(one.half_width <= other.half_width, *hits)
    assert np.mean(narrower) < 0.94


def test_the_method_for_ratings_asked_for_by_name_says_its_level_on_two_values():
    human, twins, crowd = [0, 1, 1, 0, 1, 1, 0, 1, 1, 0], [0, 1, 1, 0, 1, 1, 0, 1, 0, 0], [0, 1, 1, 0, 1] * 10
    said = interval(human, twins, crowd, method="ppi++-small", bounds=(0, 1)).notices[0]
    assert "covers as little as 74%" in said
    assert interval(human, twins, crowd, bounds=(0, 1)).notices == ()
