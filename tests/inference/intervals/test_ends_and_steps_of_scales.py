"""Whole-number answers without the ends of their scale: the result says so first, and names the argument."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import interval, interval_from
from crowdllm_stats._base.messages import for_command
from crowdllm_stats.data.crowd import CrowdData

HUMAN = [1, 1, 2, 1, 4, 1]


def test_the_first_line_names_the_argument():
    answer = interval(HUMAN)
    assert "whole numbers from 1 to 4" in answer.notices[0]
    assert "bounds=(low, high)" in str(answer).splitlines()[0]


@pytest.mark.parametrize(
    ("answers", "options"),
    [
        (HUMAN, {"bounds": (1, 4)}),
        (HUMAN, {"method": "classical"}),  # asked for by name: it never uses the ends
        ([1.0, 1.5, 2.0], {}),
        ([21.0, 3_000.0, 45.0], {}),
        (np.tile([1.0, 2.0, 3.0], 50), {}),
    ],
)
def test_no_word_where_there_is_nothing_to_say(answers, options):
    assert not interval(answers, **options).notices


def test_two_tables_say_it_once_for_all_problems():
    sizes = {"a": 4, "b": 6, "c": 5}
    rows = [(problem, f"p{k}", HUMAN[k]) for problem, count in sizes.items() for k in range(count)]
    human = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    digital = human.assign(participant="d" + human["participant"])
    found = interval_from(CrowdData.from_frame(human), CrowdData.from_frame(digital), unpaired=True)
    said = [notice for notice in found.notices if "ends of their scale" in notice]
    assert len(said) == 1
    assert 'give scale="low:high"' in said[0]
    assert "give --scale LOW:HIGH" in for_command(said[0])
    tables = (CrowdData.from_frame(table, scale="1:4") for table in (human, digital))
    scaled = interval_from(*tables, unpaired=True)
    assert not any("ends of their scale" in notice for notice in scaled.notices)
