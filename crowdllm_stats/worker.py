"""What every process of a pool does first."""

from __future__ import annotations

import os
import signal
import threading


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
