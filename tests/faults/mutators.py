"""Damage to the bytes of a file, drawn with a seed: flips, cuts, doubled and swapped stretches, hostile words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

#: What readers have stumbled over: quotes, line ends, other encodings, numbers at and beyond their types' ends.
WORDS = (
    b"\x00", b"\r", b"\r\n", b"\n\n", b'"', b'""', b"'", b",", b";", b"\t", b"\\", b"\xff", b"\xc3\x28",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", "\u2028".encode(), "\u202e".encode(), "\u00e9e\u0301".encode(),
    b"\x1b[31m", b"\x1f",
    b"nan", b"NaN", b"inf", b"-inf", b"1e999", b"-0", b"1e-400", b"0x10", b"1_000", "\u0661".encode(), b"1.0", b" 1",
    b"9" * 30, b"true", b"null", b"[]", b"{}", b"=1+1", b"|", b"[[", b"]]", b"=", b"#", b"\x80\x00\x00\x00",
    b"\xff\xff\xff\x7f", b"a" * 300, b"[" * 300,
)  # fmt: skip


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """One bit is another."""
    if not content:
        return content
    place = int(rng.integers(len(content)))
    return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]


def replaced(content: bytes, rng: np.random.Generator) -> bytes:
    """One byte is any other."""
    place = int(rng.integers(len(content) + 1))
    return content[:place] + rng.bytes(1) + content[place + 1 :]


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return content[: int(rng.integers(len(content) + 1))]


def without(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch is missing."""
    start, end = _stretch(content, rng)
    return content[:start] + content[end:]


def doubled(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch is there twice."""
    start, end = _stretch(content, rng)
    return content[:end] + content[start:end] + content[end:]


def moved(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch stands elsewhere."""
    start, end = _stretch(content, rng)
    rest = content[:start] + content[end:]
    place = int(rng.integers(len(rest) + 1))
    return rest[:place] + content[start:end] + rest[place:]


def zeroed(content: bytes, rng: np.random.Generator) -> bytes:
    """A stretch holds zeros, as after a crash of the machine."""
    start, end = _stretch(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def worded(content: bytes, rng: np.random.Generator) -> bytes:
    """A hostile word stands somewhere."""
    place = int(rng.integers(len(content) + 1))
    return content[:place] + WORDS[int(rng.integers(len(WORDS)))] + content[place:]


def crossed(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The end is another file's."""
    return content[: int(rng.integers(len(content) + 1))] + other[int(rng.integers(len(other) + 1)) :]


MUTATORS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    flipped, replaced, cut, without, doubled, moved, zeroed, worded, worded,
)  # fmt: skip


def damaged(seeds: Sequence[bytes], rng: np.random.Generator, most: int = 4) -> bytes:
    """One of the files, damaged one to ``most`` times.

    Args:
        seeds: whole files.
        rng: what is drawn from.
        most: changes at most.
    """
    content = seeds[int(rng.integers(len(seeds)))]
    if rng.random() < 0.1:
        content = crossed(content, seeds[int(rng.integers(len(seeds)))], rng)
    for _ in range(int(rng.integers(1, most + 1))):
        content = MUTATORS[int(rng.integers(len(MUTATORS)))](content, rng)
    return content


def _stretch(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(len(content) + 1))
    return start, min(len(content), start + int(rng.geometric(0.1)))
