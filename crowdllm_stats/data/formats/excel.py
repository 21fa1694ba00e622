"""Tables in Excel files: the values that the cells show; formulas and macros are not run."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from crowdllm_stats._base.extras import naming_extras
from crowdllm_stats._base.shown import several
from crowdllm_stats._base.unpacking import CELL, check_zip, most_bytes, too_large
from crowdllm_stats._base.words import some
from crowdllm_stats.data.files import check_number, one_line_of
from crowdllm_stats.data.formats.opened import Opened, table_of

_BLOCK = 1 << 20
_PLACE = re.compile(rb'<(?:\w+:)?c\b[^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"')
_ERROR = re.compile(rb'<(?:\w+:)?c\b[^>]*?\bt="e"')
_UNSAVED = re.compile(rb"</(?:\w+:)?f>\s*(?:<(?:\w+:)?v\s*/>|</(?:\w+:)?c>|<(?:\w+:)?v>\s*</)")


def read_excel(file: Path, part: str = "") -> Opened:
    """Read one sheet; its first row that is not blank names the columns.

    Args:
        file: .xlsx, .xlsm or .xls.
        part: the sheet; by default the first with a table, else the first that is not empty.

    Raises:
        ValueError: in one line, on a file that is damaged, has a password, unpacks to too much, or has no such sheet;
            on a formula whose value was not saved.
        ModuleNotFoundError: naming the extra, without python-calamine.
    """
    _check_kind(file)
    errors = _check_sheets(file) if zipfile.is_zipfile(file) else 0
    with _workbook(file) as book:
        names = [name for name in book.sheet_names if not part or name == part]
        sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in names}
        there = list(book.sheet_names)
    if part and part not in there:
        raise ValueError(f"{file}: has no sheet {part!r}; it has {some(there, 8)}")
    filled = [name for name, rows in sheets.items() if any(any(map(_text, row)) for row in rows)]
    if not filled:
        raise ValueError(f"{file}: there is nothing in {f'sheet {part!r}' if part else 'its sheets'}")
    chosen = next((name for name in filled if _is_table(sheets[name])), filled[0])
    rows = [[_text(value) for value in row] for row in sheets[chosen]]
    rows, above = _from_header(rows)
    check_number(max(map(len, rows)), str(file))
    opened = table_of(rows, str(file), "Excel")
    first = f"sheet {chosen!r}, the first of {some(filled, 4)} with a table (another: {file}#NAME)"
    which = first if len(filled) > 1 else ""
    skipped = f"{several(above, 'line')} above the header skipped" if above else ""
    wrong = f"{several(errors, 'cell')} with an error such as #N/A read as empty" if errors else ""
    found = ", ".join(text for text in (which, skipped, wrong) if text)
    return opened.noting(f"{file}: {found}." if found else "")


def _is_table(rows: list[list[Any]]) -> bool:
    """Whether two rows at least have two cells."""
    return sum(sum(1 for value in row if _text(value)) > 1 for row in rows) > 1


def sheets_of(file: Path) -> tuple[str, ...]:
    """The names of all sheets, empty ones too.

    Raises:
        ValueError: in one line, on a file that is damaged, has a password or unpacks to too much.
        ModuleNotFoundError: naming the extra, without python-calamine.
    """
    _check_kind(file)
    with _workbook(file) as book:
        return tuple(book.sheet_names)


def _check_kind(file: Path) -> None:
    if zipfile.is_zipfile(file):
        check_zip(file)
    elif file.suffix.lower() != ".xls":
        raise ValueError(f"{file}: is not a whole Excel file, it may be cut off, of another type or have a password")


@contextmanager
def _workbook(file: Path) -> Iterator[Any]:
    """The workbook, open; whatever its reader says of a file that it cannot read becomes one line."""
    with naming_extras():
        import python_calamine
    try:
        with python_calamine.load_workbook(str(file)) as book:
            yield book
    except BaseException as error:  # a panic in Rust derives from BaseException alone
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
            raise
        raise ValueError(
            f"{file}: cannot be read as Excel, it may be damaged, of another type or have a password "
            f"({one_line_of(error)})"
        ) from None


def _from_header(rows: list[list[str]]) -> tuple[list[list[str]], int]:
    """The rows from the header on, and how many lines of one cell each, such as a title, stand above it."""
    rows = [row for row in rows if any(row)]
    widths = [sum(map(bool, row)) for row in rows[:10]]
    above = next((place for place, width in enumerate(widths) if width > 1), 0)
    return (rows[above:], above) if above and widths[above] > 2 else (rows, 0)


def _check_sheets(file: Path) -> int:
    """Refuse sheets that reach further than a table does, and formulas without a value; the number of error cells.

    A sheet is read as a full rectangle, so that a single cell in its last corner would take all memory.
    """
    most, cells, errors = most_bytes(file), 0, 0
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", name):
                continue
            right = down = 0
            with archive.open(name) as raw:
                rest = b""
                while block := raw.read(_BLOCK):
                    rest += block
                    end = rest.rfind(b"</c>") + 4 if b"</c>" in rest else rest.rfind(b"<c")
                    piece, rest = (rest[:end], rest[end:]) if end > 0 else (b"", rest)
                    right, down, errors = _seen(piece, right, down, errors, file)
                right, down, errors = _seen(rest, right, down, errors, file)
            check_number(right, str(file))
            cells += right * down
            if 4 * CELL * cells > most:
                raise too_large(file, most)
    return errors


def _seen(piece: bytes, right: int, down: int, errors: int, file: Path) -> tuple[int, int, int]:
    if _UNSAVED.search(piece):
        raise ValueError(
            f"{file}: a formula in it has no saved value; open the file in Excel and save it, or paste the values"
        )
    for letters, row in _PLACE.findall(piece):
        right, down = max(right, _number(letters)), max(down, int(row))
    return right, down, errors + len(_ERROR.findall(piece))


def _number(letters: bytes) -> int:
    """The column's place: A is 1, AA 27."""
    place = 0
    for letter in letters:
        place = 26 * place + letter - 64
    return place


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return "" if value is None else str(value).strip() and str(value)
