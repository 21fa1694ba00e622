"""Parquet files with a checksum over every byte of them, which every reader of Parquet takes."""

from __future__ import annotations

import hashlib

#: Bytes of the checksum, SHA-256, and of what ends a Parquet file: the length of its footer, and "PAR1".
_CHECKSUM, _END = 32, 8


def seal(content: bytes) -> bytes:
    """A Parquet file's content with the checksum of all other bytes before the footer, where no reader looks.

    Args:
        content: of the file as it was written.
    """
    place = _footer(content)
    return content[:place] + hashlib.sha256(content).digest() + content[place:]


def is_whole(content: bytes) -> bool:
    """Whether every byte is as :func:`seal` made it.

    Args:
        content: of the file, or of any other.

    Example:
        >>> import io
        >>> import pyarrow as pa, pyarrow.parquet as pq
        >>> pq.write_table(pa.table({"cell": [0]}), buffer := io.BytesIO())
        >>> content = seal(buffer.getvalue())
        >>> is_whole(content), is_whole(content[:-1]), pq.read_table(io.BytesIO(content)).num_rows
        (True, False, 1)
    """
    place = _footer(content)
    before = max(place - _CHECKSUM, 0)
    digest = hashlib.sha256(content[:before])
    digest.update(content[place:])
    return content[before:place] == digest.digest()


def _footer(content: bytes) -> int:
    """Where the footer of a Parquet file begins; anywhere for something else."""
    return max(len(content) - _END - int.from_bytes(content[-_END:-4], "little"), 0)
