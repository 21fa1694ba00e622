"""`doctor`, `--version --verbose` and the shell's completion: what a machine has, and what a user types with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run, run_json

from crowdllm_stats._base.extras import EXTRAS
from crowdllm_stats.cli import command_doctor


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No optional package, no data folder, nothing fetched, and a GPU."""
    monkeypatch.setattr(command_doctor, "find_spec", lambda name: None)
    monkeypatch.setattr(command_doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.delenv("CROWDLLM_STATS_DATA", raising=False)
    monkeypatch.setenv("CROWDLLM_STATS_CACHE", str(tmp_path))
    return tmp_path


def test_doctor_names_the_line_that_mends_each_lack(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "doctor")
    for extra in set(EXTRAS.values()):
        assert f": pip install 'crowdllm-stats[{extra}]'" in text
    for line in (
        "lacks  model smollm2: not fetched: crowdllm-stats backbone fetch smollm2\n",
        "lacks  model gemma3-270m: not fetched: crowdllm-stats backbone fetch gemma3-270m --accept-terms gemma\n",
        "published data sets are not found: export CROWDLLM_STATS_DATA=FOLDER\n",
        f"ok     cache: {bare}\n",
        "lacks  device: a GPU, but no torch to use it: pip install 'crowdllm-stats[hf]'\n",
    ):
        assert line in text
    findings = run_json(capsys, "doctor")["findings"]
    assert [one["what"] for one in findings if not one["mend"]] == ["cache"]


def test_doctor_says_where_the_cache_cannot_be_written_to(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(command_doctor.tempfile, "TemporaryFile", refused)
    told = "lacks  cache: cannot be written to (Permission denied): export CROWDLLM_STATS_CACHE=FOLDER"
    assert told in run(capsys, "doctor")


def test_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str], bare: Path) -> None:
    text = run(capsys, "--version", "--verbose")
    for part in ("\nPython 3.", "numpy ", "typer ", "\nextras: none\n", f"\ncache: {bare}\n", "\ndevice: "):
        assert part in text
    assert text.startswith(run(capsys, "--version"))
    assert "--verbose goes with --version" in run(capsys, "--verbose", code=2)


@pytest.mark.parametrize(
    ("shell", "given", "offered"),
    [
        ("bash", {"COMP_WORDS": "crowdllm-stats safe", "COMP_CWORD": "1"}, "safe-interval\n"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "crowdllm-stats interval --lev"}, '"--level":"Set the confidence level."'),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "crowdllm-stats backbone fe", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "fetch",
        ),
    ],
)
def test_the_shell_completes_commands_and_options(shell: str, given: dict[str, str], offered: str) -> None:
    asked = {**os.environ, **given, "_CROWDLLM_STATS_COMPLETE": f"complete_{shell}"}
    command = [sys.executable, "-m", "crowdllm_stats"]
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert offered in done.stdout


def test_completion_is_installed_where_bash_reads_it(tmp_path: Path) -> None:
    """Installed into an empty home and asked by bash itself."""
    asked = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [sys.executable, "-m", "crowdllm_stats", "--install-completion", "bash"]
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    program = tmp_path / "crowdllm-stats"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m crowdllm_stats "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = (
        ". ~/.bashrc; COMP_WORDS=(crowdllm-stats plan); COMP_CWORD=1; "
        '_crowdllm_stats_completion crowdllm-stats; echo "${COMPREPLY[@]}"'
    )
    asked |= {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    told = subprocess.run(["bash", "-c", script], env=asked, capture_output=True, text=True, check=False)
    assert told.stdout == "planner\n", told.stderr
