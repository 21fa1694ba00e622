"""`crowdllm-stats simulate --problems`: answers to questions that nobody answered, by people of any profile."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from crowdllm_stats import CrowdLLM, load_example
from crowdllm_stats.cli import main

KNOWN = [f"q{number:02}" for number in range(1, 10)]
NEW = ["q10", "q11", "q12"]


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A generator fitted to nine of the example's problems, with tfidf; beside it the texts of all twelve."""
    folder = tmp_path_factory.mktemp("town")
    human = load_example().human
    ages = {"18-34": 26, "35-54": 45, "55+": 63}
    people = human.participants.assign(age=human.participants["age_group"].map(ages)).drop(columns="age_group")
    known = human.responses[human.responses["problem"].isin(KNOWN)]
    known.to_csv(folder / "humans.csv", index=False)
    people.to_csv(folder / "people.csv", index=False)
    human.problems.to_csv(folder / "texts.csv", index=False)
    human.problems[human.problems["problem"].isin(NEW)].to_csv(folder / "new.csv", index=False)
    words = ["fit", str(folder / "humans.csv"), "--scale", "1:5", "--problems", str(folder / "texts.csv"),
             "--participants", str(folder / "people.csv"), "--backbone", "example:reference", "--embedding", "tfidf",
             "--setting", "steps=30", "--setting", "held_out=0", "--setting", "hidden=4"]  # fmt: skip
    assert main([*words, "--out", str(folder / "town.npz")]) == 0
    return folder


def asked(town, *words):
    return ["simulate", str(town / "town.npz"), *words, "--out", str(town / "answers.csv")]


def test_answers_to_new_questions_and_old_ones(town, capsys):
    words = ["--problems", str(town / "texts.csv"), "--backbone", "example:reference", "--n", "20", "--json"]
    assert main(asked(town, *words)) == 0
    note = json.loads(capsys.readouterr().out)["note"]
    assert "9 problems of " in note
    assert "by ids of the fit" in note
    table = pd.read_csv(town / "answers.csv")
    assert table["problem"].value_counts().to_dict() == dict.fromkeys([*KNOWN, *NEW], 20)
    # The embedding and the reference are those of the fit: Python gives the same answers.
    alone = [*words, "--problem", "q11", "--reference-out", str(town / "plain.csv"), "--k", "3"]
    assert main(asked(town, *alone)) == 0
    assert "by ids of the fit" not in json.loads(capsys.readouterr().out)["note"]
    again = pd.read_csv(town / "answers.csv")
    assert again["response"].tolist() == table[table["problem"] == "q11"]["response"].tolist()
    assert set(pd.read_csv(town / "plain.csv")["problem"]) == {"q11"}
    manifest = json.loads((town / "answers.csv.manifest.json").read_text(encoding="utf-8"))
    names = [source.get("path", source.get("name", "")).rpartition("/")[2] for source in manifest["inputs"]]
    assert names == ["town.npz", "texts.csv", "example:reference"]


def test_what_new_questions_lack_is_refused_in_one_line(town, capsys, tmp_path):
    new, texts = str(town / "new.csv"), str(town / "texts.csv")
    half = tmp_path / "half.csv"
    pd.DataFrame({"problem": ["q10", "q11"], "response": [2, 3]}).to_csv(half, index=False)
    numbers = tmp_path / "numbers.csv"
    pd.DataFrame({"problem": [*KNOWN, *NEW], "e0": 0.5, "e1": 0.25}).to_csv(numbers, index=False)
    other = tmp_path / "other.csv"
    table = pd.read_csv(texts)
    table.assign(text=table["text"].where(table["problem"] != "q02", "A wholly different matter?")).to_csv(other)
    reference = ("--backbone", "example:reference")
    for words, message in (
        (["--problems", new], "3 problems are new to the generator, for instance 'q10'; give their reference answers"),
        (["--problems", new, "--backbone", str(half)], "1 of 3 problem(s) have no row, for instance 'q12'; give one"),
        (["--problems", new, *reference], "the texts of 9 of them are not in --problems, for instance 'q01'"),
        (["--problems", texts, *reference, "--embedding", "minilm"], "fitted with the embedding 'tfidf'; leave the"),
        (["--problems", texts, *reference, "--embedding", str(numbers)], "embedding has 2 columns; the generator was"),
        (["--problems", str(other), *reference], "training problem(s) have another embedding than the generator was"),
        (["--problems", texts, "--problem", "q13", *reference], "--problem 'q13' is not in"),
        (["--problem", "q10"], "give the text of a new one with --problems FILE"),
        (reference, "--backbone is for new problems, and there is no --problems FILE"),
        (["--problems", new, "--twins", "humans.csv"], "--problems cannot be joined with --twins"),
    ):
        assert main(asked(town, *words)) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_people_far_from_the_fit_are_counted_and_unknown_ones_refused(town, capsys):
    people = pd.DataFrame(
        {"participant": ["ann", "bob", "cyd"], "gender": ["Woman", "Man", "Man"], "age": [30, 60, 900]}
    )
    place = town / "others.csv"
    people.to_csv(place, index=False)
    assert main(asked(town, "--participants", str(place), "--problem", "q01")) == 0
    said = capsys.readouterr().out
    assert "3 answers of 3 digital people" in said
    assert "1 of 3 people have 'age' far outside 26 to 63, as it was in the fit (900 at most): extrapolated." in said
    assert pd.read_csv(town / "answers.csv")["participant"].tolist() == ["ann", "bob", "cyd"]
    model = CrowdLLM.load(town / "town.npz")
    assert "1 of 3 people have 'age' far outside" in model.predict(["q01"], people=people).why
    with pytest.warns(UserWarning, match="1 of 3 people have 'age' far outside 26 to 63") as told:
        model.simulate(["q01"], people=people)
    assert told[0].filename == __file__
    people.assign(gender=["Woman", "Other", "Other"]).to_csv(place, index=False)
    assert main(asked(town, "--participants", str(place))) == 2
    assert "column 'gender' holds 'Other' (1 unknown value(s) in 2 row(s)); known are 'Man'" in capsys.readouterr().err
