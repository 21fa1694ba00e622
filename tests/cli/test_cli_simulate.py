"""`crowdllm-stats simulate`, from the shipped population to the interval."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats import CrowdData, CrowdLLM, categorical, load_example
from crowdllm_stats.backbones import RecordedBackbone, Reference
from crowdllm_stats.cli import main
from crowdllm_stats.generator.shipped import load_population, stored_reference


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    example = load_example()
    reference = RecordedBackbone(example.reference).reference(example.human.problems)
    model = CrowdLLM(steps=60, held_out=0.0).fit(example.human, reference, seed=2)
    place = tmp_path_factory.mktemp("generator") / "town.npz"
    model.save(place)
    example.human.write(place.with_name("humans.csv"))
    return place


def test_answers_of_the_shipped_population(tmp_path, capsys):
    out = tmp_path / "answers.csv"
    words = ["simulate", "offensiveness", "--problem", "12", "--problem", "7", "--n", "30", "--out", str(out)]
    assert main([*words, "--seed", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    table = pd.read_csv(out, dtype={"problem": str})
    assert told["answers"] == len(table) == 60
    assert sorted(table["problem"].unique()) == ["12", "7"]
    assert table["response"].between(1, 5).all()
    manifest = json.loads((tmp_path / "answers.csv.manifest.json").read_text(encoding="utf-8"))
    assert manifest["seed"] == 3
    assert manifest["inputs"][0]["path"].endswith("offensiveness.npz")
    assert "numpyro" in manifest["packages"]


def test_the_seed_is_that_of_answers_and_of_plain_answers(tmp_path):
    model = load_population("offensiveness")
    reference = stored_reference(model.fitted).select(["12"])
    out, plain = tmp_path / "answers.csv", tmp_path / "plain.csv"
    words = ["--problem", "12", "--n", "30", "--k", "40", "--out", str(out), "--reference-out", str(plain)]
    assert main(["simulate", "offensiveness", *words, "--seed", "4"]) == 0
    answers, told = pd.read_csv(out)["response"].tolist(), pd.read_csv(plain)["response"].tolist()
    for seed in (0, 4):
        same = model.simulate(["12"], 30, seed=seed).responses["response"].tolist() == answers
        assert same == (seed == 4)
        assert (reference.sample(40, seed=seed).mean(axis=1)[0].tolist() == told) == (seed == 4)


def test_a_problems_answers_do_not_depend_on_the_others(tmp_path):
    for name, problems in (("one", ["12"]), ("two", ["7", "12"])):
        words = [word for problem in problems for word in ("--problem", problem)]
        assert main(["simulate", "offensiveness", *words, "--n", "25", "--out", str(tmp_path / f"{name}.parquet")]) == 0
    one, two = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    assert one["response"].tolist() == two[two["problem"] == "12"]["response"].tolist()


@pytest.mark.parametrize("by", ["people", "problems"])
def test_from_twins_to_the_three_jobs(generator, tmp_path, capsys, by):
    humans, digital, plain = str(generator.with_name("humans.csv")), str(tmp_path / "d.csv"), str(tmp_path / "r.csv")
    words = ["simulate", str(generator), "--twins", humans, "--by", by, "--folds", "3", "--k", "4"]
    words += ["--n", "40"] if by == "people" else []
    assert main([*words, "--out", digital, "--reference-out", plain]) == 0
    assert f"3 folds of {by}" in capsys.readouterr().out
    assert len(pd.read_csv(plain)) == 12 * 4
    assert main(["interval", humans, digital, "--scale", "1:5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["results"]) == 12
    methods = {row["method"] for row in told["results"]}
    if by == "people":
        assert methods == {"ppi++-small"}
    else:  # raters with no other answer get an average person's twin; where twins and crowd differ, they are not used
        differ = any(notice.startswith("Labelled twins and crowd differ in ") for notice in told["notices"])
        assert methods == {"classical-small" if differ else "ppi++-small"}
    assert main(["safe-interval", humans, digital, "--scale", "1:5", "--reference", plain]) == 0
    assert main(["risk", humans, digital, "--scale", "1:5"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["politeness"], "no population 'politeness'"),
        (["offensiveness", "--problem", "9999"], "--problem '9999' is not among the 1500 problems"),
        (["offensiveness", "--n", "0"], "n must be a whole number of at least 1; got 0"),
        (["offensiveness", "--seed", "-1"], "--seed must be a whole number of at least 0; got -1"),
        (["offensiveness", "--effect", "mine", "--problem", "1"], "effect must be one of 'typical', 'fitted'"),
        (["offensiveness", "--n", "10000"], "are streamed to .parquet only"),
        (["offensiveness", "--twins", "absent.csv"], "absent.csv"),
        (
            ["offensiveness", "--twins", "humans.csv", "--by", "day"],
            "--by must be one of 'people', 'problems'; got 'day'",
        ),
        (
            ["offensiveness", "--twins", "humans.csv", "--n", "40"],
            "--n 40: with --twins by problems the crowd is everybody",
        ),
        (
            ["offensiveness", "--twins", "humans.csv", "--effect", "typical"],
            "--effect typical cannot be joined with --twins",
        ),
        (["offensiveness", "--twins", "humans.csv", "--problem", "12"], "--problem cannot be joined with --twins"),
        (["offensiveness", "--twins", "example:human", "--drop-missing"], "--drop-missing is for files; example:human"),
        (["offensiveness", "--problem-column", "item"], "--problem-column says how the table of --twins is read"),
        (["offensiveness", "--reference-out", "r.csv", "--k", "0"], "--k must be a whole number of at least 1; got 0"),
        (
            ["offensiveness", "--reference-out", "r.json"],
            "--reference-out r.json must end in .csv, .csv.gz or .parquet",
        ),
        (
            ["offensiveness", "--out", "b.json"],
            "--out b.json must end in .csv, .csv.gz or .parquet",
        ),
        (["offensiveness", "--out", "folder.csv"], "--out folder.csv is a folder; name a file"),
        (["offensiveness", "--out", "nowhere/b.csv"], "--out: the folder"),
    ],
)
def test_mistakes_get_one_line(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    assert main(["simulate", "--out", str(tmp_path / "a.csv"), *words]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "a.csv").exists()


def test_packed_files_and_columns_of_other_names(generator, tmp_path, capsys):
    humans = pd.read_csv(generator.with_name("humans.csv"))
    other = humans.rename(columns={"problem": "item", "participant": "who", "response": "mark"})
    other.loc[4, "mark"] = None
    profiles = ["gender", "age_group"]
    other[["who", *profiles]].drop_duplicates().to_csv(tmp_path / "people.csv", index=False)
    other.drop(columns=profiles).to_csv(tmp_path / "other.csv", index=False)
    words = ["--problem-column", "item", "--participant-column", "who", "--response-column", "mark", "--drop-missing"]
    out = tmp_path / "d.csv.gz"
    place = ["--participants", str(tmp_path / "people.csv"), "--twins", str(tmp_path / "other.csv"), "--folds", "2"]
    assert main(["simulate", str(generator), *place, *words, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert f"1 row of {tmp_path / 'other.csv'} left out: missing response." in told
    assert len(pd.read_csv(out)) == 60 * 12


def test_plain_answers_of_words(tmp_path, capsys):
    """One distribution of words is drawn from; the mean over personas would be none."""
    names, people = ["a", "b", "c"], [f"p{row}" for row in range(7)]
    frame = pd.DataFrame(
        {"problem": names * 7, "participant": np.repeat(people, 3), "response": ["no", "yes", "no"] * 7}
    )
    data = CrowdData.from_frame(frame, scale=categorical(["no", "yes"]))
    for personas, code in ((1, 0), (2, 2)):
        shares = np.full((3, personas, 2), 0.5)
        profiles = ("ann", "bob")[:personas] if personas > 1 else ("",)
        reference = Reference.from_probabilities(names, ["no", "yes"], shares, profiles=profiles)
        CrowdLLM(steps=2, held_out=0.0, hidden=3).fit(data, reference).save(tmp_path / "words.npz")
        words = ["--n", "3", "--reference-out", str(tmp_path / "r.csv"), "--k", "5"]
        out = tmp_path / f"{personas}.csv"
        assert main(["simulate", str(tmp_path / "words.npz"), *words, "--out", str(out)]) == code
        assert out.exists() == (code == 0)
    assert set(pd.read_csv(tmp_path / "r.csv")["response"]) == {"no", "yes"}
    assert "asked as 2 personas, and words have no mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "a.parquet", "--scheduler", "tcp://127.0.0.1:9"], "--scheduler computes parts, which make a folder"),
        (["--out", "a", "--scheduler", "10.0.0.5"], "scheduler must be an address such as tcp://host:8786"),
        (["--out", "a", "--twins", "humans.csv"], "--twins gives one file: name one with --out"),
        (["--out", "a", "--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers at tcp://127.0.0.1:9"),
    ],
)
def test_what_does_not_go_with_parts_is_refused(tmp_path, monkeypatch, capsys, words, said):
    pytest.importorskip("distributed", reason="needs Dask: crowdllm-stats[dask]")
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "offensiveness", "--problem", "12", "--n", "5", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_name_without_an_ending_is_a_folder_of_parts(tmp_path, capsys):
    words = ["simulate", "offensiveness", "--problem", "12", "--n", "30", "--out"]
    assert main([*words, str(tmp_path / "a")]) == 0
    assert main([*words, str(tmp_path / "a")]) == 0
    assert "1 part, 1 of them found there" in capsys.readouterr().out
    assert main([*words, str(tmp_path / "b.parquet")]) == 0
    one, other = (pd.read_parquet(tmp_path / name)["response"].tolist() for name in ("a", "b.parquet"))
    assert one == other
