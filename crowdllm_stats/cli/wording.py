"""Messages of the library in the words of the command line, and long ids cut."""

from __future__ import annotations

import re

#: What a message of the library says, as a pattern, and how it is said on the command line.
_PHRASES = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"\bmissing_codes=\[([^\]]*)\]", r"--missing \1"),
        (r'declare the scale with scale="LOW:HIGH"', "declare the scale with --scale LOW:HIGH"),
        (r"pass folder=", "give --data FOLDER"),
        (r'pass missing="drop"', "give --drop-missing"),
        (r', or pass repeats="keep"', ""),
        (r"name the columns to keep with profile_columns=\[\.{3}\] and problem_columns=\[\.{3}\]", "leave it out"),
        (r"; write it again with save\(\)", "; write it again with fit"),
        (r"; use twins by people", "; use --by people"),
        (r"columns=\{'(\w+)': \.\.\.\}", r"--\1-column NAME"),
        (
            r"or declare the scale with scale=categorical\(\[\.\.\.\]\) or approval\(\[\.\.\.\]\)",
            "or code the answers as numbers",
        ),
        (r"for ballots say scale=approval\(\.\.\.\)", "the commands need numbers"),
    )
)


def in_flags(text: str) -> str:
    """A message of the library, its remedies in Python replaced by those of the command line.

    Example:
        >>> in_flags("say which one it is with columns={'problem': ...}")
        'say which one it is with --problem-column NAME'
    """
    for pattern, words in _PHRASES:
        text = pattern.sub(words, text)
    return text


def cut(text: str, width: int) -> str:
    """A text of at most ``width`` letters, its middle left out where it is longer: ids often differ at the end.

    Example:
        >>> cut("question-about-the-weather-17", 16), cut("q17", 16)
        ('question-...r-17', 'q17')
    """
    if len(text) <= width:
        return text
    tail = (width - 3) // 3
    return f"{text[: width - 3 - tail]}...{text[len(text) - tail :]}"
