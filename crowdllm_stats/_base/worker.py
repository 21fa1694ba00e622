"""What comes before a pool of processes, and what each of them does first."""

from __future__ import annotations

import os
import signal
import threading


def before_pool() -> None:
    """Start the process that helps every pool now, so that its start leaves the signals that this thread blocks alone.

    Python unblocks Ctrl-C when it starts that process; the pool's processes would then hear it while they load.
    """
    from multiprocessing import resource_tracker

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def start_worker() -> None:
    """In a worker: leave when the process that started it is killed, else it would wait for ever; ignore Ctrl-C."""
    import multiprocessing
    from multiprocessing.connection import wait

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
