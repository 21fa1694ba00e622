"""One asker a question: others wait, a killed one is no hindrance, and nobody waits once it is to stop."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from crowdllm_stats.backbones.cache import AnswerCache, asking

HOLD = """
import sys, threading, time
from pathlib import Path
from crowdllm_stats.backbones.cache import asking
with asking(Path(sys.argv[1]), "q", threading.Event()) as mine:
    print(mine, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def never_stop():
    return threading.Event()


def test_threads_take_turns_and_leave_nothing_behind(tmp_path, never_stop):
    inside, most, lock = 0, 0, threading.Lock()

    def ask():
        nonlocal inside, most
        for _ in range(20):
            with asking(tmp_path / "asked", "q", never_stop) as mine:
                assert mine
                with lock:
                    inside, most = inside + 1, max(most, inside + 1)
                time.sleep(0.001)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1
    assert list((tmp_path / "asked").iterdir()) == []


def test_other_questions_do_not_wait(tmp_path, never_stop):
    with asking(tmp_path, "q", never_stop), asking(tmp_path, "other", never_stop) as mine:
        assert mine
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.iterdir())


def test_a_killed_asker_locks_nothing(tmp_path, never_stop):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "True\n"
        stop = threading.Timer(0.1, os.kill, (other.pid, signal.SIGKILL))
        stop.start()
        start = time.monotonic()
        with asking(tmp_path, "q", never_stop) as mine:
            assert mine
        assert 0.05 < time.monotonic() - start < 30
        other.wait(60)


def test_who_waits_gives_up_once_it_is_to_stop(tmp_path, never_stop):
    stop = threading.Event()
    with asking(tmp_path, "q", never_stop):
        threading.Timer(0.1, stop.set).start()
        with asking(tmp_path, "q", stop) as mine:
            assert not mine


def test_a_cache_keeps_no_folder_of_questions(tmp_path, never_stop):
    with AnswerCache(tmp_path / "c") as cache, cache.asking({"prompt": "a"}, never_stop) as mine:
        assert mine
        assert (tmp_path / "c.asking").is_dir()
    assert not (tmp_path / "c.asking").exists()
