"""Streams by id: the same for the same ids, unrelated otherwise."""

import hashlib

import numpy as np
import pytest

from crowdllm_stats._base.random import generator, text_number


def test_streams_are_told_apart_by_every_coordinate():
    streams = [generator(*ids).random(4) for ids in ((0, "a"), (1, "a"), (0, "b"), (0, "a", "b"), (0,))]
    assert len({tuple(stream) for stream in streams}) == 5
    np.testing.assert_array_equal(generator(0, "a", "b").random(3), generator(0, "a", "b").random(3))


def test_streams_of_neighbouring_ids_do_not_correlate():
    """4,000 ids, first numbers: correlation of neighbours within 4 / sqrt(4,000), false-alarm rate 6e-5."""
    first = np.array([generator(3, f"q{number}").random() for number in range(4_000)])
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 4 / np.sqrt(4_000)


def test_a_text_becomes_the_first_64_bits_of_its_hash():
    assert f"{text_number('abc'):016x}" == hashlib.sha256(b"abc").hexdigest()[:16] == "ba7816bf8f01cfea"


def test_bad_seeds_are_refused():
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0; got -1"):
        generator(-1, "a")
