"""Commands run as a user runs them, in a process of their own, and which outcome their end is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: What no command may show: a stack of calls, or the name of an exception.
TRACES = re.compile(
    r"Traceback \(most recent call last\)|^\s*File \".*\", line \d+|Fatal Python error|Segmentation fault", re.M
)


#: Lines of progress, which a command writes every ten seconds.
PROGRESS = re.compile(r"^\.\.\. .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Done:
    """A command's end: its exit code (negative: ended by that signal; None: not in time), and what it wrote."""

    code: int | None
    out: str
    err: str

    @property
    def refused(self) -> bool:
        """Whether it ended as bad input does: exit code 2, no standard output, one line that begins ``error: ``."""
        said = PROGRESS.sub("", self.err)
        one_line = said.startswith("error: ") and len(said.splitlines()) == 1
        return self.code == 2 and self.out == "" and one_line

    def outcome(self, *, right: bool) -> str:
        """The outcome for the campaign.

        Args:
            right: whether what a command with exit code 0 did and printed was right.
        """
        if self.code == 0 and not TRACES.search(self.err):
            return "survived" if right else "silent"
        return "refused" if self.refused else "lost"


def run(
    *arguments: str | Path,
    cwd: Path,
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "crowdllm_stats"),
    stdin: bytes = b"",
) -> Done:
    """Run ``crowdllm-stats`` with these arguments in a folder.

    Args:
        arguments: what follows the program's name.
        cwd: the folder it runs in.
        timeout: seconds after which it counts as one that hangs, and is killed.
        environment: variables in addition to this process's.
        program: what follows the interpreter's name.
        stdin: what it reads from standard input.
    """
    line = [sys.executable, *program, *map(str, arguments)]
    settings = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(
            line, cwd=cwd, env=settings, input=stdin, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as late:
        return Done(None, *((text or b"").decode(errors="replace") for text in (late.stdout, late.stderr)))
    return Done(done.returncode, *(text.decode(errors="replace") for text in (done.stdout, done.stderr)))
