"""Taking a key out of what a server said, in whatever way the server wrote it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

#: What stands in a key's place.
STARS = "***"

#: A shorter key is not a secret, and taking it out would garble every number in a message.
SHORTEST = 4

_SLASHES = r"\\+u([0-9a-f]{4})|\\+U([0-9a-f]{8})|\\+u\{([0-9a-f]{1,6})\}|\\+x([0-9a-f]{2})"
_WEB = r"|%(?:25)*([0-9a-f]{2})|&(?:amp;)*#x0*([0-9a-f]{1,6});|&(?:amp;)*#0*(?P<decimal>[0-9]{1,7});"
_MAIL = r"|=([0-9a-f]{2})"

#: How a character may be written: in programs, also in URLs and HTML, also in mail. Each is tried: a key may hold
#: itself what looks like an escape.
_ESCAPES = tuple(re.compile(pattern, re.IGNORECASE) for pattern in (_SLASHES, _SLASHES + _WEB, _SLASHES + _WEB + _MAIL))

#: The end of a line as it is written in JSON and in mail.
_LINE_END = re.compile(r"\\+[nrt]|=\r?\n")

#: The beginning of an escape at the end of a text.
_HALF = re.compile(
    r"(?:\\+(?:u\{?[0-9a-f]{0,6}|x[0-9a-f]?)?|%(?:25)*[0-9a-f]?|&(?:amp;)*(?:#x?[0-9a-f]*)?)\Z", re.IGNORECASE
)

#: What may stand between two characters of a key that is broken over lines or joined from pieces.
_INVISIBLE = frozenset("\t\r\n\v\f\u00ad\u200b\u200c\u200d\u2060\ufeff")
_JOINS = _INVISIBLE | frozenset(" \\\"'+,")

_BASE64 = re.compile("[A-Za-z0-9+/=]")

#: Escapes within escapes are undone this often.
_LAYERS = 4


@dataclass(frozen=True)
class _Unit:
    """A character as it reads, and where it is written."""

    letter: str
    start: int
    end: int


class KeyCensor:
    """Takes a key out of texts: as it stands, escaped as in JSON, URLs, HTML or mail, encoded as base64 or in
    hexadecimal (also within "user:key"), broken over lines, in capitals or small letters, and its beginning where a
    text ends in the middle of it.

    Only what people or files get to see is to be censored, never an answer that is still to be read: a key may be a
    word, or the digit of an answer.

    Args:
        key: None, or fewer than four characters: nothing is taken out.

    Example:
        >>> censor = KeyCensor("sk-12345")
        >>> censor("bad key sk-12345; \\\\u0073k-123\\\\n45; %73k-12345; c2stMTIzNDU=")
        'bad key ***; ***; ***; ***'
    """

    def __init__(self, key: str | None):
        self._needles: tuple[str, ...] = ()
        self._encoded: tuple[str, ...] = ()
        if key and len(key) >= SHORTEST:
            whole = _small(key)
            packed = "".join(letter for letter in whole if letter not in _JOINS)
            self._needles = (whole, key.encode().hex(), *([packed] if len(packed) >= SHORTEST else []))
            self._encoded = _base64_cores(key)

    def __call__(self, text: str) -> str:
        """The text with stars in place of the key."""
        if not self._needles:
            return text
        units = [_Unit(letter, place, place + 1) for place, letter in enumerate(text)]
        hidden = self._written(units, text)
        for escapes in _ESCAPES:
            hidden += self._under(escapes, units, text)
        return _starred(text, hidden)

    def _under(self, escapes: re.Pattern[str], units: list[_Unit], text: str) -> list[tuple[int, int]]:
        """Where the key is written under layers of escapes."""
        hidden = []
        for _ in range(_LAYERS):
            units = _joined(units)
            hidden += self._written(units, text)
            decoded = _decoded(units, escapes)
            if len(decoded) == len(units):
                break
            units = decoded
            hidden += self._written(units, text)
        return hidden

    def _written(self, units: list[_Unit], text: str) -> list[tuple[int, int]]:
        """Where the key is written, as (start, end) in the text."""
        spans = []
        packed = [unit for unit in units if unit.letter not in _JOINS]
        for read in (units, packed):
            spans += self._plain(read, len(text))
        read = [unit for unit in units if unit.letter not in _INVISIBLE]
        said = "".join(unit.letter for unit in read).translate(_STANDARD)
        for start, end in (span for core in self._encoded for span in _all(said, core)):
            while start and _BASE64.fullmatch(said[start - 1]):
                start -= 1
            while end < len(said) and _BASE64.fullmatch(said[end]):
                end += 1
            spans.append((read[start].start, read[end - 1].end))
        return spans

    def _plain(self, units: list[_Unit], size: int) -> list[tuple[int, int]]:
        said = _small("".join(unit.letter for unit in units))
        spans = [(units[a].start, units[b - 1].end) for needle in self._needles for a, b in _all(said, needle)]
        half = _HALF.search(said)
        whole = said[: half.start()] if half else said
        for needle in self._needles:
            cut = next((n for n in range(len(needle) - 1, SHORTEST - 1, -1) if whole.endswith(needle[:n])), 0)
            if cut:
                spans.append((units[len(whole) - cut].start, size))
        return spans


#: Of the two alphabets of base64, the usual one.
_STANDARD = str.maketrans("-_", "+/")


def _base64_cores(key: str) -> tuple[str, ...]:
    """What base64 makes of the key wherever it stands among other bytes, without the letters that others share."""
    cores = []
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + key.encode()).decode().rstrip("=")
        cores.append(coded[-(-8 * shift // 6) : 8 * (shift + len(key)) // 6])
    return tuple(core for core in cores if len(core) >= SHORTEST)


def _joined(units: list[_Unit]) -> list[_Unit]:
    """The same without written ends of lines."""
    read = "".join(unit.letter for unit in units)
    ends = {place for match in _LINE_END.finditer(read) for place in range(*match.span())}
    return [unit for place, unit in enumerate(units) if place not in ends]


def _decoded(units: list[_Unit], escapes: re.Pattern[str]) -> list[_Unit]:
    """The same with one layer of escapes undone."""
    read = "".join(unit.letter for unit in units)
    found: list[_Unit] = []
    done = 0
    for match in escapes.finditer(read):
        decimal = match.groupdict().get("decimal")
        code = int(decimal) if decimal else int(next(group for group in match.groups() if group), 16)
        letter = chr(code) if code < 0x110000 else "\ufffd"
        found += units[done : match.start()]
        found.append(_Unit(letter, units[match.start()].start, units[match.end() - 1].end))
        done = match.end()
    return found + units[done:]


def _small(text: str) -> str:
    """In small letters, character by character: a key is ASCII."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _all(text: str, needle: str) -> list[tuple[int, int]]:
    found, start = [], text.find(needle)
    while start >= 0:
        found.append((start, start + len(needle)))
        start = text.find(needle, start + 1)
    return found


def _starred(text: str, hidden: list[tuple[int, int]]) -> str:
    parts, done = [], 0
    for start, end in sorted(hidden):
        if start >= done:
            parts += [text[done:start], STARS]
        done = max(done, end)
    return "".join([*parts, text[done:]])
