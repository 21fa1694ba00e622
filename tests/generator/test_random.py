"""Counter-based random numbers: the published known answers, and functions of their coordinates alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crowdllm_stats.generator.random import id_numbers, philox, uniforms

#: Random123's kat_vectors for philox4x32-10: counter, key, output.
KNOWN = [
    ([0, 0, 0, 0], 0x0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, 0xFFFFFFFFFFFFFFFF, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], 0x299F31D0A4093822, "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, answer):
    words = philox(tuple(np.array([word], dtype=np.uint64) for word in counter), key)
    assert " ".join(f"{int(word[0]):08x}" for word in words) == answer


def test_numbers_depend_on_their_coordinates_alone():
    whole = uniforms(5, "x", np.arange(40_000)[:, None], np.arange(3)[None, :], width=7)
    assert whole.shape == (40_000, 3, 7)
    np.testing.assert_array_equal(uniforms(5, "x", [39_999, 12], 2, width=7), whole[[39_999, 12], 2])
    np.testing.assert_array_equal(uniforms(5, "x", 12, 2, width=4), whole[12, 2, :4])
    for other in (uniforms(6, "x", 12, 2, width=7), uniforms(5, "y", 12, 2, width=7)):
        assert not np.isin(other, whole[12, 2]).any()
    assert np.unique(whole[:5000]).size == 5000 * 3 * 7


def test_numbers_are_uniform_and_uncorrelated():
    """Kolmogorov-Smirnov at 1e-4 a column, five of them; ten correlations with 5 standard errors: 6e-7 each."""
    drawn = uniforms(11, "profiles", np.arange(40_000), 0, width=5)
    assert min(stats.kstest(drawn[:, column], "uniform").pvalue for column in range(5)) > 1e-4
    apart = np.corrcoef(drawn.T)[np.triu_indices(5, 1)]
    assert np.abs(apart).max() < 5 / np.sqrt(40_000)
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 5 / np.sqrt(40_000)


def test_ids_become_numbers_of_their_own():
    assert id_numbers(["a", "b", "c"])[2] == id_numbers(["c"])[0]
    assert np.unique(id_numbers(range(1000))).size == 1000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"width": 0}, "width must be a whole number"),
        ({"width": 513}, "width at most be 512"),
        ({"second": 1 << 56}, "second must lie below 2"),
    ],
)
def test_refusals(arguments, says):
    with pytest.raises(ValueError, match=says):
        uniforms(**{"seed": 1, "purpose": "x", "first": 0, "second": 0, "width": 3, **arguments})
