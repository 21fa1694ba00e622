"""`crowdllm-stats across`: the numbers of across_from, with and without a digital table, and bad input in one line."""

import json

import pandas as pd
import pytest
from command_line import BOTH, run, run_json

from crowdllm_stats import across_from, load_example


def test_the_command_prints_the_functions_numbers(capsys, tmp_path):
    out = tmp_path / "rows.csv"
    printed = run_json(capsys, "across", *BOTH, "--out", str(out))
    example = load_example()
    found = across_from(example.human, example.digital)
    assert printed["results"] == json.loads(json.dumps(found.to_dict()["rows"]))
    assert printed["counts"]["people"] == 60
    assert len(pd.read_csv(out)) == 12
    assert (tmp_path / "rows.csv.manifest.json").exists()


def test_humans_alone(capsys):
    text = run(capsys, "across", BOTH[0])
    assert text.startswith("12 questions, a typical one known to within ")
    printed = run_json(capsys, "across", BOTH[0], "--population-size", "60", "--level", "0.9")
    found = across_from(load_example().human, population_size=60, level=0.9)
    assert printed["results"][0]["lower"] == pytest.approx(found.rows[0]["lower"])


def test_covariates_are_read_from_the_file(capsys, tmp_path):
    frame = load_example().human.to_frame()[["problem", "participant", "response"]]
    frame["words"] = frame["problem"].str[1:].astype(int) % 5
    path = tmp_path / "humans.csv"
    frame.to_csv(path, index=False)
    printed = run_json(capsys, "across", str(path), "--scale", "1:5", "--covariates", "words")
    found = across_from(frame, scale="1:5", covariates=["words"])
    assert printed["results"][3]["estimate"] == pytest.approx(found.rows[3]["estimate"])
    said = run(capsys, "across", str(path), "--covariates", "length", code=2)
    assert "no column 'length'" in said


def test_bad_input_is_one_line(capsys):
    assert "--match builds twins" in run(capsys, "across", *BOTH, "--match", "gender", code=2)
    assert "--covariates needs at least one column" in run(capsys, "across", *BOTH, "--covariates", ",", code=2)
    assert "level must lie strictly between" in run(capsys, "across", *BOTH, "--level", "1", code=2)
    few = ("--problem", "q01", "--problem", "q02", "--problem", "q03")
    assert "3 problems are too few" in run(capsys, "across", *BOTH, *few, code=2)
    assert "Missing argument 'DIGITAL'" in run(capsys, "risk", BOTH[0], code=2)
