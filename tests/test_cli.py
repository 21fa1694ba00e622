"""The command line, end to end: numbers, files, exit codes, one line of error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from crowdllm_stats.cli import main
from crowdllm_stats.datasets import load_example
from crowdllm_stats.inference.intervals import interval
from crowdllm_stats.inference.risk import risk_decomposition

DATA = os.environ.get("CROWDLLM_STATS_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="CROWDLLM_STATS_DATA names no folder with the published data sets")

BOTH = ("example:human", "example:digital")


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """The example as two CSV files with other column names."""
    example = load_example()
    names = {"problem": "item", "participant": "who", "response": "rating"}
    paths = str(tmp_path / "humans.csv"), str(tmp_path / "digital.parquet")
    example.human.to_frame().rename(columns=names).to_csv(paths[0], index=False)
    example.digital.to_frame().rename(columns=names).to_parquet(paths[1])
    return paths


RENAMED = ("--problem-column", "item", "--participant-column", "who", "--response-column", "rating")


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Standard output of a command, or standard error where it should fail."""
    assert main(list(arguments)) == code
    captured = capsys.readouterr()
    if code:
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        return captured.err
    assert captured.err == ""
    assert "nan" not in captured.out.lower().split()
    return captured.out


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:  # type: ignore[type-arg]
    return json.loads(run(capsys, *arguments, "--json"))  # type: ignore[no-any-return]


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


