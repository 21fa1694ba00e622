"""A finished block as a file: Parquet that says what it is for, with a checksum over every byte of it."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from crowdllm_stats.studies.engine.design import Design
from crowdllm_stats.studies.engine.grid import Block

_KEY = b"crowdllm-stats"
_REMEDY = "delete this file and resume, the other blocks stay"
#: Bytes of the checksum, SHA-256, and of what ends a Parquet file: the length of its footer, and "PAR1".
_CHECKSUM, _END = 32, 8


def label_of(design: Design, block: Block) -> str:
    """What a block is for: the study, its number, its cells and the replicates that it begins and ends with.

    Example:
        >>> from crowdllm_stats.studies.engine.compute import plan_of
        >>> from crowdllm_stats.studies.engine.design_file import make_design
        >>> content = {"simulator": "intervals", "factors": {"n": [5, 10]}, "methods": ["classical"], "seed": 1,
        ...            "measures": ["coverage"], "replicates": 50, "block": 20}
        >>> design = make_design(content, "mine")
        >>> label_of(design, plan_of(design).blocks[1]).partition(", ")[2]
        '"block": 1, "cells": [0], "replicates": [20, 39]}'
    """
    first, last = divmod(block.start, block.replicates), divmod(block.stop - 1, block.replicates)
    return json.dumps(
        {
            "study": hashlib.sha256(design.identity_text().encode()).hexdigest(),
            "block": block.number,
            "cells": list(block.members[first[0] : last[0] + 1]),
            "replicates": [first[1], last[1]],
        }
    )


def pack(table: Any, label: str) -> bytes:
    """A pyarrow table as the content of a block's file.

    The checksum of all other bytes stands before the footer, where a Parquet reader looks at nothing: the file is one
    that every reader of Parquet takes.

    Args:
        table: the rows.
        label: of :func:`label_of`.
    """
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({_KEY: label}), buffer, compression="zstd")
    content = buffer.getvalue()
    place = _footer(content)
    return content[:place] + hashlib.sha256(content).digest() + content[place:]


def unpack(file: Path, label: str) -> bytes:
    """The content of a block's file, after a look whether it is whole and the block wanted.

    Raises:
        ValueError: on a byte that is not what was written, or a block of other cells, replicates or another study.
        FileNotFoundError: if there is no such file.
    """
    import pyarrow.parquet as pq

    try:
        content = file.read_bytes()
    except PermissionError:
        raise ValueError(f"{file} cannot be read: Permission denied; give yourself the right to read it") from None
    if not is_whole(content):
        raise ValueError(f"{file} is damaged, its checksum does not fit: {_REMEDY}")
    found = pq.read_schema(io.BytesIO(content)).metadata[_KEY].decode()
    if found != label:
        raise ValueError(f"{file} holds {_other(json.loads(found), json.loads(label))}: {_REMEDY}")
    return content


def is_whole(content: bytes) -> bool:
    """Whether every byte of a block's file is as :func:`pack` made it.

    Args:
        content: of the file, or of any other.

    Example:
        >>> import pyarrow as pa
        >>> content = pack(pa.table({"cell": [0]}), "made up")
        >>> is_whole(content), is_whole(content[:-1])
        (True, False)
    """
    place = _footer(content)
    before = max(place - _CHECKSUM, 0)
    return content[before:place] == hashlib.sha256(content[:before] + content[place:]).digest()


def _footer(content: bytes) -> int:
    """Where the footer of a Parquet file begins; anywhere for something else."""
    return max(len(content) - _END - int.from_bytes(content[-_END:-4], "little"), 0)


def _other(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    if found["study"] != wanted["study"]:
        return "a block of another study"
    return f"block {found['block']} instead of block {wanted['block']}"
