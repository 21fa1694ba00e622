"""`crowdllm-stats planner`, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import BOTH, run, run_json, write

from crowdllm_stats.data import load_example
from crowdllm_stats.inference.planner import plan_answers
from crowdllm_stats.survey.plan import plan_from


def test_planner_plans_from_the_pilot(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys, "planner", *BOTH, "--half-width", "0.4")
    example = load_example()
    row = result["results"][0]
    humans = example.human.responses.query("problem == 'q01'").set_index("participant")["response"]
    twins = example.digital.responses.query("problem == 'q01'").set_index("participant")["response"][humans.index]
    assert row["human_sd"] == pytest.approx(humans.std())
    assert row["correlation"] == pytest.approx(np.corrcoef(humans, twins)[0, 1])
    typical = result["summary"][0]
    within = example.human.responses.groupby("problem")["response"].var()  # eight answers to every problem
    assert typical["human_sd"] == pytest.approx(np.sqrt(within.mean()), rel=1e-12)
    assert typical["n_with_digital"] < typical["n_human_only"]
    assert typical["n_human_only_low"] <= typical["n_human_only"] <= typical["n_human_only_high"]


@pytest.mark.parametrize("level", [0.8, 0.99])
def test_rows_and_the_typical_row_are_planned_at_the_level(capsys: pytest.CaptureFixture[str], level: float) -> None:
    result = run_json(capsys, "planner", *BOTH, "--half-width", "0.4", "--level", str(level))
    for row in [*result["results"], *result["summary"]]:
        sizes = {"n_digital": row["n_digital"], "n_pilot": row["n_pilot"]}
        plan = plan_answers(0.4, row["human_sd"], row["correlation"], **sizes, level=level)
        for name in ("n_human_only", "n_human_only_high", "n_with_digital", "n_with_digital_low"):
            assert row[name] == getattr(plan, name)


def test_a_pilot_of_equal_answers_is_warned_about(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [f"a,p{who},3" for who in range(5)]
    humans = write(tmp_path / "h.csv", "\n".join(["problem,participant,response", *rows]))
    more = [f"a,d{who},{who + 1}" for who in range(3)]
    digital = write(tmp_path / "d.csv", "\n".join(["problem,participant,response", *rows, *more]))
    result = run_json(capsys, "planner", humans, digital, "--half-width", "0.2")
    assert "Warning: all pilot answers are equal" in result["answer"]
    assert "all pilot answers are equal" in result["results"][0]["note"]


def test_a_half_width_of_half_the_scale_is_refused(capsys):
    assert "ask for less" in run(capsys, "planner", *BOTH, "--scale", "1:5", "--half-width", "2", code=2)


def test_twins_that_fall_as_humans_rise_show_their_correlation(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    human = rng.integers(1, 6, 12)
    digital = np.concatenate([6 - np.clip(human + rng.integers(-1, 2, 12), 1, 5), rng.integers(1, 6, 30)])
    for name, answers in (("human", human), ("digital", digital)):
        people = [f"p{number}" for number in range(len(answers))]
        table = pd.DataFrame({"problem": "q", "participant": people, "response": answers})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    found = plan_from(tmp_path / "human.csv", tmp_path / "digital.csv", half_width=0.3, scale="1:5")
    wanted = np.corrcoef(human, digital[:12])[0, 1]
    assert wanted < -0.5
    assert found.to_frame()["correlation"].tolist() == pytest.approx([wanted])
    assert found.overall["correlation"] == pytest.approx(wanted)
    assert found.overall["saved"] == found.to_frame()["saved"].iloc[0] == 0
