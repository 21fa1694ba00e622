"""Whether every quoted value of a CSV file ends where its quote is closed: readers join what stands behind it."""

from __future__ import annotations

import re
from typing import BinaryIO

_QUOTED = rb'"(?:[^"]++|"")*+"'
#: Whole values with the comma or line break behind each; a quote inside a value without quotes is a letter.
_WHOLE = re.compile(rb"(?:(?:" + _QUOTED + rb'(?=[,\r\n])|[^",\r\n][^,\r\n]*+)?+[,\r\n]++)*+')
_CLOSED_EARLY = re.compile(_QUOTED + rb'[^",\r\n]')
_ENDED = re.compile(rb"(?:" + _QUOTED + rb'|[^"].*+)?+', re.DOTALL)

_BLOCK = 1 << 20
_MARK = b"\xef\xbb\xbf"


def quote_fault(raw: BinaryIO) -> str:
    """What is wrong with the quotes of a CSV file, or a zero byte in it, with the line; empty if nothing is.

    Args:
        raw: the file, at its beginning. It is read a megabyte at a time.

    Example:
        >>> import io
        >>> quote_fault(io.BytesIO(b'a,b\\n1,"x\\n2,"y"\\n'))
        'line 2 opens a quote that is closed before its value ends'
        >>> quote_fault(io.BytesIO(b'a,b\\n1,"x\\n'))
        'line 2 opens a quote that is never closed'
    """
    line, rest = 1, raw.read(_BLOCK).removeprefix(_MARK)
    while True:
        if (zero := rest.find(b"\0")) >= 0:  # some readers end a text there
            line += rest.count(b"\n", 0, zero)
            return f"line {line} holds a zero byte, which is not text"
        end = _whole_values(rest)
        line += rest.count(b"\n", 0, end)
        rest = rest[end:]
        if _CLOSED_EARLY.match(rest):
            return f"line {line} opens a quote that is closed before its value ends"
        block = raw.read(max(_BLOCK, len(rest)))  # as much again, so that a long value is not searched many times
        if not block:
            return "" if _ENDED.fullmatch(rest) else f"line {line} opens a quote that is never closed"
        rest += block


def _whole_values(rest: bytes) -> int:
    """Where the last whole value's comma or line break ends."""
    if b'"' not in rest:
        return max(rest.rfind(b","), rest.rfind(b"\n")) + 1
    found = _WHOLE.match(rest)
    return found.end() if found else 0
