"""The program's standard streams and screen: whatever they are, the work is done to its end and the exit code holds."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Columns of a screen that tables are made for; COLUMNS may say anything.
_NARROWEST, _WIDEST = 20, 1000


class LastingStream(io.FileIO):
    """An open file that takes everything: what cannot be written is dropped, and the first reason is kept.

    Attributes:
        failure: why something could not be written; None so far.
    """

    def __init__(self, number: int):
        super().__init__(number, "wb", closefd=False)
        self.failure: OSError | None = None

    def write(self, content: ReadableBuffer, /) -> int:
        """The number of bytes written, or dropped."""
        while self.failure is None:
            try:
                written = super().write(content)
            except OSError as error:
                self.failure = error
            else:
                if written is not None:
                    return written
                select.select([], [self], [])  # a full pipe whose owner lets nobody wait in it
        return memoryview(content).nbytes


def why_unwritten(stream: TextIO) -> str:
    """Why a text did not reach its place; nothing where the reader of a pipe, such as ``head``, has seen enough.

    Example:
        >>> why_unwritten(sys.stdout)
        ''
    """
    failure = getattr(getattr(getattr(stream, "buffer", None), "raw", None), "failure", None)
    return "" if failure is None or failure.errno == errno.EPIPE else failure.strerror


def fill_closed_streams() -> None:
    """Open the null device where stdin, stdout or stderr is closed: the next file opened would take its place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def settle_streams() -> None:
    """Make this process's stdout and stderr last, and COLUMNS a width; a closed stdout stays None."""
    settle_columns()
    sys.stderr = _text_on(2, sys.stderr, line_buffering=True)
    if sys.stdout is not None:
        sys.stdout = _text_on(1, sys.stdout, line_buffering=sys.stdout.isatty())


def _text_on(number: int, before: TextIO | None, *, line_buffering: bool) -> TextIO:
    """Text in the encoding of before; a character that it does not have is written as ``\\u...``."""
    return io.TextIOWrapper(
        io.BufferedWriter(LastingStream(number)),
        encoding="utf-8" if before is None else before.encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
        write_through=getattr(before, "write_through", False),
    )


def settle_columns() -> None:
    """Let COLUMNS be the width of a screen, or not be there."""
    said = os.environ.pop("COLUMNS", "")
    if said.isdecimal() and int(said[-10:]) > 0:
        os.environ["COLUMNS"] = str(min(max(int(said[:10]), _NARROWEST), _WIDEST))
