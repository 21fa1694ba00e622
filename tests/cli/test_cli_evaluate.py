"""`crowdllm-stats evaluate`, end to end, with a real CrowdLLM on a small made survey."""

import json

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.cli import main

QUICK = ("steps=100", "hidden=8", "components=4", "population=64", "ridge=10", "ridge_network=40", "held_out=0")
ROWS = ("global distribution", "ridge", "CrowdLLM, likelihood")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """30 problems on 4 levels, 17 people; one word of the text raises the answers; the backbone half knows."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("survey")
    loud = rng.random(30) < 0.5
    texts = [f"{'loud' if one else 'calm'} {rng.choice(['cat', 'dog', 'bird', 'fish'])}" for place, one in
             enumerate(loud)]  # fmt: skip
    rows = [
        (
            f"q{problem:02}",
            f"w{who:02}",
            int(np.clip(np.round(1.3 + 2.0 * loud[problem] + rng.normal()), 1, 4)),
            texts[problem],
        )
        for problem in range(30)
        for who in rng.permutation(17)[:6]
    ]
    pd.DataFrame(rows, columns=["problem", "participant", "response", "text"]).to_csv(
        folder / "humans.csv", index=False
    )
    shares = rng.dirichlet(np.ones(4), size=30)
    table = pd.DataFrame(shares, columns=["p_1", "p_2", "p_3", "p_4"])
    table.insert(0, "problem", [f"q{problem:02}" for problem in range(30)])
    table.to_csv(folder / "reference.csv", index=False)
    return str(folder / "humans.csv"), str(folder / "reference.csv")


def arguments(files, *more):
    chosen = [word for row in ROWS for word in ("--row", row)]
    told = [word for one in QUICK for word in ("--setting", one)]
    return ["evaluate", files[0], "--backbone", files[1], "--scale", "1,2,3,4", "--embedding", "tfidf", "--seeds", "1",
            *chosen, *told, *more]  # fmt: skip


def test_a_study_on_a_file(capsys, files, tmp_path):
    out, plot = tmp_path / "study", tmp_path / "study.svg"
    assert main(arguments(files, "--json", "--out", str(out), "--plot", str(plot))) == 0
    assert plot.read_bytes().startswith(b"<?xml")
    report = json.loads(capsys.readouterr().out)
    assert report["command"] == "evaluate"
    assert report["counts"] == {"answers": 180, "people": 17, "problems": 30, "unanswered": 0}
    exact = {(one["row"], one["metric"]): one["value"] for one in report["scores"] if one["how"] == "exact"}
    assert {row for row, _ in exact} == set(ROWS)
    # One word of the text moves the answers by 2 levels: who reads it is far better than one distribution for all.
    for row in ("ridge", "CrowdLLM, likelihood"):
        assert exact[row, "mae"] < 0.8 * exact["global distribution", "mae"]
    ours = [one for one in report["differences"] if one["metric"] == "wd" and one["against"] == "ridge"]
    assert ours[0]["difference"] == pytest.approx(exact["CrowdLLM, likelihood", "wd"] - exact["ridge", "wd"])
    assert report["left_out"]["random"] == "not asked for"
    assert report["beats_ridge"].startswith(
        "Does CrowdLLM, likelihood, beat ridge? In the distribution of answers (WD) "
    )
    assert {path.name for path in out.iterdir()} == {
        "README.md", "scores.csv", "differences.csv", "spread.csv", "sizes.csv", "shares.csv", "study.json",
        "distributions.png", "workers.png", "scores.csv.manifest.json",
    }  # fmt: skip
    manifest = json.loads((out / "scores.csv.manifest.json").read_text(encoding="utf-8"))
    assert [source.get("path", source.get("name")) for source in manifest["inputs"]] == [files[0], files[1]]
    assert manifest["counts"]["splits"] == 1
    assert "evaluate" in (out / "README.md").read_text(encoding="utf-8").splitlines()[2]


def test_whether_the_population_is_calibrated(capsys, files, tmp_path):
    out, plot = tmp_path / "check", tmp_path / "check.pdf"
    told = [word for one in QUICK for word in ("--setting", one)]
    words = ["evaluate", files[0], "--backbone", files[1], "--scale", "1,2,3,4", "--embedding", "none", "--check",
             "--seeds", "2", *told]  # fmt: skip
    assert main([*words, "--json", "--out", str(out), "--plot", str(plot)]) == 0
    assert plot.read_bytes().startswith(b"%PDF")
    report = json.loads(capsys.readouterr().out)
    assert (report["command"], report["protocol"], report["folds"]) == ("evaluate", "new-problems", 2)
    assert report["calibrated"] == (report["p_value"] > 0.05)
    everyone = [one for one in report["checks"] if one["part"] == "everyone"]
    assert [one["check"] for one in everyone] == ["location", "spread", "shape", "people", "problems"]
    assert min(one["p_value"] for one in everyone) == report["p_value"]
    # Two folds of people and problems: about half of the 180 answers are held out, each once.
    assert everyone[0]["people"] == 17
    assert 60 < everyone[0]["answers"] < 120
    assert sum(one["answers"] for one in report["loo"]["per_problem"]) == 180  # all answers to problems held out
    assert {path.name for path in out.iterdir()} == {
        "README.md", "checks.csv", "checks.csv.manifest.json", "histograms.csv", "loo.csv", "calibration.png",
        "diversity.csv",
    }  # fmt: skip
    page = (out / "README.md").read_text(encoding="utf-8")
    assert "--check" in page.splitlines()[2]
    assert "2 folds of people and problems" in page
    assert "| everyone | location |" in page
    # Between and within people, of all answers to the problems held out.
    told = [one for one in report["diversity"]["table"] if one["part"] == "everyone"]
    assert told[-1]["measure"] == "energy distance"
    assert told[-1]["answers"] == 180
    assert "- everyone, within people: variance " in page


@pytest.mark.slow
def test_a_wide_scale_is_scored_in_tenths(capsys, files, tmp_path):
    humans, reference = (pd.read_csv(name) for name in files)
    wide = humans.assign(response=33 * (humans["response"] - 1))
    wide.to_csv(tmp_path / "humans.csv", index=False)
    names = {f"p_{level}": f"p_{33 * (level - 1)}" for level in range(1, 5)}
    reference.rename(columns=names).to_csv(tmp_path / "reference.csv", index=False)
    words = arguments((str(tmp_path / "humans.csv"), str(tmp_path / "reference.csv")), "--json")
    words[words.index("1,2,3,4")] = "0:100"
    assert main([*words, "--row", "LLM zero-shot"]) == 0
    report = json.loads(capsys.readouterr().out)
    moved = int((wide["response"] % 10 > 0).sum())
    assert report["notes"][0].startswith(f"{moved} of 180 answers of ")
    assert report["notes"][0].endswith("lie between the 11 levels 0, 10 ... 100; each takes the nearest.")
    exact = {one["row"]: one["value"] for one in report["scores"] if (one["how"], one["metric"]) == ("exact", "mae")}
    assert exact["CrowdLLM, likelihood"] < 0.8 * exact["global distribution"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--check", "--seeds", "2"), "--row chooses rows of the comparison, which --check leaves out"),
        (("--check",), "--seeds must be a whole number of at least 2; got 1"),
        (("--seeds", "0"), "--seeds must be a whole number of at least 1"),
        (("--protocol", "novel"), "protocol"),
        (("--objective", "mle"), "objective"),
        (("--row", "rigde"), "row 'rigde' cannot be made"),
        (("--objective", "paper"), "error: --row must name \"CrowdLLM, paper's objective\" and 'ridge', which are"),
        (("--setting", "steps"), "--setting 'steps' is not NAME=VALUE"),
        (("--setting", "mixing=3"), "--setting mixing: the rows differ in it"),
        (("--setting", "depth=3"), "unknown hyper-parameter(s) depth"),
        (("--embedding", "bert"), "neither 'minilm', 'tfidf', 'none' nor a folder"),
        (("--backbone", "gpt4"), "backbone 'gpt4' is neither recorded:MODEL"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(capsys, files, more, message):
    assert main([*arguments(files), *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_data_and_folder_are_checked_before_any_work(capsys, files, tmp_path):
    place = tmp_path / "file"
    place.touch()
    assert main(arguments(files, "--out", str(place))) == 2
    assert "is a file; name a folder" in capsys.readouterr().err
    assert main(["evaluate", files[0], "--backbone", files[1]]) == 2
    assert "--scale is missing" in capsys.readouterr().err
    assert main(["evaluate", "example:human", "--backbone", files[1], "--scale", "1,2,3"]) == 2
    assert "--scale is for files" in capsys.readouterr().err
    assert main(["evaluate", "popcorn:x", "--backbone", files[1]]) == 2
    assert "neither a file nor a data set" in capsys.readouterr().err
