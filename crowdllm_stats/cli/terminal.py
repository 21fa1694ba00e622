"""The one way to the terminal: nothing in a text of a file, a name or a server steers it; how far a command is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from crowdllm_stats._base.shown import visible

if TYPE_CHECKING:
    from rich.console import Console


class VisibleStream:
    """A text stream that writes what steers a terminal as its code; everything else is the stream's own.

    Attributes:
        stream: the stream behind it, to which only our own marks are written.

    Example:
        >>> VisibleStream(sys.stdout).write("q1\\x1b[2J\\n")
        q1\\u001b[2J
        12
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text; returns the number of characters written."""
        return self.stream.write(visible(text, self.stream.encoding or "utf-8"))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def visible_streams() -> Iterator[None]:
    """Within it, standard output and standard error are :class:`VisibleStream`."""
    out, error = sys.stdout, sys.stderr
    # A stream that was closed before the program began is None.
    sys.stdout, sys.stderr = (stream and cast(TextIO, VisibleStream(stream)) for stream in (out, error))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, error


def raw(stream: TextIO) -> TextIO:
    """The stream behind a :class:`VisibleStream`, for colours and bars of our own; another one is itself.

    Example:
        >>> raw(VisibleStream(sys.stdout)) is sys.stdout
        True
    """
    return stream.stream if isinstance(stream, VisibleStream) else stream


def screen(*, stderr: bool = False, pipe_width: int | None = None) -> Console:
    """Rich's console with colours of our own, in which every text is shown by ``shown.visible``.

    Args:
        stderr: whether it writes to standard error.
        pipe_width: characters in a line where it is not a terminal and COLUMNS does not say.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Screen(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                text = segment.text if segment.control else visible(segment.text, self.encoding)
                yield Segment(text, segment.style, segment.control)

    made = Screen(file=raw(sys.stderr if stderr else sys.stdout), highlight=False, emoji=False)
    if pipe_width is not None and not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = pipe_width
    return made


def progress_line() -> Callable[[int, int], None]:
    """One line that is written over: called with (done, total), it says "1,000 of 20,000".

    Example:
        >>> progress_line()(3, 12)  # silent here: stderr is not a terminal
    """

    def say(done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done >= total else ""
            print(f"\r{done:,} of {total:,}", end=end, file=raw(sys.stderr), flush=True)

    return say


@contextmanager
def status_line(first: str) -> Iterator[Callable[[str], None]]:
    """A turning mark and the step at work: called with the step's name; inside the block only.

    Example:
        >>> with status_line("reading") as say:
        ...     say("fitting")
    """
    console = screen(stderr=True)
    if not console.is_terminal:
        yield lambda step: None
        return
    with console.status(first) as status:
        yield status.update
