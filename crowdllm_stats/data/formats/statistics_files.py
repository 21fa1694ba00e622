"""Tables of SPSS and Stata: values as coded, their labels, the questions' texts, and values declared missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crowdllm_stats._base.extras import naming_extras
from crowdllm_stats._base.shown import several
from crowdllm_stats._base.unpacking import CELL, most_bytes, too_large
from crowdllm_stats.data.files import check_number, one_line_of
from crowdllm_stats.data.formats.opened import Opened


def read_statistics_file(file: Path) -> Opened:
    """Read a .sav, .zsav or .dta file.

    Values that the file declares missing become empty and are counted in a note; value labels and texts of questions
    are kept beside the table.

    Raises:
        ValueError: in one line, on a file that is damaged or cut off, unpacks to too much or has no row.
        ModuleNotFoundError: naming the extra, without pyreadstat.
    """
    with naming_extras():
        import pyreadstat
    stata = file.suffix.lower() == ".dta"
    read, kind = (pyreadstat.read_dta, "Stata") if stata else (pyreadstat.read_sav, "SPSS")
    options: dict[str, Any] = {} if stata else {"user_missing": True}
    most = most_bytes(file)
    with _damage(file, kind):
        _, about = read(str(file), metadataonly=True)
    check_number(len(about.column_names), str(file))
    row = sum(max(CELL, about.variable_storage_width.get(name, CELL)) for name in about.column_names)
    limit = most // max(row, 1)
    if (about.number_rows or 0) > limit:
        raise too_large(file, most)
    with _damage(file, kind):
        # What a file says of its own size cannot be relied upon, so that no more rows are read than may be.
        frame, about = read(str(file), row_limit=limit + 1, **options)
    if len(frame) > limit:
        raise too_large(file, most)
    if not len(frame):
        raise ValueError(f"{file}: there are columns but no rows; at least one row is needed")
    if (about.number_rows or len(frame)) != len(frame):
        raise ValueError(f"{file}: claims {about.number_rows:,} rows and holds {len(frame):,}; it may be cut off")
    frame, declared = _without_declared(frame, about.missing_ranges)
    note = f"Read as empty: {several(declared, 'value')} that {file} declares missing." if declared else ""
    texts = {name: text for name, text in about.column_names_to_labels.items() if text}
    return Opened(
        frame.apply(_plain), kind, texts=texts, labels=dict(about.variable_value_labels)
    ).noting(note)  # fmt: skip


@contextmanager
def _damage(file: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damage shows in the file's parts, in its names, dates and encoding: one message
        raise ValueError(
            f"{file}: cannot be read as {kind}, it may be damaged, cut off or of another type ({one_line_of(error)})"
        ) from None


def _without_declared(frame: pd.DataFrame, ranges: dict[str, list[dict[str, Any]]]) -> tuple[pd.DataFrame, int]:
    """The table with empty cells in place of values that are declared missing, and their number."""
    count = 0
    for name, declared in ranges.items():
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            gone = np.zeros(len(column), dtype=bool)
            for one in declared:
                gone |= ((column >= one["lo"]) & (column <= one["hi"])).to_numpy()
        else:
            gone = column.isin([one["lo"] for one in declared]).to_numpy()
        count += int(gone.sum())
        frame = frame.assign(**{name: column.where(~gone)})
    return frame, count


def _plain(column: pd.Series) -> pd.Series:
    """Numbers as they are; everything else as text, dates as 2026-01-31, an empty cell as an empty text."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column
    return pd.Series([_text(value) for value in column], dtype="str", index=column.index)


def _text(value: Any) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return "" if value is None or value is pd.NaT or value != value else str(value)
