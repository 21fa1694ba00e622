"""`--json` of every command: strict JSON, an infinite number null and named beside, said in the help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import BOTH, refuse, run, run_json, write

COMMANDS = [
    ("interval",), ("safe-interval",), ("risk",), ("compare",), ("planner",), ("distribution",), ("evaluate",),
    ("fit",), ("simulate",), ("theory", "verify"), ("backbone", "fetch"), ("backbone", "check"), ("study", "run"),
    ("study", "resume"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_says_what_becomes_of_infinite_numbers(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = " ".join(run(capsys, *command, "--help").split())
    assert "--json" in words
    assert "An infinite number is null, and the key not_finite beside it names it" in words


def words_for_numbers(value: Any, name: str = "") -> list[str]:
    """Names of the fields that hold "inf", "-inf" or "nan" anywhere but under ``not_finite``."""
    if isinstance(value, dict):
        parts = [words_for_numbers(item, key) for key, item in value.items() if key != "not_finite"]
        return [found for part in parts for found in part]
    if isinstance(value, list):
        return [found for item in value for found in words_for_numbers(item, name)]
    return [name] if value in ("inf", "-inf", "nan") else []


@pytest.mark.parametrize(
    "command",
    [
        ("interval", *BOTH, "--alternative", "larger", "--method", "ppi"),
        ("compare", *BOTH, "--problem", "q02", "--alternative", "smaller"),
        ("safe-interval", *BOTH, "--reference", "example:reference"),
        ("risk", *BOTH, "--reference", "example:reference"),
        ("planner", *BOTH, "--half-width", "0.3"),
        ("distribution", *BOTH, "--problem", "q01"),
    ],
    ids=lambda command: command[0],
)
def test_numbers_are_numbers_or_null(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert words_for_numbers(run_json(capsys, *command)) == []


def test_either_end_is_named_where_it_is_open(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    larger = run_json(capsys, "interval", *BOTH, "--method", "classical", "--alternative", "larger")
    smaller = run_json(capsys, "interval", *BOTH, "--method", "classical", "--alternative", "smaller")
    for told, name, sign in ((larger, "upper", "inf"), (smaller, "lower", "-inf")):
        for row in [*told["results"], *told["summary"]]:
            assert (row[name], row["not_finite"]) == (None, {name: sign})
    closed = run_json(capsys, "interval", *BOTH, "--method", "classical")
    assert not any("not_finite" in row for row in closed["results"])
    # null without a name is a value that does not apply: lambda, of a method that uses nothing digital
    assert {row["lam"] for row in closed["results"]} == {None}
    humans = write(tmp_path / "h.csv", "problem,participant,response\na,p,3\na,q,3\na,r,3\n")
    digital = write(tmp_path / "d.csv", "problem,participant,response\na,d,1\na,e,2\n")
    plain = write(tmp_path / "r.csv", "problem,response\na,2\n")
    (row,) = run_json(capsys, "safe-interval", humans, digital, "--reference", plain, "--kappa", "1", "--eta", "0")[
        "results"
    ]
    ends = {"delta_lower": "-inf", "delta_upper": "inf", "gap_lower": "-inf", "gap_upper": "inf"}
    assert row["not_finite"] == ends


def test_a_file_holds_the_same_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "widths.json"
    told = run_json(capsys, "interval", *BOTH, "--alternative", "larger", "--method", "ppi", "--out", str(out))
    assert json.loads(out.read_text(encoding="utf-8"), parse_constant=refuse) == told


def test_a_result_that_is_not_a_number_is_no_result(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crowdllm_stats.survey.per_problem.saved", lambda row: float("nan"))
    words = run(capsys, "interval", *BOTH, "--method", "classical", "--json", code=1)
    assert "ArithmeticError: saved of problem q01 is not a number" in words
