"""Which projects win: small elections worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

pytest.importorskip("pabutools", reason="the extra 'voting' is not installed")

from crowdllm_stats.data.crowd import CrowdData, approval
from crowdllm_stats.data.election import Election
from crowdllm_stats.evaluation.bundles import elected


def election(votes, costs, budget):
    names = [f"p{number}" for number in range(len(costs))]
    points = pd.DataFrame([[float(place in ballot) for place in range(len(costs))] for ballot in votes], columns=names)
    projects = pd.DataFrame({"cost": [float(cost) for cost in costs]}, index=names)
    return Election(points, projects, pd.DataFrame(index=points.index), budget)


def test_greedy_goes_by_votes_and_skips_what_is_too_dear():
    found = elected(election([[0, 1], [0, 1], [0, 2], [1]], [7, 6, 3], 10.0))
    assert (found.projects, found.cost) == (("p0", "p2"), 10.0)
    assert str(found) == "greedy: p0, p2 (cost 10 of 10)"


def test_equal_shares_gives_a_minority_its_part():
    """Six of nine want p0, p1 and p2, three want p3; each project costs a third of the budget."""
    votes = [[0, 1, 2]] * 6 + [[3]] * 3
    made = election(votes, [3, 3, 3, 3], 9.0)
    assert elected(made).projects == ("p0", "p1", "p2")
    assert elected(made, "equal shares").projects == ("p0", "p1", "p3")


def test_digital_ballots_are_counted_like_others():
    made = election([[0]] * 3, [5, 5], 5.0)
    frame = pd.DataFrame({"problem": "b", "participant": ["v", "w"], "response": [("p1",), ("p0", "p1")]})
    digital = CrowdData.from_frame(frame, scale=approval(["p0", "p1"]))
    assert elected(made).projects == ("p0",)
    assert elected(made.voted(digital)).projects == ("p1",)
    with pytest.raises(ValueError, match="an approval scale of the election's 2 projects"):
        made.voted(CrowdData.from_frame(frame, scale=approval(["p1", "p0"])))


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="rule"):
        elected(election([[0]], [1, 1], 1.0), "lottery")  # type: ignore[arg-type]
