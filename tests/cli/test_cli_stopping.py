"""A program that is stopped: one line, exit code 1, no process and no unfinished file left, wherever it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.interrupting import running

from crowdllm_stats._base.whole_files import remove_unfinished, unfinished
from crowdllm_stats.cli.stopping import descendants, end_children

START = """
import os, subprocess, sys, threading, time
from crowdllm_stats.cli.stopping import say_when_stopped, watch_signals
from crowdllm_stats._base.whole_files import unfinished
watch_signals()
child = subprocess.Popen([sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"])
"""
READY = "print(os.getpid(), flush=True)\n"

#: Where a program may be when it is stopped, and how it would not notice an exception.
PLACES = {
    "computing": f"{READY}while True: pass",
    "swallowing": f"{READY}while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "waiting": f"{READY}threading.Lock().acquire(); threading.Event().wait()",
    "in one long call": f"{READY}time.sleep(60)",
    "writing": f"with unfinished('a.half'):\n    open('a.half', 'w').close(); {READY}    time.sleep(60)",
    "leaving": f"import atexit\natexit.register(time.sleep, 60); {READY}",
}


def hear_signals() -> None:
    """A program hears the signals, also where these tests are started by something that ignores them (nohup)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def stopped(place: str, folder: Path, *signals: signal.Signals) -> tuple[int, str]:
    """Exit code and stderr of a program that is stopped there; fails where one of its processes still runs."""
    program = subprocess.Popen(
        [sys.executable, "-c", START + place],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_signals,
    )
    assert program.stdout is not None
    program.stdout.readline()
    for number in signals:
        os.killpg(program.pid, number) if number == signal.SIGINT else program.send_signal(number)
    _, said = program.communicate(timeout=60)  # ends when nobody holds its stderr any more
    assert running(program.pid) == []
    return program.returncode, said


@pytest.mark.parametrize("place", PLACES)
def test_ctrl_c_is_one_line_and_leaves_nothing(tmp_path, place):
    assert stopped(PLACES[place], tmp_path, signal.SIGINT) == (1, "error: stopped\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)]
)
def test_other_signals_and_a_second_one_are_one_line_too(tmp_path, signals):
    assert stopped(PLACES["computing"], tmp_path, *signals) == (1, "error: stopped\n")


def test_the_line_says_what_the_command_wants_said(tmp_path):
    place = f"say_when_stopped('blocks stay in caf\\udce9')\n{PLACES['computing']}"
    assert stopped(place, tmp_path, signal.SIGINT) == (1, "error: stopped; blocks stay in caf\\udce9\n")


def test_a_signal_that_was_ignored_at_the_start_stays_ignored(tmp_path):
    place = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"{START}os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.5); child.kill(); {READY}"
    )
    done = subprocess.run([sys.executable, "-c", place], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_children_end_with_their_own_children():
    child = subprocess.Popen([sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '60'])"])
    until = time.monotonic() + 30
    while len(descendants()) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    end_children()
    assert descendants() == []
    assert child.wait() == -signal.SIGKILL


def test_unfinished_folders_and_files_are_removed_and_finished_ones_stay(tmp_path):
    folder, half, whole = tmp_path / "scratch", tmp_path / "b.half", tmp_path / "b"
    folder.mkdir()
    (folder / "inside").write_text("x", encoding="utf-8")
    half.write_text("x", encoding="utf-8")
    with unfinished(whole):
        whole.write_text("x", encoding="utf-8")
    with unfinished(folder), unfinished(half), unfinished(tmp_path / "never made"):
        remove_unfinished()
    assert list(tmp_path.iterdir()) == [whole]
