"""How far a long command is, on stderr; nothing where that is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crowdllm_stats.cli.terminal import raw, screen


def progress_line() -> Callable[[int, int], None]:
    """One line that is written over: called with (done, total), it says "1,000 of 20,000".

    Example:
        >>> progress_line()(3, 12)  # silent here: stderr is no terminal
    """

    def told(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done >= total else ""
            print(f"\r{done:,} of {total:,}", end=end, file=raw(sys.stderr), flush=True)

    return told


@contextmanager
def status_line(first: str) -> Iterator[Callable[[str], None]]:
    """A turning mark and the step at work: called with the step's name; inside the block only.

    Example:
        >>> with status_line("reading") as told:
        ...     told("fitting")
    """
    console = screen(stderr=True)
    if not console.is_terminal:
        yield lambda step: None
        return
    with console.status(first) as status:
        yield status.update
