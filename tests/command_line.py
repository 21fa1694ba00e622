"""What the tests of the command line share: running a command in this process, and small tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crowdllm_stats.cli import main

#: Both tables of the shipped example.
BOTH = ("example:human", "example:digital")

#: The options for tables with other column names.
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
    """What a strict reader makes of the command's JSON: NaN and Infinity, which JSON does not know, are refused."""
    return json.loads(run(capsys, *arguments, "--json"), parse_constant=refuse)  # type: ignore[no-any-return]


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def survey(tmp_path: Path, first: str = "a", people: int = 6) -> tuple[str, str]:
    """Two problems, everybody with a twin, and four further digital people."""
    rng = np.random.default_rng(11)
    tables = []
    for name, extra in (("humans", 0), ("digital", 4)):
        names = [f"p{who}" for who in range(people)] + [f"d{who}" for who in range(extra)]
        rows = [f"{item},{who},{rng.integers(1, 6)}" for item in (first, "b") for who in names]
        tables.append(write(tmp_path / f"{name}.csv", "\n".join(["problem,participant,response", *rows])))
    return tables[0], tables[1]
