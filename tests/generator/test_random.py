"""Random numbers by coordinates: JAX's own fold_in, and functions of their coordinates alone."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

from crowdllm_stats._base.random import text_number
from crowdllm_stats.generator.random import id_keys, id_numbers, root_key, uniforms

#: 2^63 - 1 and other numbers of one word and of two.
PLACES = [0, 1, 2**31 - 1, 2**31, 2**40 + 3, 2**63 - 1]


def test_zero_gives_the_published_answer():
    """Random123's kat_vectors: threefry2x32, 20 rounds, counter and key 0."""
    assert jax.random.key_data(jax.random.fold_in(root_key(0), 0)).tolist() == [0x6B200159, 0x99BA4EFE]


@pytest.mark.parametrize("x64", [False, True])
def test_numbers_are_what_jax_folds_in_whatever_its_settings(x64):
    words = [text_number("purpose") >> 1, 2**40 + 3]
    wide = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with wide(x64), jax.default_prng_impl("rbg"):
        drawn = uniforms(7, "purpose", PLACES, 2**40 + 3, width=3)
    for place, row in zip(PLACES, drawn, strict=True):
        key = root_key(7)
        for number in (words[0], place, words[1]):
            for word in divmod(number, 2**31):
                key = jax.random.fold_in(key, np.uint32(word))
        for column in range(3):
            high, low = jax.random.key_data(jax.random.fold_in(key, column)).tolist()
            assert row[column] == (((high << 32 | low) >> 12) + 0.5) / 2**52


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


def test_ids_become_numbers_and_keys_of_their_own():
    assert id_numbers(["a", "b", "c"])[2] == id_numbers(["c"])[0]
    assert np.unique(id_numbers(range(1000))).size == 1000
    assert id_keys(3, ["a", "b"])[1] == id_keys(3, ["b"])[0]
    assert id_keys(4, ["b"])[0] != id_keys(3, ["b"])[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"width": 0}, "width must be a whole number"),
        ({"first": -1}, "first must hold whole numbers from 0"),
        ({"second": 1 << 63}, "second must hold whole numbers from 0 to 2"),
        ({"second": 0.5}, "second must hold whole numbers from 0 to 2"),
    ],
)
def test_refusals(arguments, says):
    with pytest.raises(ValueError, match=says):
        uniforms(**{"seed": 1, "purpose": "x", "first": 0, "second": 0, "width": 3, **arguments})
