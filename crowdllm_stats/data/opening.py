"""The door through which every table comes in: any file that is known here, with what had to be found out about it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from crowdllm_stats._base.unpacking import names_in_zip, unpacked_gzip, unpacked_zip
from crowdllm_stats.data.files import SUFFIXES, NotUTF8, check_there, head_of, read_table, refuse_shorter
from crowdllm_stats.data.formats.opened import Opened

if TYPE_CHECKING:
    import pandas as pd

TEXT = (".csv", ".tsv", ".tab", ".txt")
JSON = (".json", ".jsonl", ".ndjson")
EXCEL = (".xlsx", ".xlsm", ".xls")
STATISTICS = (".sav", ".zsav", ".dta")
#: Files of text may be packed.
PACKED = (*(f"{ending}.gz" for ending in (*TEXT, *JSON)), ".zip")

#: What a file of another kind is to be saved as. A sheet of .xlsb and .ods may say of one cell that it fills all
#: others, which no check here looks for before it is read.
_SAVE_AS = {
    ".xlsb": ".xlsx", ".ods": ".xlsx", ".numbers": ".xlsx", ".por": ".sav", ".sas7bdat": ".sav", ".rds": ".csv",
}  # fmt: skip

#: How files begin that are sometimes called .csv or .json, and what they are.
_OTHER_KINDS = {
    b"pk\x03\x04": "an Excel file or a zip archive, not text; rename it to .xlsx or .zip",
    b"\xd0\xcf\x11\xe0": "an old Excel file, not text; rename it to .xls",
    b"par1": "a Parquet file, not text; rename it to .parquet",
    b"$fl2": "an SPSS file, not text; rename it to .sav",
    b"%pdf": "a PDF, not a table; ask for the table it was made from",
    b"<!doctype html": "a web page, not a table, perhaps one that asks to log in; download the table again",
    b"<html": "a web page, not a table, perhaps one that asks to log in; download the table again",
}

#: Every ending that is read.
READ = (*SUFFIXES, *(one for one in (*TEXT, *JSON, *EXCEL, *STATISTICS, *PACKED) if one not in SUFFIXES))


def ending_of(name: str) -> str:
    """The ending of a file's name among those that are read; empty for any other.

    Example:
        >>> ending_of("Answers.TSV.gz"), ending_of("answers.pdf")
        ('.tsv.gz', '')
    """
    return max((ending for ending in READ if name.lower().endswith(ending)), key=len, default="")


def file_and_part(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """A file, and the sheet or packed file in it that is meant: "answers.xlsx#Wave 2" names one.

    Example:
        >>> file_and_part("answers.xlsx#Wave 2")[1], file_and_part("answers.csv")[1]
        ('Wave 2', '')
    """
    text = os.fspath(path)
    before, mark, part = text.partition("#")
    if mark and not Path(text).exists() and ending_of(before) in (*EXCEL, ".zip"):
        return Path(before), part
    return Path(text), ""


def parts_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The sheets of an Excel file, or the tables of text in a zip archive; of any other file none.

    Raises:
        ValueError: in one line, on such a file that cannot be read.
        ModuleNotFoundError: where the package that reads Excel is missing; it names the extra.

    Example:
        >>> parts_of("answers.csv")
        ()
    """
    file = Path(path)
    if ending_of(file.name) in EXCEL:
        from crowdllm_stats.data.formats.excel import sheets_of

        return sheets_of(file)
    return names_in_zip(file, (*TEXT, *JSON)) if ending_of(file.name) == ".zip" else ()


def open_table(path: str | os.PathLike[str]) -> Opened:
    """Read a table of any known kind: CSV, TSV and other text, Parquet, JSON, Excel, SPSS, Stata, packed text.

    Plain CSV (UTF-8, commas) and Parquet are read by :func:`crowdllm_stats.data.files.read_table`. Of other text, the
    encoding (UTF-8, UTF-16, Windows-1252), what separates the values, and decimal commas are found out and said.

    Args:
        path: the file; "FILE#NAME" means a sheet of an Excel file, or a file in a zip archive.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: in one line, on a file that is empty, damaged, cut off, of an unknown type, or unpacks to too much.
        ModuleNotFoundError: where the package that reads Excel, SPSS or Stata is missing; it names the extra.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = place.write_text("problem\\tresponse\\nq1\\t4\\n", encoding="utf-8")
        >>> open_table(place).notes[0].endswith("a.tsv: tabs between values.")
        True
    """
    file, part = file_and_part(path)
    ending = ending_of(file.name)
    if not ending and (file.is_file() or not file.exists()):
        known = _SAVE_AS.get(file.suffix.lower())
        mend = f"save it as {known}" if known else f"use one of {', '.join(READ)}"
        raise ValueError(f"{file}: file type not known; {mend}")
    check_there(file)
    opened = _opened(file, part, ending)
    refuse_shorter(file, len(opened.frame))
    return opened


def _opened(file: Path, part: str, ending: str) -> Opened:
    if ending in EXCEL:
        from crowdllm_stats.data.formats.excel import read_excel

        return read_excel(file, part)
    if ending in STATISTICS:
        from crowdllm_stats.data.formats.statistics_files import read_statistics_file

        return read_statistics_file(file)
    if ending == ".parquet":
        return Opened(read_table(file), "Parquet")
    if ending == ".zip":
        name, content = unpacked_zip(file, part, (*TEXT, *JSON))
        opened = _of_text(content, f"{file}#{name}", ending_of(name))
        return opened if part else opened.noting(f"{file} holds {name}.")
    return _packed_or_plain(file, ending)


def _packed_or_plain(file: Path, ending: str) -> Opened:
    from crowdllm_stats.data.formats.text import HEAD, is_plain

    packed = ending.endswith(".gz")
    _refuse_another(file, head_of(file, 512))
    if ending in SUFFIXES and is_plain(head_of(file, HEAD)):
        with suppress(NotUTF8):  # beyond the beginning
            return Opened(_bare_names(read_table(file)), "CSV")
    content = unpacked_gzip(file) if packed else file.read_bytes()
    return _of_text(content, str(file), ending.removesuffix(".gz"))


def _refuse_another(file: Path, head: bytes) -> None:
    """Refuse a file of another kind that was given the ending of a text."""
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, what in _OTHER_KINDS.items():
        if begin.startswith(mark):
            raise ValueError(f"{file}: is {what}")


def _bare_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with its columns' names without blanks at their ends, as other text is read."""
    bare = [str(name).strip() for name in frame.columns]
    return frame.set_axis(bare, axis=1) if len(set(bare)) == len(bare) and all(bare) else frame


def _of_text(content: bytes, source: str, ending: str) -> Opened:
    from crowdllm_stats.data.formats.json_rows import read_json
    from crowdllm_stats.data.formats.text import read_text

    if ending in JSON:
        return read_json(content, source, lines=ending != ".json")
    return read_text(content, source, "CSV" if ending == ".csv" else "text")
