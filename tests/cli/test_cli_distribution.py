"""`crowdllm-stats distribution`, end to end."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.cli import main
from crowdllm_stats.inference.diversity import distribution_error

DATA = os.environ.get("CROWDLLM_STATS_DATA")


@pytest.fixture
def tables(tmp_path):
    """Problems of two shapes, one with too few digital answers and one with none, human answers once and a half."""
    rng = np.random.default_rng(1)
    sizes = {"10": (5, 20), "2": (5, 20), "3": (4, 9), "4": (6, 2), "5": (6, 0)}
    paths = []
    for side, name in enumerate(("humans", "digital")):
        rows = [
            (problem, f"{name}{person}", value)
            for problem, counts in sizes.items()
            for person, value in enumerate(rng.normal(3, 1 - 0.4 * side, counts[side]).round(1))
        ]
        if side == 0:
            rows.append(("2", "humans0", 3.3))
        path = tmp_path / f"{name}.csv"
        pd.DataFrame(rows, columns=["problem", "participant", "response"]).to_csv(path, index=False)
        paths.append(str(path))
    return paths


def run(capsys, *arguments, code=0):
    assert main(["distribution", *arguments]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_rows_equal_the_calculator_in_order_of_the_problems(capsys, tables):
    report = json.loads(run(capsys, *tables, "--n-boot", "20", "--seed", "3", "--json"))
    assert [row["problem"] for row in report["results"]] == ["2", "3", "10"]
    human, digital = (pd.read_csv(path).query("problem == 3")["response"].to_numpy() for path in tables)
    expected = distribution_error(human, digital, n_boot=20, seed=3)
    row = report["results"][1]
    assert row["spread"] == pytest.approx(expected.spread)
    assert row["energy_upper"] == pytest.approx(expected.upper["energy"])
    assert (row["n_human"], row["n_digital"]) == (4, 9)
    assert [row["problem"] for row in report["excluded"]] == ["4", "5"]
    assert "2 digital" in report["excluded"][0]["reason"]
    assert "1 repeated answers of the same human people" in report["notes"][0]
    mean = report["summary"][0]
    assert mean["location"] == pytest.approx(np.mean([row["location"] for row in report["results"]]))
    assert report["answer"].startswith("Over 3 questions: ")


def test_one_problem_has_no_summary_and_bounds_on_request(capsys, tables):
    report = json.loads(run(capsys, *tables, "--problem", "2", "--n-boot", "30", "--seed", "1", "--json"))
    assert report["summary"] == []
    assert ", 95% interval " in report["answer"]
    assert "ratio" in run(capsys, *tables, "--problem", "2")


def test_what_cannot_be_done_is_refused_in_one_line(capsys, tables):
    assert "--match builds twins" in run(capsys, *tables, "--match", "gender", code=2)
    assert "no problem has 3 human and 3 digital" in run(capsys, *tables, "--problem", "4", code=2)
    assert "--n-boot must be a whole number" in run(capsys, *tables, "--n-boot", "-1", code=2)


@pytest.mark.skipif(not DATA, reason="CROWDLLM_STATS_DATA names no folder with the published data sets")
def test_gpt4_personas_are_too_uniform_on_offensiveness(capsys):
    report = json.loads(run(capsys, "popquorn:offensiveness", "popquorn-llm:gpt4", "--json"))
    assert len(report["results"]) == 1500
    lower, upper = report["summary"][1], report["summary"][2]
    assert 0.5 < lower["sd_ratio"] < upper["sd_ratio"] < 0.7
    assert "too uniform" in report["answer"]
