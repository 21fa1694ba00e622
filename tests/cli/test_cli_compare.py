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


@pytest.mark.parametrize("scale", [(), ("--scale", "1:5")])
@pytest.mark.parametrize("digital", [(), ("--unpaired",)])
def test_the_mean_over_all_is_that_of_the_interval(
    scale: tuple[str, ...], digital: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [f"{q},p{p},{1 + (3 * p + q + p * q) % 5}" for q in range(3) for p in range(7)]
    humans = write(tmp_path / "h.csv", "\n".join(["problem,participant,response", *rows]))
    rows = [f"{q},p{p},{1 + (3 * p + q + p * q + (p % 3 == 0)) % 5}" for q in range(3) for p in range(80)]
    twins = write(tmp_path / "d.csv", "\n".join(["problem,participant,response", *rows]))
    whole = run_json(capsys, "interval", humans, twins, *scale, *digital)["summary"][0]
    chosen = [row for row in run_json(capsys, "compare", humans, twins, *scale, *digital)["results"] if row["chosen"]]
    assert len(chosen) == 1
    assert [chosen[0][name] for name in ("method", "estimate", "lower", "upper")] == [
        whole[name] for name in ("method", "estimate", "lower", "upper")
    ]
