"""`crowdllm-stats safe-interval`, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import BOTH, run, run_json

from crowdllm_stats.data import load_example


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
        assert inside == row["inside_exact"]
        assert row["verdict"] in ("not worse", "worse", "undecided")
        assert row["gap_lower"] < row["crowd_gap"] < row["gap_upper"]
        assert row["p_adjusted"] >= row["p_value"]
    given = run_json(capsys, "safe-interval", *BOTH, "--reference", "example:reference", "--kappa", "0.5", "--eta", "0")
    assert {row["kappa"] for row in given["results"]} == {0.5}
    for row in given["results"]:  # at c = 0 the exact interval runs from 0 to twice Delta
        assert sorted([row["exact_lower"], row["exact_upper"]]) == pytest.approx(
            sorted([0, 2 * row["delta"]]), abs=1e-12
        )
    assert any("although eta is 0" in row["note"] for row in given["results"])
    options = ("safe-interval", *BOTH, "--reference-participant", "d001")
    assert "give --eta" in run(capsys, *options, code=2)
    assert {row["eta"] for row in run_json(capsys, *options, "--eta", "0.3")["results"]} == {0.3}


def test_the_answer_fits_into_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdict, the crowd's gap with its interval, and Theorem 3's question; before them what "not worse" means."""
    monkeypatch.setenv("COLUMNS", "80")
    told = run(capsys, "safe-interval", *BOTH, "--reference", "example:reference")
    lines = told.splitlines()
    assert told.startswith("In 1 of 12 questions the digital crowd is shown to be no worse than asking the")
    assert "Not worse means: than asking the LLM once." in " ".join(told.partition("┃")[0].split())
    assert max(map(len, lines)) <= 80
    head = next(place for place, line in enumerate(lines) if "verdict" in line)
    assert lines[head - 1].split("┃")[-1].strip() == "inside"
    above, below = (lines[place].split("┃") for place in (head - 1, head))
    names = [f"{one.strip()} {two.strip()}".strip() for one, two in zip(above, below, strict=True)]
    assert names == ["problem", "verdict", "crowd gap", "gap lower", "gap upper", "inside published", "inside exact"]
    q03 = next(line for line in lines if line.startswith("q03"))
    assert [word.strip() for word in q03.split("│")][1::4] == ["not worse", "no"]


def test_adjusted_p_values_are_benjamini_hochberg_over_all_problems(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(capsys, "safe-interval", *BOTH, "--reference", "example:reference")["results"]
    order = sorted(rows, key=lambda row: row["p_value"])
    count = len(order)
    expected = [
        min(row["p_value"] * count / (later + 1) for later, row in list(enumerate(order))[place:])
        for place in range(count)
    ]
    assert [row["p_adjusted"] for row in order] == pytest.approx([min(value, 1.0) for value in expected])


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
