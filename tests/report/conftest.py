"""One report of every command on two tables, for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest

#: Command line -> title of its part.
COMMANDS = {
    "interval": "What people answer on average",
    "across": "All questions together",
    "safe-interval --reference example:reference": "Is the crowd no worse than the bare language model?",
    "risk": "How far the digital twins' mean is from the humans'",
    "compare": "Every interval method side by side",
    "distribution": "Do digital answers vary as human ones do?",
    "planner --half-width 0.4": "How many people to ask",
}


@pytest.fixture(scope="session")
def kept_folders(tmp_path_factory) -> dict[str, Path]:
    """Title of a part -> the folder that its command wrote."""
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    from crowdllm_stats.cli import main

    place = tmp_path_factory.mktemp("kept")
    tables = ["example:human", "example:digital", "--scale", "1:5"]
    found = {}
    for line, title in COMMANDS.items():
        command, *others = line.split()
        found[title] = place / command
        assert main([command, *tables, *others, "--out", f"{found[title]}/"]) == 0
    return found


@pytest.fixture(scope="session")
def whole_report(kept_folders, tmp_path_factory) -> Path:
    """The report of them all, written by its command."""
    from crowdllm_stats.cli import main

    out = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", *map(str, kept_folders.values()), "--out", str(out), "--title", "Twelve questions"]) == 0
    return out
