"""What comes before a pool of processes."""

from __future__ import annotations

import signal
import subprocess
import sys

CODE = """
import signal
from multiprocessing import resource_tracker
from crowdllm_stats._base.worker import before_pool
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
before_pool()
assert resource_tracker._resource_tracker._pid, "not started"
resource_tracker.ensure_running()
print(*sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""


def test_the_helper_of_pools_starts_and_leaves_blocked_signals_blocked():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(int(signal.SIGINT))]
