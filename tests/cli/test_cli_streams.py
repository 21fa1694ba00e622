"""Streams and screens of every kind: the exit code that the help names, one line or none, and never a traceback."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import survey

from crowdllm_stats.cli.streams import LastingStream, settle_columns, why_unwritten

PROGRAM = f"{sys.executable} -m crowdllm_stats"


def shell(line: str, folder: Path, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a line of bash in which PROGRAM stands for the program."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('PROGRAM', PROGRAM)}"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        (">&-", 2, "error: standard output is closed: give it a file, a pipe or /dev/null, for the answer goes there"),
        (">/dev/full", 1, "error: standard output could not be written: No space left on device"),
        ("1</dev/null", 1, "error: standard output could not be written: Bad file descriptor"),
        ("| true", 0, ""),
        ("<&- | true", 0, ""),
    ],
)
def test_stdout_of_every_kind_has_its_exit_code(tmp_path, redirected, code, said):
    assert shell(f"PROGRAM --help {redirected}", tmp_path) == (code, "", f"{said}\n" if said else "")


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", "<&- >&- 2>&-", "2> >(true)"])
def test_without_stderr_the_exit_code_holds_and_stdout_has_no_error(tmp_path, redirected):
    assert shell(f"PROGRAM planner {redirected}", tmp_path) == (2, "", "")


def test_a_reader_who_leaves_early_does_not_end_the_work(tmp_path):
    human, digital = survey(tmp_path)
    code, out, err = shell(f"PROGRAM interval {human} {digital} --out a.csv | true", tmp_path)
    assert (code, out, err) == (0, "", "")
    assert (tmp_path / "a.csv.manifest.json").is_file()


def test_ascii_gets_every_character_in_some_way(tmp_path):
    human, digital = survey(tmp_path, first="caf\u00e9 \u4f60")
    code, out, err = shell(
        f"PROGRAM interval {human} {digital}", tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C"
    )
    assert (code, err) == (0, "")
    assert "caf\\u00e9 \\u4f60" in out


def test_a_pipe_is_no_table_and_nobody_waits_for_it(tmp_path):
    human, digital = survey(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    code, out, err = shell(f"PROGRAM interval {human} pipe.csv", tmp_path)
    assert (code, out) == (2, "")
    assert "pipe.csv: is a pipe or a device, and tables are read more than once; save it to a file first" in err
    code, out, err = shell(f"PROGRAM interval <(cat {human}) {digital}", tmp_path)
    assert (code, out) == (2, "")
    assert "is a pipe or a device" in err


@pytest.mark.parametrize(
    ("said", "taken"),
    [("80", "80"), ("0", None), ("-3", None), ("wide", None), ("", None), ("1", "20"), ("9" * 30, "1000")],
)
def test_columns_are_those_of_a_screen(monkeypatch, said, taken):
    monkeypatch.setenv("COLUMNS", said)
    settle_columns()
    assert os.environ.get("COLUMNS") == taken


def test_a_stream_takes_everything_and_keeps_the_first_reason(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with (tmp_path / "a").open("rb") as only_read:
        text = io.TextIOWrapper(io.BufferedWriter(LastingStream(only_read.fileno())), encoding="utf-8")
        assert why_unwritten(text) == ""
        for part in ("abc", "de"):
            print(part, file=text, flush=True)
        assert why_unwritten(text) == "Bad file descriptor"


def test_a_full_pipe_that_lets_nobody_wait_is_waited_for():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 1000)
    reader = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.buffer.read()"], stdin=reading)
    os.close(reading)
    stream = LastingStream(writing)
    assert 1 <= stream.write(b"y" * 1000) <= 1000
    assert stream.failure is None
    os.close(writing)
    assert reader.wait(timeout=60) == 0


def test_a_working_folder_that_was_removed_is_named(tmp_path):
    (tmp_path / "gone").mkdir()
    code, out, err = shell("cd gone; rmdir ../gone; PROGRAM study list", tmp_path)
    assert (code, out) == (2, "")
    assert err == "error: the working folder is not there any more; change to another one\n"


def test_a_pipe_is_no_place_for_a_result(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    code, out, err = shell("PROGRAM interval example:human example:digital --out pipe.csv", tmp_path)
    assert (code, out) == (2, "")
    assert "--out pipe.csv is a pipe or a device, of which no manifest can be made; name a file" in err
