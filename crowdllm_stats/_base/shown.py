"""Text as it may be shown: whatever steers a terminal, or turns a line round, as its code; a number with its noun."""

from __future__ import annotations

import math
import re

#: Control characters but tab and line feed, marks that turn the direction of writing, line separators, lone surrogates.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def visible(text: str, encoding: str = "utf-8") -> str:
    """A text in which nothing steers a terminal, and which can be written in an encoding.

    A character that does either is written as ``\\uXXXX``, as in JSON, of which it leaves the meaning as it was.

    Args:
        text: any text, for instance the id of a question, the name of a file, or what a server said.
        encoding: of the place where it is shown; what is not in it becomes its code.

    Example:
        >>> print(visible("q1\\x1b[31m"))
        q1\\u001b[31m
        >>> print(visible("für", "ascii"))
        f\\u00fcr
    """
    text = _STEERING.sub(lambda found: _code(found[0]), text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(character if character.encode(encoding, "ignore") else _code(character) for character in text)
    return text


def one_line(text: str, encoding: str = "utf-8") -> str:
    """:func:`visible`, with all white space between words as one blank.

    Example:
        >>> print(one_line("q1\\nq2\\x07"))
        q1 q2\\u0007
    """
    return visible(" ".join(text.split()), encoding)


def several(count: int, noun: str) -> str:
    """A number and its noun.

    Example:
        >>> several(1, "problem"), several(2, "problem")
        ('1 problem', '2 problems')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> duration(75.0), duration(1800.0), duration(7200.0)
        ('75 s', '30 min', '2.0 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def cut(text: str, width: int) -> str:
    """A text of at most ``width`` characters, its middle left out where it is longer: ids often differ at the end.

    Example:
        >>> cut("question-about-the-weather-17", 16), cut("q17", 16)
        ('question-...r-17', 'q17')
    """
    if len(text) <= width:
        return text
    tail = (width - 3) // 3
    return f"{text[: width - 3 - tail]}...{text[len(text) - tail :]}"


def percent(share: float, digits: int = 4) -> str:
    """A share or a level as a percentage.

    Example:
        >>> percent(0.95), percent(0.999), percent(0.4321, 2)
        ('95%', '99.9%', '43%')
    """
    return f"{100.0 * share:.{digits}g}%"


def span(lower: float, upper: float) -> tuple[str, str]:
    """Both ends of an interval, as precise as a thirtieth of its width.

    Example:
        >>> span(1.6472, 3.3661), span(120.4, 1980.2)
        (('1.65', '3.37'), ('120', '1980'))
    """
    width = upper - lower
    decimals = min(max(math.ceil(-math.log10(width / 30.0)), 0), 12) if 0.0 < width < math.inf else 2
    first, last = (f"{round(end, decimals) + 0.0:.{decimals}f}" for end in (lower, upper))
    return first, last


def _code(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
