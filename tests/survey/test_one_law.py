"""Twins by one prompt and a crowd by another: every function and command of two tables says so first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from command_line import run_json

from crowdllm_stats import interval_from, safe_decision_from
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.inference.intervals.one_law import FLAG
from crowdllm_stats.survey.one_law import over_people, survey_law
from crowdllm_stats.survey.pairing import pair

PEOPLE, CROWD, PROBLEMS = 12, 90, 5


def tables(shifted: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Five questions, twelve people and their twins, 90 further digital people; in one question they may be lower."""
    rng = np.random.default_rng(5)
    human, digital = [], []
    for problem in range(PROBLEMS):
        for person in range(PEOPLE + CROWD):
            answer = int(rng.integers(3, 6))
            if person < PEOPLE:
                human.append((f"q{problem}", f"p{person}", int(np.clip(answer + rng.integers(-1, 2), 1, 5))))
            elif shifted and problem == 3:
                answer = int(rng.integers(1, 3))
            digital.append((f"q{problem}", f"p{person}", answer))
    columns = ["problem", "participant", "response"]
    return pd.DataFrame(human, columns=columns), pd.DataFrame(digital, columns=columns)


def test_two_laws_in_one_question_leave_all_to_human_answers():
    human, digital = tables(shifted=True)
    found = interval_from(human, digital, scale="1:5")
    assert found.notices[1].startswith("Labelled twins and crowd differ in 1 of 5 problems by more than chance")
    assert found.notices[1].endswith("So auto uses the human answers alone, for all problems.")
    frame = found.to_frame()
    assert set(frame["method"]) == {"classical-small"}
    assert frame["note"].str.startswith(FLAG).tolist() == [False, False, False, True, False]
    assert found.overall["method"] == "classical-small"


def test_a_small_shift_in_all_questions_is_found_by_person():
    """A third of a step in each of 20 questions: hardly a question shows it alone, the people's means do."""
    rng = np.random.default_rng(6)
    rows = {"human": [], "digital": []}
    for problem in range(20):
        for person in range(10 + 60):
            answer = float(np.clip(np.round(rng.normal(3.0 if person < 10 else 3.35, 1.0)), 1, 5))
            rows["digital"].append((f"q{problem}", f"p{person}", answer))
            if person < 10:
                rows["human"].append((f"q{problem}", f"p{person}", float(rng.integers(2, 5))))
    human, digital = (pd.DataFrame(rows[side], columns=["problem", "participant", "response"]) for side in rows)
    pairing = pair(CrowdData.from_frame(human), CrowdData.from_frame(digital))
    found = survey_law(pairing)
    assert found.together
    assert len(found.flags) <= 1
    answer = interval_from(human, digital, scale="1:5")
    assert set(answer.to_frame()["method"]) == {"classical-small"}
    assert any(notice.startswith("Labelled twins and crowd differ") for notice in answer.notices)


def test_people_of_one_law_are_told_apart_seldom():
    """150 surveys of 6 questions that the same people answer alike: more than 8 at 1% are a false alarm in 40,000."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(150):
        level = rng.normal(size=(1, 40))
        table = np.clip(np.round(3.0 + level + rng.normal(size=(6, 40))), 1, 5)
        long = (
            pd.DataFrame(table.T)
            .melt(var_name="problem", value_name="response")
            .assign(participant=np.tile(np.arange(40), 6))
        )
        pairing = pair(CrowdData.from_frame(long[long["participant"] < 8]), CrowdData.from_frame(long))
        alarms += over_people(pairing) <= 0.01
    assert alarms <= 8


def test_one_law_uses_the_twins_and_says_nothing():
    human, digital = tables(shifted=False)
    found = interval_from(human, digital, scale="1:5")
    assert not [notice for notice in found.notices if "differ" in notice]
    assert set(found.to_frame()["method"]) == {"ppi++-small"}


def test_a_method_asked_for_is_used_and_flagged():
    human, digital = tables(shifted=True)
    found = interval_from(human, digital, scale="1:5", method="ppi++")
    assert set(found.to_frame()["method"]) == {"ppi++"}
    assert "Method 'ppi++' used them anyway." in found.notices[1]
    assert not any("differ" in said for said in interval_from(human, digital, scale="1:5", method="classical").notices)


def test_the_safe_decision_says_so():
    human, digital = tables(shifted=True)
    reference = pd.DataFrame({"problem": [f"q{k}" for k in range(PROBLEMS)], "response": 4})
    found = safe_decision_from(human, digital, reference, scale="1:5", eta=0.0)
    assert "The decisions here are about both together." in found.notices[0]
    assert FLAG in found.to_frame().loc["q3", "note"]


@pytest.mark.parametrize("command", ["interval", "compare", "risk", "distribution", "planner"])
def test_every_command_says_so(command, tmp_path, capsys):
    human, digital = tables(shifted=True)
    files = [tmp_path / "human.csv", tmp_path / "digital.csv"]
    human.to_csv(files[0], index=False)
    digital.to_csv(files[1], index=False)
    options = {"compare": ["--first", "5"], "planner": ["--half-width", "0.5"]}.get(command, [])
    said = run_json(capsys, command, *map(str, files), "--scale", "1:5", *options)
    place = 0 if command == "distribution" else 1  # who is whose twin plays no part there
    assert said["notices"][place].startswith("Labelled twins and crowd differ in 1 of 5 problems")
    if command == "compare":
        assert {row["method"] for row in said["results"] if row["chosen"]} == {"classical-small"}


def test_a_census_and_twins_that_refused_are_compared_rightly():
    """A census holds the labelled twins; stand-ins, which are the crowd's mean, are not compared with the crowd."""
    human, digital = tables(shifted=False)
    for census in (False, True):
        pairing = pair(CrowdData.from_frame(human), CrowdData.from_frame(digital), census=census)
        assert not survey_law(pairing).differs
    refused = digital[~(digital["participant"].isin(["p0", "p1", "p2", "p3"]) & (digital["problem"] == "q1"))]
    assert not survey_law(pair(CrowdData.from_frame(human), CrowdData.from_frame(refused))).differs
