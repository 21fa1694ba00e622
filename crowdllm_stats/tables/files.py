"""Reading and writing CSV and Parquet files; whatever is wrong with a file is said in one line."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import pandas as pd

from crowdllm_stats.whole_files import whole_file

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def suffix_of(path: Path) -> str:
    """The file's type among ".csv", ".csv.gz" and ".parquet".

    Raises:
        ValueError: on any other ending.

    Example:
        >>> suffix_of(Path("ratings.csv.gz"))
        '.csv.gz'
    """
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise ValueError(f"{path}: file type not known; use one of {', '.join(SUFFIXES)}")


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV (UTF-8, comma) or Parquet file.

    Every CSV column comes as categories of text, exactly as written ("007" stays "007", an empty cell is ""); so
    a large file takes a few bytes a cell. Parquet columns keep their types.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty, cut off, not UTF-8 or cannot be parsed.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = place.write_text("problem,response\\n007,1.0\\n", encoding="utf-8")
        >>> read_table(place).iloc[0].tolist()
        ['007', '1.0']
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"{file}: is a folder, not a file")
    suffix = suffix_of(file)
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such file (looked in {file.absolute().parent})")
    if file.stat().st_size == 0:
        raise ValueError(f"{file}: the file is empty (0 bytes)")
    return _read_parquet(file) if suffix == ".parquet" else _read_csv(file)


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame as CSV (UTF-8, comma) or Parquet, by the path's ending: in full or not at all.

    Raises:
        ValueError: on an unknown ending.
        FileNotFoundError: if the folder does not exist.
        OSError: if it could not be written; a former file stays.
    """
    file = Path(path)
    suffix = suffix_of(file)
    if not file.absolute().parent.is_dir():
        raise FileNotFoundError(f"{file}: the folder {file.absolute().parent} does not exist")
    with whole_file(file) as out:
        if suffix == ".parquet":
            frame.to_parquet(out, index=False)
            return
        # Every text is quoted: the csv module leaves a lone carriage return bare, which readers take for a row's end.
        frame.to_csv(
            out, index=False, encoding="utf-8", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC,
            compression="gzip" if suffix == ".csv.gz" else None,
        )  # fmt: skip


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as source:
            text = [field.name for field in source.schema_arrow if pa.types.is_string(field.type)]
        frame = pq.read_table(file, read_dictionary=text).to_pandas(split_blocks=True, self_destruct=True)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ValueError(
            f"{file}: cannot be read as Parquet, it may be cut off or of another type ({_one_line(error)})"
        ) from None
    return frame


def _read_csv(file: Path) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    with file.open("rb") as raw:
        if raw.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise ValueError(f"{file}: the file is UTF-16; save it as UTF-8")
    # Line breaks inside quoted texts are common; without this they would split a row in two.
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    try:
        with arrow_csv.open_csv(str(file), parse_options=parsing) as first_block:
            names = list(first_block.schema.names)
        _refuse_twice(names, file)
        words = pa.dictionary(pa.int32(), pa.string())
        conversion = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, words))
        table = arrow_csv.read_csv(str(file), parse_options=parsing, convert_options=conversion)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ValueError(_diagnosis(file, error)) from None
    frame = table.unify_dictionaries().to_pandas(split_blocks=True, self_destruct=True)
    if len(frame) and _unclosed_quote(file, frame.iloc[-1, -1]):
        raise ValueError(f"{file}: the last value opens a quote that is never closed; the file seems to be cut off")
    return frame


def _refuse_twice(names: list[str], file: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{file}: column {twice[0]!r} is there {names.count(twice[0])} times; rename or remove one")


def _diagnosis(file: Path, error: Exception) -> str:
    """Say where a CSV file breaks; it is read again line by line, which only a broken file pays for."""
    opening: Any = gzip.open if file.name.lower().endswith(".gz") else open
    line = 1
    try:
        with opening(file, "rb") as raw:
            for content in raw:
                content.decode("utf-8")
                line += 1
    except UnicodeDecodeError as wrong:
        bad = wrong.object[max(0, wrong.start - 10) : wrong.end]
        return f"{file}: line {line} is not UTF-8 text (near {bad!r}); save the file as UTF-8"
    except (OSError, EOFError):
        return f"{file}: cannot be unpacked, it may be cut off ({_one_line(error)})"
    if line <= 2:  # one line at most was counted
        return f"{file}: there is a header but no rows; at least one row is needed"
    with opening(file, "rt", encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        try:
            width = len(next(reader, []))
            for row in reader:
                if row and len(row) != width:
                    return (
                        f"{file}: line {reader.line_num} has {len(row)} value(s) where the header has {width} columns; "
                        "the file may be cut off there, or a comma or quote in a text is not quoted"
                    )
        except csv.Error:
            pass
    return f"{file}: cannot be read as CSV ({_one_line(error)})"


def _unclosed_quote(file: Path, last: Any) -> bool:
    """Whether the file ends inside a quoted value: the reader takes such a stump for a whole value.

    The end must look like an opened value, and the quotes in the file, which come in pairs, must be odd in number.
    """
    if file.name.lower().endswith(".gz"):  # cut off, it could not have been unpacked
        return False
    stump = b'"' + str(last).replace('"', '""').encode("utf-8")
    with file.open("rb") as raw:
        size = raw.seek(0, os.SEEK_END)
        raw.seek(max(0, size - len(stump) - 1))
        if not raw.read().endswith((b"," + stump, b"\n" + stump)):
            return False
        raw.seek(0)
        quotes = sum(block.count(b'"') for block in iter(lambda: raw.read(1 << 20), b""))
    return quotes % 2 == 1


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:157]}..."
