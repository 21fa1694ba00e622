"""The one way to the terminal: nothing in a text of a file, a name or a server steers it; how far a command is."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
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


#: Seconds before a bar is drawn on a terminal, and between the lines where standard error is not one.
BAR_AFTER, LINE_EVERY = 2.0, 10.0


class Progress:
    """How far a command is, on standard error: one bar on a terminal, else a line every ten seconds.

    Use it as a context; nothing is written where the work is done before the first two seconds, or ten. Inside it is
    called with the step at work, or with done and total, or with all three.

    Args:
        step: the first step.

    Example:
        >>> with Progress("reading") as say:
        ...     say("fitting")
        ...     say(3, 12)
    """

    def __init__(self, step: str) -> None:
        self._step, self._done, self._total = step, 0, 0
        self._begun = time.monotonic()

    def __enter__(self) -> Progress:
        self._finished = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)
        self._teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finished.set()
        self._teller.join()

    def __call__(self, *told: str | int) -> None:
        """Say the step (text), or how much is done of how much (two numbers)."""
        words = [one for one in told if isinstance(one, str)]
        numbers = [one for one in told if not isinstance(one, str)]
        if words:
            self._step, self._done, self._total = words[0], 0, 0
        if numbers:
            self._done, self._total = numbers

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within it nothing is said, so that something else can be, or a person be asked."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def _tell(self) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            if not self._finished.wait(BAR_AFTER):
                self._bar()
            return
        while not self._finished.wait(LINE_EVERY):
            print(f"... {self}", file=sys.stderr, flush=True)

    def __str__(self) -> str:
        count = f": {self._done:,} of {self._total:,}" if self._total else ""
        return f"{self._step}{count}, {time.monotonic() - self._begun:.0f} s"

    def _bar(self) -> None:
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        words = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[count]}"))
        columns = (next(words), BarColumn(), next(words), TimeElapsedColumn())
        with Bar(*columns, console=screen(stderr=True), transient=True) as bar:
            task = bar.add_task(self._step, total=None, count="")
            while True:
                count = f"{self._done:,} of {self._total:,}" if self._total else ""
                bar.update(task, description=self._step, completed=self._done, total=self._total or None, count=count)
                if self._finished.wait(0.2):
                    return
