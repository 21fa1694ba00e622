"""Ending the processes that this one has started, and those that they have started."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

#: Rounds of a millisecond in which all must be gone.
_ROUNDS = 1000


def end_children() -> None:
    """End all descendants of this process, and return when none runs any more.

    They are halted first, so that none has time to complain that another is gone. Python's own helper process, which
    removes what ended pools leave in memory, is left: it ends by itself when nobody is there any more.
    """
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for child in descendants():
            with suppress(ProcessLookupError):
                os.kill(child, number)
    for _ in range(_ROUNDS):
        there = descendants()
        if not there:
            return
        for child in there:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def descendants() -> list[int]:
    """The running processes below this one: on Linux all, elsewhere the direct ones that ``multiprocessing`` started.

    Example:
        >>> descendants()
        []
    """
    if not os.path.exists("/proc/self/stat"):
        import multiprocessing

        return [child.pid for child in multiprocessing.active_children() if child.pid is not None]
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (parent := _parent(int(name))) is not None:
            parents[int(name)] = parent
    found, ours = [], {os.getpid()}
    while new := [child for child, parent in parents.items() if parent in ours and child not in ours]:
        found += new
        ours |= set(new)
    return [child for child in found if not _is_helper(child)]


def _parent(process: int) -> int | None:
    """Its parent; None if it has ended. The name in the file may hold brackets and blanks of its own."""
    try:
        state, parent, *_ = _read(process, "stat").rpartition(b")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else int(parent)


def _is_helper(process: int) -> bool:
    try:
        return b"multiprocessing.resource_tracker" in _read(process, "cmdline")
    except OSError:
        return False


def _read(process: int, name: str) -> bytes:
    with open(f"/proc/{process}/{name}", "rb") as file:
        return file.read()
