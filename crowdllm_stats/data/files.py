"""Reading and writing CSV and Parquet files; whatever is wrong with a file is said in one line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from crowdllm_stats._base.messages import Message
from crowdllm_stats._base.unpacking import CELL, check_gzip, most_bytes, too_large
from crowdllm_stats._base.whole_files import MANIFEST, whole_file
from crowdllm_stats.data.csv_text import holds_formulas, quote_fault, with_formulas, without_formulas

#: Most columns of a table, and most bytes of a CSV file's header: beyond, something else was taken for a table.
MOST_COLUMNS, MOST_HEADER = 10_000, 1 << 20

#: What pandas calls an index without a name in a Parquet file.
_NAMELESS_INDEX = re.compile(r"__index_level_\d+__")

#: Rows of a Parquet file that are unpacked at a time.
_ROWS = 1 << 16

SUFFIXES = (".csv", ".csv.gz", ".parquet")


class NotUTF8(ValueError):
    """A CSV file with bytes that are not UTF-8."""


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
    a large file takes a few bytes per cell; only the apostrophe that :func:`write_table` sets before a formula is taken
    off. Parquet columns keep their types. A manifest beside the file may tell how many rows there must be.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty, damaged, cut off, not UTF-8 or cannot be parsed, has more than 10,000 columns,
            or unpacks to too much (see :func:`crowdllm_stats._base.unpacking.most_bytes`).

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = place.write_text("problem,response\\n007,1.0\\n", encoding="utf-8")
        >>> read_table(place).iloc[0].tolist()
        ['007', '1.0']
    """
    file = Path(path)
    suffix = suffix_of(file) if not file.is_dir() else ""
    check_there(file)
    frame = _read_parquet(file) if suffix == ".parquet" else with_formulas(_read_csv(file))
    refuse_shorter(file, len(frame))
    return frame


