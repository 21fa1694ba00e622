"""A command stopped at a given moment, as a terminal or a scheduler does it, and what it left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.commands import PROGRESS

#: Seconds in which a stopped command must have ended, and its processes with it.
PATIENCE = 30.0

#: Ends of names of files that are being written.
HALVES = (".half", ".part", ".tmp")


@dataclass(frozen=True)
class Stop:
    """How a command is stopped.

    Attributes:
        signals: sent one after the other.
        to_all: to all processes of the terminal, as Ctrl-C; else to the command alone, as ``kill``.
        pause: seconds between two signals.
    """

    signals: tuple[signal.Signals, ...] = (signal.SIGINT,)
    to_all: bool = True
    pause: float = 0.02


@dataclass(frozen=True)
class Stopped:
    """Exit code (None: killed at last), stderr, processes and unfinished files left, seconds from signal to end."""

    code: int | None
    err: str
    left: int
    halves: int
    seconds: float

    @property
    def outcome(self) -> str:
        """Refused: one line, exit code 1, nothing left; survived: it had done its work before the signal."""
        if self.left or self.halves:
            return "lost"
        said = PROGRESS.sub("", self.err)
        if self.code == 1 and said.startswith("error: stopped") and len(said.splitlines()) == 1:
            return "refused"
        return "survived" if self.code == 0 and said == "" else "lost"


def stopped(arguments: Sequence[str], cwd: Path, moment: float, stop: Stop) -> Stopped:
    """Run a command in a session of its own and stop it ``moment`` seconds after the first step of its own.

    Before that step, some hundredths of a second, the process is Python's, and Python ends it in its way.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "crowdllm_stats", *arguments],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_hear,
    )
    _wait_until_it_hears(process)
    time.sleep(moment)
    begin = time.monotonic()
    for number, sent in enumerate(stop.signals):
        time.sleep(stop.pause if number else 0)
        if process.poll() is None:
            (os.killpg if stop.to_all else os.kill)(process.pid, sent)
    try:
        _, said = process.communicate(timeout=PATIENCE)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        code, said = None, b""
    seconds = time.monotonic() - begin
    left = left_of(process.pid)
    for one in left:
        os.kill(one, signal.SIGKILL)
    process.wait()
    halves = sum(1 for path in cwd.rglob("*") if path.name.endswith(HALVES))
    return Stopped(code, said.decode(errors="replace"), len(left), halves, seconds)


def _hear() -> None:
    """A shell starts background jobs with Ctrl-C ignored, and Python leaves it so: heard again in any case."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_until_it_hears(process: subprocess.Popen[bytes]) -> None:
    """Until Ctrl-C is blocked in its main thread, which is the last that it does to hear it."""
    ctrl_c = 1 << (signal.SIGINT - 1)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        blocked = next((line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")), "0")
        if int(blocked, 16) & ctrl_c:
            return
        time.sleep(0.001)


def left_of(session: int) -> list[int]:
    """The processes of a session that still run after a second: Python's helper process ends by itself."""
    until = time.monotonic() + 1.0
    while there := running(session):
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    return there


def running(session: int) -> list[int]:
    """The processes of a session, without those that have ended and are only still listed."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                state, _, _, its, *_ = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(its) == session and state not in (b"Z", b"X"):
                found.append(int(folder.name))
    return found
