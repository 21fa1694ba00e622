"""Runs one command again and again, each time in a fork that is killed at a later moment of its writing.

A moment is the instant before the program opens a file to write, renames, removes or makes something in the folder it
runs in. Called as ``python -m faults.moments FOLDER LIMIT COMMAND...``; LIMIT is the most bytes that a file may
have, in one run that is not killed; 0 for none. Prints one JSON line a run: its signal or exit code, what it said on
standard error, and the hash of every file.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import matplotlib.figure  # noqa: F401 - loaded once, for all forks
import pandas  # noqa: F401 - as above
import pyarrow.parquet  # noqa: F401 - as above
import sympy  # noqa: F401 - as above

import crowdllm_stats.cli.shell  # noqa: F401 - as above
from crowdllm_stats.cli import main

_EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")

#: Runs of a command that are killed, at most.
MOST = 60


def die_at(moment: int, folder: Path) -> None:
    """Kill this process at its n-th moment of writing in a folder."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event == "open":
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            writes = event in _EVENTS
        if not writes or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        if folder in Path(os.fsdecode(arguments[0])).absolute().parents:
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def forked(folder: Path, command: list[str], moment: int, limit: int) -> dict[str, object]:
    """One run in a fork."""
    said, written = os.pipe()  # a pipe, to which no limit of files applies
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.dup2(written, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if moment:
            die_at(moment, folder)
        code = 70
        try:
            code = main(command)
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(written)
    with open(said, "rb") as pipe:
        err = pipe.read().decode(errors="replace")
    status = os.waitpid(child, 0)[1]
    files = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    return {"code": os.waitstatus_to_exitcode(status), "err": err, "files": files}


def runs(folder: Path, limit: int, command: list[str]) -> None:
    """Print what becomes of a folder when a command in it is killed at each of its moments, until it ends first."""
    kept = folder.with_name(f"{folder.name}.kept")
    shutil.copytree(folder, kept)
    for moment in [0] if limit else range(1, MOST + 1):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        told = forked(folder, command, moment, limit)
        print(json.dumps(told), flush=True)
        if told["code"] != -signal.SIGKILL:
            break


if __name__ == "__main__":
    runs(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
