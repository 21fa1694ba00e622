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

#: Ids of questions that try to run.
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "<!--<script>",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "=HYPERLINK(1)",
    "\u202egnp.exe",
]


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


@pytest.fixture(scope="session")
def hostile_report(tmp_path_factory) -> Path:
    """A report of questions, settings, a command line and file names that try to run."""
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    from crowdllm_stats import interval_from, load_example, risk_from
    from crowdllm_stats.report import keep_results, write_report

    place, example = tmp_path_factory.mktemp("hostile"), load_example()
    names = dict(zip(sorted(example.human.problems["problem"]), HOSTILE, strict=False))
    tables = [
        table.assign(problem=table["problem"].replace(names))
        for table in (example.human.to_frame(), example.digital.to_frame())
    ]
    script = "</dd><script>alert(2)</script>"
    for name, found in (("interval", interval_from(*tables, scale="1:5")), ("risk", risk_from(*tables, scale="1:5"))):
        keep_results(
            place / name, found, command=name, human=example.human, digital=example.digital,
            settings={"level": 0.95, script: script}, arguments=[script], inputs=[{"path": script, "sha256": script}],
        )  # fmt: skip
    write_report([place / "interval", place / "risk"], place / "report.html", title="<script>alert(5)</script>")
    return place / "report.html"
