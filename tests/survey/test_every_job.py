"""What all functions of two tables have in common: frames and files, their command, results that print themselves."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from command_line import BOTH, run_json

from crowdllm_stats import (
    across_from,
    compare_from,
    distribution_from,
    interval_from,
    load_example,
    plan_from,
    risk_from,
    safe_decision_from,
)
from crowdllm_stats.survey.by_shape import by_shape, stacked

#: Job: the call on two tables, and its command with what goes beside the tables.
JOBS = {
    "interval": (interval_from, ["interval"]),
    "across": (across_from, ["across"]),
    "safe": (
        lambda human, digital, **options: safe_decision_from(human, digital, load_example().reference, **options),
        ["safe-interval", "--reference", "example:reference"],
    ),
    "risk": (
        lambda human, digital, **options: risk_from(human, digital, load_example().reference, **options),
        ["risk", "--reference", "example:reference"],
    ),
    "compare": (compare_from, ["compare"]),
    "compare each": (
        lambda human, digital, **options: compare_from(human, digital, first=2, **options),
        ["compare", "--first", "2"],
    ),
    "distribution": (
        lambda human, digital, **options: distribution_from(human, digital, n_boot=20, seed=3, **options),
        ["distribution", "--n-boot", "20", "--seed", "3"],
    ),
    "plan": (
        lambda human, digital, **options: plan_from(human, digital, 0.4, **options),
        ["planner", "--half-width", "0.4"],
    ),
}
TABLES = ["problem", "participant", "response"]


@pytest.fixture(scope="module")
def example():
    return load_example()


@pytest.mark.parametrize("job", JOBS)
def test_a_command_prints_what_its_function_returns(job, example, capsys):
    function, (command, *options) = JOBS[job]
    found = function(example.human, example.digital)
    printed = run_json(capsys, command, *BOTH, *options)
    plain = json.loads(json.dumps(found.to_dict()))
    assert printed["results"] == plain["rows"]
    assert printed["summary"] == [row for row in (plain["overall"], *plain["overall_ends"]) if row is not None]
    assert printed["counts"] == plain["counts"]
    assert set(printed["notes"]) >= {note.replace("first=N", "--problem") for note in plain["notes"]}
    frames = example.human.to_frame()[TABLES], example.digital.to_frame()[TABLES]
    assert json.loads(json.dumps(function(*frames, scale="1,2,3,4,5").to_dict()["rows"])) == plain["rows"]
    assert found.to_frame().index.name == "problem"
    assert printed["answer"] == found.answer
    words = str(found).splitlines()
    assert words[0] == found.answer
    assert len(words[1].split()) <= 7
    assert words[-2].startswith(found.basis)
    assert words[-1] == ".notes, .excluded and .why say more, .to_frame() has all columns."
    for row in found.summary:
        assert any(line.split()[0] == row["problem"] for line in words)


def widths(rows):
    """The distances between lower and upper ends that a level widens: by field, one per row."""
    found = {}
    for row in rows:
        for name in row:
            for low, high in (("lower", "upper"), ("low", "high")):
                if name.endswith(low) and not name.startswith(("published", "exact")) and row[name] is not None:
                    found.setdefault(name, []).append(row[name.removesuffix(low) + high] - row[name])
    ends = {row["problem"]: row for row in rows}
    if "lower" in ends:
        return {
            name: [ends["upper"][name] - value] for name, value in ends["lower"].items() if isinstance(value, float)
        }
    return found


@pytest.mark.parametrize("job", JOBS)
def test_a_lower_level_narrows_every_interval(job, capsys):
    command, *options = JOBS[job][1]
    wide, narrow = (run_json(capsys, command, *BOTH, *options, "--level", level) for level in ("0.95", "0.8"))
    compared = 0
    for part in ("results", "summary"):
        before, after = widths(wide[part]), widths(narrow[part])
        assert list(before) == list(after)
        for name, values in before.items():
            assert np.all(np.array(after[name]) <= values), name
            assert np.any(np.array(after[name]) < values), name
            compared += 1
    assert compared


@pytest.mark.parametrize("job", JOBS)
def test_words_are_coded_in_every_job_and_the_notes_say_so(job):
    if job in ("safe", "risk"):
        pytest.skip("the plain answers of the example are numbers from 1 to 5")
    function, _ = JOBS[job]
    rng = np.random.default_rng(5)
    people = [f"p{who:02}" for who in range(9)]
    others = [f"d{who:02}" for who in range(40)]
    problems = [f"q{number:02}" for number in range(11)]

    def table(names, low, high):
        index = pd.MultiIndex.from_product([problems, names], names=TABLES[:2])
        drawn = np.where(rng.random(len(index)) < 0.5, high, low)
        return index.to_frame(index=False).assign(response=drawn)

    human, digital = table(people, "no", "yes"), table([*people, *others], "no", "yes")
    found = function(human, digital, scale="no,yes")
    assert found.notes[0] == "Answers are coded 0 for 'no' and 1 for 'yes': a mean is the share of 'yes'."
    coded = (data.assign(response=(data["response"] == "yes").astype(float)) for data in (human, digital))
    numbers = function(*coded, scale="0,1")
    pd.testing.assert_frame_equal(found.to_frame(), numbers.to_frame())
    with pytest.raises(ValueError, match="the human table looks like the digital one"):
        function(digital.assign(participant="gpt-" + digital["participant"]), human, scale="no,yes")


def test_the_driver_names_the_first_reason_where_nothing_could_be_computed():
    def refused(batch):
        raise ValueError(f"{len(batch.problems)} problems of one shape")

    cases = {"a": [np.zeros(2)], "b": [np.zeros(3)], "c": [np.zeros(2)]}
    with pytest.raises(ValueError, match="nothing here: 2 problems of one shape"):
        by_shape(stacked(cases), refused, list(cases), others={}, nothing="nothing here: {}")


def test_bad_input_of_the_new_jobs_is_refused(example):
    both = example.human, example.digital
    with pytest.raises(ValueError, match="first must be a whole number of at least 1"):
        compare_from(*both, first=0)
    with pytest.raises(ValueError, match="alternative must be one of"):
        compare_from(*both, alternative="both")
    with pytest.raises(ValueError, match="half_width must be positive"):
        plan_from(*both, -0.1)
    with pytest.raises(ValueError, match="half_width is half of the scale 1 to 5 or more"):
        plan_from(*both, 2.0)
    with pytest.raises(ValueError, match="n_boot must be a whole number of at least 0"):
        distribution_from(*both, n_boot=-1)
    with pytest.raises(ValueError, match="give one, not both"):
        risk_from(*both, example.reference, reference_participant="d001")
    strangers = example.digital.to_frame().assign(participant=lambda frame: "x" + frame["participant"])
    for job in (compare_from, risk_from, lambda *tables, **options: plan_from(*tables, 0.4, **options)):
        with pytest.raises(ValueError, match="no person has a digital twin"):
            job(example.human, strangers, scale="1:5")
    with pytest.raises(ValueError, match="human and digital tables have no problem in common"):
        risk_from(example.human, example.digital.to_frame()[TABLES].assign(problem="z"), scale="1:5")


def test_a_problem_without_enough_answers_is_left_out_with_its_reason(example):
    human, digital = example.human.to_frame()[TABLES], example.digital.to_frame()[TABLES]
    first = human["problem"] == "q01"
    single = pd.concat([human[first].iloc[:1], human[~first]])
    assert risk_from(single, digital, scale="1:5").excluded == {"q01": "fewer than 2 people with a twin"}
    assert distribution_from(single, digital, scale="1:5").excluded == {"q01": "fewer than 3 answers: 1 human"}
    assert "fewer than 4 human answers with a twin" in plan_from(single, digital, 0.4, scale="1:5").excluded["q01"]
