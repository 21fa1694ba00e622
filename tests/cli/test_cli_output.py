"""What a report looks like on a narrow screen, in a pipe, and with remarks on many problems."""

from __future__ import annotations

import pytest
from command_line import BOTH, run, run_json, survey, write

from crowdllm_stats.cli.output import Report, emit, remarks


def _report(**changes: object) -> Report:
    rows = [
        {
            "problem": f"q{number}",
            "estimate": number / 7,
            "lower": -1.0 / 3,
            "upper": 123.4567,
            "note": "few; all equal",
        }
        for number in range(5)
    ]
    fields: dict[str, object] = {
        "command": "x", "answer": "An answer.", "basis": "On a basis.", "results": rows, "why": "Because.",
        "show": ("problem", "estimate", "lower", "upper"),
    }  # fmt: skip
    return Report(**{**fields, **changes})  # type: ignore[arg-type]


def _shown(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    report: Report,
    explain: bool = False,
) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    emit(report, as_json=False, out=None, arguments=[], explain=explain)
    return capsys.readouterr().out


def test_the_answer_a_table_of_seven_columns_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{number}" for number in range(8)]
    rows = [{"problem": "q", **dict.fromkeys(names, 1.5), "empty": None}]
    report = _report(results=rows, show=("problem", "empty", *names), notes=["A note."], notices=["An answer."])
    plain = _shown(capsys, monkeypatch, 100, report)
    whole = _shown(capsys, monkeypatch, 100, report, explain=True)
    assert plain.startswith("An answer.\nproblem")
    assert plain.endswith("\nOn a basis. --explain says more.\n")
    assert (plain.count("1.5"), whole.count("1.5")) == (6, 8)
    assert "A note." not in plain
    assert "\nOn a basis.\n- A note.\nBecause.\n" in whole


def test_columns_that_do_not_fit_follow_in_a_second_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = _shown(capsys, monkeypatch, 80, _report())
    narrow = _shown(capsys, monkeypatch, 30, _report())
    assert wide.count("problem") == 1
    assert narrow.count("problem") == 2
    for number in ("0.5714", "-0.3333", "123.5"):
        assert number in wide
        assert number in narrow
    assert max(map(len, narrow.splitlines())) <= 30


def test_remarks_stand_under_the_table_with_their_problems(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _report(summary=[{"problem": "all", "estimate": 1.0, "note": "few"}])
    shown = _shown(capsys, monkeypatch, 80, report, explain=True)
    assert "* few: q0, q1, q2 and 3 more\n* all equal: q0, q1, q2 and 2 more\n" in shown
    assert "note" not in shown.splitlines()[1]
    plain = _shown(capsys, monkeypatch, 80, report)
    assert plain.count(" *") == len(report.results) + 1
    assert "On a basis. * has a remark. --explain says more.\n" in plain


def test_remarks_name_the_method_where_a_problem_has_several_rows() -> None:
    rows = [{"problem": "q", "method": method, "note": "few"} for method in ("ppi", "ppi++")]
    assert remarks(_report(results=rows)) == ["* few: q (ppi), q (ppi++)"]


def test_excluded_problems_are_named_with_their_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = [{"problem": f"z{number}", "reason": "no answer"} for number in range(5)]
    assert "Excluded: 5 of 10 problems." in _shown(capsys, monkeypatch, 80, _report(excluded=left_out))
    shown = _shown(capsys, monkeypatch, 80, _report(excluded=left_out), explain=True)
    assert "* excluded, no answer: z0, z1, z2 and 2 more\n" in shown


def test_sentences_end_without_blanks_and_notices_come_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = _shown(capsys, monkeypatch, 40, _report(notices=["Read this. " * 9], notes=["word " * 30]))
    assert shown.startswith("Read this. ")
    assert all(line == line.rstrip() for line in shown.splitlines() if "┃" not in line)


def test_one_number_says_what_the_digital_answers_are_worth(capsys: pytest.CaptureFixture[str]) -> None:
    """Over many questions it has its interval."""
    one = " ".join(run(capsys, "interval", *BOTH, "--scale", "1:5", "--problem", "q01").split())
    many = " ".join(run(capsys, "interval", *BOTH, "--scale", "1:5").split())
    assert one.count("without the digital ones you would need roughly ") == 1
    assert many.count("without the digital ones you would need about ") == 1
    assert "95% interval over questions: " not in one
    assert "95% interval over questions: " in many


def test_a_refused_twin_is_counted_before_the_numbers(capsys: pytest.CaptureFixture[str], tmp_path) -> None:  # type: ignore[no-untyped-def]
    human, digital = survey(tmp_path, people=9)
    rows = (tmp_path / "digital.csv").read_text(encoding="utf-8").splitlines()
    more = [f"{item},e{number},{1 + number % 5}" for item in "ab" for number in range(40)]
    digital = write(tmp_path / "d.csv", "\n".join([row for row in rows if not row.startswith("a,p3,")] + more))
    shown = run(capsys, "interval", human, digital, "--scale", "1:5")
    assert shown.splitlines()[0].startswith("1 of 18 twins gave no answer, in 1 problem: ")
    found = run_json(capsys, "interval", human, digital, "--scale", "1:5")
    assert found["notices"][1].startswith("1 of 18 twins gave no answer")
    assert {row["method"] for row in found["results"]} == {"ppi++-small"}


def test_what_the_numbers_rest_on_is_printed_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    plain = run(capsys, "interval", *BOTH, "--problem", "q01")
    whole = run(capsys, "interval", *BOTH, "--problem", "q01", "--explain")
    why = run_json(capsys, "interval", *BOTH, "--problem", "q01")["why"]
    assert " ".join(plain.split()).endswith(" --explain says more.")
    assert " ".join(whole.split()).endswith(why)
    assert "--explain" not in whole
