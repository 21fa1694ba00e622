"""Finding, running and reporting the theory's checks."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crowdllm_stats.cli import main
from crowdllm_stats.verify import (
    Check,
    Outcome,
    Skipped,
    Statement,
    Verification,
    agree,
    fields_agree,
    find_results,
    load,
    simulation,
    verify,
)
from crowdllm_stats.verify import main as run_file
from crowdllm_stats.verify.check import KINDS
from crowdllm_stats.verify.load import ORDER, theory_folders
from crowdllm_stats.verify.report import write_report

THEORY = Path(__file__).resolve().parents[2] / "theory"

MADE = """
from crowdllm_stats.verify import Check, Statement, counterexample, simulation

STATEMENT = Statement("{name}", "A made result [1]", "a | b", "{verdict}", "a = [b]")


def symbolic():
    return [Check("half", "symbolic", "exact", "1/2 + 1/2 = 1", {holds}, True, "difference 0"), {more}]


def simulated(seed=20261122):
    return [simulation("mean", 0.5 + seed * 1e-3, 1.0, 0.0, "the mean is 0")]


def picture(ax):
    ax.plot([0, 1], [0, 1])
"""
FALSE = 'counterexample("none", 1 > 2, "1 > 2", "1 is not above 2")'


def made(folder: Path, name: str, verdict: str = "holds", holds: bool = True, more: str = "") -> Path:
    """A made-up result in ``folder/theory``."""
    place = folder / "theory" / name
    place.mkdir(parents=True)
    text = MADE.format(name=name, verdict=verdict, holds=holds, more=more)
    (place / "checks.py").write_text(text, encoding="utf-8")
    (place / "README.md").write_text(f"# {name}\n", encoding="utf-8")
    return place


def outcome(*checks: Check, verdict: str = "holds") -> Outcome:
    return Outcome(Statement("made", "Made", "a", verdict, "b"), checks, Path("made"), 0.0)


def check(
    name: str = "one", about: str = "exact", holds: bool = True, expected: bool = True, z: float | None = None
) -> Check:
    kind = "symbolic" if z is None else "simulation"
    return Check(name, kind, about, "says", holds, expected, "seen", z)


# Finding and loading --------------------------------------------------------------------------------------------------
def test_every_folder_is_found_in_the_papers_order() -> None:
    names = list(find_results())
    assert names[: len(ORDER)] == list(ORDER)
    assert names[len(ORDER) :] == sorted(names[len(ORDER) :])
    assert {file.parent.name for file in THEORY.glob("*/checks.py")} == set(names)


@pytest.mark.parametrize("name", [file.parent.name for file in sorted(THEORY.glob("*/checks.py"))])
def test_every_folder_has_its_parts(name: str) -> None:
    theory = load(THEORY / name)
    assert theory.statement.verdict == "holds" or theory.statement.verdict.startswith(("holds under ", "fails"))
    lines = (THEORY / name / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")


def test_code_in_the_working_folder_is_run_only_where_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("kappa", "aaa"):
        file = made(tmp_path, name) / "checks.py"
        file.write_text(f"open('run', 'w').close()\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert theory_folders() == [THEORY]
    assert find_results()["kappa"] == THEORY / "kappa"
    assert main(["theory", "list"]) == 0
    assert main(["theory", "verify", "--only", "kappa", "--no-simulate"]) == 0
    assert main(["theory", "verify", "--only", "aaa"]) == 2
    assert not (tmp_path / "run").exists()
    capsys.readouterr()
    assert main(["theory", "list", "--folder", "theory"]) == 0
    assert "aaa" in capsys.readouterr().out
    assert (tmp_path / "run").exists()
    assert main(["theory", "show", "aaa", "--folder", "theory"]) == 0
    assert capsys.readouterr().out == "# aaa\n"
    assert main(["theory", "list", "--folder", "nowhere"]) == 2
    assert capsys.readouterr().err == "error: no NAME/checks.py in nowhere\n"


@pytest.mark.parametrize(("text", "said"), [("", "does not define STATEMENT"), ("def picture(ax): ...", "simulated")])
def test_a_file_without_its_parts_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "checks.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        load(tmp_path)


def test_loading_compiles_the_source_each_time_and_leaves_nothing(tmp_path: Path) -> None:
    place = made(tmp_path, "a")
    assert load(place).statement.verdict == "holds"
    text = (place / "checks.py").read_text(encoding="utf-8")
    (place / "checks.py").write_text(text.replace('"holds"', '"fails"'), encoding="utf-8")  # as long as before
    assert load(place).statement.verdict == "fails"
    assert {file.name for file in place.iterdir()} == {"README.md", "checks.py"}


def test_the_checks_of_one_result_may_stand_in_several_files(tmp_path: Path) -> None:
    place = made(tmp_path, "a")
    text = (place / "checks.py").read_text(encoding="utf-8")
    more = text.replace('"half"', '"third"').replace('"mean"', '"median"').split("STATEMENT =")
    (place / "checks_more.py").write_text(more[0] + more[1].split("\n\n\n", 1)[1], encoding="utf-8")
    found = verify(folders=[tmp_path / "theory"])
    assert [check.name for check in found.outcomes[0].checks] == ["half", "third", "mean", "median"]
    write_report(found, tmp_path / "out", arguments=["theory", "verify"])
    manifest = json.loads((tmp_path / "out" / "theory.json.manifest.json").read_text(encoding="utf-8"))
    assert [source["path"] for source in manifest["inputs"]] == ["theory/a/checks.py", "theory/a/checks_more.py"]


def test_a_statement_bears_its_folders_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be the folder's, 'b'"):
        load(made(tmp_path, "a").rename(tmp_path / "b"))


# Outcomes -------------------------------------------------------------------------------------------------------------
def test_what_does_not_pass() -> None:
    assert outcome(check()).passed
    assert outcome().failures == ("no check was made",)
    assert outcome(check(), check("two", holds=False)).failures == ("two",)
    assert outcome(check("two", holds=True, expected=False)).failures == ("two",)
    shown = check("shown", about="published", holds=False, expected=False)
    assert outcome(shown, verdict="fails").passed
    assert not outcome(check(), verdict="fails").passed
    assert not outcome(shown, verdict="holds").passed
    assert outcome(shown, verdict="holds under a condition").passed


def test_evidence_counts_and_names() -> None:
    false = Check("c", "counterexample", "published", "says", False, False, "1 is not above 2")
    found = outcome(
        check(), check("two", holds=False), check("m", z=-2.34), check("n", holds=False, expected=False, z=9.0), false
    )
    assert found.largest_z == 2.34
    assert outcome(check("far", z=9.0), check("near", z=-1.0)).largest_z == 1.0
    assert outcome(check("far", z=9.0, holds=False)).largest_z == 9.0
    assert found.evidence == "symbolic 1/2; simulation 2/2; largest |z| 2.3; counterexample: 1 is not above 2"
    both = Verification((found, outcome(check())), 5)
    assert not both.passed
    assert both.failures == ("made: two", "made: verdict 'holds', but a check shows the published claim to fail")
    assert "NOT passed" in str(both)
    assert both.to_frame()["passed"].tolist() == [False, True]
    assert both.checks_frame()["name"].tolist() == ["one", "two", "m", "n", "c", "one"]


def test_an_unknown_kind_of_check_is_refused() -> None:
    with pytest.raises(ValueError, match="kind of check 'sum' must be one of symbolic, exact .*; got 'proof'"):
        Check("sum", "proof", "exact", "says", True, True, "seen")


def test_numbers_agree_only_where_none_is_missing() -> None:
    assert agree("same", [(math.inf, math.inf), (None, None), ([1.0, 1e12], [1, 1e12 + 1])], "equal").passed
    for computed, exact in ((math.nan, math.nan), (None, 0.0), (1.0, math.inf), ([0.0, math.nan], [0.0, 0.0])):
        assert not agree("apart", [(0.0, 0.0), (computed, exact)], "equal").passed
    assert not fields_agree("apart", {"mean": 1.0, "n": 2}, {"mean": 1, "n": 3}, "equal").passed
    with pytest.raises(ValueError, match="pairs of check 'none' is empty: nothing is compared"):
        agree("none", [], "equal")


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_estimate_may_be_off_on_either_side(sign: int) -> None:
    assert simulation("mean", 7.0 + sign * 3.9, 1.0, 7.0, "the mean is 7").passed
    assert not simulation("mean", 7.0 + sign * 4.1, 1.0, 7.0, "the mean is 7").passed


def test_only_what_sympy_shows_for_all_values_is_called_symbolic() -> None:
    """A comparison of chosen numbers proves nothing in general, and says so."""
    found = verify(["theorem4", "proposition1"], simulate=False)
    kinds = {kind: [one for result in found.outcomes for one in result.checks if one.kind == kind] for kind in KINDS}
    assert kinds["numeric"]
    assert all("difference 0" in one.evidence or "all symbols" in one.evidence for one in kinds["symbolic"])
    assert not any(one.evidence == "difference 0" for one in kinds["numeric"])


# Running --------------------------------------------------------------------------------------------------------------
def test_results_are_the_same_in_two_processes(tmp_path: Path) -> None:
    for name in ("b", "theorem2", "a"):
        made(tmp_path, name)
    folders = [tmp_path / "theory"]
    done: list[str] = []
    alone = verify(folders=folders, seed=3)
    both = verify(folders=folders, seed=3, workers=2, progress=done.append)
    assert [result.statement.name for result in alone.outcomes] == ["theorem2", "a", "b"] == done
    assert alone.to_dict() == both.to_dict()
    assert alone.outcomes[0].largest_z == pytest.approx(0.503)


def test_without_simulation_there_is_no_monte_carlo_check(tmp_path: Path) -> None:
    made(tmp_path, "a")
    found = verify(folders=[tmp_path / "theory"], simulate=False)
    assert found.seed is None
    assert [one.kind for one in found.outcomes[0].checks] == ["symbolic"]


@pytest.mark.parametrize(
    ("more", "failure"),
    [("1 / 0", "symbolic()"), (FALSE.replace("none", "half"), "names"), ("identity(", "load()")],
)
def test_what_breaks_off_does_not_pass(tmp_path: Path, more: str, failure: str) -> None:
    made(tmp_path, "a", verdict="holds under nothing", more=more)
    found = verify(folders=[tmp_path / "theory"], simulate=False)
    assert found.failures == (f"a: {failure}",)


def test_skipped_checks_are_counted_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = made(tmp_path, "aaa", more='Skipped(("far", "near"), "symbolic", "no ruler: buy one")')
    file = place / "checks.py"
    file.write_text(file.read_text(encoding="utf-8").replace("import Check,", "import Check, Skipped,"))
    monkeypatch.chdir(tmp_path)
    assert main(["theory", "verify", "--folder", "theory", "--only", "aaa", "--seed", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["passed"], found["skipped"], len(found["results"][0]["checks"])) == (True, 2, 2)
    assert found["results"][0]["skipped"] == [
        {"names": ["far", "near"], "kind": "symbolic", "reason": "no ruler: buy one"}
    ]
    assert main(["theory", "verify", "--folder", "theory", "--only", "aaa", "--seed", "5", "--out", "reports"]) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "2 checks of 1 results" in printed
    assert "all passed; 2 SKIPPED" in printed
    evidence = "symbolic 2 SKIPPED (no ruler: buy one)"
    assert evidence in verify(["aaa"], seed=5, folders=[tmp_path / "theory"]).outcomes[0].evidence
    table = (tmp_path / "reports" / "README.md").read_text(encoding="utf-8")
    assert evidence in table
    assert "2 checks were SKIPPED" in table
    counts = json.loads((tmp_path / "reports" / "theory.json.manifest.json").read_text(encoding="utf-8"))["counts"]
    assert counts == {"results": 1, "checks": 2, "not_passed": 0, "skipped": 2}


def test_a_result_of_skipped_checks_alone_does_not_pass() -> None:
    nothing = Outcome(outcome().statement, (), Path("made"), 0.0, (Skipped(("far",), "symbolic", "no ruler"),))
    assert nothing.failures == ("no check was made",)
    with pytest.raises(ValueError, match="names is empty"):
        Skipped((), "symbolic", "no ruler")


def test_without_optimal_transport_its_checks_are_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    load(THEORY / "theorem1")
    theory = sys.modules["crowdllm_theory_theorem1"]
    parts = {"numeric": theory._distances, "simulation": lambda: theory._measured(1)}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for kind, names in (("numeric", theory.DISTANCES), ("simulation", theory.MEASURED)):
        (skipped,) = parts[kind]()
        assert (skipped.names, skipped.kind) == (names, kind)
        assert "pip install 'crowdllm-stats[theory]'" in skipped.reason


def test_one_file_as_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    statement = Statement("made", "Made", "a", "holds", "b")
    assert run_file(statement, lambda: [check()]) == 0
    left = Skipped(("far",), "symbolic", "no ruler")
    assert run_file(statement, lambda: [check(), check("two", holds=False), left]) == 1
    printed = capsys.readouterr().out
    assert "NOT passed  two: says [seen]" in printed
    assert "SKIPPED     far [no ruler]" in printed


def test_a_theory_file_as_a_process() -> None:
    done = subprocess.run(
        [sys.executable, str(THEORY / "kappa" / "checks.py")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT passed" not in done.stdout


# The report -----------------------------------------------------------------------------------------------------------
def test_report_has_table_numbers_pictures_and_manifest(tmp_path: Path) -> None:
    made(tmp_path, "a", verdict="fails", more=FALSE)
    made(tmp_path, "b")
    found = verify(folders=[tmp_path / "theory"], seed=1)
    out = tmp_path / "reports" / "theory"
    written = write_report(found, out, arguments=["theory", "verify"])
    assert {file.name for file in written} == {file.name for file in out.iterdir()}
    assert {file.name for file in written} == {
        "README.md",
        "theory.json",
        "theory.json.manifest.json",
        "a.png",
        "b.png",
    }
    table = (out / "README.md").read_text(encoding="utf-8")
    assert "| result | published claim | verdict | exact statement | evidence |" in table
    assert (
        "| a | a \\| b | fails | a = [b] | symbolic 1/1; simulation 1/1; largest \\|z\\| 0.5; counterexample" in table
    )
    numbers = json.loads((out / "theory.json").read_text(encoding="utf-8"))
    assert numbers["passed"] is True
    assert [check["name"] for check in numbers["results"][0]["checks"]] == ["half", "none", "mean"]
    manifest = json.loads((out / "theory.json.manifest.json").read_text(encoding="utf-8"))
    assert manifest["counts"] == {"results": 2, "checks": 5, "not_passed": 0, "skipped": 0}
    assert [source["path"] for source in manifest["inputs"]] == ["theory/a/checks.py", "theory/b/checks.py"]
    first = (out / "a.png").read_bytes()
    write_report(found, out, arguments=["theory", "verify"])
    assert (out / "a.png").read_bytes() == first


# The command ----------------------------------------------------------------------------------------------------------
def test_one_real_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", "verify", "--only", "kappa", "--no-simulate"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "all passed" in captured.out
    assert "counterexample" in captured.out
    assert max(map(len, captured.out.splitlines())) <= 100


def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "aaa")
    monkeypatch.chdir(tmp_path)
    assert main(["theory", "verify", "--folder", "theory", "--only", "aaa", "--seed", "7", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["command"], found["passed"], found["seed"]) == ("theory verify", True, 7)
    assert found["results"][0]["checks"][1]["z"] == pytest.approx(0.507)


def test_out(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "aaa")
    monkeypatch.chdir(tmp_path)
    assert (
        main(["theory", "verify", "--folder", "theory", "--only", "aaa", "--seed", "5", "--out", "reports/theory"]) == 0
    )
    assert "Written: 4 files in reports/theory" in capsys.readouterr().out
    assert (
        "theory verify --folder theory --only aaa --seed 5 --out reports/theory"
        in (tmp_path / "reports/theory/README.md").read_text()
    )


def test_a_broken_copy_exits_1_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(THEORY / "kappa", tmp_path / "theory" / "kappa", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "theory" / "kappa" / "checks.py"
    text = file.read_text(encoding="utf-8")
    assert text.count("tau2 + sum(noise) / Integer(count)") == 1
    file.write_text(text.replace("tau2 + sum(noise) / Integer(count)", "tau2 - sum(noise) / Integer(count)"))
    monkeypatch.chdir(tmp_path)
    assert main(["theory", "verify", "--folder", "theory", "--only", "kappa", "--no-simulate"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: not passed: kappa: spread of 2 gaps; kappa: spread of 3 gaps")
    assert captured.err.count("\n") == 1
    assert "did NOT pass" in captured.out


@pytest.mark.parametrize("command", [["verify", "--only"], ["show"]])
def test_an_unknown_name_exits_2_and_lists_the_known(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", *command, "theorem9"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: unknown result 'theorem9'; known: theorem1, ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("missing", "extra", "options"),
    [("sympy", "theory", ()), ("matplotlib", "plot", ("--out", "somewhere"))],
)
def test_a_missing_extra_exits_2_and_is_named(
    missing: str, extra: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {missing!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from crowdllm_stats.cli import main\n"
        f"raise SystemExit(main(['theory', 'verify', '--only', 'kappa', '--no-simulate', *{options!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"pip install 'crowdllm-stats[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", "list"]) == 0
    listed = capsys.readouterr().out
    for name in find_results():
        assert f"\n{name} " in listed
    assert main(["theory", "show", "kappa"]) == 0
    assert capsys.readouterr().out == (THEORY / "kappa" / "README.md").read_text(encoding="utf-8")


# All of it ------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_every_result_passes() -> None:
    found = verify(workers=2)
    assert found.passed, found.failures
    made = {check.name for check in found.outcomes[0].checks}
    load(THEORY / "theorem1")
    theory = sys.modules["crowdllm_theory_theorem1"]
    assert {*theory.DISTANCES, *theory.MEASURED} <= made  # what is called skipped without POT is made with it
    assert found.left_out == 0
