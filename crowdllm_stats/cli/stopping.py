"""Stopping the program at once: Ctrl-C, SIGTERM and a closed terminal give one line, exit code 1, and no child left.

Python's own way is an exception wherever the program happens to be. In a program that computes, libraries swallow it or
print it, a compiler does not hear it, and a process that leaves while XLA's threads run may crash. Here nothing is
raised: the process ends its children, says its line and is gone, as if it had been killed. The files it writes are
whole or not there, so nothing is lost.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType

from crowdllm_stats._base.whole_files import remove_unfinished

#: Exit codes of a program that was stopped: in its work, and where that is how it ends.
STOPPED, ENDED = 1, 0

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Seconds that the main thread has to hear a signal; inside a compiler it does not, then the watching thread acts.
_MAIN_FIRST = 0.2

#: Seconds until the process leaves whatever has been done, for instance where nobody reads its stderr.
_AT_LAST = 3.0

#: Held for ever by the thread that stops the process.
_stopping = threading.RLock()

_more: list[str] = []
_code = STOPPED


def say_when_stopped(*words: str, fine: bool = False) -> None:
    """What the line says beyond "stopped", from now on.

    Args:
        words: each after a semicolon.
        fine: whether the program runs until it is stopped: the line then names no error, and the exit code is 0.
    """
    from crowdllm_stats._base.shown import one_line

    global _code
    _more[:] = map(one_line, words)
    _code = ENDED if fine else STOPPED


def stopped_line() -> str:
    """The line of a program that was stopped.

    Example:
        >>> say_when_stopped("finished blocks stay")
        >>> stopped_line()
        'stopped; finished blocks stay'
        >>> say_when_stopped()
    """
    return "; ".join(["stopped", *_more])


def watch_signals() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP stop this process, which must be the program's own.

    A signal that the process was started to ignore (``nohup``, a job in the background) stays ignored. Children start
    with Ctrl-C and SIGHUP blocked: a terminal sends them to all, and it is for this process to end its children.
    """
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    stderr = os.dup(2)

    def in_main_thread(number: int, frame: FrameType | None) -> None:
        if _stopping.acquire(blocking=False):
            _ignore(heard)
            _stop(stderr)
        time.sleep(2 * _AT_LAST)  # the watching thread is at it

    def watch() -> None:
        os.read(listening, 1)
        time.sleep(_MAIN_FIRST)
        if _stopping.acquire(blocking=False):
            threading.Thread(target=_leave_at_last, daemon=True).start()
            _stop(stderr)
        _leave_at_last()

    listening, telling = os.pipe()
    os.set_blocking(telling, False)
    for number in heard:
        signal.signal(number, in_main_thread)
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()  # hears what all later threads and processes block
    signal.pthread_sigmask(signal.SIG_BLOCK, set(heard) & {signal.SIGINT, signal.SIGHUP})
    atexit.register(_ignore, heard)  # the first registered is the last called: all is done and said
    # The helper process that removes what ended pools leave in memory need not warn of it.
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join([*([before] if before else []), "ignore:resource_tracker"])


def _ignore(heard: list[signal.Signals]) -> None:
    for number in heard:
        signal.signal(number, signal.SIG_IGN)


def _leave_at_last() -> None:
    time.sleep(_AT_LAST)
    os._exit(_code)


def _stop(stderr: int) -> None:
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # whatever other threads still have to say
        end_children()
        remove_unfinished()
        mark = "error: " if _code == STOPPED else ""
        os.write(stderr, f"{_line_start(stderr)}{mark}{stopped_line()}\n".encode())
    finally:
        os._exit(_code)


def _line_start(stderr: int) -> str:
    """On a terminal: wipe a bar that stands there, and show the cursor that it hid."""
    if not os.isatty(stderr):
        return ""
    return "\n" if os.environ.get("TERM", "") in ("", "dumb") else "\r\x1b[2K\x1b[?25h"


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
        >>> os.getpid() in descendants()
        False
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
