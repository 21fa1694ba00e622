"""`crowdllm-stats simulate`, from the shipped population to the interval."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from crowdllm_stats import CrowdLLM, load_example
from crowdllm_stats.backbones import RecordedBackbone
from crowdllm_stats.cli import main


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


def test_a_problems_answers_do_not_depend_on_the_others(tmp_path):
    for name, problems in (("one", ["12"]), ("two", ["7", "12"])):
        words = [word for problem in problems for word in ("--problem", problem)]
        assert main(["simulate", "offensiveness", *words, "--n", "25", "--out", str(tmp_path / f"{name}.parquet")]) == 0
    one, two = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    assert one["response"].tolist() == two[two["problem"] == "12"]["response"].tolist()


@pytest.mark.parametrize("by", ["people", "problems"])
def test_from_twins_to_the_three_jobs(generator, tmp_path, capsys, by):
    humans, digital, plain = str(generator.with_name("humans.csv")), str(tmp_path / "d.csv"), str(tmp_path / "r.csv")
    words = ["simulate", str(generator), "--twins", humans, "--by", by, "--folds", "3", "--n", "40", "--k", "4"]
    assert main([*words, "--out", digital, "--reference-out", plain]) == 0
    assert "folds" in capsys.readouterr().out
    assert len(pd.read_csv(plain)) == 12 * 4
    assert main(["interval", humans, digital, "--scale", "1:5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert len(rows) == 12
    assert {row["method"] for row in rows} == {"ppi++-small"}
    assert main(["safe-interval", humans, digital, "--scale", "1:5", "--reference", plain]) == 0
    assert main(["risk", humans, digital, "--scale", "1:5"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["politeness"], "no population 'politeness'"),
        (["offensiveness", "--problem", "9999"], "not among the training problems, for instance '9999'"),
        (["offensiveness", "--n", "0"], "n must be a whole number of at least 1; got 0"),
        (["offensiveness", "--seed", "-1"], "--seed must be a whole number of at least 0; got -1"),
        (["offensiveness", "--effect", "mine", "--problem", "1"], "effect must be one of 'typical', 'fitted'"),
        (["offensiveness", "--n", "10000"], "are streamed to .parquet only"),
        (["offensiveness", "--twins", "absent.csv"], "absent.csv"),
    ],
)
def test_mistakes_get_one_line(tmp_path, capsys, words, message):
    assert main(["simulate", *words, "--out", str(tmp_path / "a.csv")]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "a.csv").exists()