def check_there(file: Path) -> None:
    """Refuse what is not a file with something in it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a folder, a pipe or a device, or empty.

    Example:
        >>> check_there(Path("."))
        Traceback (most recent call last):
        ...
        ValueError: .: is a folder, not a file
    """
    if file.is_dir():
        raise ValueError(f"{file}: is a folder, not a file")
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such file (looked in {file.absolute().parent})")
    if not file.is_file():
        raise ValueError(f"{file}: is a pipe or a device, and tables are read more than once; save it to a file first")
    if file.stat().st_size == 0:
        raise ValueError(f"{file}: the file is empty (0 bytes)")


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str], *, keep_formulas: bool = False) -> None:
    """Write a frame as CSV (UTF-8, comma) or Parquet, by the path's ending: in full or not at all.

    In CSV, an apostrophe stands before every text that a spreadsheet would run as a formula ("=1+1", but not "-1");
    :func:`read_table` takes it off.

    Args:
        frame: the table.
        path: where to.
        keep_formulas: write such texts as they are, for programs that are not spreadsheets.

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
            frame.to_parquet(out, index=False, write_page_checksum=True)
            return
        # Every text is quoted: the csv module leaves a lone carriage return bare, which readers take for a row's end.
        safe = frame if keep_formulas and holds_formulas(frame) else without_formulas(frame)
        safe.to_csv(
            out, index=False, encoding="utf-8", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC,
            compression={"method": "gzip", "mtime": 0} if suffix == ".csv.gz" else None,
        )  # fmt: skip


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    most, size = most_bytes(file), 0
    with _parquet_errors(file), pq.ParquetFile(file) as source:
        schema, noted = source.schema_arrow, source.metadata
        groups = [noted.row_group(number).total_byte_size for number in range(noted.num_row_groups)]
        claimed = max(sum(groups), CELL * noted.num_rows * noted.num_columns)
        _compare_names(source)
    check_number(len(schema.names), file)
    _refuse_twice(schema.names, file)
    if claimed > most:
        raise too_large(file, most)
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    batches: list[Any] = []
    seen: set[int] = set()
    with _parquet_errors(file), pq.ParquetFile(file, read_dictionary=text, page_checksum_verification=True) as source:
        schema = source.schema_arrow
        # Batch by batch, for what a file says of its own size cannot be relied upon.
        for batch in source.iter_batches(batch_size=_ROWS):
            size += _bytes_of(batch, seen)
            if size > most:
                break
            batches.append(batch)
    if size > most:
        raise too_large(file, most)
    with _parquet_errors(file):
        if sum(batch.num_rows for batch in batches) != noted.num_rows:
            raise ValueError(f"it claims {noted.num_rows} rows and holds {sum(batch.num_rows for batch in batches)}")
        table = pa.Table.from_batches(batches, batches[0].schema if batches else schema).unify_dictionaries()
        del batches
        # pandas' notes hold names and kinds once more; what they say of an index without a name is not a column.
        table = table.select([name for name in table.column_names if not _NAMELESS_INDEX.fullmatch(name)])
        frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True, ignore_metadata=True)
    return frame


def _compare_names(source: Any) -> None:
    """Refuse names of columns that differ between the two places where Arrow writes them: they have no checksum."""
    import pyarrow as pa

    second = (source.metadata.metadata or {}).get(b"ARROW:schema")
    if second and pa.ipc.read_schema(pa.py_buffer(b64decode(second))).names != source.schema_arrow.names:
        raise ValueError("its columns are named differently in different places")


@contextmanager
def _parquet_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damage shows in Arrow's parts, in pandas' notes, in names, in time zones: one message
        raise ValueError(
            f"{file}: cannot be read as Parquet, it may be damaged, cut off or of another type ({one_line_of(error)})"
        ) from None


def _bytes_of(batch: Any, seen: set[int]) -> int:
    """What a batch takes in memory; dictionaries, which batches share, count once, by where they lie."""
    import pyarrow as pa

    size: int = CELL * batch.num_rows * max(batch.num_columns, 1)
    for column in batch.columns:
        if not isinstance(column, pa.DictionaryArray):
            size += column.nbytes
            continue
        size += column.indices.nbytes
        place = max((buffer.address for buffer in column.dictionary.buffers() if buffer is not None), default=0)
        size += 0 if place in seen else column.dictionary.nbytes
        seen.add(place)
    return size


def _read_csv(file: Path) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if file.name.lower().endswith(".gz"):
        check_gzip(file)
    with _opened(file) as raw:
        header = raw.readline(MOST_HEADER + 1)
        raw.seek(0)
        fault = quote_fault(raw)
    if header[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{file}: the file is UTF-16; save it as UTF-8")
    if len(header) > MOST_HEADER:
        raise ValueError(f"{file}: the first line is longer than 1 MB; it must be a header, the names of the columns")
    check_number(header.count(b",") + 1, file)
    if fault:
        raise ValueError(f"{file}: {fault}; double the quotes inside a text, or the file was cut off or damaged there")
    # Line breaks inside quoted texts are common; without this they would split a row in two.
    parsing = arrow_csv.ParseOptions(newlines_in_values=True)
    try:
        with arrow_csv.open_csv(str(file), parse_options=parsing) as first_block:
            names = list(first_block.schema.names)
        _refuse_twice(names, file)
        words = pa.dictionary(pa.int32(), pa.string())
        conversion = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, words))
        table = arrow_csv.read_csv(str(file), parse_options=parsing, convert_options=conversion)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(_diagnosis(file, error)) from None
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(split_blocks=True, self_destruct=True)
    return frame


def check_number(columns: int, file: Path | str) -> None:
    """Refuse more columns than a table has.

    Raises:
        ValueError: beyond 10,000.
    """
    if columns > MOST_COLUMNS:
        raise ValueError(
            f"{file}: has {columns:,} columns, at most {MOST_COLUMNS:,} are read: keep those that are needed, in "
            "rows of problem, participant and response"
        )


def _refuse_twice(names: Sequence[str], file: Path) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise ValueError(f"{file}: column {twice[0]!r} is there {names.count(twice[0])} times; rename or remove one")


def _opened(file: Path) -> Any:
    return gzip.open(file, "rb") if file.name.lower().endswith(".gz") else file.open("rb")


def head_of(file: Path, size: int) -> bytes:
    """The first bytes of a CSV file, unpacked; none of one that cannot be unpacked."""
    try:
        with _opened(file) as raw:
            return bytes(raw.read(size))
    except (OSError, EOFError, zlib.error):
        return b""


def _diagnosis(file: Path, error: Exception) -> str:
    """Say where a CSV file breaks; it is read again line by line, which only a broken file pays for."""
    line = 1
    try:
        with _opened(file) as raw:
            for content in raw:
                content.decode("utf-8")
                line += 1
    except UnicodeDecodeError as wrong:
        bad = wrong.object[max(0, wrong.start - 10) : wrong.end]
        raise NotUTF8(f"{file}: line {line} is not UTF-8 text (near {bad!r}); save the file as UTF-8") from None
    except OSError:
        return f"{file}: cannot be read ({one_line_of(error)})"
    if line <= 2:  # one line at most was counted
        return f"{file}: there is a header but no rows; at least one row is needed"
    with _opened(file) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        try:
            width = len(next(reader, []))
            for row in reader:
                if row and len(row) != width:
                    return (
                        f"{file}: line {reader.line_num} has {len(row)} value(s) where the header has {width} columns; "
                        "the file may be cut off there, or a comma or quote in a text is not quoted"
                    )
        except csv.Error as wrong:
            if "field limit" in str(wrong):
                return (
                    f"{file}: line {reader.line_num} holds a value of more than {csv.field_size_limit():,} characters; "
                    "leave its column out, or double the quotes inside a text"
                )
    return f"{file}: cannot be read as CSV ({one_line_of(error)})"


def one_line_of(error: BaseException) -> str:
    """What an error says, in one line of at most 160 characters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:157]}..."


