"""Whether a table is as long as the manifest beside it says: a file cut off at a line's end looks whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

from crowdllm_stats._base.whole_files import MANIFEST


def refuse_shorter(file: Path, rows: int) -> None:
    """Refuse a table that has another number of rows than the manifest beside it tells, or lost its last line's end.

    Args:
        file: the table; without a manifest that tells of rows, nothing is known and nothing refused.
        rows: number of rows that were read.

    Raises:
        ValueError: naming both numbers and what to do.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = place.with_name("a.csv.manifest.json").write_text('{"output": {"rows": 3, "bytes": 9}}')
        >>> refuse_shorter(place, 2)
        Traceback (most recent call last):
        ...
        ValueError: ... holds 2 rows where its manifest tells of 3: ...
    """
    manifest = file.with_name(f"{file.name}{MANIFEST}")
    told = _output(manifest)
    there = told.get("rows")
    remedy = f"write it again, or remove {manifest.name} if it was changed on purpose"
    if isinstance(there, int) and there != rows:
        raise ValueError(f"{file} holds {rows:,} rows where its manifest tells of {there:,}: it was cut off; {remedy}")
    whole = told.get("bytes")
    if isinstance(whole, int) and file.suffix.lower() == ".csv" and file.stat().st_size < whole and _lacks_end(file):
        raise ValueError(f"{file} ends within a line and is shorter than its manifest tells: it was cut off; {remedy}")


def _output(manifest: Path) -> dict[str, object]:
    """What a manifest tells of its file; nothing where there is none that can be read."""
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    output = content.get("output") if isinstance(content, dict) else None
    return output if isinstance(output, dict) else {}


def _lacks_end(file: Path) -> bool:
    with file.open("rb") as raw:
        raw.seek(-1, os.SEEK_END)
        return raw.read(1) != b"\n"
