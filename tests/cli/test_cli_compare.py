"""`crowdllm-stats compare`, end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import BOTH, run, run_json, write


def test_compare_draws_and_lists_what_does_not_apply(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "all.png"
    text = run(capsys, "compare", *BOTH, "--first", "2", "--plot", str(picture))
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
    alone = run_json(capsys, "compare", humans, digital, "--unpaired")
    assert [row["method"] for row in alone["results"]] == ["classical"]
    assert any(note.startswith("not applicable: ppi ") for note in alone["notes"])