# The program itself ---------------------------------------------------------------------------------------------------
def test_the_installed_program_as_a_process(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("crowdllm-stats"))
    fine = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    assert (fine.returncode, fine.stdout) == (0, "crowdllm-stats 0.1.0\n")
    bad = subprocess.run(
        [program, "interval", "none.csv", "none.csv"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert bad.stderr.startswith("error: none.csv: no such file")
    assert bad.stderr.count("\n") == 1


def test_demo_as_a_process_without_data_answers_three_questions() -> None:
    clean = {name: value for name, value in os.environ.items() if name != "CROWDLLM_STATS_DATA"}
    program = str(Path(sys.executable).with_name("crowdllm-stats"))
    done = subprocess.run([program, "demo"], capture_output=True, text=True, check=False, env=clean)
    assert done.returncode == 0
    assert done.stderr == ""
    for words in ("95% sure", "more human answers", "safe for", "exact sum", "published", "Next commands"):
        assert words in done.stdout


def test_a_reader_that_stops_early_is_no_failure() -> None:
    program = str(Path(sys.executable).with_name("crowdllm-stats"))
    command = [program, "interval", *BOTH, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_importing_the_command_line_is_light() -> None:
    code = (
        "import sys, crowdllm_stats.cli.shell;"
        "print([name for name in ('numpy', 'pandas', 'scipy', 'matplotlib', 'statsmodels') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys)
    for command in ("interval", "safe-interval", "risk", "compare", "planner", "demo"):
        assert command in out
        assert "Usage" in run(capsys, command, "--help")


# interval ---
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


def test_files_with_other_columns_give_the_same(capsys: pytest.CaptureFixture[str], files: tuple[str, str]) -> None:
    named = run_json(capsys, "interval", *BOTH, "--scale", "1:5")
    read = run_json(capsys, "interval", *files, "--scale", "1:5", *RENAMED)
    assert read["results"] == named["results"]
    assert read["summary"] == named["summary"]


def test_interval_by_hand_without_twins(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    humans = write(tmp_path / "h.csv", "problem,participant,response\na,x,1\na,y,2\na,z,6\nb,x,4\n")
    digital = write(tmp_path / "d.csv", "problem,participant,response\na,d1,1\na,d2,2\nb,d1,1\n")
    result = run_json(capsys, "interval", humans, digital)
    (row,) = result["results"]
    assert (row["problem"], row["method"], row["saved"]) == ("a", "classical", 0.0)
    assert row["half_width"] == pytest.approx(student.ppf(0.975, 2) * np.sqrt(7 / 3))
    assert result["excluded"][0]["problem"] == "b"
    assert "at least 2" in result["excluded"][0]["reason"]
    assert any("--match" in note for note in result["notes"])
    table = run(capsys, "interval", humans, digital)
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


# The other commands ---------------------------------------------------------------------------------------------------
def test_safe_interval_from_file_and_from_participant(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    reference = load_example().reference.responses.drop(columns=["participant", "repeat"])
    path = tmp_path / "plain.csv"
    reference.to_csv(path, index=False)
    from_file = run_json(capsys, "safe-interval", *BOTH, "--reference", str(path))
    named = run_json(capsys, "safe-interval", *BOTH, "--reference", "example:reference")
    assert from_file["results"] == named["results"]
    for row in named["results"]:
        assert row["decision"] in ("safe", "unsafe", "undetermined")
        inside = (row["belief_mean"] - row["delta"]) ** 2 <= ((row["exact_upper"] - row["exact_lower"]) / 2) ** 2
        assert inside == row["inside_exact"] == (row["excess_risk"] <= 0)
        assert row["p_adjusted"] >= row["p_value"]
    given = run_json(capsys, "safe-interval", *BOTH, "--reference", "example:reference", "--kappa", "0.5", "--eta", "0")
    assert {row["kappa"] for row in given["results"]} == {0.5}
    for row in given["results"]:  # at c = 0 the exact interval runs from 0 to twice Delta
        assert sorted([row["exact_lower"], row["exact_upper"]]) == pytest.approx(
            sorted([0, 2 * row["delta"]]), abs=1e-12
        )
    inside_crowd = run_json(capsys, "safe-interval", *BOTH, "--reference-participant", "d001")
    assert any("one reference answer" in note for note in inside_crowd["notes"])


def test_adjusted_p_values_are_benjamini_hochberg_over_all_problems(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(capsys, "safe-interval", *BOTH, "--reference", "example:reference")["results"]
    order = sorted(rows, key=lambda row: row["p_value"])
    count = len(order)
    expected = [
        min(row["p_value"] * count / (later + 1) for later, row in list(enumerate(order))[place:])
        for place in range(count)
    ]
    assert [row["p_adjusted"] for row in order] == pytest.approx([min(value, 1.0) for value in expected])


def test_risk_identity_and_repeats(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run_json(capsys, "risk", *BOTH, "--reference", "example:reference")
    for row in result["results"]:
        assert row["exact"] == pytest.approx(row["L"])
        assert row["L2"] is None
        assert row["llm_exact"] is not None
    assert result["summary"][0]["L"] == pytest.approx(np.mean([row["L"] for row in result["results"]]))
    rng = np.random.default_rng(5)
    human, digital = rng.normal(size=(2, 4)), rng.normal(size=(3, 4))
    paths = []
    for name, values in (("h", human), ("d", digital)):
        rows = [f"a,p{who},{float(value)!r}" for repeat in values for who, value in enumerate(repeat)]
        extra = ["a,p0,99"] if name == "d" else []
        paths.append(write(tmp_path / f"{name}.csv", "\n".join(["problem,participant,response", *rows, *extra])))
    result = run_json(capsys, "risk", *paths)
    expected = risk_decomposition(human, digital)
    (row,) = result["results"]
    for part in ("L", "L2", "L3", "L4", "alignment", "published"):
        assert row[part] == pytest.approx(getattr(expected, part))
    assert any("repeated answers not used: 1;" in note for note in result["notes"])


def test_compare_draws_and_lists_what_does_not_apply(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "all.png"
    text = run(capsys, "compare", *BOTH, "--first", "2", "--picture", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "ppi++-small *" in text
    assert "|" in text
    assert "o" in text
    rows = run_json(capsys, "compare", *BOTH, "--problem", "q02", "--digital-scale", "free")["results"]
    assert {row["method"] for row in rows} >= {"classical", "crowdllm", "ppi", "ppi++-small", "set-betting"}
    assert sum(row["chosen"] for row in rows) == 1
    pooled = run_json(capsys, "compare", *BOTH)
    assert {row["problem"] for row in pooled["results"]} == {"all"}
    humans = write(tmp_path / "h.csv", "problem,participant,response\na,x,1\na,y,2\na,z,6\n")
    digital = write(tmp_path / "d.csv", "problem,participant,response\na,d1,1\na,d2,2\n")
    alone = run_json(capsys, "compare", humans, digital)
    assert [row["method"] for row in alone["results"]] == ["classical"]
    assert any(note.startswith("not applicable: ppi ") for note in alone["notes"])


def test_planner_plans_from_the_pilot(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys, "planner", *BOTH, "--half-width", "0.4")
    example = load_example()
    row = result["results"][0]
    humans = example.human.responses.query("problem == 'q01'").set_index("participant")["response"]
    twins = example.digital.responses.query("problem == 'q01'").set_index("participant")["response"][humans.index]
    assert row["human_sd"] == pytest.approx(humans.std())
    assert row["correlation"] == pytest.approx(np.corrcoef(humans, twins)[0, 1])
    typical = result["summary"][0]
    assert typical["n_with_digital"] < typical["n_human_only"]
    assert typical["n_human_only_low"] <= typical["n_human_only"] <= typical["n_human_only_high"]


# Bad input ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("interval", *BOTH, "--method", "best"), "--method must be one of"),
        (("interval", *BOTH, "--level", "95"), "did you mean 0.95"),
        (("interval", *BOTH, "--level", "high"), "--level"),
        (("interval", *BOTH, "--alternative", "up"), "--alternative must be one of"),
        (("interval", *BOTH, "--method", "cross-fitted"), "one digital table a fold"),
        (("interval", *BOTH, "--scale", "1:3"), "off the scale"),
        (("interval", *BOTH, "--scale", "yes,no"), "the commands need numbers"),
        (("interval", *BOTH, "--match", "income"), "no profile column 'income'"),
        (("interval", *BOTH, "--match", ","), "--match needs at least one"),
        (("interval", *BOTH, "--problem", "q99"), "--problem 'q99'"),
        (("interval", *BOTH, "--out", "x.xlsx"), "must end in .csv, .parquet or .json"),
        (("interval", *BOTH, "--out", "no/such/x.csv"), "does not exist"),
        (("interval", *BOTH, "--population-size", "3"), "--population-size must be whole"),
        (("interval", "example:human"), "DIGITAL"),
        (("interval", "example:humans", "example:digital"), "did you mean example:human?"),
        (("interval", *BOTH, "--problem", "q3"), "did you mean 'q03'?"),
        (("interval", *BOTH, "--seed", "-1"), "--seed must be a whole number of at least 0; got -1"),
        (("interval", "example:people", "example:digital"), "neither a file nor a data set"),
        (("intervall",), "intervall"),
        (("interval", *BOTH, "--colour"), "--colour"),
        (("safe-interval", *BOTH), "--reference FILE or --reference-participant"),
        (("safe-interval", *BOTH, "--reference", "x.csv", "--reference-participant", "d001"), "not both"),
        (("safe-interval", *BOTH, "--reference-participant", "nobody"), "no answer in the digital table"),
        (("safe-interval", *BOTH, "--reference", "example:reference", "--eta", "-1"), "--eta must not be negative"),
        (("compare", *BOTH, "--picture", "x.gif"), ".png"),
        (("planner", *BOTH), "--half-width"),
        (("planner", *BOTH, "--half-width", "0"), "--half-width must be positive"),
    ],
)
def test_bad_input_exits_2_with_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert words in run(capsys, *arguments, code=2)


def test_missing_answers_are_refused_or_dropped_and_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    humans = write(tmp_path / "h.csv", "problem,participant,response\na,x,1\na,y,\na,z,6\n")
    digital = write(tmp_path / "d.csv", "problem,participant,response\na,d1,1\na,d2,2\n")
    assert "give --drop-missing" in run(capsys, "interval", humans, digital, code=2)
    result = run_json(capsys, "interval", humans, digital, "--drop-missing")
    assert result["results"][0]["n_labeled"] == 2
    assert "1 row of the human table left out: missing response" in result["notes"]


def test_any_other_failure_exits_1_with_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk\nis gone")

    monkeypatch.setattr("crowdllm_stats.cli.inputs.load", broken)
    assert "RuntimeError: the disk is gone" in run(capsys, "interval", *BOTH, code=1)
    monkeypatch.setenv("CROWDLLM_STATS_DEBUG", "1")
    with pytest.raises(RuntimeError, match="is gone"):
        main(["interval", *BOTH])


def survey(tmp_path: Path, first: str = "a", people: int = 6) -> tuple[str, str]:
    """Two problems, everybody with a twin, and four further digital people."""
    rng = np.random.default_rng(11)
    tables = []
    for name, extra in (("humans", 0), ("digital", 4)):
        names = [f"p{who}" for who in range(people)] + [f"d{who}" for who in range(extra)]
        rows = [f"{item},{who},{rng.integers(1, 6)}" for item in (first, "b") for who in names]
        tables.append(write(tmp_path / f"{name}.csv", "\n".join(["problem,participant,response", *rows])))
    return tables[0], tables[1]


# Files ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_input_file_is_never_written_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [*survey(tmp_path), write(tmp_path / "plain.csv", "problem,response\na,1\nb,2\n")]
    before = Path(paths[place]).read_bytes()
    monkeypatch.chdir(tmp_path)
    given = (*paths[:2], "--reference", paths[2], "--out", Path(paths[place]).name)
    assert "this is the input file" in run(capsys, "safe-interval", *given, code=2)
    assert Path(paths[place]).read_bytes() == before
    link = tmp_path / "link.png"
    link.symlink_to(paths[0])
    assert "--picture" in run(capsys, "compare", *paths[:2], "--picture", str(link), code=2)
    assert not list(tmp_path.glob("*.manifest.json"))


def test_one_table_in_two_places_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    humans, digital = survey(tmp_path)
    assert "HUMANS and DIGITAL are the same" in run(capsys, "interval", humans, f"{tmp_path}/./humans.csv", code=2)
    assert "HUMANS and DIGITAL" in run(capsys, "interval", BOTH[0], BOTH[0], code=2)
    assert "the human answers" in run(capsys, "safe-interval", humans, digital, "--reference", humans, code=2)


def test_messages_name_options_of_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, digital = survey(tmp_path)
    renamed = write(tmp_path / "r.csv", "item,participant,response\na,x,1\n")
    assert "--problem-column NAME" in run(capsys, "interval", renamed, digital, code=2)
    words = write(tmp_path / "w.csv", "problem,participant,response\na,x,yes\n")
    error = run(capsys, "interval", words, digital, code=2)
    assert "code the answers as numbers" in error
    assert "categorical" not in error
    alone = write(tmp_path / "n.csv", "problem,participant,response\na,z,1\na,y,3\n")
    notes = " ".join(run_json(capsys, "compare", alone, digital, "--problem", "a")["notes"])
    assert "digital_labeled" not in notes
    assert "bounds=" not in notes
    assert "--scale LOW:HIGH" in notes
    risk = run_json(capsys, "risk", *BOTH)
    assert "noise_var" not in risk["why"]
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "is a folder" in run(capsys, "interval", str(folder), digital, code=2)


def test_match_lists_the_profile_columns_that_are_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    header = "problem,participant,response,gender,topic\n"
    humans = write(tmp_path / "h.csv", f"{header}a,x,1,w,t\na,y,2,m,t\nb,x,2,w,u\n")
    digital = write(tmp_path / "d.csv", f"{header}a,d,1,w,t\nb,d,2,w,u\n")
    assert "'race' (it has: gender)" in run(capsys, "interval", humans, digital, "--match", "race", code=2)


def test_safe_interval_says_where_kappa_and_eta_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("safe-interval", *BOTH, "--reference", "example:reference")
    result = run_json(capsys, *options, "--kappa", "0.01")
    flagged = [row for row in result["results"] if "|Delta| exceeds kappa" in (row["note"] or "")]
    assert [row["problem"] for row in flagged] == [
        row["problem"] for row in result["results"] if abs(row["delta"]) > 0.01
    ]
    assert any("estimated from the repeated reference answers" in note for note in result["notes"])
    sentences = result["why"].split(". ")
    assert len(sentences) == len(set(sentences))
    few = run_json(capsys, *options, "--problem", "q01", "--problem", "q02")
    assert any("needs at least 9 problems" in note and "Of 2 problems" not in note for note in few["notes"])
    one = run_json(capsys, *options, "--problem", "q01", "--eta", "0.1")
    assert any(note.startswith("Of 1 problem the crowd") for note in one["notes"])
    assert not any("estimated from the repeated" in note for note in one["notes"])


# Screen ---------------------------------------------------------------------------------------------------------------
def test_ids_with_markup_and_long_ids_leave_numbers_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = survey(tmp_path, "[3-4] [/b] :smile: $\\x$")
    picture = str(tmp_path / "odd.png")
    for command in (("interval",), ("compare", "--first", "1", "--picture", picture)):
        assert "[3-4] [/b] :smile:" in run(capsys, command[0], *odd, *command[1:])
    monkeypatch.setenv("COLUMNS", "80")
    long = survey(tmp_path, "the same long question about life " * 4 + "17")
    row = run_json(capsys, "interval", *long)["results"][0]
    table = run(capsys, "interval", *long)
    line = next(line for line in table.splitlines() if line.startswith("the same"))
    assert "..." in line
    for name in ("estimate", "lower", "upper"):
        assert f"{row[name]:.4g}" in line


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


def test_a_pilot_of_equal_answers_is_warned_about(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = [f"a,p{who},3" for who in range(5)]
    humans = write(tmp_path / "h.csv", "\n".join(["problem,participant,response", *rows]))
    more = [f"a,d{who},{who + 1}" for who in range(3)]
    digital = write(tmp_path / "d.csv", "\n".join(["problem,participant,response", *rows, *more]))
    result = run_json(capsys, "planner", humans, digital, "--half-width", "0.2")
    assert any("Warning: all pilot answers are equal" in note for note in result["notes"])
    assert "all pilot answers are equal" in result["results"][0]["note"]


# Published data -------------------------------------------------------------------------------------------------------
@needs_data
def test_popquorn_with_recorded_personas(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("popquorn:offensiveness", "popquorn-llm:gpt4", "--match", "gender,race", "--scale", "1:5")
    result = run_json(capsys, "interval", *names)
    assert len(result["results"]) + len(result["excluded"]) == 1500
    assert result["counts"]["people_plain"] == 20
    notes = " ".join(result["notes"])
    assert "20 of 262 people (949 of 13036 answers) got the plain persona" in notes
    assert "save next to nothing per problem" in notes
    assert "all twins are equal" in notes
    assert result["summary"][0]["estimate"] == pytest.approx(1.866, abs=5e-4)  # mean of the 13,036 ratings
    safe = run_json(
        capsys, "safe-interval", *names[:4], "--reference-participant", "person", "--problem", "0", "--kappa", "1"
    )
    assert len(safe["results"]) == 1