def refuse_shorter(file: Path, rows: int) -> None:
    """Refuse a table that has another number of rows than the manifest beside it says, or lost its last line's end.

    Args:
        file: the table; without a manifest that says how many rows there are, nothing is known and nothing refused.
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
        ValueError: ... holds 2 rows where its manifest says 3: ...
    """
    manifest = file.with_name(f"{file.name}{MANIFEST}")
    output = _output(manifest)
    there = output.get("rows")
    remedy = f"write it again, or remove {manifest.name} if it was changed on purpose"
    if isinstance(there, int) and there != rows:
        raise ValueError(f"{file} holds {rows:,} rows where its manifest says {there:,}: it was cut off; {remedy}")
    whole = output.get("bytes")
    if isinstance(whole, int) and file.suffix.lower() == ".csv" and file.stat().st_size < whole and _lacks_end(file):
        raise ValueError(f"{file} ends within a line and is shorter than its manifest says: it was cut off; {remedy}")


def _output(manifest: Path) -> dict[str, object]:
    """What a manifest says of its file; nothing where there is none that can be read."""
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


#: Names the folder of published data.
DATA_VARIABLE = "CROWDLLM_STATS_DATA"

_GIVE = Message("pass folder=", "give --data FOLDER")


def locate(places: Sequence[str], folder: str | os.PathLike[str] | None, source: str) -> Path:
    """The first of several places, relative to the data folder, that holds a file.

    Args:
        places: relative paths, in the order in which they are tried.
        folder: the data folder; without it, the environment variable CROWDLLM_STATS_DATA names it.
        source: where the data can be had, for the message.

    Raises:
        FileNotFoundError: if no folder is named, the folder is not there, or holds none of the places.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "raw_data.csv").touch()
        >>> locate(["a/raw_data.csv", "raw_data.csv"], root, "example.org").name
        'raw_data.csv'
    """
    if folder is None:
        folder = os.environ.get(DATA_VARIABLE, "")
        if not folder:
            raise FileNotFoundError(
                Message.filled("no data folder: {}, or set {}; the data are at {}", _GIVE, DATA_VARIABLE, source)
            )
    root = Path(folder)
    if not root.is_dir():
        text = "data folder {} is not there; {}, or set {}"
        raise FileNotFoundError(Message.filled(text, root, _GIVE, DATA_VARIABLE))
    for place in places:
        if (root / place).is_file():
            return root / place
    raise FileNotFoundError(f"no {' or '.join(places)} in {root}; the data are at {source}")
