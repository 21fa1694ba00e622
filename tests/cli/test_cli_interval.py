"""`crowdllm-stats interval`, end to end."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import BOTH, RENAMED, run, run_json, write
from scipy.stats import t as student

from crowdllm_stats.data import load_example
from crowdllm_stats.inference.intervals import interval

DATA = os.environ.get("CROWDLLM_STATS_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="CROWDLLM_STATS_DATA names no folder with the published data sets")


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """The example as two CSV files with other column names."""
    example = load_example()
    names = {"problem": "item", "participant": "who", "response": "rating"}
    paths = str(tmp_path / "humans.csv"), str(tmp_path / "digital.parquet")
    example.human.to_frame().rename(columns=names).to_csv(paths[0], index=False)
    example.digital.to_frame().rename(columns=names).to_parquet(paths[1])
    return paths


def test_interval_gives_the_calculators_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys, "interval", *BOTH, "--scale", "1:5", "--method", "ppi-small", "--level", "0.9")
    example = load_example()
    row = result["results"][4]
    humans = example.human.responses.query("problem == @row['problem']").set_index("participant")["response"]
    digital = example.digital.responses.query("problem == @row['problem']").set_index("participant")["response"]
    expected = interval(
        humans, digital[humans.index], digital.drop(humans.index), method="ppi-small", level=0.9, bounds=(1, 5)
    )
    assert [row["lower"], row["estimate"], row["upper"]] == pytest.approx(
        [expected.lower, expected.estimate, expected.upper], rel=1e-12
    )
    assert row["saved"] == pytest.approx(expected.effective_n - 8)
    assert result["command"] == "interval"
    assert len(result["results"]) == 12
    assert result["excluded"] == []
    assert result["summary"][0]["problem"] == "all"
    assert result["summary"][0]["n_labeled"] == 96


def test_the_seed_shuffles_the_order_of_bets(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--scale", "1:5", "--digital-scale", "1:5", "--method", "set-betting", "--problem", "q05")
    seeds = ((), ("--seed", "1"), ("--seed", "2"))
    rows = [run_json(capsys, "interval", *BOTH, *options, *seed)["results"][0] for seed in seeds]
    assert len({row["lower"] for row in rows}) == 3


def test_files_with_other_columns_give_the_same(capsys: pytest.CaptureFixture[str], files: tuple[str, str]) -> None:
    named = run_json(capsys, "interval", *BOTH, "--scale", "1:5")
    read = run_json(capsys, "interval", *files, "--scale", "1:5", *RENAMED)
    assert read["results"] == named["results"]
    assert read["summary"] == named["summary"]


def test_interval_by_hand_without_twins(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    humans = write(tmp_path / "h.csv", "problem,participant,response\na,x,1\na,y,2\na,z,6\nb,x,4\n")
    digital = write(tmp_path / "d.csv", "problem,participant,response\na,d1,1\na,d2,2\nb,d1,1\n")
    result = run_json(capsys, "interval", humans, digital, "--unpaired")
    (row,) = result["results"]
    assert (row["problem"], row["method"], row["saved"]) == ("a", "classical", 0.0)
    assert row["half_width"] == pytest.approx(student.ppf(0.975, 2) * np.sqrt(7 / 3))
    assert result["excluded"][0]["problem"] == "b"
    assert "at least 2" in result["excluded"][0]["reason"]
    assert result["notes"] == ["Human answers alone, as asked for."]
    table = run(capsys, "interval", humans, digital, "--unpaired")
    assert "Excluded: 1 of 2 problems" in table
    error = run(capsys, "interval", humans, digital, "--method", "ppi++", code=2)
    assert "--match COLUMNS" in error


def test_one_sided_intervals_and_infinite_ends(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "w.parquet"
    result = run_json(capsys, "interval", *BOTH, "--method", "classical", "--alternative", "larger", "--out", str(out))
    for row in [*result["results"], *result["summary"]]:
        assert row["upper"] is None
        assert row["not_finite"] == {"upper": "inf"}
    assert np.isinf(pd.read_parquet(out)["upper"]).all()


def test_problem_selects_and_population_size_shortens(capsys: pytest.CaptureFixture[str]) -> None:
    wide = run_json(capsys, "interval", *BOTH, "--problem", "q03", "--problem", "q05")
    assert [row["problem"] for row in wide["results"]] == ["q03", "q05"]
    whole = run_json(capsys, "interval", *BOTH, "--method", "classical", "--problem", "q03")
    finite = run_json(capsys, "interval", *BOTH, "--method", "classical", "--problem", "q03", "--population-size", "10")
    ratio = finite["results"][0]["half_width"] / whole["results"][0]["half_width"]
    assert ratio == pytest.approx(np.sqrt(1 - 8 / 10))


def test_census_by_profile_uses_everybodys_twin(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--match", "gender,age_group")
    census = run_json(capsys, "interval", *BOTH, *options, "--population-size", "60")
    assert {row["n_digital"] for row in census["results"]} == {60}
    others = run_json(capsys, "interval", *BOTH, *options)
    assert {row["n_digital"] for row in others["results"]} == {52}


def test_out_writes_rows_and_a_manifest(
    capsys: pytest.CaptureFixture[str], files: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "widths.csv"
    text = run(capsys, "interval", *files, *RENAMED, "--out", str(out), "--seed", "7")
    assert "widths.csv.manifest.json" in text
    frame = pd.read_csv(out)
    assert frame["problem"].tolist() == [*(f"q{number:02}" for number in range(1, 13)), "all"]
    manifest = json.loads((tmp_path / "widths.csv.manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 7
    assert manifest["inputs"][0]["sha256"] == sha256(Path(files[0]).read_bytes()).hexdigest()
    assert manifest["output"]["sha256"] == sha256(out.read_bytes()).hexdigest()
    assert manifest["command"].startswith("crowdllm-stats interval")
    assert manifest["counts"]["pairs"] == 96


@pytest.mark.parametrize("method", ["set-betting", "set-clt", "set-hoeffding", "set-bernstein", "crowdllm"])
def test_methods_for_one_problem_leave_the_row_over_all_out(capsys: pytest.CaptureFixture[str], method: str) -> None:
    result = run_json(capsys, "interval", *BOTH, "--scale", "1:5", "--digital-scale", "1:5", "--method", method)
    assert len(result["results"]) == 12
    assert result["summary"] == []
    assert any(note.startswith("No row over all problems") for note in result["notes"])


def test_the_row_over_all_says_that_it_is_for_the_wider_population(capsys: pytest.CaptureFixture[str]) -> None:
    finite = run_json(capsys, "interval", *BOTH, "--population-size", "500")
    assert "wider population" in finite["summary"][0]["note"]
    assert "wider population" not in run_json(capsys, "interval", *BOTH)["summary"][0]["note"]


@needs_data
def test_popquorn_with_recorded_personas(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("popquorn:offensiveness", "popquorn-llm:gpt4", "--match", "gender,race", "--scale", "1:5")
    result = run_json(capsys, "interval", *names)
    assert len(result["results"]) + len(result["excluded"]) == 1500
    assert result["counts"]["people_plain"] == 20
    notes = " ".join(result["notes"])
    assert "20 of 262 people (949 of 13036 answers) got the plain persona" in notes
    assert "computed with digital answers, these save nothing: the 9 people per question" in result["answer"]
    assert "all twins are equal" in notes
    assert result["summary"][0]["estimate"] == pytest.approx(1.866, abs=5e-4)  # mean of the 13,036 ratings
    safe = run_json(
        capsys,
        "safe-interval",
        *names[:4],
        "--reference-participant",
        "person",
        "--problem",
        "0",
        "--kappa",
        "1",
        "--eta",
        "0",
    )
    assert len(safe["results"]) == 1
