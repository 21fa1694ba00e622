"""What the commands on two tables refuse, with one line and exit code 2, and how they name it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer
from command_line import BOTH, run, run_json, survey, write

import crowdllm_stats
from crowdllm_stats._base.messages import AT_COMMAND_LINE
from crowdllm_stats.cli.shell import build


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("interval", *BOTH, "--method", "best"), "--method must be one of"),
        (("interval", *BOTH, "--level", "95"), "did you mean 0.95"),
        (("interval", *BOTH, "--level", "high"), "--level"),
        (("interval", *BOTH, "--alternative", "up"), "--alternative must be one of"),
        (("interval", *BOTH, "--method", "cross-fitted"), "one digital table per fold"),
        (("interval", *BOTH, "--scale", "1:3"), "off the scale"),
        (("interval", *BOTH, "--scale", "yes,no,unsure"), "the commands need numbers"),
        (("interval", *BOTH, "--scale", "yes,no"), "a categorical scale has words for answers, not numbers"),
        (("interval", *BOTH, "--match", "income"), "no profile column 'income'"),
        (("interval", *BOTH, "--match", ","), "--match needs at least one"),
        (("interval", *BOTH, "--problem", "q99"), "--problem 'q99'"),
        (("interval", *BOTH, "--out", "x.xlsx"), "must end in .csv, .parquet or .json"),
        (("interval", *BOTH, "--out", "no/such/x.csv"), "does not exist"),
        (("interval", *BOTH, "--population-size", "3"), "--population-size must be whole"),
        (("risk", "example:human"), "DIGITAL"),
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
        (("compare", *BOTH, "--plot", "x.gif"), ".png"),
        (("planner", *BOTH), "--half-width"),
        (("planner", *BOTH, "--half-width", "0"), "--half-width must be positive"),
        (("planner", *BOTH, "--half-width", "inf"), "--half-width must be positive and finite; got inf"),
    ],
)
def test_bad_input_exits_2_with_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert words in run(capsys, *arguments, code=2)


def test_a_condition_on_a_column_that_digital_people_lack_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answers = "".join(f"a,p{number},{number % 5 + 1}\n" for number in range(20))
    human = write(tmp_path / "human.csv", "problem,participant,response,wave\na,p1,1,1\na,p2,4,2\na,p3,5,2\n")
    digital = write(tmp_path / "digital.csv", f"problem,participant,response\n{answers}")
    waves = answers.replace("\n", ",2\n")
    both = write(tmp_path / "both.csv", f"problem,participant,response,wave\n{waves}")
    words = "has no column for wave=2: all its people count"
    options = ("--where", "wave=2", "--scale", "1:5", "--explain")
    assert words in " ".join(run(capsys, "interval", human, digital, *options).split())
    assert "all its people count" not in " ".join(run(capsys, "interval", human, both, *options).split())


def test_digital_answers_may_lie_between_the_levels_of_the_scale(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [f"q1,p{who},{1 if who % 3 else -1}" for who in range(12)]
    humans = write(tmp_path / "h.csv", "\n".join(["problem,participant,response", *rows]))
    expected = [f"q1,p{who},{(who % 5 - 2) / 4}" for who in range(40)]
    digital = write(tmp_path / "d.csv", "\n".join(["problem,participant,response", *expected]))
    result = run_json(capsys, "interval", humans, digital, "--scale", "-1,1")
    assert result["results"][0]["n_digital"] == 28
    assert "correct the answers or the scale" in run(
        capsys, "interval", digital, humans, "--scale", "-1,1", "--as-given", code=2
    )
    beyond = write(tmp_path / "b.csv", "\n".join(["problem,participant,response", *expected, "q1,d1,1.5"]))
    assert "1.5" in run(capsys, "interval", humans, beyond, "--scale", "-1,1", code=2)


def test_missing_answers_are_refused_or_dropped_and_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    humans = write(tmp_path / "h.csv", "problem,participant,response\na,x,1\na,y,\na,z,6\n")
    digital = write(tmp_path / "d.csv", "problem,participant,response\na,d1,1\na,d2,2\n")
    assert "give --drop-missing" in run(capsys, "interval", humans, digital, code=2)
    result = run_json(capsys, "interval", humans, digital, "--drop-missing", "--unpaired")
    assert result["results"][0]["n_labeled"] == 2
    assert "1 row of the human table left out: missing response" in result["notes"]


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
    assert "--plot" in run(capsys, "compare", *paths[:2], "--plot", str(link), code=2)
    assert not list(tmp_path.glob("*.manifest.json"))


def test_one_table_in_two_places_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    humans, digital = survey(tmp_path)
    assert "HUMANS and DIGITAL are the same" in run(capsys, "interval", humans, f"{tmp_path}/./humans.csv", code=2)
    assert "HUMANS and DIGITAL" in run(capsys, "interval", BOTH[0], BOTH[0], code=2)
    assert "the human answers" in run(capsys, "safe-interval", humans, digital, "--reference", humans, code=2)


def test_messages_name_options_of_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, digital = survey(tmp_path)
    renamed = write(tmp_path / "r.csv", "item,participant,response\na,x,1\n")
    assert "say which one it is with --human-columns problem=NAME" in run(capsys, "interval", renamed, digital, code=2)
    words = write(tmp_path / "w.csv", "problem,participant,response\na,x,yes\n")
    error = run(capsys, "interval", words, digital, code=2)
    assert "code the answers as numbers" in error
    assert "categorical" not in error
    alone = write(tmp_path / "n.csv", "problem,participant,response\na,z,1\na,y,3\n")
    notes = " ".join(run_json(capsys, "compare", alone, digital, "--problem", "a", "--unpaired")["notes"])
    assert "digital_labeled" not in notes
    assert "bounds=" not in notes
    assert "--scale LOW:HIGH" in notes
    risk = run_json(capsys, "risk", *BOTH)
    assert "noise_var" not in risk["why"]
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "is a folder" in run(capsys, "interval", str(folder), digital, code=2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("interval", "h", "d", "--scale", "5:1"), "--scale: scale '5:1' must have its lower end first"),
        (("interval", "h", "d", "--missing", "9", "--scale", "no,yes"), "--missing must be left out, as "),
        (("interval", "popquorn:none", "d"), "popquorn:none: name must be one of"),
        (("interval", "amazon:books", "d"), "amazon:books: name must be one of"),
        (("compare", "one", "d"), "the human table has 1 answer(s) per problem"),
        (("across", "h", "d"), "use fewer --covariates, or the command interval for each problem alone"),
        (("across", "one", "d"), "all answers are one person's"),
        (("safe-interval", "h", "d", "--reference", "plain"), "give --eta (0 if it always answers alike)"),
        (
            ("fit", "h", "--scale", "1:5", "--out", "m.npz", "--backbone", "example:reference"),
            "2 of 2 problem(s) are not in the table of answers of example:reference, for instance 'a'; add their",
        ),
        (("simulate", "offensiveness", "--out", "o.csv", "--n", "0"), "--n must be a whole number of at least 1"),
        (("theory", "verify", "--seed", "-1"), "--seed must be a whole number of at least 0; got -1"),
        (("study", "plan", "coverage", "--pilot", "1"), "--pilot must be a whole number of at least 2"),
    ],
)
def test_every_command_words_a_mistake_for_one_who_typed_it(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
) -> None:
    if arguments[0] in ("fit", "simulate"):
        pytest.importorskip("jax", reason="needs the generator extra: jax")
    human, digital = survey(tmp_path)
    one = write(tmp_path / "one.csv", "problem,participant,response\na,p0,1\n")
    files = {"h": human, "d": digital, "one": one, "plain": write(tmp_path / "p.csv", "problem,response\na,1\nb,2\n")}
    monkeypatch.chdir(tmp_path)
    assert words in run(capsys, *(files.get(word, word) for word in arguments), code=2)


def test_every_option_that_a_message_names_exists() -> None:
    """Whatever the library says for a user of the commands, the options in it are those of the program."""
    program = typer.main.get_command(build([]))
    commands, options = [program], set()
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        options |= {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    said = {name for name in AT_COMMAND_LINE.values() if name.startswith("--")}
    for file in Path(crowdllm_stats.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in ("BadInput", "Message", "Message.filled"):
                said |= set(re.findall(r"(?<![-\w])--[a-z][a-z-]*[a-z]\b(?!\{)", ast.unparse(call)))
    assert "--unpaired" in said
    assert said <= options


def test_match_lists_the_profile_columns_that_are_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    header = "problem,participant,response,gender,topic\n"
    humans = write(tmp_path / "h.csv", f"{header}a,x,1,w,t\na,y,2,m,t\nb,x,2,w,u\n")
    digital = write(tmp_path / "d.csv", f"{header}a,d,1,w,t\nb,d,2,w,u\n")
    assert "'race' (it has: gender)" in run(capsys, "interval", humans, digital, "--match", "race", code=2)


# Two files with other column names ------------------------------------------------------------------------------------
def _renamed(tmp_path: Path) -> tuple[str, str, tuple[str, ...]]:
    """The small survey with columns of other names, another set in each file, and the options that name them."""
    human, digital = survey(tmp_path)
    names = ("item,id,score", "Question,Persona,Answer")
    files = []
    for source, header in zip((human, digital), names, strict=True):
        rows = Path(source).read_text(encoding="utf-8").splitlines()[1:]
        files.append(write(tmp_path / f"other_{Path(source).name}", "\n".join([header, *rows])))
    options = (
        "--human-columns", "problem=item,participant=id,response=score",
        "--digital-columns", "problem=question, participant=persona, response=answer",
    )  # fmt: skip
    return files[0], files[1], options


def test_both_files_have_their_own_column_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    human, digital, options = _renamed(tmp_path)
    plain = run_json(capsys, "interval", *survey(tmp_path), "--scale", "1:5")
    assert run_json(capsys, "interval", human, digital, "--scale", "1:5", *options)["results"] == plain["results"]
    reference = write(tmp_path / "plain.csv", "QUESTION,answer\n" + "a,3\nb,4\n" * 2)
    judged = run_json(capsys, "safe-interval", human, digital, "--reference", reference, *options)
    assert [row["problem"] for row in judged["results"]] == ["a", "b"]


def test_errors_about_columns_name_the_option_of_their_own_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    human, digital, options = _renamed(tmp_path)
    assert "--human-columns problem=NAME" in run(capsys, "interval", human, digital, code=2)
    assert "--digital-columns problem=NAME" in run(capsys, "interval", human, digital, *options[:2], code=2)
    wrong = ("--human-columns", "problem=itme,participant=id,response=score")
    assert "no column 'itme'; the columns there are 'item'" in run(capsys, "interval", human, digital, *wrong, code=2)
    for text in ("item", "problem=", "task=item", "problem=a,problem=b", ""):
        message = run(capsys, "interval", human, digital, "--human-columns", text, code=2)
        assert "is not one of problem=NAME, participant=NAME, response=NAME" in message
    named = run(capsys, "interval", *BOTH, *options[:2], code=2)
    assert "--human-columns is for files; example:human has its own columns" in named


def test_column_names_in_any_case_and_match_columns_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = "\n".join(f"q,p{who},{1 + who % 5},{'wm'[who % 2]}" for who in range(9))
    human = write(tmp_path / "h.csv", f"Problem,PARTICIPANT,Response,Gender\n{rows}")
    digital = write(tmp_path / "d.csv", "problem,participant,response,GENDER\nq,a,3,w\nq,b,2,m\n")
    found = run_json(capsys, "interval", human, digital, "--match", "gender")
    assert found["counts"]["pairs"] == 9


def test_a_table_with_a_column_for_each_problem_is_told_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wide = write(tmp_path / "wide.csv", "participant,first,second\np1,3,4\np2,4,5\n")
    assert "with --questions" in run(capsys, "interval", wide, survey(tmp_path)[1], code=2)
