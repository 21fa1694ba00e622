"""`crowdllm-stats fit`: from human answers to a generator file that simulate reads."""

from __future__ import annotations

import json

import pytest

from crowdllm_stats import CrowdLLM, load_example
from crowdllm_stats.cli import main
from crowdllm_stats.cli.inputs import human_answers
from crowdllm_stats.cli.options import ReadOptions
from crowdllm_stats.evaluation.case_study.references import read_references

WORDS = ["fit", "example:human", "--backbone", "example:reference", "--setting", "steps=60", "--setting", "held_out=0"]


def test_fits_writes_and_can_be_simulated(tmp_path, capsys):
    out = tmp_path / "town.npz"
    assert main([*WORDS, "--embedding", "tfidf", "--out", str(out), "--seed", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["steps"] == 60
    fitted = CrowdLLM.load(out).fitted
    assert (fitted.n_answers, fitted.n_people, len(fitted.problems)) == (96, 60, 12)
    assert fitted.vectors.components.shape[0] > 0
    manifest = json.loads((tmp_path / "town.npz.manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 2
    assert manifest["counts"] == {"answers": 96, "people": 60}
    answers = tmp_path / "answers.csv"
    assert main(["simulate", str(out), "--n", "9", "--out", str(answers)]) == 0
    assert len(answers.read_text(encoding="utf-8").splitlines()) == 1 + 9 * 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*WORDS, "--out", "a.csv"], "must end in .npz"),
        ([*WORDS, "--out", "nowhere/a.npz"], "does not exist"),
        ([*WORDS, "--out", "a.npz", "--setting", "steps=none"], "steps"),
        ([*WORDS, "--out", "a.npz", "--setting", "speed=3"], "unknown hyper-parameter(s) speed"),
        ([*WORDS, "--out", "a.npz", "--seed", "-4"], "--seed must be a whole number"),
        ([*WORDS, "--out", "a.npz", "--embedding", "absent"], "absent"),
        (["fit", "example:human", "--backbone", "gpt", "--out", "a.npz"], "backbone 'gpt' is neither"),
        (["fit", "absent.csv", "--backbone", "smollm2", "--out", "a.npz"], "--scale is missing"),
        ([*WORDS, "--out", "a.npz", "--problems", "q.csv"], "--problems is for files; example:human has its own"),
        ([*WORDS, "--out", "a.npz", "--response-column", "mark"], "--response-column is for files"),
        ([*WORDS, "--out", "a.npz", "--device", "cpu"], "error: --device says how a model is asked, and the answers"),
        ([*WORDS, "--out", "a.npz", "--options", "never"], "--options 'never': 'never' is not ANSWER=MEANING"),
    ],
)
def test_mistakes_get_one_line(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not list(tmp_path.glob("*.npz"))


def test_example_reference_is_the_examples():
    found = read_references("example:reference", load_example().human)
    assert found.whole.problems == tuple(load_example().human.problems["problem"])


def test_texts_and_profiles_from_files_of_their_own(tmp_path, capsys):
    human = load_example().human
    names = {"problem": "item", "participant": "who", "response": "mark"}
    rows = human.responses.rename(columns=names).astype({"mark": object})
    rows.loc[[3, 8], "mark"] = ""
    rows.to_csv(tmp_path / "answers.csv", index=False)
    human.problems.rename(columns=names).to_csv(tmp_path / "texts.csv", index=False)
    human.participants.rename(columns=names).to_csv(tmp_path / "people.csv", index=False)
    words = ["fit", str(tmp_path / "answers.csv"), *WORDS[2:], "--scale", "1,2,3,4,5", "--embedding", "tfidf"]
    words += ["--problems", str(tmp_path / "texts.csv"), "--participants", str(tmp_path / "people.csv")]
    out = tmp_path / "town.npz"
    assert main([*words, "--out", str(out)]) == 2
    assert "say which one it is with --problem-column NAME" in capsys.readouterr().err
    words += [word for ours, theirs in names.items() for word in (f"--{ours}-column", theirs)]
    assert main([*words, "--out", str(out)]) == 2
    assert "is empty in 2 of 96 rows (data rows 4, 9); fill them, or give --drop-missing" in capsys.readouterr().err
    assert main([*words, "--out", str(out), "--drop-missing"]) == 0
    said = capsys.readouterr().out
    assert "2 rows of " in said
    assert "No problem was held out (fewer than 10, or held_out=0): no error on new problems is known" in said
    fitted = CrowdLLM.load(out).fitted
    assert fitted.n_answers == 94
    assert [column.name for column in fitted.encoder.columns] == ["gender", "age_group"]
    manifest = json.loads((tmp_path / "town.npz.manifest.json").read_text(encoding="utf-8"))
    assert [source.get("path", "").rpartition("/")[2] for source in manifest["inputs"][:3]] == [
        "answers.csv", "texts.csv", "people.csv",
    ]  # fmt: skip
    assert manifest["counts"]["missing response"] == 2


def test_a_wide_scale_and_a_column_of_reaction_times(tmp_path):
    human = load_example().human
    rows = human.responses.assign(seconds=[0.5 * place for place in range(96)])
    rows["response"] = 20 * rows["response"] - [place % 7 for place in range(96)]
    place, plain = tmp_path / "humans.csv", tmp_path / "plain.csv"
    rows.to_csv(place, index=False)
    found = human_answers(str(place), "0:100", None, ReadOptions())
    assert found.notes == [f"Column 'seconds' of {place} belongs to single answers and is not used."]
    assert (str(found.data.scale), list(found.data.participants)) == ("continuous 0 to 100", ["participant"])
    answers = load_example().reference.responses[["problem", "response"]]
    answers.assign(response=20 * answers["response"] - 5).to_csv(plain, index=False)
    references = read_references(str(plain), found.data)
    assert references.whole.answers == tuple(10.0 * level for level in range(11))
    assert references.notes[0].startswith("120 of 120 answers of plain.csv lie between two levels and count in parts")
    # A profile with a slip is not taken for a column of answers: it is refused as before.
    slip = human.to_frame()
    person = slip["participant"] == slip["participant"].value_counts().idxmax()
    slip.loc[slip.index[person][0], "age_group"] = "other"
    slip.to_csv(place, index=False)
    with pytest.raises(ValueError, match=r"'age_group' has one value neither for every participant \(1 have several"):
        human_answers(str(place), "1:5", None, ReadOptions())


@pytest.mark.parametrize("scale", ["1:5", "1,2,3,4,5"])
def test_what_a_model_lacks_is_said_before_it_is_loaded(tmp_path, capsys, scale):
    rows = [f"q{item},p{who},{1 + (item + who) % 5}" for item in range(3) for who in range(4)]
    place = tmp_path / "h.csv"
    place.write_text("\n".join(["problem,participant,response", *rows]), encoding="utf-8")
    words = ["fit", str(place), "--scale", scale, "--backbone", "smollm2", "--out", str(tmp_path / "m.npz")]
    assert main(words) == 2
    assert "--problems FILE" in capsys.readouterr().err
