"""The fault campaign's own book-keeping: counts, the table and the report. The attacks are in tests/faults."""

from __future__ import annotations

import pytest
from faults.campaign import Campaign, report, table
from faults.commands import Done

LINE = "A byte of an answer file is flipped"


def recorded() -> Campaign:
    campaign = Campaign(seed=1)
    campaign.record(LINE, "refused", before="3 of 9 silent")
    campaign.record("A name holds | and more", "lost")
    campaign.record(LINE, "survived", times=4)
    return campaign


def test_outcomes_are_counted_by_attack_and_what_was_before_is_kept():
    rows = table(recorded().take())
    assert rows.to_dict("list") == {
        "attack": [LINE, "A name holds | and more"],
        "tries": [5, 1],
        "survived": [4, 0],
        "refused": [1, 0],
        "silent": [0, 0],
        "lost": [0, 1],
        "before": ["3 of 9 silent", ""],
    }


def test_what_was_taken_is_not_taken_again():
    campaign = recorded()
    assert len(campaign.take()) == 3
    assert campaign.take() == []
    assert table([]).empty


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((LINE, "crashed"), "outcome must be one of survived, refused, silent, lost, got 'crashed'"),
        (("two\nlines", "lost"), "attack must be one line"),
        (("", "lost"), "attack must be one line"),
    ],
)
def test_a_record_of_no_outcome_or_no_line_is_refused(values, named):
    with pytest.raises(ValueError, match=named):
        Campaign(seed=1).record(*values)


def test_a_part_of_the_campaign_makes_fewer_tries_and_at_least_one():
    assert Campaign(seed=1).tries(200) == 200
    assert [Campaign(seed=1, part=0.1).tries(full) for full in (200, 3)] == [20, 1]


def test_the_report_says_what_made_it_and_what_failed():
    made = "Made by `make faults` at commit abc1234. Seed 7,"
    text = report(table(recorded().take()), ["test_a.py::test_b"], made, minutes=3.14, workers=2)
    assert "Made by `make faults` at commit abc1234. Seed 7, 3.1 minutes, 2 workers." in text
    assert "2 attacks, 6 tries: 4 survived, 1 refused, 0 silent, 1 lost." in text
    assert f"| {LINE} | 5 | 4 | 1 | 0 | 0 | 3 of 9 silent |" in text
    assert text.endswith("## Tests that failed\n\n- `test_a.py::test_b`\n")


@pytest.mark.parametrize(
    ("done", "right", "outcome"),
    [
        (Done(0, "1", ""), True, "survived"),
        (Done(0, "1", ""), False, "silent"),
        (Done(2, "", "error: no such file\n"), False, "refused"),
        (Done(2, "", "error: one\nerror: two\n"), False, "lost"),
        (Done(1, "", "Traceback (most recent call last):\n"), False, "lost"),
        (Done(0, "1", "Traceback (most recent call last):\n"), True, "lost"),
        (Done(-11, "", ""), False, "lost"),
        (Done(None, "", ""), False, "lost"),
    ],
)
def test_the_end_of_a_command_is_an_outcome(done, right, outcome):
    assert done.outcome(right=right) == outcome
