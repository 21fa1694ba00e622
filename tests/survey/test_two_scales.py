"""Two tables on two scales: two codings of yes and no are refused, declared differences and near codes are said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from command_line import run, run_json

from crowdllm_stats import CrowdData, across_from, interval_from, safe_decision_from


def frames(low, high, least, most):
    rng = np.random.default_rng(8)
    rows = [(f"q{p}", f"p{who}", int(rng.integers(2))) for p in range(12) for who in range(40)]
    both = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    human = both[both["participant"].str[1:].astype(int) < 10]
    return (
        human.assign(response=human["response"].map({0: low, 1: high})),
        both.assign(response=both["response"].map({0: least, 1: most})),
    )


@pytest.mark.parametrize("ends", [(0, 1, 0, 100), (0, 1, 1, 2), (0, 1, -1, 1), (1, 2, 0, 1)])
def test_two_codings_of_two_values_are_asked_about(ends, tmp_path, capsys):
    human, digital = frames(*ends)
    said = f"human answers are {ends[0]} and {ends[1]}, the digital ones {ends[2]} and {ends[3]}; code both alike"
    plain = human[["problem", "response"]]
    for job in (interval_from, across_from, lambda one, other: safe_decision_from(one, other, plain)):
        with pytest.raises(ValueError, match=said):
            job(human, digital)
    words = human.assign(response=human["response"].map({ends[0]: "no", ends[1]: "yes"}))
    if ends[:2] == (0, 1):
        with pytest.raises(ValueError, match=said):
            interval_from(CrowdData.from_frame(words, scale="no,yes"), digital)
    paths = [str(tmp_path / name) for name in ("h.csv", "d.csv")]
    for frame, path in zip((human, digital), paths, strict=True):
        frame.to_csv(path, index=False)
    assert "or declare --scale and --digital-scale" in run(capsys, "interval", *paths, code=2)
    told = run_json(
        capsys, "interval", *paths, "--scale", f"{ends[0]},{ends[1]}", "--digital-scale", f"{ends[2]},{ends[3]}"
    )
    assert any("The two tables are on different scales" in notice for notice in told["notices"])


def test_tables_of_one_coding_or_of_ratings_are_not():
    assert interval_from(*frames(0, 1, 0, 1)).rows
    assert interval_from(*frames(4, 5, 3, 4)).rows


def test_answers_next_to_the_scale_that_no_digital_person_gives_are_asked_about():
    """8 and 9 beside 0 to 7 leave no gap in the human table, but the digital one ends at 7."""
    rng = np.random.default_rng(9)
    rows = [("q", f"p{who}", int(rng.integers(8))) for who in range(90)]
    digital = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    human = digital[:30].copy()
    human.loc[:4, "response"] = [8, 9, 9, 8, 9]
    asked = [notice for notice in interval_from(human, digital).notices if "missing_codes=[8,9]" in notice]
    assert asked[0].startswith("5 human answers (8,9) beyond all digital ones (0 to 7)")
    assert not any("missing_codes" in notice for notice in interval_from(human, digital, scale="0:10").notices)
    assert not any("missing_codes" in notice for notice in interval_from(digital[:30], digital).notices)


def test_different_scales_are_said_in_every_command(tmp_path, capsys):
    rng = np.random.default_rng(10)
    rows = [(f"q{p}", f"p{who}", int(rng.integers(1, 6))) for p in range(11) for who in range(30)]
    digital = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    human = digital[digital["participant"].str[1:].astype(int) < 9]
    paths = [str(tmp_path / name) for name in ("h.csv", "d.csv", "r.csv")]
    for frame, path in zip((human, digital.assign(response=digital["response"] * 20), human), paths, strict=True):
        frame.to_csv(path, index=False)
    scales = ("--scale", "1:5", "--digital-scale", "0:100")
    for command in (
        ["interval"],
        ["across"],
        ["compare"],
        ["distribution"],
        ["risk"],
        ["planner", "--half-width", "1"],
        ["safe-interval", "--reference", paths[2]],
    ):
        found = run_json(capsys, command[0], *paths[:2], *command[1:], *scales)
        assert any("on different scales, 1 to 5 and 0 to 100" in notice for notice in found["notices"]), command
