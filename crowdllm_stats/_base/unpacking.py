"""How much a packed file may unpack to: one of a few megabytes can hold more than the machine has memory for."""

from __future__ import annotations

import gzip
import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from crowdllm_stats._base.words import some

#: Says how many gigabytes (2^30 bytes) a packed file may take unpacked, in place of the rule of :func:`most_bytes`.
VARIABLE = "CROWDLLM_STATS_UNPACK_GB"

GIGABYTE = 2**30
#: What every file may take unpacked, in bytes, and how many times its own size a larger one.
FREE, TIMES = GIGABYTE, 50

#: What a value of a table takes at least, in bytes, however it is packed.
CELL = 8

#: Bytes unpacked at a time.
_BLOCK = 1 << 20


def most_bytes(file: Path) -> int:
    """How many bytes a packed file may take unpacked: 1 GB, or 50 times its own size, whichever is more.

    Raises:
        ValueError: if CROWDLLM_STATS_UNPACK_GB is set to something else than a positive number.

    Example:
        >>> most_bytes(Path(__file__)) == 2**30
        True
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return max(FREE, TIMES * file.stat().st_size)
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{VARIABLE} must be a positive number of gigabytes, for instance 8; got {given!r}")
    return int(number * GIGABYTE)


def too_large(file: Path, most: int, further: str = "") -> ValueError:
    """What is said of a file that would take more than ``most`` bytes; ``further`` names one more remedy."""
    return ValueError(
        f"{file}: its {file.stat().st_size:,} bytes unpack to more than {most / GIGABYTE:.3g} GB, which may be more "
        f"than the machine has memory for: if you know where the file comes from, set {VARIABLE} to the gigabytes it "
        f"may take{further}"
    )


def check_gzip(file: Path) -> None:
    """Refuse a gzip file of text that is damaged or unpacks to too much; every value of a table counts 8 bytes more.

    Unpacks it once, a megabyte at a time, which checks all its checksums.

    Raises:
        ValueError: in one line.
    """
    most, size = most_bytes(file), 0
    try:
        with gzip.open(file, "rb") as raw:
            while block := raw.read(_BLOCK):
                size += len(block) + CELL * (block.count(b",") + block.count(b"\n"))
                if size > most:
                    raise too_large(file, most, f", or unpack it first: gunzip {file.name}")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{file}: cannot be unpacked, it is damaged or cut off ({' '.join(str(error).split())}); copy or write it "
            "again"
        ) from None


def unpacked_gzip(file: Path) -> bytes:
    """What a gzip file of text holds; every value of a table counts 8 bytes more.

    Raises:
        ValueError: in one line, on a file that is damaged or unpacks to too much.
    """
    with _damage(file), gzip.open(file, "rb") as raw:
        return _within(raw, file)


def unpacked_zip(file: Path, part: str, suffixes: tuple[str, ...]) -> tuple[str, bytes]:
    """The one file of text in a zip archive, or the one of this name: its name and its content.

    Args:
        file: the archive.
        part: name of the file in it; empty where there is only one.
        suffixes: endings of files that count.

    Raises:
        ValueError: in one line, on an archive that is damaged, has a password, unpacks to too much, or does not hold
            exactly one such file.
    """
    with _damage(file), zipfile.ZipFile(file) as archive:
        there = _of_text(archive, suffixes)
        if part and part not in there:
            raise _Refused(f"{file}: holds no {part!r}; it holds {some(list(there), 8) or 'no table of text'}")
        if not part and len(there) != 1:
            raise _Refused(
                f"{file}: holds {len(there)} tables of text ({some(list(there), 8)}); say which one with {file}#NAME"
                if there
                else f"{file}: holds no table of text ({', '.join(suffixes)}); unpack it and give the table itself"
            )
        entry = there[part or next(iter(there))]
        if entry.flag_bits & 1:
            raise _Refused(f"{file}: has a password; unpack it and give the table itself")
        with archive.open(entry) as raw:
            return entry.filename, _within(raw, file)


def names_in_zip(file: Path, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """The files of text in a zip archive.

    Args:
        file: the archive.
        suffixes: endings of files that count.

    Raises:
        ValueError: in one line, on an archive that is damaged.
    """
    with _damage(file), zipfile.ZipFile(file) as archive:
        return tuple(_of_text(archive, suffixes))


def _of_text(archive: zipfile.ZipFile, suffixes: tuple[str, ...]) -> dict[str, zipfile.ZipInfo]:
    return {
        entry.filename: entry
        for entry in archive.infolist()
        if entry.filename.lower().endswith(suffixes) and not entry.filename.startswith("__MACOSX/")
    }


class _Refused(ValueError):
    """What was found in an archive, not damage of it."""


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    try:
        yield
    except _Refused:
        raise
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{file}: cannot be unpacked, it is damaged or cut off ({' '.join(str(error).split())}); copy or write it "
            "again"
        ) from None


def _within(raw: IO[bytes] | gzip.GzipFile, file: Path) -> bytes:
    most, size, blocks = most_bytes(file), 0, []
    while block := raw.read(_BLOCK):
        size += len(block) + CELL * sum(block.count(mark) for mark in (b",", b";", b"\t", b"|", b"\n"))
        if size > most:
            raise _Refused(str(too_large(file, most)))
        blocks.append(block)
    return b"".join(blocks)


def check_zip(file: Path) -> None:
    """Refuse a zip archive, such as an Excel file, that is damaged or unpacks to too much; it is unpacked once.

    Raises:
        ValueError: in one line.
    """
    most, size = most_bytes(file), 0
    with _damage(file), zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as raw:  # reads no more than the entry claims, and checks that it is all
                while block := raw.read(_BLOCK):
                    size += len(block)
                    if size > most:
                        raise _Refused(str(too_large(file, most)))


def read_arrays(file: Path, what: str = ".npz file") -> dict[str, Any]:
    """The arrays of an .npz file, by name; nothing is unpickled.

    Args:
        file: where it is.
        what: how messages call it.

    Raises:
        ValueError: on a file that is not an archive, is damaged or cut off, holds objects, or unpacks to too much.
        FileNotFoundError: if there is no such file.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a.npz"
        >>> np.savez_compressed(place, x=np.arange(3))
        >>> read_arrays(place)
        {'x': array([0, 1, 2])}
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    most = most_bytes(file)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            fits = sum(entry.file_size for entry in entries) <= most  # no entry is read beyond the size it claims
            arrays = {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries if fits}
    except Exception as error:  # damage shows in the zip, in a name, in an array's header or its numbers: one message
        raise ValueError(
            f"{file} is not a whole {what}, it is damaged, cut off or of another type: "
            f"{' '.join(str(error).split())[:200]}; write it again"
        ) from None
    if not fits:
        raise too_large(file, most)
    return arrays


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Any:
    """One array, its header checked first: NumPy makes room for as many numbers as it claims."""
    with archive.open(entry) as raw:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(np.lib.format.read_magic(raw))
        if read_header is None:
            raise ValueError(f"{entry.filename} is not an array of NumPy's formats 1 and 2")
        shape, _, kind = read_header(raw)
        if math.prod(shape) * max(kind.itemsize, 1) > entry.file_size:
            raise ValueError(f"{entry.filename} claims {math.prod(shape)} values and holds fewer")
    with archive.open(entry) as raw:
        return np.lib.format.read_array(raw, allow_pickle=False)
