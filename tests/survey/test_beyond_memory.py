"""A Parquet file too large for memory gives what the same answers give in memory; the limits are lowered here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run_json

from crowdllm_stats import interval_from
from crowdllm_stats.cli import main
from crowdllm_stats.survey import beyond_memory, intervals

ROWS = 20


def answers(rng: np.random.Generator, names: list[str], people: int) -> pd.DataFrame:
    """Every person answers two thirds of the questions, some twice, the last question only one person."""
    rows = [
        (name, f"person {person}", float(rng.integers(1, 6)))
        for person in range(people)
        for name in names[:-1]
        if rng.random() < 2 / 3
        for _ in range(1 + (rng.random() < 0.1))
    ]
    frame = pd.DataFrame([*rows, (names[-1], "person 1", 3.0)], columns=["Problem", "participant", "response"])
    return frame.sample(frac=1, random_state=4)


@pytest.fixture
def lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROWS", ROWS), ("AT_ONCE", 45), ("BATCH", 16)):
        monkeypatch.setattr(beyond_memory, name, value)


@pytest.mark.parametrize("method", ["auto", "classical", "betting", "binomial"])
@pytest.mark.parametrize("names", [["10", "9", "2", "1", "7"], ["b", " a ", "é", "q 1", "007"]])
def test_the_same_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, names: list[str]) -> None:
    frame = answers(np.random.default_rng(3), names, 30)
    if method == "binomial":
        frame["response"] = np.where(frame["response"] > 2, 5.0, 1.0)
    frame.to_parquet(tmp_path / "people.parquet", index=False)
    frame.to_parquet(tmp_path / "more.parquet", index=False, row_group_size=7)
    whole = interval_from(tmp_path / "people.parquet", scale="1:5", method=method)  # type: ignore[arg-type]
    for name, value in (("ROWS", ROWS), ("AT_ONCE", 45), ("BATCH", 16)):
        monkeypatch.setattr(beyond_memory, name, value)
    read: list[int] = []
    add = beyond_memory.Found.add
    monkeypatch.setattr(beyond_memory.Found, "add", lambda found, *given: (read.append(1), add(found, *given))[1])
    parts = interval_from(tmp_path / "more.parquet", scale="1:5", method=method)  # type: ignore[arg-type]
    assert len(read) > 1  # so it went by groups of problems
    assert list(parts.rows) == list(whole.rows)
    assert parts.excluded == whole.excluded
    assert (parts.overall is None) == (whole.overall is None)
    for name, value in (whole.overall or {}).items():
        found = (parts.overall or {})[name]
        assert found == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), name
    assert list(parts.notes) == list(whole.notes)
    assert list(parts.notices) == list(whole.notices)
    assert parts.counts == whole.counts
    assert parts.why == whole.why
    assert (parts.answer, parts.basis, parts.columns) == (whole.answer, whole.basis, whole.columns)


@pytest.mark.usefixtures("lowered")
@pytest.mark.parametrize(
    ("change", "scale", "message"),
    [
        ({"response": np.r_[6.0, np.ones(39)]}, "1:5", "1 of 16 answers off the scale"),
        ({"response": np.r_[np.ones(39), np.nan]}, "1:5", "from row 33 on is empty in data row 8"),
        ({"participant": [None, *"abc"] * 10}, "1:5", "column 'participant' holds rows without an id"),
        ({}, None, "scale must be declared, as numbers, for a table of more than"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: dict[str, object], scale: str | None, message: str) -> None:
    frame = pd.DataFrame({"problem": list("ab") * 20, "participant": [f"p{n}" for n in range(40)], "response": 2.0})
    frame.assign(**change).to_parquet(tmp_path / "a.parquet", index=False)
    with pytest.raises(ValueError, match=message):
        interval_from(tmp_path / "a.parquet", scale=scale)
    frame.rename(columns={"problem": "item"}).to_parquet(tmp_path / "b.parquet", index=False)
    with pytest.raises(ValueError, match="no column 'problem'; the columns there are 'item'"):
        interval_from(tmp_path / "b.parquet", scale="1:5")


def test_the_command_reads_it_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "people.parquet")
    answers(np.random.default_rng(5), ["a", "b", "c"], 30).to_parquet(place, index=False)
    whole = run_json(capsys, "interval", place, "--scale", "1:5")
    for name, value in (("ROWS", ROWS), ("AT_ONCE", 45), ("BATCH", 16)):
        monkeypatch.setattr(beyond_memory, name, value)
    dealt: list[int] = []
    deal = beyond_memory.deal
    monkeypatch.setattr(intervals, "deal", lambda *given: (dealt.append(1), deal(*given))[1])
    parts = run_json(capsys, "interval", place, "--scale", "1:5")
    assert dealt
    assert parts["results"] == whole["results"]
    for key in ("answer", "basis", "notes", "notices", "counts", "inputs"):
        assert parts.get(key) == whole.get(key), key
    assert main(["interval", place, "--scale", "1:5", "--where", "response>1"]) == 0
    assert f"has more than {ROWS} rows; it was read as a whole because of --where." in capsys.readouterr().err
    assert len(dealt) == 1
